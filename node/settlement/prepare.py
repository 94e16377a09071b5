"""Makes the next batch of an attested settlement: its number, its entries, and what each debtor can be charged.

Orders are judged and caps are set by the mirrored ledger as it stands after the batch before. Both are recorded, so
that the batches can be recomputed from the settlement, its voided orders and its caps alone.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from contracts.settlement_batch import BadBatch
from contracts.typed_data import Order, checksum
from indexer.db import Connection, queries
from node.settlement import batches, calldata, standing, store
from node.settlement.batch import SignedOrder, build
from node.settlement.context import BatchImpossible, GridAccountShort, SettlementContext
from node.settlement.netting import Charge, Part, adjusted, charge, means_after, owing
from node.settlement.outcome import Slot
from node.settlement.standing import Place, Snapshot
from node.settlement.voids import Judgement, judge

logger = logging.getLogger(__name__)

_SQL = queries(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that is ready to be sent."""

    sequence: int
    data: bytes
    call: calldata.Call


@dataclass(frozen=True, slots=True)
class Turn:
    """Which batch of which settlement is to be made."""

    settlement_id: int
    zones: Collection[int]
    ordinal: int = 0
    voids: Mapping[bytes, int] = field(default_factory=dict)
    """Orders that fell out before it."""
    withheld: Collection[bytes] = ()
    """Accounts of which nothing is charged."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """How a batch of a settlement goes on chain, as of one block of the mirror."""

    at: Place
    judgement: Judgement
    charges: tuple[Charge, ...]
    batch: Batch | None
    """None when there is nothing that a batch could say: no fill, and nobody owes a cash unit."""


async def prepare(db: Connection, ctx: SettlementContext, slot: Slot, turn: Turn) -> Prepared | None:
    """The settlement's next batch, or None while another one is on its way or the mirror moves.

    Orders that the exchange would refuse are left out, and what follows is computed without them.

    Raises:
        GridAccountShort: the grid account cannot cover its part now.
        BatchImpossible: an order is gone, or the entries do not fit a batch.
    """
    sequence = await _free_sequence(db, ctx, turn)
    planned = Judgement({}, slot.settle(turn.voids), turn.ordinal)
    if sequence is None and planned.outcome.moves_anything:
        return None
    signed = await signed_orders(db, slot.zones, slot.delivery_start)
    orders = {digest: entry.order for digest, entry in signed.items()}
    accounts = standing.concerned(slot, planned.part)
    snapshot = await standing.read(db, ctx.chain_id, slot, accounts, orders.values())
    if snapshot is None:
        return None
    try:
        judgement = judge(slot, orders, snapshot.exchange, turn.ordinal, turn.voids)
        if sequence is None or judgement.part is None or not judgement.outcome.moves_anything:
            return Prepared(snapshot.at, judgement, (), None)
        charges = _charges(ctx, judgement.part, snapshot, turn.withheld)
        batch = _batch(ctx, sequence, slot, judgement.part, charges, signed, snapshot)
    except (KeyError, ValueError, BadBatch) as error:
        raise BatchImpossible(f"{type(error).__name__}: {error}") from error
    return Prepared(snapshot.at, judgement, charges, batch)


async def record(db: Connection, ctx: SettlementContext, turn: Turn, prepared: Prepared) -> None:
    """Stores batch, number, caps and voided orders with the settlement, which is then submitted if it has a batch."""
    settlement_id, ordinal, outcome = turn.settlement_id, turn.ordinal, prepared.judgement.outcome
    at, voids = prepared.at, {digest: str(reason) for digest, reason in prepared.judgement.voids.items()}
    known = await store.voided(db, settlement_id)
    if voids or known.keys() - turn.voids.keys():
        logger.warning("orders voided: settlement=%d orders=%d before=%d", settlement_id, len(voids), len(known))
        await store.replace(db, ctx, settlement_id, turn.zones, outcome)
        await store.record_voids(db, settlement_id, voids, ordinal, at.number, at.hash)
    if not outcome.version:
        await store.record_batch(db, settlement_id, turn.zones, outcome, ordinal)
    await db.execute(_SQL["forget_charges"], settlement_id, ordinal)
    await db.executemany(
        _SQL["record_charge"],
        [
            (settlement_id, item.account, item.owed, item.cap, item.locked, at.number, at.hash, ordinal)
            for item in prepared.charges
        ],
    )
    if prepared.batch is not None:
        await batches.submit(db, settlement_id, ordinal, prepared.batch.sequence, prepared.batch.data)
        await db.execute(_SQL["submit"], settlement_id)


def _charges(ctx: SettlementContext, part: Part, snapshot: Snapshot, withheld: Collection[bytes]) -> tuple[Charge, ...]:
    """What is charged of each debtor, and the cash that his cap leaves out."""
    means = {}
    for account in sorted(owing(part, ctx.grid_account)):
        after = means_after(part, account, snapshot.means[account])
        means[account] = replace(after, locked=after.cash) if account in withheld else after
    charges = charge(part, {account: item.cap for account, item in means.items()})
    return tuple(replace(item, locked=means[item.account].locked) for item in charges)


def _batch(
    ctx: SettlementContext,
    sequence: int,
    slot: Slot,
    part: Part,
    charges: Sequence[Charge],
    orders: Mapping[bytes, SignedOrder],
    snapshot: Snapshot,
) -> Batch:
    adjustments = adjusted(part, charges, ctx.grid_account)
    _check_grid(ctx, part, snapshot, adjustments)
    data = build(sequence, slot.delivery_start, slot.version, part.fills, adjustments, orders)
    return Batch(sequence, data, calldata.settle(data, len(part.fills), len(adjustments)))


async def _free_sequence(db: Connection, ctx: SettlementContext, turn: Turn) -> int | None:
    """The next batch's number, or None while another batch is on its way or the mirror is behind."""
    state = await db.fetchrow(_SQL["sequence_state"], ctx.chain_id, turn.settlement_id)
    assert state is not None
    next_on_chain: int = state["next_on_chain"] or 0
    last_assigned = state["last_assigned"]
    if state["in_flight"] or (last_assigned is not None and last_assigned >= next_on_chain):
        return None
    return next_on_chain


def _check_grid(
    ctx: SettlementContext, part: Part, snapshot: Snapshot, adjustments: Sequence[tuple[bytes, int]]
) -> None:
    """Raises GridAccountShort when the grid account, which covers for everybody, cannot pay its own part."""
    means = means_after(part, ctx.grid_account, snapshot.means[ctx.grid_account])
    owed = -dict(adjustments).get(ctx.grid_account, 0)
    if owed > means.cap:
        raise GridAccountShort(
            f"the grid account {checksum(ctx.grid_account)} owes {owed} and can be charged {means.cap} cash units"
        )


async def signed_orders(db: Connection, zones: Collection[int], delivery_start: int) -> dict[bytes, SignedOrder]:
    """The orders of a slot's trades by digest, as their traders signed them."""
    orders = {}
    for row in await db.fetch(_SQL["orders"], list(zones), delivery_start):
        order = Order(
            trader=row["trader"],
            zone=row["zone"],
            delivery_start=delivery_start,
            side={"buy": 0, "sell": 1}[row["side"]],
            energy_wh=row["energy_wh"],
            limit_price_per_kwh=row["limit_price_per_kwh"],
            min_fill_wh=row["min_fill_wh"],
            time_in_force=row["time_in_force"],
            source=row["source"],
            expiry=row["expiry"],
            lane=row["lane"],
            nonce=row["nonce"],
        )
        orders[row["digest"]] = SignedOrder(order, row["signature"])
    return orders
