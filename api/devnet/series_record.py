"""One record of loads or production: replayed at any market time, built from a grid of days with gaps."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

Kind = Literal["home", "plant"]

LOCAL_OFFSET_S: Final = 3_600
DAY_S: Final = 86_400
MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A repeating record of energy. ``prefix_uwh[i]`` is the energy of the first ``i`` steps in micro-Wh."""

    name: str
    kind: Kind
    step_s: int
    first_day: int
    """Day of the first step, in days since 1970-01-01."""
    prefix_uwh: NDArray[np.int64]
    shift_days: int = 0
    """The record is read this many days ahead of the market's date."""

    @property
    def period_s(self) -> int:
        return (len(self.prefix_uwh) - 1) * self.step_s

    def cumulative_uwh(self, time_s: int) -> int:
        """Energy from the record's first step to a market time (Unix seconds); negative before it."""
        record_s = time_s + LOCAL_OFFSET_S + (self.shift_days - self.first_day) * DAY_S
        cycles, into_s = divmod(record_s, self.period_s)
        step, rest_s = divmod(into_s, self.step_s)
        done = int(self.prefix_uwh[step])
        part = (int(self.prefix_uwh[step + 1]) - done) * rest_s // self.step_s
        return cycles * int(self.prefix_uwh[-1]) + done + part

    def energy_between(self, start_s: int, end_s: int) -> int:
        """Energy between two market times, in micro-Wh."""
        return self.cumulative_uwh(end_s) - self.cumulative_uwh(start_s)

    def power_w(self, time_s: int) -> int:
        """Power at a market time, in whole watts rounded down."""
        start_s = time_s - (time_s + LOCAL_OFFSET_S) % self.step_s
        return self.energy_between(start_s, start_s + self.step_s) * 3_600 // (self.step_s * MICRO)


def build(name: str, kind: Kind, step_s: int, first_day: int, days_uwh: NDArray[np.float64]) -> Series:
    """A series from a matrix of days by steps in micro-Wh, gaps as NaN; negative production counts as 0."""
    filled = fill_gaps(days_uwh)
    if len(filled) >= 7:
        filled = filled[: len(filled) // 7 * 7]
    values = np.maximum(np.floor(filled.ravel()), 0).astype(np.int64)
    return Series(name, kind, step_s, first_day, np.concatenate(([0], np.cumsum(values))))


def fill_gaps(days: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fills NaN from the same time of the nearest day that has a value, the earlier of two; else 0."""
    filled = days.copy()
    number = np.arange(len(days))
    for column in range(days.shape[1]):
        known = number[~np.isnan(days[:, column])]
        if len(known) == 0:
            filled[:, column] = 0
            continue
        missing = number[np.isnan(days[:, column])]
        later = np.minimum(np.searchsorted(known, missing), len(known) - 1)
        earlier = np.maximum(later - 1, 0)
        take_later = np.abs(known[later] - missing) < np.abs(known[earlier] - missing)
        filled[missing, column] = days[known[np.where(take_later, later, earlier)], column]
    return filled


def stretch(found: Sequence[Series], wanted: int) -> list[Series]:
    """As many series as wanted: where there are too few, the same ones again, shifted by weeks (short ones by days).

    The log says so, because such homes and plants are not independent of each other.
    """
    if len(found) < wanted:
        logger.warning("series reused shifted in time kind=%s have=%d wanted=%d", found[0].kind, len(found), wanted)
    stretched = []
    for place in range(wanted):
        series, again = found[place % len(found)], place // len(found)
        if again:
            days = 7 * again if series.period_s > 7 * DAY_S else again
            series = replace(series, name=f"{series.name}+{days}d", shift_days=days)
        stretched.append(series)
    return stretched
