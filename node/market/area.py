"""Areas: zones whose orders trade with each other, with the grid fee and the capacity between them.

A file of areas is TOML; fees are micro-currency per kWh, capacities Wh per delivery slot, zones uint32 numbers::

    [[area]]
    zones = [1, 2]
    fee_per_kwh = 20_000                # inside each zone; without it, the market's grid fee
    [[area.link]]
    from = 1                            # the seller's zone
    to = 2                              # the buyer's; the same zone, for a fee of its own inside it
    fee_per_kwh = 45_000
    capacity_wh = 250_000               # without it there is no limit

Zones between which there is no link do not trade with each other. A zone that no area names is an area of its own.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from node.config import NodeConfig
from node.errors import Refused
from node.market.auction import MAX_PRICE_PER_KWH

MOST_ZONES: Final = 128
MAX_CAPACITY_WH: Final = 2**61

Pair: TypeAlias = tuple[int, int]
"""Zone of the seller, zone of the buyer."""


class AreasInvalid(Refused):
    """The file of areas is not one that a market can run on."""

    code = "areas-invalid"


@dataclass(frozen=True, slots=True)
class Area:
    """Zones that are cleared together, ascending."""

    zones: tuple[int, ...]
    fee_per_kwh: Mapping[Pair, int]
    """Grid fee of every pair that can trade, each zone with itself among them."""
    capacity_wh: Mapping[Pair, int] = field(default_factory=dict)
    """Of the pairs that have a limit."""

    @property
    def name(self) -> int:
        """The smallest of its zones."""
        return self.zones[0]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Those that can trade, the most local first: by fee, then by zones."""
        return tuple(sorted(self.fee_per_kwh, key=lambda pair: (self.fee_per_kwh[pair], pair)))

    def without(self, zones: Iterable[int]) -> "Area":
        """The area that its other zones make."""
        gone = set(zones)
        return Area(
            tuple(zone for zone in self.zones if zone not in gone),
            {pair: fee for pair, fee in self.fee_per_kwh.items() if gone.isdisjoint(pair)},
            {pair: capacity for pair, capacity in self.capacity_wh.items() if gone.isdisjoint(pair)},
        )

    def faults(self) -> list[str]:
        """Why no market can run on it."""
        zones = set(self.zones)
        faults = [
            f"zone {zone} is not a number between 0 and 4294967295"
            for zone in self.zones
            if not _is_number(zone, 0, 2**32 - 1)
        ]
        if not 0 < len(zones) <= MOST_ZONES:
            faults.append(f"an area has 1 to {MOST_ZONES} zones, this has {len(zones)}")
        if tuple(sorted(zones)) != self.zones:
            faults.append(f"zones must ascend, each once: {self.zones}")
        for pair, fee in self.fee_per_kwh.items():
            if not zones.issuperset(pair):
                faults.append(f"a link from zone {pair[0]} to zone {pair[1]} leaves the area")
            if not _is_number(fee, 0, MAX_PRICE_PER_KWH - 1):
                faults.append(f"fee from zone {pair[0]} to zone {pair[1]} is no price: {fee}")
        faults += [
            f"zone {zone} has no fee for trade inside it" for zone in zones if (zone, zone) not in self.fee_per_kwh
        ]
        for pair, capacity in self.capacity_wh.items():
            if pair not in self.fee_per_kwh or pair[0] == pair[1]:
                faults.append(f"a capacity from zone {pair[0]} to zone {pair[1]}, which are not linked")
            if not _is_number(capacity, 0, MAX_CAPACITY_WH - 1):
                faults.append(f"capacity from zone {pair[0]} to zone {pair[1]} is no energy: {capacity}")
        return faults


def alone(zone: int, grid_fee_per_kwh: int) -> Area:
    """The area of a zone that trades with no other."""
    return Area((zone,), {(zone, zone): grid_fee_per_kwh})


def areas(config: NodeConfig) -> tuple[Area, ...]:
    """The areas of all configured zones, by name.

    Raises:
        AreasInvalid: naming every fault of the file.
    """
    coupled = () if config.areas_file is None else load(config.areas_file, config.market.grid_fee_per_kwh)
    named = {zone for area in coupled for zone in area.zones}
    if unknown := named.difference(config.zones):
        raise AreasInvalid(f"{config.areas_file}: zones {sorted(unknown)} are not among GRIDTRACE_ZONES {config.zones}")
    lonely = (alone(zone, config.market.grid_fee_per_kwh) for zone in config.zones if zone not in named)
    return tuple(sorted((*coupled, *lonely), key=lambda area: area.name))


def area_of(areas: Iterable[Area], zone: int) -> Area | None:
    """The area that a zone is in."""
    return next((area for area in areas if zone in area.zones), None)


def load(path: Path, grid_fee_per_kwh: int) -> tuple[Area, ...]:
    """Reads a file of areas. Raises AreasInvalid."""
    try:
        return parse(path.read_text(), grid_fee_per_kwh)
    except (OSError, UnicodeDecodeError) as error:
        raise AreasInvalid(f"{path}: {error}") from error
    except AreasInvalid as error:
        raise AreasInvalid(f"{path}: {error}") from error


def parse(text: str, grid_fee_per_kwh: int) -> tuple[Area, ...]:
    """The areas that a file names; ``grid_fee_per_kwh`` holds inside zones that it names no fee for.

    Raises:
        AreasInvalid: naming what is wrong, and where.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise AreasInvalid(str(error)) from error
    tables = _tables("", document, {"area"}, "area")
    found = tuple(_area(f"area {number}", table, grid_fee_per_kwh) for number, table in enumerate(tables, 1))
    faults = [f"area {number}: {fault}" for number, area in enumerate(found, 1) for fault in area.faults()]
    zones = [zone for area in found for zone in area.zones]
    faults += [f"zone {zone} is in more than one area" for zone in sorted(set(zones)) if zones.count(zone) > 1]
    if faults:
        raise AreasInvalid("; ".join(faults))
    return found


def _area(place: str, table: Mapping[str, object], grid_fee_per_kwh: int) -> Area:
    zones = table.get("zones")
    if not isinstance(zones, list) or not all(_is_number(zone, 0, 2**32 - 1) for zone in zones):
        raise AreasInvalid(f"{place}: zones must be a list of zone numbers, not {zones!r}")
    fee = _whole(place, table, "fee_per_kwh", grid_fee_per_kwh)
    fees: dict[Pair, int] = {(zone, zone): fee for zone in zones}
    capacities: dict[Pair, int] = {}
    linked: set[Pair] = set()
    for number, link in enumerate(_tables(place, table, {"zones", "fee_per_kwh", "link"}, "link"), 1):
        where = f"{place} link {number}"
        if unknown := set(link) - {"from", "to", "fee_per_kwh", "capacity_wh"}:
            raise AreasInvalid(f"{where}: unknown {sorted(unknown)}")
        pair = _whole(where, link, "from"), _whole(where, link, "to")
        if pair in linked:
            raise AreasInvalid(f"{where}: from zone {pair[0]} to zone {pair[1]} there is a link already")
        linked.add(pair)
        fees[pair] = _whole(where, link, "fee_per_kwh")
        if "capacity_wh" in link:
            capacities[pair] = _whole(where, link, "capacity_wh")
    return Area(tuple(sorted(zones)), fees, capacities)


def _tables(place: str, table: Mapping[str, object], known: set[str], name: str) -> Sequence[Mapping[str, object]]:
    prefix = f"{place}: " if place else ""
    if unknown := set(table) - known:
        raise AreasInvalid(f"{prefix}unknown {sorted(unknown)}")
    tables = table.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(entry, dict) for entry in tables):
        raise AreasInvalid(f"{prefix}{name} must be written as [[{name}]]")
    return tables


def _whole(place: str, table: Mapping[str, object], name: str, default: int | None = None) -> int:
    value = table.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise AreasInvalid(f"{place}: {name} must be a whole number, not {value!r}")
    return value


def _is_number(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
