"""The supply and demand curves of a book as the paths of a drawing. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

WIDTH: Final = 720
HEIGHT: Final = 320
LEFT: Final = 56
RIGHT: Final = 16
TOP: Final = 34
BOTTOM: Final = 44
TICKS: Final = 5

Step: TypeAlias = tuple[int, int]
"""(price in micro-currency per kWh, energy in Wh)"""


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled line of a scale."""

    at: float
    value: int


@dataclass(frozen=True, slots=True)
class Curve:
    """Everything the template draws, in pixels of a ``width`` × ``height`` box."""

    width: int
    height: int
    left: int
    right: float
    top: int
    bottom: float
    demand: str
    supply: str
    price_y: float | None
    matched_x: float | None
    price_ticks: tuple[Tick, ...]
    energy_ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class _Scale:
    low: int
    high: int
    start: float
    end: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> tuple[Tick, ...]:
        step = _round_step((self.high - self.low) / TICKS)
        first = -(-self.low // step) * step
        return tuple(Tick(self.at(value), value) for value in range(first, self.high + 1, step))


def _round_step(rough: float) -> int:
    """The next 1, 2 or 5 times a power of ten."""
    power = 1
    while power * 10 <= rough:
        power *= 10
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)


def _staircase(steps: Sequence[Step], energy: _Scale, price: _Scale) -> str:
    """Horizontal over each order's energy, vertical between prices."""
    reached_wh = 0
    parts: list[str] = []
    for limit, energy_wh in steps:
        y = price.at(limit)
        parts.append(f"{'L' if parts else 'M'}{energy.at(reached_wh)},{y}")
        reached_wh += energy_wh
        parts.append(f"L{energy.at(reached_wh)},{y}")
    return "".join(parts)


def draw(
    bids: Iterable[Step], offers: Iterable[Step], clearing_price_per_kwh: int | None, matched_wh: int
) -> Curve | None:
    """Curves of a book; None where it is empty. Bids are what sellers can get: the grid fee is already off."""
    demand = sorted(bids, key=lambda step: -step[0])
    supply = sorted(offers)
    prices = [price for price, _ in (*demand, *supply)]
    if not prices:
        return None
    margin = max((max(prices) - min(prices)) // 12, 1_000)
    most_wh = max(sum(wh for _, wh in demand), sum(wh for _, wh in supply))
    energy = _Scale(0, most_wh, LEFT, WIDTH - RIGHT)
    price = _Scale(min(prices) - margin, max(prices) + margin, HEIGHT - BOTTOM, TOP)
    return Curve(
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        top=TOP,
        bottom=HEIGHT - BOTTOM,
        demand=_staircase(demand, energy, price),
        supply=_staircase(supply, energy, price),
        price_y=None if clearing_price_per_kwh is None else price.at(clearing_price_per_kwh),
        matched_x=energy.at(matched_wh) if clearing_price_per_kwh is not None else None,
        price_ticks=price.ticks(),
        energy_ticks=energy.ticks(),
    )
