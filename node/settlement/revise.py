"""Later versions of a settlement: meters say more than before, until the slot is final.

A meter that was missing is proved after all, or readings that were late on their way correct what was interpolated.

Each version is a settlement of its own, with its own commitment to the readings, and settles the difference to the
version before. ``final_after_s`` after the slot's end the last one is final: nothing that comes later changes it.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import asyncpg

from indexer.db import Connection, queries
from node.metering import late
from node.metering import service as metering
from node.metering.readings import State
from node.metering.service import MeterSlot
from node.settlement import effects, store
from node.settlement.context import SettlementContext
from node.settlement.meters import by_account, participants, proved, roots
from node.settlement.outcome import Slot
from node.settlement.service import committed, energy_of

logger = logging.getLogger(__name__)

_SQL = queries(__name__)


async def due(
    db: Connection, ctx: SettlementContext, zones: Iterable[int], now_s: int, limit: int = 20
) -> list[tuple[int, int]]:
    """Slots with readings that their last version did not know, and those that come to be final.

    Whoever was not looked at for longest comes first.
    """
    rules = ctx.rules
    rows = await db.fetch(_SQL["due"], list(zones), now_s - rules.final_after_s, limit, rules.reading_gap_s)
    return [(row["zone"], row["delivery_start"]) for row in rows]


async def revise(db: Connection, ctx: SettlementContext, zone: int, delivery_start: int, now_s: int) -> int | None:
    """Makes the slot's next version if its meters say more than before, and returns its id; else looks again later.

    The last look makes the last version final; one that failed between its batches is final at once. Needs a
    transaction. Repeating it changes nothing.
    """
    newest = await db.fetchrow(_SQL["newest"], zone, delivery_start)
    if newest is None or newest["final_at"] is not None or newest["state"] not in ("settled", "failed"):
        return None
    await late.hold(db)
    base = await db.fetchrow(_SQL["base"], zone, delivery_start)
    if newest["state"] == "failed" and newest["is_on_chain"]:
        # Part of its difference is paid: the next version's, to the one before, would pay that again.
        await _end(db, newest, newest["settlement_id"], newest["version"], is_final=True)
        return None
    is_final = now_s >= delivery_start + newest["slot_s"] + ctx.rules.final_after_s
    found = [] if base is None else await _look_again(db, ctx, base, newest["slot_s"])
    if base is None or all(now == before for _, before, now in found):
        counts = newest["version"] if base is None else base["version"]
        await _end(db, newest, newest["settlement_id"], counts, is_final=is_final)
        return None
    version = newest["version"] + 1
    settlement_id = await _insert(db, ctx, base, version, newest["slot_s"], found)
    await _end(db, newest, settlement_id, version, is_final=is_final)
    return settlement_id


async def _end(db: Connection, newest: asyncpg.Record, settlement_id: int, version: int, *, is_final: bool) -> None:
    """Remembers the look; where it was the last one, this version's energy counts for ever."""
    await db.execute(_SQL["looked"], settlement_id, is_final)
    if is_final:
        for zone in newest["zones"]:
            await metering.finalise(db, zone, newest["delivery_start"], version)


async def _look_again(
    db: Connection, ctx: SettlementContext, base: asyncpg.Record, slot_s: int
) -> list[tuple[int, list[MeterSlot], list[MeterSlot]]]:
    """Each zone's meters as the version before had them, and as they are now.

    What was proved stays, but for meters of which late readings came: nothing else can change what was interpolated.
    """
    start, version = base["delivery_start"], base["version"]
    corrected = await late.corrected(db, base["late_readings"], start, start + slot_s)
    found = []
    for each in base["zones"]:
        before = await metering.load_slot_energy(db, each, start, version)
        now = {meter.meter_id: meter for meter in await energy_of(db, ctx, each, start, slot_s)}
        after = [_by_now(meter, now.get(meter.meter_id), corrected) for meter in before]
        found.append((each, before, after))
    return found


def _by_now(before: MeterSlot, now: MeterSlot | None, corrected: Collection[int]) -> MeterSlot:
    if now is None or now.state != State.VALIDATED:
        return before
    more = before.state != State.VALIDATED or before.meter_id in corrected
    return replace(now, owner=before.owner) if more else before


async def _insert(
    db: Connection,
    ctx: SettlementContext,
    base: asyncpg.Record,
    version: int,
    slot_s: int,
    found: Sequence[tuple[int, list[MeterSlot], list[MeterSlot]]],
) -> int:
    zone, start = base["zone"], base["delivery_start"]
    zones = []
    for each, _, meters in found:
        await metering.store_slot_energy(db, start, slot_s, version, meters)
        zones.append(committed(ctx, each, start, slot_s, version, participants(meters)))
    before = await store.load(db, ctx, base["settlement_id"])
    slot = Slot(
        zone=zone,
        delivery_start=start,
        version=version,
        trades=before.trades,
        metered=by_account(meter for of in zones for meter in of.meters),
        prices=before.prices,
        readings_root=roots([(of.zone, of.readings_root) for of in zones]),
        grid_account=ctx.grid_account,
        most_entries=before.most_entries,
        before=await store.before(db, base["settlement_id"]),
        together=before.together,
    )
    outcome = slot.settle(await store.voided(db, base["settlement_id"]))
    missing = sum(len(of.meters) - len(proved(of.meters)) for of in zones)
    settlement_id = await store.insert(db, ctx, slot, outcome, missing, base["settlement_id"])
    for of in zones:
        await effects.request_root(db, ctx, of)
    logger.info(
        "settlement revised: zone=%d delivery_start=%d version=%d missing=%d adjustments=%d",
        zone,
        start,
        version,
        missing,
        len(outcome.netting.adjustments),
    )
    return settlement_id
