"""Input series of a devnet community: what its homes use and its plants produce, at any market time.

Without a folder, plants are measured photovoltaic plants of NREL as the package ``pvanalytics`` carries them, and
homes are the BDEW standard load profiles of 2025 as ``demandlib`` carries them (``series_default``). With a folder,
every CSV and Parquet file in it is read by the rules of ``series_files``.

A series is a grid of whole days in steps of 5 to 60 minutes, placed by local wall-clock time: the market's local time
is UTC + 1 h all year, and a value recorded at 12:00 on its own clock counts at 12:00 here. The grid repeats: on days it
covers it is replayed as it is, on others the same place in the cycle is taken. Where it has a week or more it is cut
to whole weeks, so that Mondays stay Mondays. A gap takes the value of the same time on the nearest day that has one
(the earlier of two); a time of day that no day knows counts as 0. Energy is whole micro-Wh, power constant in a step,
and everything is a function of market time alone.
"""

from dataclasses import dataclass
from pathlib import Path

from api.devnet import series_default, series_files
from api.devnet.series_record import Kind, Series


@dataclass(frozen=True, slots=True)
class Community:
    """The series of a community, in the order its meters are numbered."""

    homes: list[Series]
    plants: list[Series]


def load_community(homes: int, plants: int, seed: int, data_dir: Path | None = None) -> Community:
    """The series of so many homes and plants; the same for the same arguments and files.

    Raises:
        SeriesError: a file cannot be understood, or the folder has no home or no plant where some are wanted.
    """
    if data_dir is None:
        return Community(series_default.homes(homes, seed), series_default.plants(plants))
    return Community(*series_files.load(data_dir, homes, plants))


__all__ = ["Community", "Kind", "Series", "load_community"]
