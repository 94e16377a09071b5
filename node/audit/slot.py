"""Recomputes one settled slot, from signed readings and the published book to the ledger, and names every difference.

Nothing that the node computed is taken on trust: what is stored is only ever compared. Recorded facts that cannot
follow from anything else are used as they are: the slot's imbalance prices, the caps of its charges and the block
that its voided orders were judged at.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from contracts.typed_data import Domain, checksum
from indexer import read
from indexer.db import Connection
from node.audit import evidence, ledger, metered, registry, traded
from node.audit.chain import ChainReads
from node.audit.compare import Finding, compare
from node.audit.evidence import MeterEvidence, RecordedCharge
from node.audit.voided import check_voids
from node.market.book import BookUnreadable, verify_auction
from node.metering.service import MeterSlot
from node.outbox import RpcError
from node.settlement import merkle, reads
from node.settlement.batch import build
from node.settlement.context import SettlementContext
from node.settlement.delivery import Delivery
from node.settlement.imbalance import imbalance_prices
from node.settlement.meters import by_account, participants, proved, reading_leaves
from node.settlement.netting import Means, adjusted, cash_after_fills, charge, owing
from node.settlement.outcome import Outcome, Slot, carbon_offset_g, result_hash
from node.settlement.reads import AccountRow, SettlementRow

logger = logging.getLogger(__name__)


async def check_slot(
    db: Connection, chain: ChainReads | None, ctx: SettlementContext, zone: int, delivery_start: int
) -> list[Finding]:
    """Every difference in a settled slot. Without ``chain`` the mirror is not compared with the contract.

    Raises:
        NoSettlement: the slot has no settlement.
        RpcUnavailable: the chain does not answer.
    """
    row = await reads.settlement(db, zone, delivery_start)
    slots, findings = await _check_meters(db, ctx, row)
    rerun, market_findings = await _check_market(db, ctx, row)
    findings += market_findings
    if rerun is None:
        return findings
    slot = Slot(
        zone=zone,
        delivery_start=delivery_start,
        version=row.version,
        trades=tuple(rerun.trades()),
        metered=by_account(slots),
        prices=imbalance_prices(rerun.result.price_per_kwh, row.price_long_per_kwh, row.price_short_per_kwh),
        readings_root=merkle.root(reading_leaves(ctx.salt_secret, delivery_start, row.version, slots)),
        grid_account=ctx.grid_account,
    )
    voids = await evidence.voids(db, ctx.chain_id, row.settlement_id)
    orders = {digest: signed.order for digest, signed in rerun.orders.items()}
    findings += await check_voids(chain, voids, slot, orders, batch_block=row.block_number)
    outcome = slot.settle({item.digest for item in voids})
    findings += await _check_stored(db, ctx, row, slot, outcome)
    findings += await _check_ledger(db, chain, ctx, row, outcome, rerun, slots)
    if chain is not None:
        accounts = [line.account for line in outcome.accounts]
        findings += await check_balances(db, chain, ctx, accounts)
    return findings


async def check_balances(
    db: Connection, chain: ChainReads, ctx: SettlementContext, accounts: Sequence[bytes] | None = None
) -> list[Finding]:
    """Mirrored vault accounts against the contract's own at the indexed block; all of them unless some are named."""
    mirror = await evidence.mirror(db, ctx.chain_id, accounts)
    if mirror is None:
        return []
    names = list(mirror.accounts)
    vaults = await chain.accounts_of(names, mirror.block_hash)
    return ledger.balance_findings(mirror, dict(zip(names, vaults, strict=True)))


async def _check_meters(
    db: Connection, ctx: SettlementContext, row: SettlementRow
) -> tuple[list[MeterSlot], list[Finding]]:
    """The participants' meter slots as they follow from the readings, and what differs."""
    auction = await evidence.auction(db, row.zone, row.delivery_start)
    slot_end = row.delivery_start + (auction["slot_s"] if auction else ctx.rules.slot_s)
    found = await evidence.meter_evidence(db, row.zone, row.delivery_start, slot_end, row.version, row.computed_at)
    # Thousands of signatures take a while; the node's other work goes on.
    proof = await asyncio.to_thread(metered.check_readings, found.readings, found.meters)
    slots = {
        number: _as_known_then(
            metered.meter_slot(
                meter, proof.readings.get(number, ()), row.delivery_start, slot_end, ctx.rules.reading_gap_s
            ),
            found,
        )
        for number, meter in found.meters.items()
    }
    expected = {f"meter {number}": metered.slot_fields(slot) for number, slot in slots.items()}
    actual = {f"meter {number}": _all_fields(slot) for number, slot in found.stored.items()}
    findings = list(proof.findings)
    findings += compare("slot_energy", expected, actual, metered.READINGS, "telemetry.slot_energy")
    findings += await registry.check_particulars(db, ctx, found)
    findings += await registry.check_in_use(db, ctx, row, slot_end, found.stored.values())
    return participants(slots.values()), findings


def _as_known_then(slot: MeterSlot, found: MeterEvidence) -> MeterSlot:
    """A slot that was proved only after it was settled stays as it was settled, until a revision."""
    if slot.meter_id not in found.proved_late:
        return slot
    return replace(found.stored[slot.meter_id], import_wh=0, export_wh=0)


def _all_fields(slot: MeterSlot) -> Mapping[str, object]:
    return {name: getattr(slot, name) for name in ("state", "import_wh", "export_wh")} | {
        "import_register_wh": slot.import_register_wh,
        "export_register_wh": slot.export_register_wh,
    }


async def _check_market(
    db: Connection, ctx: SettlementContext, row: SettlementRow
) -> tuple[traded.Rerun | None, list[Finding]]:
    """The auction run again from its published book, and what differs."""
    auction = await evidence.auction(db, row.zone, row.delivery_start)
    subject = f"slot {row.delivery_start}"
    if auction is None:
        return None, [Finding("auction", subject, "an auction", "nothing", "trading.settlements", "trading.auctions")]
    try:
        rerun = traded.Rerun(*verify_auction(auction["book"]))
    except (BookUnreadable, ValueError) as error:
        return None, [Finding("book", subject, "a readable book", str(error), "trading.auctions", traded.BOOK)]
    links = await evidence.links(db, row.zone, row.delivery_start)
    events = [link.event for link in links]
    domain = Domain(ctx.chain_id, ctx.deployment.address("SettlementExchange"))
    return rerun, [
        *traded.auction_findings(rerun, dict(auction), auction["book"]),
        *traded.order_findings(rerun, domain, events),
        *traded.left_out_findings(rerun, events),
        *traded.cleared_findings(rerun, auction["book"], events),
        *traded.link_findings(links),
    ]


async def _check_stored(
    db: Connection, ctx: SettlementContext, row: SettlementRow, slot: Slot, outcome: Outcome
) -> list[Finding]:
    """What the node stored of the settlement."""
    delivered = {item.trade.number: item for item in outcome.deliveries}
    trades = {
        f"trade {trade.number}": _trade_fields(delivered.get(trade.number, Delivery(trade, 0)), ctx)
        | {"settlement_status": row.state if trade.number in delivered else "failed"}
        for trade in slot.trades
    }
    stored_trades = await evidence.trades(db, row.zone, row.delivery_start)
    accounts = {checksum(line.account): _line_fields(line) for line in outcome.accounts}
    stored_accounts = {
        checksum(account.account): _row_fields(account) for account in await reads.accounts(db, row.settlement_id)
    }
    name = f"slot {row.delivery_start}"
    return [
        *compare("trade", trades, stored_trades, "published book and readings", "trading.trades"),
        *compare("account", accounts, stored_accounts, ledger.RECOMPUTED, "trading.settlement_accounts"),
        *compare(
            "settlement",
            {name: _outcome_fields(outcome)},
            {name: dataclasses.asdict(row)},
            ledger.RECOMPUTED,
            "trading.settlements",
        ),
    ]


def _trade_fields(item: Delivery, ctx: SettlementContext) -> dict[str, object]:
    trade = item.trade
    return {
        "buy_order": trade.buy_order,
        "sell_order": trade.sell_order,
        "buyer": trade.buyer,
        "seller": trade.seller,
        "energy_wh": trade.energy_wh,
        "price_per_kwh": trade.price_per_kwh,
        "delivered_wh": item.delivered_wh,
        "grid_fee_nano": item.fee_nano,
        "carbon_offset_g": carbon_offset_g(item.delivered_wh, ctx.rules.carbon_g_per_kwh),
    }


_LINE: Final = (
    "bought_wh",
    "sold_wh",
    "injection_wh",
    "withdrawal_wh",
    "imbalance_wh",
    "netted_wh",
    "trade_money_nano",
    "grid_fee_nano",
    "imbalance_money_nano",
)


def _line_fields(line: Any) -> dict[str, object]:
    return {name: getattr(line, name) for name in _LINE} | {"state": "missing" if line.missing else "metered"}


def _row_fields(account: AccountRow) -> dict[str, object]:
    return {name: getattr(account, name) for name in (*_LINE, "state")}


def _outcome_fields(outcome: Outcome) -> dict[str, object]:
    return {
        "trades": len(outcome.deliveries),
        "traded_wh": outcome.traded_wh,
        "delivered_wh": outcome.delivered_wh,
        "imbalance_wh": outcome.imbalance_wh,
        "grid_exchange_wh": outcome.imbalance.grid_exchange_wh,
        "price_local_per_kwh": outcome.prices.local_per_kwh,
        "grid_fee_nano": outcome.netting.grid_fee_nano,
        "residue_nano": outcome.netting.residue_nano,
        "readings_root": outcome.readings_root,
        "result_hash": result_hash(outcome),
        "state": "settled",
    }


async def _check_ledger(
    db: Connection,
    chain: ChainReads | None,
    ctx: SettlementContext,
    row: SettlementRow,
    outcome: Outcome,
    rerun: traded.Rerun,
    slots: Sequence[MeterSlot],
) -> list[Finding]:
    """What the mirrored chain says, if the settlement is there."""
    if row.state != "settled":
        return []
    netting, start = outcome.netting, row.delivery_start
    recorded = await evidence.charges(db, ctx.chain_id, row.settlement_id)
    debts = owing(netting, ctx.grid_account)
    caps = {item.account: item.cap for item in recorded}
    charges = charge(netting, {account: caps.get(account, owed) for account, owed in debts.items()})
    adjustments = adjusted(netting, charges, ctx.grid_account) if outcome.moves_anything else ()
    settled = await read.settled_orders(db, ctx.chain_id, start, zone=row.zone)
    findings = ledger.order_findings(
        netting.fills,
        rerun.orders,
        [entry for entry in settled if entry.version == row.version],
        row.batch_sequence,
    )
    findings += ledger.imbalance_findings(
        adjustments,
        await read.settled_imbalances(db, ctx.chain_id, start),
        row.batch_sequence,
        await evidence.sequences(db, start),
    )
    findings += await _check_batch(db, ctx, row, outcome, rerun, adjustments)
    if row.batch_sequence is not None:
        findings += ledger.charge_findings(debts, recorded, await _means(chain, outcome, recorded))
    slot_end = start + rerun.book.slot_s
    findings += ledger.register_findings(
        {slot.meter_id: slot for slot in proved(slots)},
        outcome.readings_root,
        await read.attested_registers(db, ctx.chain_id, slot_end, row.zone),
        await read.attested_registers(db, ctx.chain_id, start, row.zone),
        await read.meters(db, ctx.chain_id, zone=row.zone),
    )
    return findings


async def _check_batch(
    db: Connection,
    ctx: SettlementContext,
    row: SettlementRow,
    outcome: Outcome,
    rerun: traded.Rerun,
    adjustments: Sequence[tuple[bytes, int]],
) -> list[Finding]:
    """The batch's bytes, where it stands, and its fee."""
    if row.batch_sequence is None:
        return []
    sequence, netting = row.batch_sequence, outcome.netting
    expected: dict[str, object] = {
        "bytes": build(sequence, row.delivery_start, row.version, netting.fills, adjustments, rerun.orders)
    }
    actual: dict[str, object] = {"bytes": await evidence.batch(db, row.settlement_id)}
    mirrored = await read.settled_batch(db, ctx.chain_id, sequence)
    if mirrored is not None:
        expected |= {
            "delivery_start": row.delivery_start,
            "fee": netting.fee,
            "transaction_hash": row.transaction_hash,
            "block_number": row.block_number,
        }
        actual |= {name: getattr(mirrored, name) for name in expected if name != "bytes"}
    name = f"batch {sequence}"
    return compare("batch", {name: expected}, {name: actual}, ledger.RECOMPUTED, "stored and settled batch")


async def _means(chain: ChainReads | None, outcome: Outcome, recorded: Sequence[RecordedCharge]) -> dict[bytes, Means]:
    """What the contract says that each account could be charged when its cap was recorded, where it can be asked."""
    known = [item for item in recorded if item.canonical]
    if chain is None or not known:
        return {}
    # All caps of a batch are read at one block.
    accounts, block_hash = [item.account for item in known], known[0].block_hash
    try:
        vaults = await chain.accounts_of(accounts, block_hash)
        mandates = await chain.mandates_of(accounts, block_hash)
    except RpcError as error:
        logger.info("the chain no longer has the state of block %d: %s", known[0].block_number, error)
        return {}
    return {
        item.account: Means(
            budget_per_slot=mandate.budget_per_slot if mandate.expiry >= outcome.delivery_start else 0,
            budget_left=mandate.budget,
            cash=cash_after_fills(outcome.netting, item.account, vault.cash),
            locked=item.locked,
        )
        for item, vault, mandate in zip(known, vaults, mandates, strict=True)
    }
