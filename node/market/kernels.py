"""The crossing and the pairing as compiled loops (numba), for large books: the same results as the plain functions.

Nothing is sorted. The price at which supply overtakes demand is found by histograms of ever finer buckets, a few
passes over the columns. ``node/market/jit.py`` says what loading it costs.
"""

import numpy as np
from numba import types

from node.market.crossing import Crossing
from node.market.jit import compiled
from node.market.rationing import Int64s

_MOST_BUCKET_BITS = 14
_FEWEST_BUCKET_BITS = 6
_NEVER = 2**62
"""Beyond every price, and its negative below."""

_ROW = types.Array(types.int64, 1, "C", readonly=True)
_ROW_OUT = types.Array(types.int64, 1, "C")
_TABLE = types.Array(types.int64, 2, "C")
_FIVE = types.UniTuple(types.int64, 5)  # type: ignore[no-untyped-call]


def cross(
    bid_limit_per_kwh: Int64s, bid_wh: Int64s, ask_limit_per_kwh: Int64s, ask_wh: Int64s, fee_per_kwh: int
) -> Crossing | None:
    """As ``crossing.cross``."""
    orders = len(bid_wh) + len(ask_wh)
    bits = min(max(orders.bit_length(), _FEWEST_BUCKET_BITS), _MOST_BUCKET_BITS)
    volume_wh, low, high, buy_limit, sell_limit = _cross(
        _row(bid_limit_per_kwh), _row(bid_wh), _row(ask_limit_per_kwh), _row(ask_wh), fee_per_kwh, bits
    )
    return Crossing(volume_wh, low, high, buy_limit, sell_limit) if volume_wh else None


def pair(buy_fills_wh: Int64s, sell_fills_wh: Int64s) -> tuple[Int64s, Int64s, Int64s]:
    """As ``crossing.pair``."""
    most = len(buy_fills_wh) + len(sell_fills_wh)
    # Allocated here and not in the loop: numpy asks the system for large pages.
    trades = np.empty((3, most), dtype=np.int64)
    buyers, sellers = (np.empty((2, len(fills) + 1), dtype=np.int64) for fills in (buy_fills_wh, sell_fills_wh))
    count = _pair(_row(buy_fills_wh), _row(sell_fills_wh), buyers, sellers, trades)
    return trades[0, :count], trades[1, :count], trades[2, :count]


def _row(column: Int64s) -> Int64s:
    return np.ascontiguousarray(column)


@compiled(types.void(_ROW, _ROW, types.int64, types.int64, types.int64, _ROW_OUT))
def _add(limit: Int64s, quantity_wh: Int64s, first: int, span: int, width: int, buckets: Int64s) -> None:
    """Adds the energy of limits from ``first`` to ``first + span`` to buckets of ``2**width`` ticks."""
    for i in range(len(limit)):
        # Unsigned, what is below the first is beyond the last: one comparison for both.
        above = np.uint64(limit[i] - first)
        if above <= np.uint64(span):
            buckets[above >> np.uint64(width)] += quantity_wh[i]


@compiled(types.int64(_ROW, _ROW, _ROW, _ROW, types.int64, types.int64, types.int64, types.int64))
def _overtaking(
    bid_limit: Int64s, bid_wh: Int64s, ask_limit: Int64s, ask_wh: Int64s, fee: int, bits: int, first: int, last: int
) -> int:
    """The least price from ``first`` to ``last`` at which supply is no less than demand; at ``last`` it is."""
    # Supply less demand grows with the price: by an offer's energy at its limit, by a bid's one tick above its limit.
    step = fee - 1
    net_wh = 0
    for i in range(len(bid_limit)):
        net_wh -= bid_wh[i] if bid_limit[i] >= first + step else 0
    buckets = np.empty(1 << bits, dtype=np.int64)
    while first < last:
        width = 0
        while (last - first) >> width >= 1 << bits:
            width += 1
        buckets[:] = 0
        _add(ask_limit, ask_wh, first, last - first, width, buckets)
        _add(bid_limit, bid_wh, first + step, last - first, width, buckets)
        bucket = 0
        while net_wh + buckets[bucket] < 0:
            net_wh += buckets[bucket]
            bucket += 1
        first += bucket << width
        last = first + (1 << width) - 1
    return first


@compiled(_FIVE(_ROW, _ROW, _ROW, _ROW, types.int64, types.int64))
def _around(
    bid_limit: Int64s, bid_wh: Int64s, ask_limit: Int64s, ask_wh: Int64s, fee: int, price: int
) -> tuple[int, int, int, int, int]:
    """The crossing, from the orders next to the price at which supply overtakes demand."""
    offered_below_wh, offered_wh = 0, 0
    ask_below, ask_from, ask_above = -_NEVER, _NEVER, _NEVER
    for i in range(len(ask_limit)):
        at, energy_wh = ask_limit[i], ask_wh[i]
        live = energy_wh > 0
        offered_below_wh += energy_wh if at < price else 0
        offered_wh += energy_wh if at <= price else 0
        ask_below = max(ask_below, at if live & (at < price) else -_NEVER)
        ask_from = min(ask_from, at if live & (at >= price) else _NEVER)
        ask_above = min(ask_above, at if live & (at > price) else _NEVER)
    wanted_wh = 0
    bid_below, bid_from = -_NEVER, _NEVER
    for i in range(len(bid_limit)):
        at, energy_wh = bid_limit[i] - fee, bid_wh[i]
        live = energy_wh > 0
        wanted_wh += energy_wh if at >= price else 0
        bid_below = max(bid_below, at if live & (at < price) else -_NEVER)
        bid_from = min(bid_from, at if live & (at >= price) else _NEVER)
    volume_wh = max(wanted_wh, offered_below_wh)
    # Below the price demand is above supply, at it no longer: the volume is what is wanted at it or offered below it.
    if volume_wh == offered_below_wh:
        sell, next_sell = ask_below, ask_from
    else:
        sell, next_sell = price, price if offered_wh > volume_wh else ask_above
    buy, next_buy = (bid_from, bid_below) if volume_wh == wanted_wh else (price - 1, price - 1)
    return volume_wh, max(sell, next_buy), min(buy, next_sell), buy + fee, sell


@compiled(_FIVE(_ROW, _ROW, _ROW, _ROW, types.int64, types.int64))
def _cross(
    bid_limit: Int64s, bid_wh: Int64s, ask_limit: Int64s, ask_wh: Int64s, fee: int, bits: int
) -> tuple[int, int, int, int, int]:
    """Volume, low, high and the marginal limits; volume 0 where nothing trades."""
    least_ask, greatest_bid = _NEVER, -_NEVER
    for i in range(len(ask_limit)):
        least_ask = min(least_ask, ask_limit[i])
    for i in range(len(bid_limit)):
        greatest_bid = max(greatest_bid, bid_limit[i])
    if least_ask > greatest_bid - fee:
        return 0, 0, 0, 0, 0
    price = _overtaking(bid_limit, bid_wh, ask_limit, ask_wh, fee, bits, least_ask, greatest_bid - fee + 1)
    return _around(bid_limit, bid_wh, ask_limit, ask_wh, fee, price)


@compiled(types.int64(_ROW, _TABLE))
def _filled(fills_wh: Int64s, orders: Int64s) -> int:
    """Writes positions of filled orders, and where their energy ends on a common axis; returns how many."""
    count, end = 0, 0
    for i in range(len(fills_wh)):
        end += fills_wh[i]
        orders[0, count], orders[1, count] = i, end
        count += fills_wh[i] > 0
    return count


@compiled(types.int64(_ROW, _ROW, _TABLE, _TABLE, _TABLE))
def _pair(buy_fills_wh: Int64s, sell_fills_wh: Int64s, buyers: Int64s, sellers: Int64s, trades: Int64s) -> int:
    """Writes the trades; returns how many."""
    buyer_count, seller_count = _filled(buy_fills_wh, buyers), _filled(sell_fills_wh, sellers)
    i, j, count, start = 0, 0, 0, 0
    while i < buyer_count and j < seller_count:
        # Without branches: whose energy ends first is a coin toss that no processor predicts.
        buyer_end, seller_end = buyers[1, i], sellers[1, j]
        end = min(buyer_end, seller_end)
        trades[0, count], trades[1, count], trades[2, count] = buyers[0, i], sellers[0, j], end - start
        i += buyer_end == end
        j += seller_end == end
        count += 1
        start = end
    return count
