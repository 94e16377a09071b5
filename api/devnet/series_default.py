"""The series that come with the installation: measured PV plants (pvanalytics) and standard loads (demandlib).

Both packages are only read as folders of data, never imported: they are installed without their dependencies.

Plants: 15-minute AC power. ``serf_east`` and ``serf_west`` are in W as measured (two arrays of about 6 kW). The others
are normalised, or far larger than a community's plant; they are scaled so that their highest value is the stated size.
Readings below 0 at night are the inverter's own use and count as 0.

Loads: BDEW profiles of 2025, kWh per quarter hour for 1,000,000 kWh a year, by month and Saturday (SA), Sunday and
holiday (FT), workday (WT). Public holidays are taken as the weekday they fall on, and the households' daily
dynamisation is left out: each home is scaled to its own yearly use instead. Profiles run from Monday 2024-12-30
for 52 weeks.
"""

import csv
import importlib.util
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from api.devnet import series_files
from api.devnet.series_errors import SeriesError
from api.devnet.series_record import MICRO, Series, stretch

STEP_S: Final = 900
STEPS_PER_DAY: Final = 96
FIRST_DATE: Final = date(2024, 12, 30)
DAYS: Final = 364
LEAST_WH_PER_YEAR: Final = 2_500_000
MOST_WH_PER_YEAR: Final = 5_500_000
MOST_SHIFT_STEPS: Final = 6
_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class PlantFile:
    """A measured plant in pvanalytics; ``size_w`` is None where the file is in W and taken as it is."""

    file: str
    column: str
    size_w: int | None


PLANTS: Final = (
    PlantFile("serf_east_15min_ac_power.csv", "ac_power", None),
    PlantFile("ac_power_inv_7539.csv", "value_normalized", 4_000),
    PlantFile("nrel_1axis_tracker_mesa_ac_power.csv", "ac_power", 5_000),
    PlantFile("nrel_RSF_II.csv", "ac_power_kw_1137", 5_000),
    PlantFile("serf_west_15min.csv", "ac_power__773", None),
    PlantFile("ac_power_inv_2173.csv", "value_normalized", 4_000),
)

# One in twelve each is not a plain household: a shop, a farm, a home with its own PV, one with a battery too.
PROFILES: Final = ("h25",) * 8 + ("g25", "l25", "p25", "s25")


def _folder(package: str, *below: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise SeriesError(f"the package {package} is not installed: pip install -r requirements-data.lock --no-deps")
    return Path(found.submodule_search_locations[0], *below)


def plants(wanted: int) -> list[Series]:
    """Measured plants, in a fixed order."""
    if wanted == 0:
        return []
    folder = _folder("pvanalytics", "data")
    found = []
    for plant in PLANTS[:wanted]:
        table = series_files.read_table(folder / plant.file)
        found.append(series_files.series_of(table, plant.column, "plant", size_w=plant.size_w))
    return stretch(found, wanted)


def homes(wanted: int, seed: int) -> list[Series]:
    """Homes of different size, habits and profile, each determined by the seed and its number alone."""
    if wanted == 0:
        return []
    folder = _folder("demandlib", "bdew", "bdew_data")
    years: dict[str, NDArray[np.int64]] = {}
    found = []
    for number in range(wanted):
        rng = Random(f"{seed}/{number}")  # noqa: S311 -- to repeat, not to keep secret
        profile = rng.choice(PROFILES)
        if profile not in years:
            years[profile] = _year(folder / f"{profile}.csv")
        found.append(_home(f"home-{number}-{profile}", years[profile], rng))
    return found


def _home(name: str, year: NDArray[np.int64], rng: Random) -> Series:
    """Scales and roughens a profile in whole numbers; the year's sum is exact."""
    total_uwh = rng.randint(LEAST_WH_PER_YEAR, MOST_WH_PER_YEAR) * MICRO
    shifted = np.roll(year, rng.randint(-MOST_SHIFT_STEPS, MOST_SHIFT_STEPS))
    noise = np.frombuffer(rng.randbytes(2 * len(year)), dtype="<u2").astype(np.int64)
    weights = shifted * (16_384 + noise // 2)
    # Appliances: about every twentieth step starts a load of several times the mean, for two to four steps.
    chance = np.frombuffer(rng.randbytes(len(year)), dtype=np.uint8)
    starts = np.flatnonzero(chance < 13)
    mean = int(weights.sum()) // len(weights)
    for start in starts.tolist():
        weights[start : start + 2 + int(chance[start]) % 3] += mean * (1 + int(noise[start]) % 4)
    cumulated = np.cumsum(weights).tolist()
    prefix = [0] + [total_uwh * part // cumulated[-1] for part in cumulated]
    return Series(name, "home", STEP_S, (FIRST_DATE - _EPOCH).days, np.array(prefix, dtype=np.int64))


def _year(path: Path) -> NDArray[np.int64]:
    """One year of a profile: Wh per quarter hour for 1 GWh a year."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    try:
        table = np.array([[round(float(cell) * 1_000) for cell in row[1:37]] for row in rows[2:98]], dtype=np.int64)
        by_day = table.reshape(STEPS_PER_DAY, 12, 3)
    except ValueError as error:
        raise SeriesError(
            f"{path.name}: not a BDEW profile of 96 rows by 12 months by 3 kinds of day: {error}"
        ) from error
    days = [FIRST_DATE + timedelta(days=number) for number in range(DAYS)]
    kinds = [{5: 0, 6: 1}.get(day.weekday(), 2) for day in days]
    return np.concatenate([by_day[:, day.month - 1, kind] for day, kind in zip(days, kinds, strict=True)])
