"""Readings that were overtaken on their way: taken into the middle of their chain, where nothing rests on it yet."""

from collections.abc import Iterable
from typing import Final, TypeAlias

from contracts.typed_data import Reading
from indexer.db import Connection, queries
from node.metering.readings import Reason, SignedReading, succeeds

_SQL = queries("node.metering.acceptance")
OVERTAKEN: Final = frozenset({Reason.COUNTER_NOT_GROWING, Reason.TIME_NOT_GROWING})
Key: TypeAlias = tuple[int, int, int]


async def new_among(db: Connection, overtaken: Iterable[SignedReading]) -> list[SignedReading]:
    """Those that are not there yet, by time."""
    by_key = {(one.reading.meter_id, one.reading.time, one.reading.counter): one for one in overtaken}
    if by_key:
        for row in await db.fetch(_SQL["stored_already"], *map(list, zip(*by_key, strict=True))):
            by_key.pop(tuple(row), None)
    return [by_key[key] for key in sorted(by_key)]


async def fits(db: Connection, said: Reading, fuse_w: int) -> bool:
    """Whether a reading continues the one before it and is continued by the one after it, both valid already.

    Not where a slot's energy was computed from what lies between those two: what is settled is not changed this way.
    """
    row = await db.fetchrow(_SQL["around"], said.meter_id, said.time)
    assert row is not None
    before, after = (None if part is None else Reading(said.meter_id, *part) for part in (row["before"], row["after"]))
    if row["is_used"] or after is None or succeeds(said, after, fuse_w) is not None:
        return False
    return before is None or succeeds(before, said, fuse_w) is None
