"""Where demand meets supply and who delivers to whom: the plain account, in numpy, for books of every size.

``node/market/kernels.py`` holds the same two functions compiled, for books so large that it pays to load a compiler.
"""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from node.market.rationing import Int64s


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where two curves cross: the most volume, the equilibrium prices, and the last limits that trade.

    Prices are what sellers receive; ``buy_limit_per_kwh`` includes the grid fee, as buyers name it.
    """

    volume_wh: int
    low_per_kwh: int
    high_per_kwh: int
    buy_limit_per_kwh: int
    sell_limit_per_kwh: int

    @property
    def price_per_kwh(self) -> int:
        """The interval's midpoint, rounded down."""
        return (self.low_per_kwh + self.high_per_kwh) // 2


def cross(
    bid_limit_per_kwh: Int64s, bid_wh: Int64s, ask_limit_per_kwh: Int64s, ask_wh: Int64s, fee_per_kwh: int
) -> Crossing | None:
    """Crosses two sides; None where nothing can trade. A quantity of 0 takes an order out."""
    # Both sides become costs, cheapest first, so that one code serves both.
    buy_cost, buy_total_wh = _by_cost(fee_per_kwh - bid_limit_per_kwh, bid_wh)
    sell_cost, sell_total_wh = _by_cost(ask_limit_per_kwh, ask_wh)

    def offered_wh(price: int) -> int:
        count = int(sell_cost.searchsorted(price, "right"))
        return int(sell_total_wh[count - 1]) if count else 0

    def exhausted(buy: int) -> bool:
        ahead_wh = int(buy_total_wh[buy - 1]) if buy else 0
        return offered_wh(-int(buy_cost[buy])) <= ahead_wh

    last = bisect_left(range(len(buy_cost)), True, key=exhausted) - 1
    # The last bid that is not exhausted may be one that was taken out, and leave nothing to trade.
    volume_wh = min(int(buy_total_wh[last]), offered_wh(-int(buy_cost[last]))) if last >= 0 else 0
    if not volume_wh:
        return None
    buy = int(buy_cost[buy_total_wh.searchsorted(volume_wh, "left")])
    sell = int(sell_cost[sell_total_wh.searchsorted(volume_wh, "left")])
    low, high = sell, -buy
    next_buy = int(buy_total_wh.searchsorted(volume_wh, "right"))
    next_sell = int(sell_total_wh.searchsorted(volume_wh, "right"))
    if next_buy < len(buy_cost):
        low = max(low, -int(buy_cost[next_buy]))
    if next_sell < len(sell_cost):
        high = min(high, int(sell_cost[next_sell]))
    return Crossing(volume_wh, low, high, fee_per_kwh - buy, sell)


def pair(buy_fills_wh: Int64s, sell_fills_wh: Int64s) -> tuple[Int64s, Int64s, Int64s]:
    """Buyers' positions, sellers' positions and energy of the trades between equal totals of fills."""
    buyers, sellers = np.flatnonzero(buy_fills_wh > 0), np.flatnonzero(sell_fills_wh > 0)
    # Where each order's energy ends on a common axis; the last bit says whose end it is.
    ends = np.concatenate((np.cumsum(buy_fills_wh[buyers]) << 1, np.cumsum(sell_fills_wh[sellers]) << 1 | 1))
    ends.sort()
    is_sell_end = ends & 1
    energy_wh = np.diff(ends >> 1, prepend=0)
    traded = np.flatnonzero(energy_wh > 0)
    sell = (np.cumsum(is_sell_end) - is_sell_end)[traded]
    return buyers[traded - sell], sellers[sell], energy_wh[traded]


def _by_cost(cost: Int64s, quantity_wh: Int64s) -> tuple[Int64s, Int64s]:
    """Costs ascending, and the energy up to and including each."""
    if not len(cost):
        return cost, quantity_wh
    least = int(cost.min())
    quantity_bits = int(quantity_wh.max()).bit_length()
    if (int(cost.max()) - least).bit_length() + quantity_bits < 64:
        # Sorting packed values is several times faster than sorting positions and gathering by them.
        packed = cost - least
        packed <<= quantity_bits
        packed |= quantity_wh
        packed.sort()
        ascending = packed >> quantity_bits
        ascending += least
        packed &= (1 << quantity_bits) - 1
        return ascending, np.cumsum(packed, out=packed)
    order = np.argsort(cost)
    return cost[order], np.cumsum(quantity_wh[order])
