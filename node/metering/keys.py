"""The keys of meters: which one signs, and which ones never will again.

A key that is revoked or replaced counts for nothing from the next transaction on. A new key's counter begins anew; the
registers go on where they were.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from contracts.typed_data import checksum
from indexer.db import Connection, queries
from node.errors import Conflict, NotFound
from node.metering.service import Meter, meters

_SQL = queries(__name__)


class MeterKeyNotFound(NotFound):
    """This key does not sign for this meter."""

    code = "meter-key-not-found"


class MeterKeyRevoked(Conflict):
    """A key that was revoked does not come back; make a new one."""

    code = "meter-key-revoked"


@dataclass(frozen=True, slots=True)
class MeterKey:
    """A key of a meter; ``until`` is None for the one that signs."""

    key: bytes
    until: datetime | None


async def keys(db: Connection, meter_id: int) -> list[MeterKey]:
    """A meter's keys, the one that signs first, if there is one."""
    return [MeterKey(**dict(row)) for row in await db.fetch(_SQL["keys"], meter_id)]


async def rotate(db: Connection, meter_id: int, key: bytes, *, by: bytes, now_s: float) -> Meter:
    """From now on this key signs for the meter, and the former one never again; the same key changes nothing.

    Raises:
        MeterKeyRevoked: the key was this meter's before.
    """
    former = await db.fetchval(_SQL["lock"], meter_id)
    if await db.fetchval(_SQL["is_revoked"], meter_id, key):
        raise MeterKeyRevoked(f"{checksum(key)} was revoked for meter {meter_id}")
    if former != key:
        await db.execute(_SQL["revoke"], meter_id, former, datetime.fromtimestamp(now_s, UTC), by)
        await db.execute(_SQL["rotate"], meter_id, key)
        await db.execute(_SQL["restart_counter"], meter_id)
    (meter,) = await meters(db, meter_ids=[meter_id], active=False)
    return meter


async def revoke(db: Connection, meter_id: int, key: bytes, *, by: bytes, now_s: float) -> None:
    """From now on nobody signs for the meter, until it has another key. Raises MeterKeyNotFound."""
    current = await db.fetchval(_SQL["lock"], meter_id)
    if current != key or await db.fetchval(_SQL["is_revoked"], meter_id, key):
        raise MeterKeyNotFound(f"{checksum(key)} does not sign for meter {meter_id}")
    await db.execute(_SQL["revoke"], meter_id, key, datetime.fromtimestamp(now_s, UTC), by)


async def changed_lately(db: Connection, meter_ids: list[int]) -> frozenset[int]:
    """Meters whose key changed within the last hour: the chain may not know yet."""
    return frozenset(row["meter_id"] for row in await db.fetch(_SQL["changed_lately"], meter_ids))


async def former(db: Connection, meter_ids: list[int]) -> dict[tuple[int, bytes], int]:
    """Until when (Unix seconds) each former key signed for its meter."""
    rows = await db.fetch(_SQL["former"], meter_ids)
    return {(row["meter_id"], row["key"]): int(row["until"].timestamp()) for row in rows}
