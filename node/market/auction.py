"""The uniform-price double auction of one zone and delivery slot: most welfare, then most volume.

Buyers name all-in limits, so a bid competes at its limit less the grid fee. With D(p) the energy bid at ``p`` or
more and S(p) the energy offered at ``p`` or less, V is the most energy that can trade and the equilibrium prices are
those with D(p) >= V, S(p) >= V, D(p+1) <= V and S(p-1) <= V: the interval ``[price_low, price_high]``. Its midpoint,
rounded down, is the price. Orders better than the margin are filled; a marginal price level that is not filled shares
pro rata, or by sequence where one of its orders has a minimum fill. Everything is integer: Wh and micro-currency per
kWh, and the same book gives the same result everywhere.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from node.market.rationing import Int64s, price_time, pro_rata

MAX_QUANTITY_WH = 2**48
MAX_TOTAL_WH = 2**61
MAX_PRICE_PER_KWH = 2**47


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One side of a book as columns, ascending by sequence."""

    sequence: Int64s
    quantity_wh: Int64s
    limit_per_kwh: Int64s
    min_fill_wh: Int64s

    @classmethod
    def of(cls, orders: Iterable[tuple[int, int, int, int]]) -> "Side":
        """Builds a side from (sequence, quantity, limit, minimum fill) in any order.

        Raises:
            ValueError: a sequence stands twice, or a number is out of the range that is computed exactly.
        """
        table = np.array(sorted(orders), dtype=np.int64).reshape(-1, 4)
        return cls.from_columns(*np.ascontiguousarray(table.T))

    @classmethod
    def from_columns(cls, sequence: Int64s, quantity_wh: Int64s, limit_per_kwh: Int64s, min_fill_wh: Int64s) -> "Side":
        """Checks columns that are ascending by sequence. Raises ValueError as ``of`` does."""
        if len(sequence):
            if not (sequence[1:] > sequence[:-1]).all():
                raise ValueError("sequence numbers must ascend")
            if quantity_wh.min() <= 0 or quantity_wh.max() >= MAX_QUANTITY_WH:
                raise ValueError(f"quantity must be between 1 and {MAX_QUANTITY_WH - 1} Wh")
            if float(quantity_wh.sum(dtype=np.float64)) >= MAX_TOTAL_WH:
                raise ValueError(f"all quantities of a side must stay below {MAX_TOTAL_WH} Wh")
            if limit_per_kwh.min() <= -MAX_PRICE_PER_KWH or limit_per_kwh.max() >= MAX_PRICE_PER_KWH:
                raise ValueError(f"limits must stay within ±{MAX_PRICE_PER_KWH}")
            if min_fill_wh.min() < 0 or (min_fill_wh > quantity_wh).any():
                raise ValueError("minimum fill must be between 0 and the quantity")
        return cls(sequence, quantity_wh, limit_per_kwh, min_fill_wh)


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """All orders of one zone and slot."""

    buys: Side
    sells: Side


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """Who delivers how much to whom, as columns; ``buy`` and ``sell`` are positions in the book's sides."""

    buy: Int64s
    sell: Int64s
    energy_wh: Int64s


@dataclass(frozen=True, slots=True, eq=False)
class AuctionResult:
    """What an auction decided. All prices are None when nothing trades."""

    price_per_kwh: int | None
    """What sellers receive; buyers pay the grid fee on top."""
    price_low_per_kwh: int | None
    price_high_per_kwh: int | None
    matched_wh: int
    buy_fills_wh: Int64s
    """Aligned with the book's buys."""
    sell_fills_wh: Int64s
    trades: Trades
    rejected: tuple[int, ...]
    """Sequence numbers of orders left out only because their minimum fill could not be met (paradoxically rejected)."""


@dataclass(frozen=True, slots=True)
class _Crossing:
    volume_wh: int
    low: int
    high: int
    buy_cost: int
    sell_cost: int


@dataclass(frozen=True, slots=True, eq=False)
class _Fills:
    crossing: _Crossing | None
    buys_wh: Int64s
    sells_wh: Int64s


def clear(book: Book, fee_per_kwh: int = 0) -> AuctionResult:
    """Clears a book; ``fee_per_kwh`` is the grid fee between any buyer and seller of the zone."""
    # Both sides become costs, cheapest first, so that one code serves both.
    costs = (fee_per_kwh - book.buys.limit_per_kwh, book.sells.limit_per_kwh)
    fills = _fill(book, costs, (book.buys.quantity_wh, book.sells.quantity_wh))
    rejected: tuple[int, ...] = ()
    if _violator(book, fills) is not None:
        fills, rejected = _enforce_minimum_fills(book, costs)
    crossing = fills.crossing
    return AuctionResult(
        price_per_kwh=None if crossing is None else _price(crossing),
        price_low_per_kwh=None if crossing is None else crossing.low,
        price_high_per_kwh=None if crossing is None else crossing.high,
        matched_wh=0 if crossing is None else crossing.volume_wh,
        buy_fills_wh=fills.buys_wh,
        sell_fills_wh=fills.sells_wh,
        trades=pair(fills.buys_wh, fills.sells_wh),
        rejected=rejected,
    )


def pair(buy_fills_wh: Int64s, sell_fills_wh: Int64s) -> Trades:
    """Pairs equal totals of fills by sequence: at most one trade fewer than there are filled orders."""
    buyers, sellers = np.flatnonzero(buy_fills_wh > 0), np.flatnonzero(sell_fills_wh > 0)
    # Where each order's energy ends on a common axis; the last bit says whose end it is. Large arrays are memory that
    # the system must clear first, so each one serves as long as it can.
    ends = np.empty(len(buyers) + len(sellers), dtype=np.int64)
    np.cumsum(buy_fills_wh[buyers], out=ends[: len(buyers)])
    np.cumsum(sell_fills_wh[sellers], out=ends[len(buyers) :])
    ends <<= 1
    ends[len(buyers) :] |= 1
    ends.sort()
    is_sell_end = ends & 1
    ends >>= 1
    energy_wh = ends.copy()
    energy_wh[1:] -= ends[:-1]
    traded = np.flatnonzero(energy_wh > 0)
    sells_before = np.cumsum(is_sell_end, out=ends)
    sells_before -= is_sell_end
    sell = sells_before[traded]
    buy = np.subtract(traded, sell, out=is_sell_end[: len(traded)])
    return Trades(buyers[buy], sellers[sell], energy_wh[traded])


def _price(crossing: _Crossing) -> int:
    return (crossing.low + crossing.high) // 2


def _fill(book: Book, costs: tuple[Int64s, Int64s], quantities: tuple[Int64s, Int64s]) -> _Fills:
    """Clears as if every order could be filled in part. A quantity of 0 takes an order out."""
    crossing = _cross(*_by_cost(costs[0], quantities[0]), *_by_cost(costs[1], quantities[1]))
    if crossing is None:
        return _Fills(None, np.zeros_like(quantities[0]), np.zeros_like(quantities[1]))
    volume_wh = crossing.volume_wh
    return _Fills(
        crossing,
        _side_fills(costs[0], quantities[0], book.buys.min_fill_wh, crossing.buy_cost, volume_wh),
        _side_fills(costs[1], quantities[1], book.sells.min_fill_wh, crossing.sell_cost, volume_wh),
    )


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


def _cross(buy_cost: Int64s, buy_total_wh: Int64s, sell_cost: Int64s, sell_total_wh: Int64s) -> _Crossing | None:
    """Volume, price interval and marginal levels of two cumulative curves; None when nothing can trade."""

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
    next_buy, next_sell = (
        int(buy_total_wh.searchsorted(volume_wh, "right")),
        int(sell_total_wh.searchsorted(volume_wh, "right")),
    )
    if next_buy < len(buy_cost):
        low = max(low, -int(buy_cost[next_buy]))
    if next_sell < len(sell_cost):
        high = min(high, int(sell_cost[next_sell]))
    return _Crossing(volume_wh, low, high, buy, sell)


def _side_fills(cost: Int64s, quantity_wh: Int64s, min_fill_wh: Int64s, marginal_cost: int, volume_wh: int) -> Int64s:
    fills = np.where(cost < marginal_cost, quantity_wh, 0)
    level = np.flatnonzero(cost == marginal_cost)
    left_wh = volume_wh - int(fills.sum())
    level_wh = quantity_wh[level]
    if left_wh == int(level_wh.sum()):
        fills[level] = level_wh
    elif ((min_fill_wh[level] > 1) & (level_wh > 0)).any():
        fills[level] = price_time(level_wh, left_wh)
    else:
        fills[level] = pro_rata(level_wh, left_wh)
    return fills


# Orders with a minimum fill. A violator is partly filled, hence on the one marginal level that is rationed, which its
# minimum fill has put on price-time priority: there is at most one at a time, and its surplus at the price is nil.


def _violator(book: Book, fills: _Fills) -> tuple[int, int] | None:
    """Side and position of the order that is filled, but less than it accepts."""
    for side, (fill_wh, orders) in enumerate(((fills.buys_wh, book.buys), (fills.sells_wh, book.sells))):
        short = np.flatnonzero((fill_wh > 0) & (fill_wh < orders.min_fill_wh))
        if len(short):
            return side, int(short[0])
    return None


def _enforce_minimum_fills(book: Book, costs: tuple[Int64s, Int64s]) -> tuple[_Fills, tuple[int, ...]]:
    """Takes violators out one by one, then offers each of them one way back, the best and earliest first."""
    quantities = (book.buys.quantity_wh.copy(), book.sells.quantity_wh.copy())
    sides = (book.buys, book.sells)
    out: list[tuple[int, int]] = []
    fills = _fill(book, costs, quantities)
    while (violator := _violator(book, fills)) is not None:
        out.append(violator)
        quantities[violator[0]][violator[1]] = 0
        fills = _fill(book, costs, quantities)

    def sequence(order: tuple[int, int]) -> int:
        return int(sides[order[0]].sequence[order[1]])

    def surplus(order: tuple[int, int]) -> int:
        if fills.crossing is None:
            return 0
        price = _price(fills.crossing)
        return (price if order[0] else -price) - int(costs[order[0]][order[1]])

    still_out: list[tuple[int, int]] = []
    for order in sorted(out, key=lambda order: (-surplus(order), sequence(order))):
        side, position = order
        quantities[side][position] = sides[side].quantity_wh[position]
        attempt = _fill(book, costs, quantities)
        if _violator(book, attempt) is None:
            fills = attempt
        else:
            quantities[side][position] = 0
            still_out.append(order)
    return fills, tuple(sorted(sequence(order) for order in still_out if fills.crossing is None or surplus(order) > 0))
