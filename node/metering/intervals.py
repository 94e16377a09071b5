"""Energy by interval made into cumulative registers, which is what can be signed. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from contracts.typed_data import Reading
from node.errors import Refused


class BadIntervals(Refused):
    """A file of energy intervals cannot be used."""

    code = "intervals-bad"


@dataclass(frozen=True, slots=True)
class Interval:
    """Energy that flowed one way from ``start_s`` (Unix seconds) on; exact, it may be less than a Wh."""

    start_s: int
    duration_s: int
    energy_wh: Fraction
    is_export: bool = False

    @property
    def end_s(self) -> int:
        return self.start_s + self.duration_s


def readings_of(meter_id: int, found: Iterable[Interval], import_wh: int = 0, export_wh: int = 0) -> list[Reading]:
    """Registers at every end of an interval, from these registers at the first start; remainders are carried.

    Their counters are their times, so that the same file gives the same readings again. Power is the mean.

    Raises:
        BadIntervals: an interval lasts no time, has less than no energy, or overlaps another of the same direction.
    """
    ways = (_ordered(found := list(found), is_export=False), _ordered(found, is_export=True))
    times = sorted({time for interval in found for time in (interval.start_s, interval.end_s)})
    totals = [_registers(way, times, base) for way, base in zip(ways, (import_wh, export_wh), strict=True)]
    readings: list[Reading] = []
    for time, imported, exported in zip(times, *totals, strict=True):
        power_w = 0
        if readings:
            last = readings[-1]
            moved_wh = (imported - last.import_wh) - (exported - last.export_wh)
            power_w = moved_wh * 3_600 // (time - last.time)
        readings.append(Reading(meter_id, time, time, imported, exported, power_w))
    return readings


def gaps_of(found: Iterable[Interval]) -> int:
    """How many times nothing is said of a while between two intervals of a direction."""
    ways = (_ordered(found := list(found), is_export=False), _ordered(found, is_export=True))
    return sum(after.start_s > before.end_s for way in ways for before, after in pairwise(way))


def _ordered(found: Iterable[Interval], *, is_export: bool) -> list[Interval]:
    way = sorted({one for one in found if one.is_export == is_export}, key=lambda one: (one.start_s, one.duration_s))
    for one in way:
        if one.duration_s <= 0 or one.energy_wh < 0 or one.start_s < 0:
            raise BadIntervals(f"the interval from {one.start_s} lasts {one.duration_s} s with {one.energy_wh} Wh")
    for before, after in pairwise(way):
        if after.start_s < before.end_s:
            raise BadIntervals(f"the intervals from {before.start_s} and {after.start_s} overlap")
    return way


def _registers(way: list[Interval], times: list[int], base_wh: int) -> list[int]:
    """The register at each time, floored; straight lines within an interval."""
    registers, total, place = [], Fraction(base_wh), 0
    for time in times:
        while place < len(way) and way[place].end_s <= time:
            total += way[place].energy_wh
            place += 1
        inside = Fraction(0)
        if place < len(way) and way[place].start_s < time:
            inside = way[place].energy_wh * Fraction(time - way[place].start_s, way[place].duration_s)
        registers.append(int(total + inside))
    return registers
