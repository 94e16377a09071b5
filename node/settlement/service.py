"""Settles ended slots: reads what was traded and metered, stores what follows, and asks for its attestation.

Everything of one slot is written in the caller's one transaction, the requests to the chain included, so a node
that dies leaves either nothing or all of it.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Final

from indexer import read
from indexer.db import Connection, queries
from node.metering import late
from node.metering import service as metering
from node.metering.service import MeterSlot
from node.settlement import effects, merkle, store
from node.settlement.context import NotReady, SettlementContext
from node.settlement.imbalance import imbalance_prices, local_price
from node.settlement.meters import by_account, participants, proved, reading_leaves, registered, roots
from node.settlement.outcome import Slot

logger = logging.getLogger(__name__)

_SQL = queries(__name__)
PROVISIONAL: Final = 0
"""Settlement version of a slot's first settlement."""


async def due(db: Connection, zones: Iterable[int], now_s: int) -> list[tuple[int, int]]:
    """Ended, auctioned slots of these zones without a settlement as (area, delivery_start), oldest first."""
    rows = await db.fetch(_SQL["due"], list(zones), now_s)
    return [(row["zone"], row["delivery_start"]) for row in rows]


async def compute(
    db: Connection, ctx: SettlementContext, zone: int, delivery_start: int, now_s: int, reading_since_s: int = 0
) -> int | NotReady:
    """Settles a slot provisionally and returns its settlement id; a settled slot's id when it already is.

    ``zone`` names an area: the smallest of the zones that are cleared and settled together, or the one zone. Waits for
    the mirrored chain to reach the slot's end, for earlier slots of the area (registers are cumulative and must reach
    the chain in order), and for every meter of its zones until ``reading_grace_s`` after the slot's end, or after
    ``reading_since_s`` where that is later: the market time from which this node has been reading meters.
    """
    auctions = await db.fetch(_SQL["lock_auctions"], zone, delivery_start)
    if not auctions:
        return NotReady("the slot has no auction")
    existing: int | None = await db.fetchval(_SQL["existing"], zone, delivery_start, PROVISIONAL)
    if existing is not None:
        return existing
    slot_s, zones = auctions[0]["slot_s"], [auction["zone"] for auction in auctions]
    waits = await _waits_for(db, ctx, zones, delivery_start, delivery_start + slot_s, now_s, reading_since_s)
    if waits is not None:
        return NotReady(waits)
    await late.hold(db)
    found = [await _store_energy(db, ctx, each, delivery_start, slot_s) for each in zones]
    trades = await store.trades_of(db, zones, delivery_start)
    local = local_price([row["clearing_price_per_kwh"] for row in auctions], trades)
    slot = Slot(
        zone=zone,
        delivery_start=delivery_start,
        version=PROVISIONAL,
        trades=trades,
        metered=by_account(meter for of in found for meter in of.meters),
        prices=imbalance_prices(local, ctx.rules.price_long_per_kwh, ctx.rules.price_short_per_kwh),
        readings_root=roots([(of.zone, of.readings_root) for of in found]),
        grid_account=ctx.grid_account,
        most_entries=ctx.most_entries,
        together=tuple(zones),
    )
    outcome = slot.settle()
    missing = sum(len(of.meters) - len(proved(of.meters)) for of in found)
    settlement_id = await store.insert(db, ctx, slot, outcome, missing)
    await db.execute(_SQL["computed"], zones, delivery_start)
    for of in found:
        await effects.request(db, ctx, of)
    logger.info(
        "settlement computed: zone=%d delivery_start=%d trades=%d traded_wh=%d delivered_wh=%d batches=%d",
        zone,
        delivery_start,
        len(outcome.deliveries),
        outcome.traded_wh,
        outcome.delivered_wh,
        len(outcome.netting.parts),
    )
    return settlement_id


async def _waits_for(
    db: Connection,
    ctx: SettlementContext,
    zones: Sequence[int],
    delivery_start: int,
    slot_end: int,
    now_s: int,
    reading_since_s: int,
) -> str | None:
    """What the slot still waits for, if anything."""
    if now_s < slot_end:
        return "the slot has not ended"
    earlier = await db.fetchval(_SQL["earlier_open"], zones, delivery_start)
    if earlier is not None:
        return f"slot {earlier} of the zone is not settled yet"
    deadline_s = max(slot_end, reading_since_s) + ctx.rules.reading_grace_s
    if now_s < deadline_s and not all([await metering.ready(db, each, slot_end) for each in zones]):
        return "meters are still to be read"
    head = await read.head(db, ctx.chain_id)
    if head is None or (head.time is not None and head.time < slot_end):
        return "the mirrored chain has not reached the slot's end"
    return None


async def _store_energy(
    db: Connection, ctx: SettlementContext, zone: int, delivery_start: int, slot_s: int
) -> effects.ZoneMeters:
    """What the zone's meters saw, kept for good; of those alone that the chain has in use there."""
    slots = await energy_of(db, ctx, zone, delivery_start, slot_s)
    await metering.store_slot_energy(db, delivery_start, slot_s, PROVISIONAL, slots)
    return committed(ctx, zone, delivery_start, slot_s, PROVISIONAL, participants(slots))


async def energy_of(
    db: Connection, ctx: SettlementContext, zone: int, delivery_start: int, slot_s: int
) -> list[MeterSlot]:
    """What the zone's meters saw by now, of those alone that the chain has in use there."""
    on_chain = await read.meters(db, ctx.chain_id, zone=zone)
    owners = {meter.meter_id: meter.owner for meter in on_chain if meter.active}
    seen = await metering.slot_registers(db, zone, delivery_start, slot_s, ctx.rules.reading_gap_s)
    slots = registered(seen, owners)
    if len(slots) < len(seen):
        left_out = sorted({slot.meter_id for slot in seen} - {slot.meter_id for slot in slots})
        logger.warning(
            "meters not in use on chain: zone=%d delivery_start=%d meters=%s", zone, delivery_start, left_out
        )
    return slots


def committed(
    ctx: SettlementContext, zone: int, delivery_start: int, slot_s: int, version: int, meters: list[MeterSlot]
) -> effects.ZoneMeters:
    """The zone's meters with the root over what they saw."""
    leaves = reading_leaves(ctx.salt_secret, delivery_start, version, meters)
    return effects.ZoneMeters(zone, delivery_start, delivery_start + slot_s, version, merkle.root(leaves), meters)
