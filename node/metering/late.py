"""Readings that were overtaken on their way: taken into the middle of their chain, each under a number.

Where a slot was settled by what lies between its neighbours, the slot gets a new version, until it is final. A version
knows the late readings up to a number, so what it was computed from stands, and anyone recomputes it.
"""

from collections.abc import Iterable
from typing import Final, TypeAlias

from contracts.typed_data import Reading
from indexer.db import Connection, queries
from node.metering.readings import Reason, SignedReading, succeeds

_SQL = queries(__name__)
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

    If so, it is remembered as late, and the caller stores it in the same transaction. What is final is not changed this
    way, nor an appliance's energy, nor a register that was attested for one slot before the next one is settled, too:
    that one's would fall below it.
    """
    await db.execute(_SQL["lock"])
    row = await db.fetchrow(_SQL["around"], said.meter_id, said.time)
    assert row is not None
    before, after = (None if part is None else Reading(said.meter_id, *part) for part in (row["before"], row["after"]))
    if after is None or succeeds(said, after, fuse_w) is not None:
        return False
    if before is not None and succeeds(before, said, fuse_w) is not None:
        return False
    if row["is_used"] and (row["is_fixed"] or row["settled_until"] + row["slot_s"] < after.time):
        return False
    span = None if before is None else before.time, after.time
    await db.execute(_SQL["remember"], said.meter_id, said.time, said.counter, *span, row["is_used"])
    return True


async def hold(db: Connection) -> None:
    """Until the transaction ends, no reading becomes known late: what is computed now knows all that there are."""
    await db.execute(_SQL["hold"])


async def corrected(db: Connection, known: int, delivery_start: int, slot_end: int) -> set[int]:
    """The meters of whose energy in a slot more is known than the late readings up to number ``known`` say."""
    rows = await db.fetch(_SQL["corrected"], known, delivery_start, slot_end)
    return {row["meter_id"] for row in rows}
