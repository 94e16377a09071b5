"""What a plant produced, from its meters, beside the weather it had.

Power is written down as the meters' readings come; energy is that of the settled slots' registers. Energy in Wh,
power in kW, irradiance in W/m².
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from indexer.db import Connection, queries
from node.assets.registry import Asset

SQL = queries(__name__)

STEPS: Final = ("slot", "hour", "day", "month")
LATE: Final = timedelta(minutes=2)
"""Readings that come this much after newer ones still change what was written down."""
FIRST: Final = timedelta(days=1)
"""How far back an asset begins of which nothing was written down yet."""
BATCH: Final = 5_000
"""Readings of one meter that are taken at once."""


AHEAD: Final = tuple(timedelta(days=28 * step) for step in range(5))
"""From one to the next there is no month that these leave out."""
# PVWatts version 5 (NREL/TP-6A20-62641) for standard modules, cell temperature by NOCT (45 °C).
LOSS_PER_K: Final = Decimal("0.0047")
WARMER_PER_W_M2: Final = Decimal("0.03125")
AMBIENT_C: Final = Decimal(20)
"""Where the source says no temperature."""
SYSTEM_SHARE: Final = Decimal("0.8248")
"""What losses (14.08 %) and the inverter (96 %) leave of the modules' energy."""


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
    expected_wh: int | None
    """What a plant of its rated power would have given in this weather (``expected_wh``)."""


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest reading of a plant's power."""

    time: datetime
    power_kw: Decimal
    voltage: Decimal | None
    temperature: Decimal | None


async def take_readings(db: Connection, now: datetime, batch: int = BATCH) -> Counter[UUID]:
    """Writes down the power of every plant's meters since the last time; returns how many rows of which asset.

    ``now`` is market time, ``batch`` the most readings of one meter that one call takes.
    """
    rows = await db.fetch(SQL["take_readings"], now - FIRST, LATE, batch)
    return Counter(row["asset_id"] for row in rows)


async def add_weather(db: Connection, asset_id: UUID, observations: Sequence[Weather]) -> int:
    """Adds observations; one of the same time replaces the former. Returns how many."""
    rows = [(asset_id, w.time, w.temperature, w.irradiance, w.wind_speed) for w in observations]
    await db.execute(SQL["ensure_months"], [w.time for w in observations])
    await db.executemany(SQL["add_weather"], rows)
    return len(rows)


async def observed_to(db: Connection, asset_id: UUID) -> datetime | None:
    """The last time of which there is weather."""
    found: datetime | None = await db.fetchval(SQL["observed_to"], asset_id)
    return found


async def keep_ahead(db: Connection, now: datetime) -> None:
    """Makes the partitions of this month and those to come, and of months that have only the default one."""
    if await db.fetchval(SQL["is_partitioned"]):
        months = [now + ahead for ahead in AHEAD]
        months += [row["month"] for row in await db.fetch(SQL["misplaced"])]
        await db.execute(SQL["ensure_months"], months)


async def produced(
    db: Connection, asset: Asset, start: datetime, end: datetime, step: str, slot_s: int
) -> list[Produced]:
    """Energy from ``start`` to before ``end`` in steps of ``STEPS``, whole slots each."""
    rows = await db.fetch(SQL["produced"], asset.id, start, end, step, slot_s, LOSS_PER_K, WARMER_PER_W_M2, AMBIENT_C)
    return [
        Produced(
            row["start"],
            int(row["energy_wh"]),
            row["irradiation"],
            row["temperature"],
            expected_wh(asset, row["rated_hours"]),
        )
        for row in rows
    ]


def expected_wh(asset: Asset, rated_hours: Decimal | None) -> int | None:
    """Wh that a solar plant of this rated power would have fed in, rounded down; None for others and without weather.

    ``rated_hours`` are hours at rated power that the weather gave, heat counted.
    """
    if asset.asset_type != "solar" or asset.capacity_kw is None or rated_hours is None:
        return None
    return max(0, int(asset.capacity_kw * 1_000 * rated_hours * SYSTEM_SHARE))


async def latest(db: Connection, asset_id: UUID) -> Latest | None:
    """The newest power; None where no meter of the plant has been read."""
    row = await db.fetchrow(SQL["latest"], asset_id)
    return None if row is None else Latest(**dict(row))


def performance_ratio(energy_wh: int, irradiation_wh_per_m2: Decimal, capacity_kw: Decimal) -> Decimal:
    """Energy against what the rated power would have given under that sun (IEC 61724-1), to four places."""
    reference_wh = irradiation_wh_per_m2 * capacity_kw
    return (energy_wh / reference_wh).quantize(Decimal("0.0001"))
