"""How simulated participants pick their limits. Prices are micro-currency per kWh; buyers' limits are all-in.

``truthful`` names what the energy is worth to it. ``zero-intelligence`` draws any limit that cannot lose (ZI-C: Gode
and Sunder, Allocative Efficiency of Markets with Zero-Intelligence Traders, 1993). ``adaptive`` asks for more after
it traded and gives way after it did not (ZIP: Cliff, Minimal-Intelligence Agents for Bargaining Behaviours, 1997,
here with one lesson for each auction instead of each shout).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from node.simulation.population import Int64s

PERMILLE: Final = 1_000
LEAST_RATE: Final = 100
MOST_RATE: Final = 500
ASK: Final = 10
GIVE_WAY: Final = 150
"""How far beyond the price a lesson aims at most, in thousandths: a missed trade costs more than a worse one."""


@dataclass(frozen=True, slots=True, eq=False)
class Reservations:
    """What no participant would go beyond, by participant; and what anyone gets without the market."""

    value_per_kwh: Int64s
    """The most a buyer pays all-in."""
    cost_per_kwh: Int64s
    """The least a seller accepts."""
    buy_floor_per_kwh: int
    """No buyer need bid less: no seller could accept it."""
    sell_ceiling_per_kwh: int
    """No seller need ask more: no buyer could pay it."""


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What one auction shows to everyone, and each his own fill."""

    price_per_kwh: int
    """What sellers received."""
    fee_per_kwh: int
    buyers: Int64s
    bought_all: np.ndarray[tuple[int], np.dtype[np.bool_]]
    sellers: Int64s
    sold_all: np.ndarray[tuple[int], np.dtype[np.bool_]]


class Strategy(Protocol):
    """Limits for every participant, whichever side he is on."""

    def bids(self, buyers: Int64s) -> Int64s:
        """All-in limits of these participants."""
        ...

    def offers(self, sellers: Int64s) -> Int64s:
        """Limits of these participants."""
        ...

    def learn(self, lesson: Lesson) -> None:
        """Hears of an auction that cleared."""
        ...


class Truthful:
    """Names the reservation itself."""

    def __init__(self, reservations: Reservations, rng: np.random.Generator) -> None:
        self._reservations = reservations

    def bids(self, buyers: Int64s) -> Int64s:
        return self._reservations.value_per_kwh[buyers]

    def offers(self, sellers: Int64s) -> Int64s:
        return self._reservations.cost_per_kwh[sellers]

    def learn(self, lesson: Lesson) -> None:
        """Has nothing to learn."""


class ZeroIntelligence:
    """Draws evenly between the best that could be hoped for and the reservation."""

    def __init__(self, reservations: Reservations, rng: np.random.Generator) -> None:
        self._reservations = reservations
        self._rng = rng

    def bids(self, buyers: Int64s) -> Int64s:
        value = self._reservations.value_per_kwh[buyers]
        return self._rng.integers(np.minimum(self._reservations.buy_floor_per_kwh, value), value, endpoint=True)

    def offers(self, sellers: Int64s) -> Int64s:
        cost = self._reservations.cost_per_kwh[sellers]
        return self._rng.integers(cost, np.maximum(self._reservations.sell_ceiling_per_kwh, cost), endpoint=True)

    def learn(self, lesson: Lesson) -> None:
        """Has no memory."""


class Adaptive:
    """Moves a part of the way to a target at the last price: beyond it after a full fill, short of it otherwise."""

    def __init__(self, reservations: Reservations, rng: np.random.Generator) -> None:
        self._reservations = reservations
        self._rng = rng
        count = len(reservations.value_per_kwh)
        draws = ZeroIntelligence(reservations, rng)
        everyone = np.arange(count)
        self._bid, self._offer = draws.bids(everyone), draws.offers(everyone)
        self._rate = rng.integers(LEAST_RATE, MOST_RATE, count, endpoint=True)

    def bids(self, buyers: Int64s) -> Int64s:
        return self._bid[buyers]

    def offers(self, sellers: Int64s) -> Int64s:
        return self._offer[sellers]

    def learn(self, lesson: Lesson) -> None:
        paid = lesson.price_per_kwh + lesson.fee_per_kwh
        bid = self._towards(self._bid, lesson.buyers, paid, np.where(lesson.bought_all, -ASK, GIVE_WAY))
        self._bid[lesson.buyers] = np.minimum(bid, self._reservations.value_per_kwh[lesson.buyers])
        offer = self._towards(
            self._offer, lesson.sellers, lesson.price_per_kwh, np.where(lesson.sold_all, ASK, -GIVE_WAY)
        )
        self._offer[lesson.sellers] = np.maximum(offer, self._reservations.cost_per_kwh[lesson.sellers])

    def _towards(self, limits: Int64s, who: Int64s, price: int, furthest: Int64s) -> Int64s:
        drawn = self._rng.integers(0, PERMILLE, len(who), endpoint=True)
        target = price + furthest * drawn // PERMILLE * abs(price) // PERMILLE
        moved: Int64s = limits[who] + self._rate[who] * (target - limits[who]) // PERMILLE
        return moved


STRATEGIES: Final[Mapping[str, Callable[[Reservations, np.random.Generator], Strategy]]] = {
    "truthful": Truthful,
    "adaptive": Adaptive,
    "zero-intelligence": ZeroIntelligence,
}
