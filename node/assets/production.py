"""What a plant produced, from its meters, beside the weather it had.

Power is written down as the meters' readings come; energy is that of the settled slots' registers. Energy in Wh,
power in kW, irradiance in W/m².
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from indexer.db import Connection, queries

SQL = queries(__name__)

STEPS: Final = ("slot", "hour", "day", "month")
LATE: Final = timedelta(minutes=2)
"""Readings that come this much after newer ones still change what was written down."""
FIRST: Final = timedelta(days=1)
"""How far back an asset begins of which nothing was written down yet."""
BATCH: Final = 5_000
"""Readings of one meter that are taken at once."""


@dataclass(frozen=True, slots=True)
class Weather:
    """One observation at a plant."""

    time: datetime
    temperature: Decimal | None
    irradiance: Decimal | None
    wind_speed: Decimal | None


@dataclass(frozen=True, slots=True)
class Produced:
    """Energy of one step, and what it says of the plant."""

    start: datetime
    energy_wh: int
    irradiation_wh_per_m2: Decimal | None
    """In the plane in which the weather source measures; None without observations."""
    temperature: Decimal | None


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest reading of a plant's power."""

    time: datetime
    power_kw: Decimal
    voltage: Decimal | None
    temperature: Decimal | None


async def take_readings(db: Connection, now: datetime, batch: int = BATCH) -> int:
    """Writes down the power of every plant's meters since the last time; returns how many rows.

    ``now`` is market time, ``batch`` the most readings of one meter that one call takes.
    """
    return int((await db.execute(SQL["take_readings"], now - FIRST, LATE, batch)).split()[-1])


async def add_weather(db: Connection, asset_id: UUID, observations: Sequence[Weather]) -> int:
    """Adds observations; one of the same time replaces the former. Returns how many."""
    rows = [(asset_id, w.time, w.temperature, w.irradiance, w.wind_speed) for w in observations]
    await db.executemany(SQL["add_weather"], rows)
    return len(rows)


async def produced(
    db: Connection, asset_id: UUID, start: datetime, end: datetime, step: str, slot_s: int
) -> list[Produced]:
    """Energy from ``start`` to before ``end`` in steps of ``STEPS``, whole slots each."""
    rows = await db.fetch(SQL["produced"], asset_id, start, end, step, slot_s)
    return [Produced(row["start"], int(row["energy_wh"]), row["irradiation"], row["temperature"]) for row in rows]


async def latest(db: Connection, asset_id: UUID) -> Latest | None:
    """The newest power; None where no meter of the plant has been read."""
    row = await db.fetchrow(SQL["latest"], asset_id)
    return None if row is None else Latest(**dict(row))


def performance_ratio(energy_wh: int, irradiation_wh_per_m2: Decimal, capacity_kw: Decimal) -> Decimal:
    """Energy against what the rated power would have given under that sun (IEC 61724-1), to four places."""
    reference_wh = irradiation_wh_per_m2 * capacity_kw
    return (energy_wh / reference_wh).quantize(Decimal("0.0001"))
