"""Energy of appliances by slot: they do not settle, so that nobody else computes it."""

from typing import Final

from indexer.db import Connection, queries
from node.metering import service

_SQL = queries(__name__)
MOST_SLOTS: Final = 96
VERSION: Final = 0


async def account(db: Connection, now_s: float, *, slot_s: int, grace_s: int, gap_s: int) -> int:
    """Stores the slots that are over, of every zone that has appliances; returns how many.

    A zone that was never looked at begins with the slot that ended last: earlier ones have no readings.
    """
    done = 0
    last_start = (int(now_s) - grace_s) // slot_s * slot_s - slot_s
    for zone, newest in await db.fetch(_SQL["zones"]):
        first = last_start if newest is None else newest + slot_s
        for start in range(first, last_start + 1, slot_s)[:MOST_SLOTS]:
            slots = await service.slot_registers(db, zone, start, slot_s, gap_s, appliances=True)
            await service.store_slot_energy(db, start, slot_s, VERSION, slots)
            done += 1
    return done
