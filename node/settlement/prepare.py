"""Makes the batch of an attested settlement: its number, its entries, and what each debtor can be charged.

Caps are read from the mirrored ledger as it stands after the batch before, and recorded, so that the batch can be
recomputed from the settlement and its caps alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.typed_data import Order, checksum
from indexer.db import Connection, queries
from node.settlement import calldata
from node.settlement.batch import SignedOrder, build
from node.settlement.context import BatchImpossible, GridAccountShort, SettlementContext
from node.settlement.netting import Charge, Means, adjusted, cash_after_fills, charge, owing
from node.settlement.outcome import Outcome

_SQL = queries(__name__)


@dataclass(frozen=True, slots=True)
class Caps:
    """What accounts can be charged, as of one block of the mirror."""

    block_number: int
    block_hash: bytes
    means: dict[bytes, Means]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch that is ready to be sent."""

    sequence: int
    batch: bytes
    charges: tuple[Charge, ...]
    as_of: Caps
    call: calldata.Call


async def prepare(db: Connection, ctx: SettlementContext, outcome: Outcome) -> Prepared | None:
    """The settlement's batch, or None while another one is on its way.

    Raises:
        GridAccountShort: the grid account cannot cover its part now.
        BatchImpossible: an order is gone, or the entries do not fit a batch.
    """
    sequence = await _free_sequence(db, ctx)
    if sequence is None:
        return None
    debtors = sorted(owing(outcome.netting, ctx.grid_account))
    caps = await _caps(db, ctx, outcome, [*debtors, ctx.grid_account])
    charges = charge(outcome.netting, {account: caps.means[account].cap for account in debtors})
    adjustments = adjusted(outcome.netting, charges, ctx.grid_account)
    _check_grid(ctx, caps, adjustments)
    orders = await signed_orders(db, outcome.zone, outcome.delivery_start)
    fills = outcome.netting.fills
    try:
        batch = build(sequence, outcome.delivery_start, outcome.version, fills, adjustments, orders)
    except (KeyError, ValueError) as error:
        raise BatchImpossible(f"{type(error).__name__}: {error}") from error
    return Prepared(sequence, batch, charges, caps, calldata.settle(batch, len(fills), len(adjustments)))


async def record(db: Connection, settlement_id: int, prepared: Prepared) -> None:
    """Stores batch, number and caps with the settlement, which is then submitted."""
    place = (prepared.as_of.block_number, prepared.as_of.block_hash)
    await db.execute(_SQL["forget_charges"], settlement_id)
    await db.executemany(
        _SQL["record_charge"],
        [(settlement_id, item.account, item.owed, item.cap, *place) for item in prepared.charges],
    )
    await db.execute(_SQL["submit"], settlement_id, prepared.sequence, prepared.batch)


async def _free_sequence(db: Connection, ctx: SettlementContext) -> int | None:
    """The next batch's number, or None while another batch is on its way or the mirror is behind."""
    state = await db.fetchrow(_SQL["sequence_state"], ctx.chain_id)
    assert state is not None
    next_on_chain: int = state["next_on_chain"] or 0
    last_assigned = state["last_assigned"]
    if state["in_flight"] or (last_assigned is not None and last_assigned >= next_on_chain):
        return None
    return next_on_chain


async def _caps(db: Connection, ctx: SettlementContext, outcome: Outcome, accounts: Sequence[bytes]) -> Caps:
    """What each account can be charged for the slot once the fills are settled; read in one statement, of one block."""
    rows = await db.fetch(_SQL["means"], ctx.chain_id, accounts, outcome.delivery_start)
    means = {
        row["account"]: Means(
            budget_per_slot=int(row["slot_left"]),
            budget_left=int(row["budget_left"]),
            cash=cash_after_fills(outcome.netting, row["account"], int(row["cash"])),
        )
        for row in rows
    }
    return Caps(rows[0]["block_number"], rows[0]["block_hash"], means)


def _check_grid(ctx: SettlementContext, caps: Caps, adjustments: Sequence[tuple[bytes, int]]) -> None:
    """Raises GridAccountShort when the grid account, which covers for everybody, cannot pay its own part."""
    owed, cap = -dict(adjustments).get(ctx.grid_account, 0), caps.means[ctx.grid_account].cap
    if owed > max(0, cap):
        raise GridAccountShort(
            f"the grid account {checksum(ctx.grid_account)} owes {owed} and can be charged {cap} cash units"
        )


async def signed_orders(db: Connection, zone: int, delivery_start: int) -> dict[bytes, SignedOrder]:
    """The orders of a slot's trades by digest, as their traders signed them."""
    orders = {}
    for row in await db.fetch(_SQL["orders"], zone, delivery_start):
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
