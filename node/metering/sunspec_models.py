"""SunSpec's models as data: where each point stands in its model. One TOML file per layout in ``sunspec/``."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from itertools import accumulate
from typing import Final

import msgspec

from node.metering.wire import Type, Wire, absent_values

HEADER_WORDS: Final = 2
SCALE_FACTOR: Final = "sf"
PADDING: Final = "pad"
COMMON: Final = 1
FACTOR_WIRE: Final = Wire("s16", absent=absent_values("s16", "sunspec"))


class Point(msgspec.Struct, frozen=True):
    """One value of a model; ``offset`` counts registers from the model's number."""

    name: str
    offset: int
    wire: Wire
    unit: str
    scale_factor: int | None = None
    """Offset of the power of ten that multiplies it."""


class Model(msgspec.Struct, frozen=True):
    """A layout, without its header: the points by name and how many registers they take."""

    length: int
    points: Mapping[str, Point]


class _Layout(msgspec.Struct, forbid_unknown_fields=True):
    models: list[int]
    length: int
    source: str
    points: list[list[str]]

    def model(self) -> Model:
        wires = [_wire(kind) for _, kind, *_ in self.points]
        ends = list(accumulate((wire.words for wire in wires), initial=HEADER_WORDS))
        if ends[-1] != HEADER_WORDS + self.length:
            raise ValueError(f"models {self.models}: the points take {ends[-1] - HEADER_WORDS} registers")
        places = {name: offset for (name, *_), offset in zip(self.points, ends, strict=False)}
        points = {}
        for (name, kind, *rest), wire in zip(self.points, wires, strict=True):
            if kind not in (SCALE_FACTOR, PADDING):
                unit, factor = rest[0] if rest else "1", rest[1] if len(rest) > 1 else ""
                points[name] = Point(name, places[name], wire, unit, places[factor] if factor else None)
        return Model(self.length, points)


def _wire(kind: str) -> Wire:
    if kind in (SCALE_FACTOR, PADDING):
        return FACTOR_WIRE
    if kind.startswith("string"):
        return Wire("string", int(kind.removeprefix("string")))
    known: Type = msgspec.convert(kind, Type)
    return Wire(known, absent=absent_values(known, "sunspec"))


def _all() -> Iterator[tuple[int, Model]]:
    folder = files("node.metering") / "sunspec"
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".toml"):
            layout = msgspec.toml.decode(file.read_bytes(), type=_Layout)
            yield from ((number, layout.model()) for number in layout.models)


@cache
def models() -> Mapping[int, Model]:
    """Every model known here, by number."""
    return dict(_all())
