"""A map of places as numbers for an inline drawing: degrees to pixels, true to scale at its middle. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 960
SHORTEST, TALLEST = 240, 420
MARGIN: Final = 0.12
LEAST_SPAN: Final = 0.2
"""Degrees shown at least: one plant alone is not the whole world."""
STEPS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 45)


@dataclass(frozen=True, slots=True)
class Line:
    """A meridian or parallel."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Spot:
    """One place."""

    id: str
    name: str
    x: float
    y: float
    radius: float


@dataclass(frozen=True, slots=True)
class Map:
    """A drawing of places."""

    width: int
    height: int
    places: Sequence[Spot]
    meridians: Sequence[Line]
    parallels: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Site:
    """What is drawn: degrees, WGS 84, and a size in kW."""

    id: str
    name: str
    lat: float
    lon: float
    capacity_kw: float | None


def draw(sites: Sequence[Site]) -> Map | None:
    """The map of all sites; None where there is none."""
    if not sites:
        return None
    south, north = _span([site.lat for site in sites])
    west, east = _span([site.lon for site in sites])
    squeeze = max(0.2, math.cos(math.radians((south + north) / 2)))
    height = round(min(TALLEST, max(SHORTEST, WIDTH * (north - south) / ((east - west) * squeeze))))

    def x(lon: float) -> float:
        return round((lon - west) / (east - west) * WIDTH, 1)

    def y(lat: float) -> float:
        return round((north - lat) / (north - south) * height, 1)

    largest = max((site.capacity_kw or 0 for site in sites), default=0) or 1
    spots = [
        Spot(
            site.id,
            site.name,
            x(site.lon),
            y(site.lat),
            round(6 + 12 * math.sqrt((site.capacity_kw or 0) / largest), 1),
        )
        for site in sites
    ]
    return Map(
        WIDTH,
        height,
        spots,
        [Line(x(lon), _degrees(lon, "EW")) for lon in _ticks(west, east)],
        [Line(y(lat), _degrees(lat, "NS")) for lat in _ticks(south, north)],
    )


def _radius(part: float) -> float:
    """Area grows with capacity."""
    return round(6 + 12 * math.sqrt(part), 1)


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = max((high - low) * MARGIN, (LEAST_SPAN - (high - low)) / 2, LEAST_SPAN * MARGIN)
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    step = next((step for step in STEPS if (high - low) / step <= 6), STEPS[-1])
    first = math.ceil(low / step)
    return [round(number * step, 6) for number in range(first, math.floor(high / step) + 1)]


def _degrees(value: float, names: str) -> str:
    side = names[0] if value >= 0 else names[1]
    return f"{abs(value):g}° {side}"
