"""Taking signed readings into PostgreSQL: each is compared with the end of its meter's chain, in the order given."""

import asyncio
import struct
from collections.abc import AsyncIterator, Iterable, Sequence, Set
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeAlias

import asyncpg
import msgspec

from contracts.typed_data import Reading
from indexer.db import Connection, queries
from node.metering import late
from node.metering.readings import Reason, SignedReading, validate

_SQL = queries(__name__)

LOCKS: Final = 64
"""Two writers wait for each other where meters of theirs share a remainder by this."""
COLUMNS: Final = (
    "meter_id", "time", "counter", "import_wh", "export_wh", "power_w", "signature", "signer", "state",
)  # fmt: skip
AT_ONCE: Final = 500
_POSTGRES_EPOCH_S: Final = 946_684_800
"""2000-01-01, from which PostgreSQL counts microseconds."""
_COPY_HEAD: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_ROW: Final = struct.Struct("!h" + "iq" * 6 + "i65s" + "i20s" + "i9s")
_COPY_END: Final = b"\xff\xff"

Key: TypeAlias = tuple[int, int, int]
"""(meter_id, time, counter): names a reading."""
Checked: TypeAlias = tuple[SignedReading, Reason | None]
"""A reading and why it is refused."""


class Taken(StrEnum):
    """What became of a reading."""

    RECEIVED = "RECEIVED"
    """It is kept on disk until the database is back."""
    VALIDATED = "VALIDATED"
    REFUSED = "REFUSED"
    DUPLICATE = "DUPLICATE"


class Outcome(msgspec.Struct, frozen=True):
    """What became of one reading, and why it was refused."""

    meter_id: int
    time: int
    counter: int
    state: Taken
    reason: Reason | None = None


class _Chain(msgspec.Struct):
    """A meter's key and fuse, the keys that it had, and the end of its chain."""

    key: bytes
    fuse_w: int
    revoked: Sequence[bytes]
    last: Reading | None
    is_new: bool
    has_grown: bool = False


async def accept(db: Connection, readings: Sequence[SignedReading], *, now_s: float, slot_s: int) -> list[Outcome]:
    """Checks and stores readings, in the order given. Needs a transaction.

    A reading is compared with the end of its meter's chain and with those before it in the batch. What the meter's
    key signed is stored even when refused; what it did not sign is only reported.
    """
    chains = await _chains(db, {signed.reading.meter_id for signed in readings})
    await _make_room(db, readings, chains, now_s + slot_s)
    batch = _Batch(chains, now_s, slot_s)
    try:
        async with db.transaction():
            source = batch.copied(readings)
            await db.copy_to_table("readings", schema_name="telemetry", columns=COLUMNS, source=source, format="binary")
    except (asyncpg.UniqueViolationError, asyncpg.FeatureNotSupportedError):
        # One that is valid now was refused before, its clock being ahead; or the table's row security binds us too, as
        # it does an owner who is no superuser: such a table takes no COPY.
        batch = _Batch(await _chains(db, chains), now_s, slot_s)
        batch.check(readings)
        outcomes = await _stored(db, batch.checked)
    else:
        outcomes = await _told(db, batch)
    await _move_ends(db, [chain for chain in batch.chains.values() if chain.has_grown])
    return outcomes


async def _move_ends(db: Connection, grown: Sequence[_Chain]) -> None:
    for statement, is_new in (("first", True), ("newest", False)):
        ends = [chain.last for chain in grown if chain.is_new == is_new and chain.last is not None]
        if ends:
            await db.execute(_SQL[statement], *map(list, zip(*map(_of_chain, ends), strict=True)))


async def _told(db: Connection, batch: "_Batch") -> list[Outcome]:
    """The outcomes where the valid ones are stored already; stores the others."""
    refused = [pair for pair in batch.checked if pair[1] is not None]
    if not refused:
        return [_valid(signed.reading) for signed, _ in batch.checked]
    refused = await _with_overtaken(db, refused, batch.chains)
    there = {_key(signed.reading) for signed, why in batch.checked if why is None}
    others = iter(await _stored(db, refused, there))
    return [_valid(signed.reading) if why is None else next(others) for signed, why in batch.checked]


async def _with_overtaken(db: Connection, refused: Sequence[Checked], chains: dict[int, _Chain]) -> list[Checked]:
    """The same, but that those which fit into the middle of their chain are refused no more, and stored."""
    fitting: set[Key] = set()
    for signed in await late.new_among(db, (signed for signed, reason in refused if reason in late.OVERTAKEN)):
        if await late.fits(db, signed.reading, chains[signed.reading.meter_id].fuse_w):
            await _stored(db, [(signed, None)])
            fitting.add(_key(signed.reading))
    found: list[Checked] = []
    for signed, reason in refused:
        is_fitting = _key(signed.reading) in fitting
        found.append((signed, None if is_fitting else reason))
        fitting.discard(_key(signed.reading))  # the same again in the batch is a repetition
    return found


async def _chains(db: Connection, meter_ids: Iterable[int]) -> dict[int, _Chain]:
    ids = [meter_id for meter_id in meter_ids if 0 < meter_id < 2**32]
    await db.execute(_SQL["lock_chains"], sorted({meter_id % LOCKS for meter_id in ids}))
    found = {}
    for meter_id, key, fuse_w, revoked, *last in await db.fetch(_SQL["chains"], ids):
        is_new = last[0] is None
        found[meter_id] = _Chain(key, fuse_w, revoked, None if is_new else Reading(meter_id, *last), is_new)
    return found


async def _make_room(
    db: Connection, readings: Sequence[SignedReading], chains: dict[int, _Chain], latest_s: float
) -> None:
    """Partitions for the times that may be stored as valid; there is room in a month that a chain ends in."""
    times = {signed.reading.time for signed in readings}
    months = {_month_s(time) for time in times if 0 <= time < latest_s}
    ends = [chain.last.time for chain in chains.values() if chain.last is not None]
    if new := sorted(month for month in months if not any(_month_s(end) == month for end in ends)):
        await db.execute(_SQL["ensure_partitions"], new)


class _Batch:
    """Readings being checked against the chains that they extend."""

    def __init__(self, chains: dict[int, _Chain], now_s: float, slot_s: int) -> None:
        self.chains = chains
        self.checked: list[Checked] = []
        self._now_s, self._slot_s = now_s, slot_s

    def check(self, readings: Sequence[SignedReading]) -> None:
        """Checks them, in order."""
        chains, now_s, slot_s, take = self.chains, self._now_s, self._slot_s, self.checked.append
        for signed in readings:
            chain = chains.get(signed.reading.meter_id)
            if chain is None:
                take((signed, Reason.UNKNOWN_METER))
                continue
            reason = validate(chain.last, signed, key=chain.key, fuse_w=chain.fuse_w, now_s=now_s, slot_s=slot_s)
            if chain.revoked and signed.signer in chain.revoked:
                reason = Reason.KEY_REVOKED
            if reason is None:
                chain.last, chain.has_grown = signed.reading, True
            take((signed, reason))

    async def copied(self, readings: Sequence[SignedReading]) -> AsyncIterator[bytes]:
        """Checks them and gives the valid ones as PostgreSQL's binary COPY; it stores some while others are checked."""
        yield _COPY_HEAD
        for first in range(0, len(readings), AT_ONCE):
            place = len(self.checked)
            self.check(readings[first : first + AT_ONCE])
            yield b"".join([_packed(signed) for signed, reason in self.checked[place:] if reason is None])
            await asyncio.sleep(0)  # lets what was given be sent
        yield _COPY_END


def _packed(signed: SignedReading) -> bytes:
    said = signed.reading
    return _COPY_ROW.pack(
        9, 8, said.meter_id, 8, (said.time - _POSTGRES_EPOCH_S) * 1_000_000, 8, said.counter, 8, said.import_wh,
        8, said.export_wh, 8, said.power_w, 65, signed.signature, 20, signed.signer, 9, b"VALIDATED",
    )  # fmt: skip


async def _stored(db: Connection, checked: Sequence[Checked], valid: Set[Key] = frozenset()) -> list[Outcome]:
    """Stores what the meters' keys signed; ``valid`` are in this batch and stored already."""
    kept: dict[Key, Checked] = {}
    for pair in checked:
        key = _key(pair[0].reading)
        if pair[1] is None or (pair[1].is_attributable and key not in kept and key not in valid):
            kept[key] = pair
    stored: set[Key] = set()
    if kept:
        rows = await db.fetch(_SQL["store_readings"], *map(list, zip(*map(_row, kept.values()), strict=True)))
        stored = {tuple(row) for row in rows}
    return [_outcome(pair, kept, stored) for pair in checked]


def _month_s(time_s: int) -> int:
    found = datetime.fromtimestamp(time_s, UTC)
    return int(datetime(found.year, found.month, 1, tzinfo=UTC).timestamp())


def _key(reading: Reading) -> Key:
    return reading.meter_id, reading.time, reading.counter


def _of_chain(said: Reading) -> tuple[int, ...]:
    return *_key(said), said.import_wh, said.export_wh, said.power_w


def _row(checked: Checked) -> tuple[object, ...]:
    signed, reason = checked
    state = Taken.VALIDATED if reason is None else Taken.REFUSED
    return *_of_chain(signed.reading), signed.signature, signed.signer, state, reason


def _valid(said: Reading) -> Outcome:
    return Outcome(said.meter_id, said.time, said.counter, Taken.VALIDATED)


def _outcome(checked: Checked, kept: dict[Key, Checked], stored: set[Key]) -> Outcome:
    signed, reason = checked
    key = _key(signed.reading)
    if reason is None:
        return _valid(signed.reading)
    is_repeat = reason.is_attributable and (kept.get(key) is not checked or key not in stored)
    return Outcome(*key, Taken.DUPLICATE if is_repeat else Taken.REFUSED, reason)
