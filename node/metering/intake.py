"""Everything that is said of meters goes into PostgreSQL here: readings, baselines, faults, in the order given."""

import uuid
from collections.abc import Sequence
from itertools import groupby

from indexer.db import Connection, queries
from node.metering import baselines, faults, service
from node.metering.entries import BaselineEntry, Entry, FaultEntry, ReadingEntry
from node.metering.readings import SignedReading
from node.metering.service import Outcome

_SQL = queries(__name__)


async def take_in(db: Connection, readings: Sequence[SignedReading], *, now_s: float, slot_s: int) -> list[Outcome]:
    """Checks and stores readings, and names what they show of their meters. Needs a transaction."""
    outcomes = await service.accept(db, readings, now_s=now_s, slot_s=slot_s)
    await faults.after(db, outcomes)
    return outcomes


async def take_entries(db: Connection, entries: Sequence[Entry], *, now_s: float, slot_s: int) -> list[Outcome]:
    """Readings, baselines and faults in their order. Needs a transaction."""
    outcomes: list[Outcome] = []
    for kind, group in groupby(entries, type):
        if kind is ReadingEntry:
            signed = [entry.signed() for entry in group if isinstance(entry, ReadingEntry)]
            outcomes += await take_in(db, signed, now_s=now_s, slot_s=slot_s)
        elif kind is BaselineEntry:
            await baselines.store(db, [entry for entry in group if isinstance(entry, BaselineEntry)])
        else:
            await faults.note(db, [entry for entry in group if isinstance(entry, FaultEntry)])
    return outcomes


async def position(db: Connection, buffer_id: uuid.UUID) -> int:
    """How far a buffer has been taken over; locked until the transaction ends."""
    return int(await db.fetchval(_SQL["position"], buffer_id))


async def move(db: Connection, buffer_id: uuid.UUID, position: int) -> None:
    """Notes how far a buffer has been taken over, in the same transaction as what was in it."""
    await db.execute(_SQL["move"], buffer_id, position)
