"""Meters and their readings in PostgreSQL: take them in, ask for registers and energy of a slot."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from enum import StrEnum
from typing import TypeAlias

from contracts.typed_data import Reading
from indexer.db import Connection, queries
from node.errors import Conflict
from node.metering.readings import (
    Energy,
    Reason,
    Register,
    SignedReading,
    State,
    energy_between,
    register_at,
    validate,
)

_SQL = queries(__name__)

Key: TypeAlias = tuple[int, int, int]
"""(meter_id, time, counter): names a reading."""
Checked: TypeAlias = tuple[SignedReading, Reason | None]
"""A reading and why it is refused."""


class MeterExists(Conflict):
    """A meter with this number is already registered with other particulars."""

    code = "meter-exists"


@dataclass(frozen=True, slots=True)
class Meter:
    """A registered meter; the columns of ``telemetry.meters``."""

    meter_id: int
    owner: bytes
    kind: str
    plant_id: str | None
    zone: int
    driver: str
    device: str
    address: str
    key: bytes
    fuse_w: int
    active: bool = True


class Taken(StrEnum):
    """What became of a reading."""

    VALIDATED = "VALIDATED"
    REFUSED = "REFUSED"
    DUPLICATE = "DUPLICATE"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one reading, and why it was refused."""

    meter_id: int
    time: int
    counter: int
    state: Taken
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class MeterSlot:
    """Energy of one meter in one slot; the registers are those at the slot's end."""

    meter_id: int
    owner: bytes
    kind: str
    import_wh: int
    export_wh: int
    import_register_wh: int
    export_register_wh: int
    state: str


@dataclass(frozen=True, slots=True)
class SlotEnergy:
    """Energy of one slot in its newest settlement version."""

    delivery_start: int
    version: int
    import_wh: int
    export_wh: int
    state: str


async def register_meter(db: Connection, meter: Meter) -> None:
    """Registers a meter; the same again changes nothing.

    Raises:
        MeterExists: the number is taken by a meter with other particulars.
    """
    await db.execute(_SQL["register_meter"], *astuple(meter))
    there = await meters(db, meter_ids=[meter.meter_id], active=False)
    if there != [meter]:
        raise MeterExists(f"meter {meter.meter_id} is already registered with other particulars")


async def meters(
    db: Connection,
    *,
    zone: int | None = None,
    owner: bytes | None = None,
    driver: str | None = None,
    meter_ids: Iterable[int] | None = None,
    active: bool = True,
) -> list[Meter]:
    """Meters by number, restricted by whatever is given; ``active=False`` also gives those out of use."""
    ids = None if meter_ids is None else list(meter_ids)
    rows = await db.fetch(_SQL["meters"], zone, owner, driver, ids, active)
    return [Meter(*row) for row in rows]


async def latest(db: Connection, meter_ids: Iterable[int]) -> dict[int, Reading]:
    """The last valid reading of each meter that has one."""
    rows = await db.fetch(_SQL["latest"], list(meter_ids))
    return {row["meter_id"]: Reading(*row) for row in rows}


async def accept(db: Connection, readings: Sequence[SignedReading], *, now_s: float, slot_s: int) -> list[Outcome]:
    """Checks and stores readings, in the order given; one bulk statement. Needs a transaction.

    A reading is compared with the end of its meter's chain and with those before it in the batch. What the meter's
    key signed is stored even when refused; what it did not sign is only reported.
    """
    ids = sorted({signed.reading.meter_id for signed in readings if 0 < signed.reading.meter_id < 2**32})
    known = {row["meter_id"]: (row["key"], row["fuse_w"]) for row in await db.fetch(_SQL["lock_meters"], ids)}
    previous = await latest(db, known)
    checked: list[Checked] = []
    for signed in readings:
        reading = signed.reading
        if (meter := known.get(reading.meter_id)) is None:
            checked.append((signed, Reason.UNKNOWN_METER))
            continue
        key, fuse_w = meter
        before = previous.get(reading.meter_id)
        reason = validate(before, signed, key=key, fuse_w=fuse_w, now_s=now_s, slot_s=slot_s)
        if reason is None:
            previous[reading.meter_id] = reading
        checked.append((signed, reason))
    kept: dict[Key, Checked] = {}
    for pair in checked:
        if pair[1] is None or (pair[1].is_attributable and _key(pair[0].reading) not in kept):
            kept[_key(pair[0].reading)] = pair
    stored = await _store(db, list(kept.values()))
    return [_outcome(pair, kept, stored) for pair in checked]


def _key(reading: Reading) -> Key:
    return reading.meter_id, reading.time, reading.counter


async def _store(db: Connection, checked: list[Checked]) -> set[Key]:
    if not checked:
        return set()
    await db.execute(_SQL["ensure_partitions"], [signed.reading.time for signed, why in checked if why is None])
    rows = await db.fetch(_SQL["store_readings"], *map(list, zip(*map(_row, checked), strict=True)))
    return {tuple(row) for row in rows}


def _row(checked: Checked) -> tuple[object, ...]:
    signed, reason = checked
    said = signed.reading
    state = Taken.VALIDATED if reason is None else Taken.REFUSED
    registers = (said.import_wh, said.export_wh, said.power_w)
    return *_key(said), *registers, signed.signature, signed.signer, state, reason


def _outcome(checked: Checked, kept: dict[Key, Checked], stored: set[Key]) -> Outcome:
    signed, reason = checked
    key = _key(signed.reading)
    if reason is None:
        return Outcome(*key, Taken.VALIDATED)
    is_repeat = reason.is_attributable and (kept[key] is not checked or key not in stored)
    return Outcome(*key, Taken.DUPLICATE if is_repeat else Taken.REFUSED, reason)


async def slot_registers(db: Connection, zone: int, delivery_start: int, slot_s: int, gap_s: int) -> list[MeterSlot]:
    """Energy of every active meter of a zone in one slot, computed from the raw readings.

    ``gap_s`` is the widest gap between two readings that still proves a register between them.
    """
    end_s = delivery_start + slot_s
    slots = []
    for row in await db.fetch(_SQL["slot_brackets"], zone, delivery_start, end_s):
        meter_id, owner, kind, *brackets = row
        around = [None if bracket is None else Reading(meter_id, *bracket) for bracket in brackets]
        start = register_at(around[0], around[1], delivery_start, gap_s)
        end = register_at(around[2], around[3], end_s, gap_s)
        slots.append(_meter_slot(meter_id, owner, kind, end, energy_between(start, end)))
    return slots


def _meter_slot(meter_id: int, owner: bytes, kind: str, end: Register, energy: Energy) -> MeterSlot:
    registers = (end.import_wh, end.export_wh)
    return MeterSlot(meter_id, owner, kind, energy.import_wh, energy.export_wh, *registers, energy.state)


async def ready(db: Connection, zone: int, slot_end: int) -> bool:
    """Whether every active meter of the zone has a valid reading at or after ``slot_end``."""
    return bool(await db.fetchval(_SQL["ready"], zone, slot_end))


async def store_slot_energy(
    db: Connection, delivery_start: int, slot_s: int, version: int, slots: Sequence[MeterSlot]
) -> None:
    """Keeps one version of a slot's energy; a meter's version that is already there stands."""
    columns = [
        [slot.meter_id for slot in slots],
        [slot.import_register_wh for slot in slots],
        [slot.export_register_wh for slot in slots],
        [slot.import_wh for slot in slots],
        [slot.export_wh for slot in slots],
        [slot.state for slot in slots],
    ]
    await db.execute(_SQL["store_slot_energy"], delivery_start, slot_s, version, *columns)


async def load_slot_energy(db: Connection, zone: int, delivery_start: int, version: int) -> list[MeterSlot]:
    """What ``store_slot_energy`` kept of a zone, by meter number."""
    rows = await db.fetch(_SQL["load_slot_energy"], zone, delivery_start, version)
    return [MeterSlot(*row) for row in rows]


async def energy(db: Connection, meter_id: int, start: int, end: int, slot_s: int) -> list[SlotEnergy]:
    """A meter's energy per slot with ``start <= delivery_start < end`` (Unix seconds)."""
    rows = await db.fetch(_SQL["energy"], meter_id, start, end, slot_s)
    return [SlotEnergy(*row) for row in rows]


async def raw_readings(db: Connection, zone: int, from_s: int, to_s: int) -> list[SignedReading]:
    """The valid readings that prove a zone's registers from ``from_s`` to ``to_s``, by meter and time.

    Reaches out to each meter's last reading at or before ``from_s`` and its first at or after ``to_s``.
    """
    rows = await db.fetch(_SQL["raw_readings"], zone, from_s, to_s)
    return [SignedReading(Reading(*row[:6]), row["signature"], row["signer"]) for row in rows]


__all__ = [
    "Meter", "MeterExists", "MeterSlot", "Outcome", "SlotEnergy", "State", "Taken",
    "accept", "energy", "latest", "load_slot_energy", "meters", "raw_readings", "ready",
    "register_meter", "slot_registers", "store_slot_energy",
]  # fmt: skip
