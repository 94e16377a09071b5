"""What a settlement must have left in the ledger, and where the mirrored chain says something else."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from contracts.typed_data import Order, checksum
from indexer.read import AttestedRegister, Meter, SettledImbalance, SettledOrder
from node.audit.chain import VaultAccount
from node.audit.compare import Finding, Table, compare
from node.audit.evidence import Mirror, RecordedCharge
from node.metering.service import MeterSlot
from node.settlement import merkle
from node.settlement.batch import SignedOrder
from node.settlement.netting import Means, OrderFill

RECOMPUTED = "recomputed settlement"


def order_findings(
    batches: Iterable[tuple[int, Iterable[OrderFill]]],
    orders: Mapping[bytes, SignedOrder],
    settled: Iterable[SettledOrder],
) -> list[Finding]:
    """Compares what each order had to settle in each batch, named by its number, with OrdersSettled."""
    expected = _numbered(
        (
            _name_of(orders[fill.order].order),
            {
                "side": fill.side,
                "fill_wh": fill.fill_wh,
                "money": fill.money,
                "delivered_wh": fill.delivered_wh,
                "sequence": sequence,
            },
        )
        for sequence, fills in batches
        for fill in fills
    )
    actual = _numbered(
        (
            _order_name(entry.trader, entry.lane, entry.nonce),
            {
                "side": entry.side,
                "fill_wh": entry.fill_wh,
                "money": entry.money,
                "delivered_wh": entry.delivered_wh,
                "sequence": entry.sequence,
            },
        )
        for entry in settled
    )
    return compare("settled_order", expected, actual, RECOMPUTED, "blockchain.settled_orders")


def imbalance_findings(
    batches: Sequence[tuple[int, Iterable[tuple[bytes, int]]]],
    settled: Sequence[SettledImbalance],
    known_sequences: Collection[int],
) -> list[Finding]:
    """Compares every account's adjustments with ImbalanceSettled; a batch that nobody made is foreign."""
    own = {sequence for sequence, _ in batches}
    expected = _numbered(
        (checksum(account), {"money": money, "sequence": sequence})
        for sequence, adjustments in batches
        for account, money in adjustments
    )
    actual = _numbered(
        (checksum(entry.account), {"money": entry.money, "sequence": entry.sequence})
        for entry in settled
        if entry.sequence in own
    )
    foreign = {
        f"batch {entry.sequence} {checksum(entry.account)}": {"money": entry.money}
        for entry in settled
        if entry.sequence not in known_sequences
    }
    return compare("settled_imbalance", expected, actual, RECOMPUTED, "blockchain.settled_imbalances") + compare(
        "settled_imbalance", {}, foreign, "trading.settlements", "blockchain.settled_imbalances"
    )


def register_findings(
    slots: Mapping[int, MeterSlot],
    root: bytes,
    attested: Sequence[AttestedRegister],
    baselines: Sequence[AttestedRegister],
    meters: Iterable[Meter],
) -> list[Finding]:
    """Compares attested registers and the commitment to all readings with the meters' slots.

    ``baselines`` are attestations as of the slot's start, without a root: the register before a meter's first slot.
    """
    rows = [entry for entry in attested if entry.readings_root != merkle.EMPTY_ROOT]
    first_block = min((entry.block_number for entry in rows), default=None)
    known = {
        meter.meter_id
        for meter in meters
        if meter.active and (first_block is None or meter.updated_block < first_block)
    }
    expected = {
        f"meter {meter_id}": {"register_wh": slot.export_register_wh, "readings_root": root}
        for meter_id, slot in slots.items()
        if meter_id in known or meter_id in {entry.meter_id for entry in rows}
    }
    actual = _numbered(
        (f"meter {entry.meter_id}", {"register_wh": entry.register_wh, "readings_root": entry.readings_root})
        for entry in rows
    )
    findings = compare("register", expected, actual, "signed readings", "blockchain.attested_registers")
    starts = [entry for entry in baselines if entry.readings_root == merkle.EMPTY_ROOT and entry.meter_id in slots]
    return findings + compare(
        "register",
        {
            f"meter {entry.meter_id} baseline": {
                "register_wh": slots[entry.meter_id].export_register_wh - slots[entry.meter_id].export_wh
            }
            for entry in starts
        },
        {f"meter {entry.meter_id} baseline": {"register_wh": entry.register_wh} for entry in starts},
        "signed readings",
        "blockchain.attested_registers",
    )


def charge_findings(
    debts: Mapping[bytes, int],
    recorded: Sequence[RecordedCharge],
    means: Mapping[bytes, Means],
) -> list[Finding]:
    """Compares recorded charges with what was owed, and with what mandate and cash allowed where that is known.

    Where a slot shares its budget with one charged before, the mandate sets only an upper bound.
    """
    findings = compare(
        "charge",
        {checksum(account): {"owed": owed} for account, owed in debts.items()},
        {checksum(item.account): {"owed": item.owed} for item in recorded},
        RECOMPUTED,
        "trading.settlement_charges",
    )
    for item in recorded:
        if item.account not in means:
            continue
        allowed, charged = min(item.owed, means[item.account].cap), min(item.owed, item.cap)
        if charged > allowed or (charged < allowed and not item.shares_budget):
            origin = f"mandateOf and accountOf at block {item.block_number}"
            subject = f"{checksum(item.account)} charged"
            findings.append(
                Finding("charge", subject, str(allowed), str(charged), origin, "trading.settlement_charges")
            )
    return findings


def balance_findings(mirror: Mirror, chain: Mapping[bytes, VaultAccount]) -> list[Finding]:
    """Compares mirrored vault accounts with the contract's own."""
    expected: Table = {
        checksum(account): {"cash": vault.cash, "energy_wh": vault.energy_wh, "nonce": vault.min_nonce}
        for account, vault in chain.items()
    }
    actual: Table = {
        checksum(account): {"cash": cash, "energy_wh": energy_wh, "nonce": nonce}
        for account, (cash, energy_wh, nonce) in mirror.accounts.items()
    }
    origin = f"accountOf at block {mirror.block_number}"
    return compare("balance", expected, actual, origin, "blockchain.account_balances")


def _name_of(order: Order) -> str:
    return _order_name(order.trader, order.lane, order.nonce)


def _order_name(trader: bytes, lane: int, nonce: int) -> str:
    return f"{checksum(trader)} lane {lane} nonce {nonce}"


def _numbered(rows: Iterable[tuple[str, Mapping[str, object]]]) -> dict[str, Mapping[str, object]]:
    """Rows by name; the second of a name says so, and so nothing is settled twice unseen."""
    seen: Counter[str] = Counter()
    named = {}
    for name, fields in rows:
        seen[name] += 1
        named[name if seen[name] == 1 else f"{name} again {seen[name]}"] = fields
    return named
