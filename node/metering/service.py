"""Meters and their readings in PostgreSQL: take them in, ask for registers and energy of a slot."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

from contracts.typed_data import Reading
from indexer.db import Connection, queries
from node.errors import Conflict
from node.metering.acceptance import Outcome, Taken, accept
from node.metering.readings import Energy, Register, SignedReading, State, energy_between, register_at

_SQL = queries(__name__)


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
    appliance: str | None = None
    consumption_type: str | None = None
    part_of: int | None = None
    """The meter whose energy an appliance's is a part of."""


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


async def slot_registers(
    db: Connection, zone: int, delivery_start: int, slot_s: int, gap_s: int, *, appliances: bool = False
) -> list[MeterSlot]:
    """Energy of every active meter of a zone in one slot, computed from the raw readings.

    ``gap_s`` is the widest gap between two readings that still proves a register between them. Appliances are parts
    of other meters and do not settle: they are a list of their own.
    """
    end_s = delivery_start + slot_s
    slots = []
    for row in await db.fetch(_SQL["slot_brackets"], zone, delivery_start, end_s, appliances):
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
    """Keeps one version of a slot's energy, and the hour's sum; a meter's version that is already there stands."""
    columns = [
        [slot.meter_id for slot in slots],
        [slot.import_register_wh for slot in slots],
        [slot.export_register_wh for slot in slots],
        [slot.import_wh for slot in slots],
        [slot.export_wh for slot in slots],
        [slot.state for slot in slots],
    ]
    await db.execute(_SQL["store_slot_energy"], delivery_start, slot_s, version, *columns)
    await db.execute(_SQL["sum_hour"], delivery_start, columns[0])


async def finalise(db: Connection, zone: int, delivery_start: int, version: int) -> None:
    """Says that this version of a zone's slot counts for ever; the same again changes nothing."""
    await db.execute(_SQL["finalise"], zone, delivery_start, version)


async def load_slot_energy(db: Connection, zone: int, delivery_start: int, version: int) -> list[MeterSlot]:
    """What ``store_slot_energy`` kept of a zone, by meter number."""
    rows = await db.fetch(_SQL["load_slot_energy"], zone, delivery_start, version)
    return [MeterSlot(*row) for row in rows]


async def energy(db: Connection, meter_id: int, start: int, end: int, slot_s: int) -> list[SlotEnergy]:
    """A meter's energy per slot with ``start <= delivery_start < end`` (Unix seconds)."""
    rows = await db.fetch(_SQL["energy"], meter_id, start, end, slot_s)
    return [SlotEnergy(*row) for row in rows]


async def raw_readings(
    db: Connection, zone: int, from_s: int, to_s: int, late_known: int | None = None
) -> list[SignedReading]:
    """The valid readings that prove a zone's registers from ``from_s`` to ``to_s``, by meter and time.

    Reaches out to each meter's last reading at or before ``from_s`` and its first at or after ``to_s``. Of readings
    that were late, those up to number ``late_known`` count; all by default.
    """
    rows = await db.fetch(_SQL["raw_readings"], zone, from_s, to_s, late_known)
    return [SignedReading(Reading(*row[:6]), row["signature"], row["signer"]) for row in rows]


__all__ = [
    "Meter", "MeterExists", "MeterSlot", "Outcome", "SlotEnergy", "State", "Taken",
    "accept", "energy", "finalise", "latest", "load_slot_energy", "meters", "raw_readings", "ready",
    "register_meter", "slot_registers", "store_slot_energy",
]  # fmt: skip
