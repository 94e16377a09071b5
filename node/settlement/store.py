"""Keeps what was computed of a slot, and gives back what it was computed from."""

from collections.abc import Collection, Mapping, Sequence

import asyncpg

from indexer.db import Connection, queries
from node.config import MarketRules
from node.errors import NotFound
from node.metering import service as metering
from node.settlement.context import OutcomeChanged, SettlementContext
from node.settlement.delivery import Trade
from node.settlement.difference import Before
from node.settlement.imbalance import Line, Prices
from node.settlement.meters import by_account, participants
from node.settlement.outcome import Outcome, Slot, carbon_offset_g, result_hash

_SQL = queries(__name__)


async def insert(
    db: Connection, ctx: SettlementContext, slot: Slot, outcome: Outcome, missing: int, previous_id: int | None = None
) -> int:
    """Stores a computed settlement and, of a slot's first, what its trades delivered; returns its id."""
    row = (*_settlement_row(outcome), missing, slot.most_entries, previous_id, slot.zones)
    settlement_id: int = await db.fetchval(_SQL["insert_settlement"], *row)
    await _store_accounts(db, settlement_id, outcome)
    if previous_id is None:
        await _store_deliveries(db, ctx.rules, slot.zones, outcome)
    return settlement_id


async def replace(
    db: Connection, ctx: SettlementContext, settlement_id: int, zones: Collection[int], outcome: Outcome
) -> None:
    """Puts the outcome without the voided orders in the place of the last one."""
    await db.execute(_SQL["replace_settlement"], *_settlement_row(outcome))
    await db.execute(_SQL["forget_accounts"], settlement_id)
    await _store_accounts(db, settlement_id, outcome)
    await _store_deliveries(db, ctx.rules, zones, outcome)
    delivered = [delivery.trade.number for delivery in outcome.deliveries]
    await db.execute(_SQL["store_no_delivery"], zones, outcome.delivery_start, delivered)


async def record_voids(
    db: Connection, settlement_id: int, voids: Mapping[bytes, str], batch: int, block_number: int, block_hash: bytes
) -> None:
    """Stores the orders that fell out with a batch, why, and the block they were judged at, instead of any before."""
    await db.execute(_SQL["forget_voids"], settlement_id, batch)
    rows = [(settlement_id, digest, reason, block_number, block_hash, batch) for digest, reason in voids.items()]
    await db.executemany(_SQL["record_void"], rows)


async def record_batch(
    db: Connection, settlement_id: int, zones: Collection[int], outcome: Outcome, batch: int
) -> None:
    """Which trades a batch settles, and how many batches there are."""
    numbers = [trade.number for trade in outcome.chunks[batch]] if batch < len(outcome.chunks) else []
    await db.execute(_SQL["batches"], settlement_id, len(outcome.netting.parts))
    await db.execute(_SQL["trades_batch"], zones, outcome.delivery_start, batch, numbers)


async def voided(db: Connection, settlement_id: int) -> dict[bytes, int]:
    """The voided orders of a settlement, or of the version that it revises, and the first batch without each."""
    return {row["digest"]: row["batch"] for row in await db.fetch(_SQL["voids"], settlement_id)}


async def load(db: Connection, ctx: SettlementContext, settlement_id: int) -> Slot:
    """What a settlement follows from: the stored trades, slot energy and prices.

    Raises:
        OutcomeChanged: the stored result does not follow from it; something was changed since.
    """
    row = await db.fetchrow(_SQL["stored"], settlement_id)
    if row is None:
        raise NotFound(f"there is no settlement {settlement_id}")
    zone, delivery_start, version = row["zone"], row["delivery_start"], row["version"]
    zones = row["zones"]
    meters = [meter for each in zones for meter in await metering.load_slot_energy(db, each, delivery_start, version)]
    slot = Slot(
        zone=zone,
        delivery_start=delivery_start,
        version=version,
        trades=await trades_of(db, zones, delivery_start),
        metered=by_account(participants(meters)),
        prices=Prices(row["price_local_per_kwh"], row["price_long_per_kwh"], row["price_short_per_kwh"]),
        readings_root=row["readings_root"],
        grid_account=ctx.grid_account,
        most_entries=row["most_entries"],
        before=None if row["previous_id"] is None else await before(db, row["previous_id"]),
        together=tuple(zones),
    )
    if result_hash(slot.settle(await voided(db, settlement_id))) != row["result_hash"]:
        raise OutcomeChanged(f"settlement {settlement_id} no longer follows from its trades and slot energy")
    return slot


async def before(db: Connection, settlement_id: int) -> Before:
    """What a version has settled, which a later one settles the difference to."""
    return before_of(await db.fetch(_SQL["settled_money"], settlement_id))


def before_of(rows: Sequence[asyncpg.Record]) -> Before:
    return Before(
        money_nano={row["account"]: int(row["money_nano"]) for row in rows},
        uncovered={row["account"]: int(row["uncovered"]) for row in rows if row["uncovered"]},
    )


async def trades_of(db: Connection, zones: Collection[int], delivery_start: int) -> tuple[Trade, ...]:
    """The stored trades of a slot, in its sequence."""
    return tuple(Trade(**dict(row)) for row in await db.fetch(_SQL["trades"], list(zones), delivery_start))


async def _store_accounts(db: Connection, settlement_id: int, outcome: Outcome) -> None:
    rows = [_account_row(line, outcome) for line in outcome.accounts]
    await db.execute(_SQL["insert_accounts"], settlement_id, *map(list, zip(*rows, strict=True)))


async def _store_deliveries(db: Connection, rules: MarketRules, zones: Collection[int], outcome: Outcome) -> None:
    columns = (
        [item.trade.number for item in outcome.deliveries],
        [item.delivered_wh for item in outcome.deliveries],
        [item.fee_nano for item in outcome.deliveries],
        [carbon_offset_g(item.delivered_wh, rules.carbon_g_per_kwh) for item in outcome.deliveries],
    )
    await db.execute(_SQL["store_deliveries"], list(zones), outcome.delivery_start, *columns)


def _settlement_row(outcome: Outcome) -> tuple[bytes | int, ...]:
    return (
        outcome.zone,
        outcome.delivery_start,
        outcome.version,
        len(outcome.deliveries),
        outcome.traded_wh,
        outcome.delivered_wh,
        outcome.imbalance_wh,
        outcome.imbalance.grid_exchange_wh,
        outcome.prices.local_per_kwh,
        outcome.prices.long_per_kwh,
        outcome.prices.short_per_kwh,
        outcome.netting.grid_fee_nano,
        outcome.netting.rent_nano,
        outcome.netting.residue_nano,
        outcome.readings_root,
        result_hash(outcome),
        len(outcome.netting.parts),
    )


def _account_row(line: Line, outcome: Outcome) -> tuple[bytes | int | str, ...]:
    return (
        line.account,
        line.bought_wh,
        line.sold_wh,
        line.injection_wh,
        line.withdrawal_wh,
        line.imbalance_wh,
        line.netted_wh,
        line.trade_money_nano,
        line.grid_fee_nano,
        line.rent_nano,
        line.imbalance_money_nano,
        outcome.uncovered.get(line.account, 0),
        "missing" if line.missing else "metered",
    )
