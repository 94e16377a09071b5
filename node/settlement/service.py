"""Settles ended slots: reads what was traded and metered, stores what follows, and asks for its attestation.

Everything of one slot is written in the caller's one transaction, the requests to the chain included, so a node
that dies leaves either nothing or all of it.
"""

import logging
from collections.abc import Iterable
from typing import Final

import asyncpg

from indexer import read
from indexer.db import Connection, queries
from node.metering import service as metering
from node.metering.service import MeterSlot
from node.settlement import effects, merkle, store
from node.settlement.context import NotReady, SettlementContext
from node.settlement.imbalance import imbalance_prices
from node.settlement.meters import by_account, participants, proved, reading_leaves, registered
from node.settlement.outcome import Slot

logger = logging.getLogger(__name__)

_SQL = queries(__name__)
PROVISIONAL: Final = 0
"""Settlement version of a slot's first settlement."""


async def due(db: Connection, zones: Iterable[int], now_s: int) -> list[tuple[int, int]]:
    """Ended, auctioned slots without a settlement as (zone, delivery_start), oldest first."""
    rows = await db.fetch(_SQL["due"], list(zones), now_s)
    return [(row["zone"], row["delivery_start"]) for row in rows]


async def compute(
    db: Connection, ctx: SettlementContext, zone: int, delivery_start: int, now_s: int, reading_since_s: int = 0
) -> int | NotReady:
    """Settles a slot provisionally and returns its settlement id; a settled slot's id when it already is.

    Waits for the mirrored chain to reach the slot's end, for earlier slots of the zone (registers are cumulative and
    must reach the chain in order), and for every meter of the zone until ``reading_grace_s`` after the slot's end, or
    after ``reading_since_s`` where that is later: the market time from which this node has been reading meters.
    """
    auction = await db.fetchrow(_SQL["lock_auction"], zone, delivery_start)
    if auction is None:
        return NotReady("the slot has no auction")
    existing: int | None = await db.fetchval(_SQL["existing"], zone, delivery_start, PROVISIONAL)
    if existing is not None:
        return existing
    slot_end = delivery_start + auction["slot_s"]
    waits = await _waits_for(db, ctx, zone, delivery_start, slot_end, now_s, reading_since_s)
    if waits is not None:
        return NotReady(waits)
    meters = await _store_energy(db, ctx, zone, delivery_start, auction["slot_s"])
    slot = await _slot(db, ctx, zone, delivery_start, auction, meters)
    outcome = slot.settle()
    settlement_id = await store.insert(db, ctx.rules, outcome, missing=len(meters) - len(proved(meters)))
    await db.execute(_SQL["computed"], zone, delivery_start)
    await effects.request(db, ctx, outcome, meters, slot_end)
    logger.info(
        "settlement computed: zone=%d delivery_start=%d trades=%d traded_wh=%d delivered_wh=%d",
        zone,
        delivery_start,
        len(outcome.deliveries),
        outcome.traded_wh,
        outcome.delivered_wh,
    )
    return settlement_id


async def _waits_for(
    db: Connection,
    ctx: SettlementContext,
    zone: int,
    delivery_start: int,
    slot_end: int,
    now_s: int,
    reading_since_s: int,
) -> str | None:
    """What the slot still waits for, if anything."""
    if now_s < slot_end:
        return "the slot has not ended"
    earlier = await db.fetchval(_SQL["earlier_open"], zone, delivery_start)
    if earlier is not None:
        return f"slot {earlier} of the zone is not settled yet"
    deadline_s = max(slot_end, reading_since_s) + ctx.rules.reading_grace_s
    if now_s < deadline_s and not await metering.ready(db, zone, slot_end):
        return "meters are still to be read"
    head = await read.head(db, ctx.chain_id)
    if head is None or (head.time is not None and head.time < slot_end):
        return "the mirrored chain has not reached the slot's end"
    return None


async def _store_energy(
    db: Connection, ctx: SettlementContext, zone: int, delivery_start: int, slot_s: int
) -> list[MeterSlot]:
    """What the zone's meters saw, kept for good; of those alone that the chain has in use there."""
    on_chain = await read.meters(db, ctx.chain_id, zone=zone)
    owners = {meter.meter_id: meter.owner for meter in on_chain if meter.active}
    seen = await metering.slot_registers(db, zone, delivery_start, slot_s, ctx.rules.reading_gap_s)
    slots = registered(seen, owners)
    if len(slots) < len(seen):
        left_out = sorted({slot.meter_id for slot in seen} - {slot.meter_id for slot in slots})
        logger.warning(
            "meters not in use on chain: zone=%d delivery_start=%d meters=%s", zone, delivery_start, left_out
        )
    await metering.store_slot_energy(db, delivery_start, slot_s, PROVISIONAL, slots)
    return participants(slots)


async def _slot(
    db: Connection,
    ctx: SettlementContext,
    zone: int,
    delivery_start: int,
    auction: asyncpg.Record,
    meters: list[MeterSlot],
) -> Slot:
    rules = ctx.rules
    return Slot(
        zone=zone,
        delivery_start=delivery_start,
        version=PROVISIONAL,
        trades=await store.trades_of(db, zone, delivery_start),
        metered=by_account(meters),
        prices=imbalance_prices(auction["clearing_price_per_kwh"], rules.price_long_per_kwh, rules.price_short_per_kwh),
        readings_root=merkle.root(reading_leaves(ctx.salt_secret, delivery_start, PROVISIONAL, meters)),
        grid_account=ctx.grid_account,
    )
