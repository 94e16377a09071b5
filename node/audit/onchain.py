"""What the mirrored chain says of a settlement, batch by batch, against what had to be settled."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indexer import read
from indexer.db import Connection, queries
from node.audit import evidence, ledger
from node.audit.chain import ChainReads
from node.audit.compare import Finding, compare
from node.audit.evidence import RecordedCharge
from node.audit.zones import ZoneSlots
from node.outbox import RpcError
from node.settlement.batch import SignedOrder, build
from node.settlement.context import SettlementContext
from node.settlement.meters import proved
from node.settlement.netting import Adjustments, Means, Part, adjusted, cash_after_fills, charge, owing
from node.settlement.outcome import Outcome
from node.settlement.reads import SettlementBatch, SettlementRow

logger = logging.getLogger(__name__)

_SQL = queries(__name__)


@dataclass(frozen=True, slots=True)
class Settled:
    """A part of a settlement that is on chain, and what was recorded with it."""

    batch: SettlementBatch
    part: Part
    charges: Sequence[RecordedCharge]
    adjustments: Adjustments


async def settled_parts(
    db: Connection, ctx: SettlementContext, row: SettlementRow, outcome: Outcome, on_chain: Sequence[SettlementBatch]
) -> list[Settled]:
    """The parts of a settlement that are on chain; one that moves nothing has none there."""
    recorded = await evidence.charges(db, ctx.chain_id, row.settlement_id)
    return [
        _settled(batch, part, [item for item in recorded if item.batch == batch.ordinal], ctx.grid_account)
        for batch, part in zip(on_chain, outcome.netting.parts, strict=False)
    ]


def _settled(batch: SettlementBatch, part: Part, charges: Sequence[RecordedCharge], grid_account: bytes) -> Settled:
    caps = {item.account: item.cap for item in charges}
    debts = owing(part, grid_account)
    charged = charge(part, {account: caps.get(account, owed) for account, owed in debts.items()})
    return Settled(batch, part, charges, adjusted(part, charged, grid_account))


async def check_ledger(
    db: Connection,
    chain: ChainReads | None,
    ctx: SettlementContext,
    row: SettlementRow,
    settled: Sequence[Settled],
    orders: Mapping[bytes, SignedOrder],
) -> list[Finding]:
    """Fills, adjustments, charges and the batches themselves."""
    start, zones = row.delivery_start, row.zones
    fills = await read.settled_orders(db, ctx.chain_id, start)
    findings = ledger.order_findings(
        [(item.batch.batch_sequence, item.part.fills) for item in settled],
        orders,
        [entry for entry in fills if entry.version == row.version and entry.zone in zones],
    )
    findings += ledger.imbalance_findings(
        [(item.batch.batch_sequence, item.adjustments) for item in settled],
        await read.settled_imbalances(db, ctx.chain_id, start),
        await evidence.sequences(db, start),
    )
    for item in settled:
        findings += await _check_batch(db, ctx, row, item, orders)
        debts = owing(item.part, ctx.grid_account)
        findings += ledger.charge_findings(debts, item.charges, await _means(chain, row, item))
    return findings


async def check_numbers(db: Connection, chain_id: int, delivery_start: int | None = None) -> list[Finding]:
    """Batches on chain that no settlement made: of a slot, or of all slots that have no settlement."""
    rows = await db.fetch(_SQL["unmade"], chain_id, delivery_start)
    fields = ("delivery_start", "version", "fee", "transaction_hash")
    unmade = {f"batch {row['sequence']}": {name: row[name] for name in fields} for row in rows}
    return compare("batch", {}, unmade, "trading.settlement_batches", "OrdersSettled")


async def check_attested(
    db: Connection, ctx: SettlementContext, row: SettlementRow, zone: ZoneSlots, slot_s: int
) -> list[Finding]:
    """The zone's registers, and the commitment to all its readings."""
    start, slot_end = row.delivery_start, row.delivery_start + slot_s
    if row.version:
        known = await evidence.attested_roots(db, ctx.chain_id, zone.zone, slot_end)
        expected = {f"zone {zone.zone} version {row.version}": {"readings_root": zone.readings_root}}
        actual = expected if zone.readings_root in known else {}
        return compare("register", expected, actual, "signed readings", "RegistersAttested")
    return ledger.register_findings(
        {slot.meter_id: slot for slot in proved(zone.slots)},
        zone.readings_root,
        await read.attested_registers(db, ctx.chain_id, slot_end, zone.zone),
        await read.attested_registers(db, ctx.chain_id, start, zone.zone),
        await read.meters(db, ctx.chain_id, zone=zone.zone),
    )


async def _check_batch(
    db: Connection, ctx: SettlementContext, row: SettlementRow, item: Settled, orders: Mapping[bytes, SignedOrder]
) -> list[Finding]:
    """The batch's bytes, where it stands, and its fee."""
    sequence = item.batch.batch_sequence
    data = build(sequence, row.delivery_start, row.version, item.part.fills, item.adjustments, orders)
    expected: dict[str, object] = {"bytes": data}
    actual: dict[str, object] = {"bytes": item.batch.batch}
    mirrored = await read.settled_batch(db, ctx.chain_id, sequence)
    if mirrored is not None:
        expected |= {
            "delivery_start": row.delivery_start,
            "version": row.version,
            "fee": item.part.fee,
            "transaction_hash": item.batch.transaction_hash,
            "block_number": item.batch.block_number,
        }
        actual |= {name: getattr(mirrored, name) for name in expected if name != "bytes"}
    name = f"batch {sequence}"
    return compare("batch", {name: expected}, {name: actual}, ledger.RECOMPUTED, "stored and settled batch")


async def _means(chain: ChainReads | None, row: SettlementRow, item: Settled) -> dict[bytes, Means]:
    """What the contract says that each account could be charged when its cap was recorded, where it can be asked."""
    known = [charged for charged in item.charges if charged.canonical]
    if chain is None or not known:
        return {}
    # All caps of a batch are read at one block.
    accounts, block_hash = [charged.account for charged in known], known[0].block_hash
    try:
        vaults = await chain.accounts_of(accounts, block_hash)
        mandates = await chain.mandates_of(accounts, block_hash)
    except RpcError as error:
        logger.info("the chain no longer has the state of block %d: %s", known[0].block_number, error)
        return {}
    return {
        charged.account: Means(
            budget_per_slot=mandate.budget_per_slot if mandate.expiry >= row.delivery_start else 0,
            budget_left=mandate.budget,
            cash=cash_after_fills(item.part, charged.account, vault.cash),
            locked=charged.locked,
        )
        for charged, vault, mandate in zip(known, vaults, mandates, strict=True)
    }
