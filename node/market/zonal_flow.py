"""Prices and flows of coupled zones by exact integer arithmetic, compiled.

The dual of the coupled auction, as a function of all sellers' and buyers' prices, is L-natural-convex (Murota,
Discrete Convex Analysis): where no set of prices can be moved up or down together with gain, it is at its least. Such
a set is a minimum cut of a network as large as the area has zones, however many orders there are. Prices are found
in coarse steps first, which are then halved, so that few moves are needed at each width.

Prices are two rows: what sellers of each zone receive, then what its buyers pay. Fees and capacities are indexed
[zone of the seller, zone of the buyer]. Curves are orders by ascending cost with the energy up to and including each;
all zones' curves stand one after another. A bid's cost is its limit, negated.
"""

from typing import Final

import numpy as np
from numba import types

from node.market.jit import compiled
from node.market.rationing import Int64s

_NO_LIMIT: Final = 2**62
_WH = types.int64
_ROW = types.Array(types.int64, 1, "C")
_TABLE = types.Array(types.int64, 2, "C")
_FLOW_AND_LEVELS = types.Tuple((types.int64, _ROW))  # type: ignore[no-untyped-call]
_CURVES = (_ROW, _ROW, _ROW)


@compiled(_FLOW_AND_LEVELS(_TABLE, types.int64, types.int64, _WH))
def max_flow(residual: Int64s, source: int, sink: int, limit: int) -> tuple[int, Int64s]:
    """Dinic's algorithm on a matrix of residual capacities, which it updates; pushes at most ``limit``.

    Returns the flow and, where the limit was not reached, each node's distance from the source; -1: not reachable.
    """
    size = len(residual)
    level = np.empty(size, dtype=np.int64)
    queue, path, following = np.empty_like(level), np.empty_like(level), np.empty_like(level)
    total = 0
    while True:
        level[:] = -1
        level[source] = 0
        queue[0] = source
        head, tail = 0, 1
        while head < tail:
            node = queue[head]
            head += 1
            for other in range(size):
                if level[other] < 0 and residual[node, other] > 0:
                    level[other] = level[node] + 1
                    queue[tail] = other
                    tail += 1
        if level[sink] < 0 or total == limit:
            return total, level
        following[:] = 0
        path[0] = source
        depth = 0
        while True:
            node = path[depth]
            if node == sink:
                amount = limit - total
                for step in range(depth):
                    amount = min(amount, residual[path[step], path[step + 1]])
                for step in range(depth):
                    residual[path[step], path[step + 1]] -= amount
                    residual[path[step + 1], path[step]] += amount
                total += amount
                depth = 0
                if total == limit:
                    break
                continue
            other = following[node]
            while other < size and not (residual[node, other] > 0 and level[other] == level[node] + 1):
                other += 1
            following[node] = other
            if other < size:
                depth += 1
                path[depth] = other
            elif depth == 0:
                break
            else:
                depth -= 1
                following[path[depth]] += 1


@compiled(_WH(_ROW, _ROW, types.int64, types.int64, types.int64))
def energy_up_to(cost: Int64s, total_wh: Int64s, first: int, end: int, most: int) -> int:
    """Energy of the orders of one curve, ``[first, end)``, that cost ``most`` or less."""
    low, high = first, end
    while low < high:
        middle = (low + high) // 2
        if cost[middle] <= most:
            low = middle + 1
        else:
            high = middle
    return total_wh[low - 1] if low > first else 0


@compiled(_TABLE(_ROW, types.boolean, types.int64, *_CURVES, *_CURVES, _TABLE, _TABLE))
def _gain(
    price: Int64s,
    up: bool,
    shift: int,
    sell_cost: Int64s,
    sell_total_wh: Int64s,
    sell_first: Int64s,
    buy_cost: Int64s,
    buy_total_wh: Int64s,
    buy_first: Int64s,
    fee: Int64s,
    capacity_wh: Int64s,
) -> Int64s:
    """What raising (or lowering) each price alone by one step saves, and what it costs to do it without another.

    A matrix of residual capacities: zones as sellers, zones as buyers, source, sink.
    """
    n = len(fee)
    source, sink = 2 * n, 2 * n + 1
    residual = np.zeros((2 * n + 2, 2 * n + 2), dtype=np.int64)
    weight = np.zeros(2 * n, dtype=np.int64)
    for zone in range(n):
        ask, bid = price[zone] + (0 if up else -1), price[n + zone] + (1 if up else 0)
        weight[zone] = energy_up_to(
            sell_cost, sell_total_wh, sell_first[zone], sell_first[zone + 1], ((ask + 1) << shift) - 1
        )
        weight[n + zone] = -energy_up_to(buy_cost, buy_total_wh, buy_first[zone], buy_first[zone + 1], -(bid << shift))
    for seller in range(n):
        for buyer in range(n):
            spread = price[n + buyer] - price[seller] - (fee[seller, buyer] >> shift)
            if spread > 0:
                weight[seller] -= capacity_wh[seller, buyer]
                weight[n + buyer] += capacity_wh[seller, buyer]
            elif spread == 0 and up:
                residual[n + buyer, seller] = capacity_wh[seller, buyer]
            elif spread == 0:
                residual[seller, n + buyer] = capacity_wh[seller, buyer]
    for node in range(2 * n):
        cost = weight[node] if up else -weight[node]
        if cost < 0:
            residual[source, node] = -cost
        else:
            residual[node, sink] = cost
    return residual


@compiled(_ROW(types.int64, *_CURVES, *_CURVES, _TABLE, _TABLE))
def find_prices(
    bits: int,
    sell_cost: Int64s,
    sell_total_wh: Int64s,
    sell_first: Int64s,
    buy_cost: Int64s,
    buy_total_wh: Int64s,
    buy_first: Int64s,
    fee: Int64s,
    capacity_wh: Int64s,
) -> Int64s:
    """Prices at which the coupled auction clears; ``bits`` hold every cost and fee."""
    n = len(fee)
    source, sink = 2 * n, 2 * n + 1
    price = np.zeros(2 * n, dtype=np.int64)
    for shift in range(bits, -1, -1):
        price *= 2
        for up in (True, False):
            while True:
                residual = _gain(
                    price, up, shift, sell_cost, sell_total_wh, sell_first, buy_cost, buy_total_wh, buy_first, fee,
                    capacity_wh,
                )  # fmt: skip
                wanted = residual[source].sum()
                flow, level = max_flow(residual, source, sink, _NO_LIMIT)
                if flow == wanted:
                    break
                for node in range(2 * n):
                    if level[node] >= 0:
                        price[node] += 1 if up else -1
    return price


@compiled(_TABLE(_ROW, _ROW, _ROW, *_CURVES, *_CURVES, _TABLE, _TABLE))
def find_flows(
    price: Int64s,
    pair_seller: Int64s,
    pair_buyer: Int64s,
    sell_cost: Int64s,
    sell_total_wh: Int64s,
    sell_first: Int64s,
    buy_cost: Int64s,
    buy_total_wh: Int64s,
    buy_first: Int64s,
    fee: Int64s,
    capacity_wh: Int64s,
) -> Int64s:
    """What flows between zones at these prices: most volume, then most on the first pair, the second and so on."""
    n = len(fee)
    source, sink, spring, drain = 2 * n, 2 * n + 1, 2 * n + 2, 2 * n + 3
    residual = np.zeros((2 * n + 4, 2 * n + 4), dtype=np.int64)
    excess = np.zeros(2 * n + 2, dtype=np.int64)
    flows = np.zeros((n, n), dtype=np.int64)
    # What must flow at these prices is an excess here and a lack there; what may flow is a capacity.
    for zone in range(n):
        ask, bid = price[zone], price[n + zone]
        first, end = sell_first[zone], sell_first[zone + 1]
        must = energy_up_to(sell_cost, sell_total_wh, first, end, ask - 1)
        residual[source, zone] = energy_up_to(sell_cost, sell_total_wh, first, end, ask) - must
        excess[zone] += must
        excess[source] -= must
        first, end = buy_first[zone], buy_first[zone + 1]
        must = energy_up_to(buy_cost, buy_total_wh, first, end, -bid - 1)
        residual[n + zone, sink] = energy_up_to(buy_cost, buy_total_wh, first, end, -bid) - must
        excess[sink] += must
        excess[n + zone] -= must
    for seller in range(n):
        for buyer in range(n):
            spread = price[n + buyer] - price[seller] - fee[seller, buyer]
            if spread > 0:
                flows[seller, buyer] = capacity_wh[seller, buyer]
                excess[seller] -= capacity_wh[seller, buyer]
                excess[n + buyer] += capacity_wh[seller, buyer]
            elif spread == 0:
                residual[seller, n + buyer] = capacity_wh[seller, buyer]
    residual[sink, source] = _NO_LIMIT
    wanted = 0
    for node in range(2 * n + 2):
        if excess[node] > 0:
            residual[spring, node] = excess[node]
            wanted += excess[node]
        else:
            residual[node, drain] = -excess[node]
    flow, _ = max_flow(residual, spring, drain, _NO_LIMIT)
    if flow != wanted:
        raise ArithmeticError("prices do not clear")
    residual[spring:] = 0
    residual[:, spring:] = 0
    residual[sink, source] = residual[source, sink] = 0
    max_flow(residual, source, sink, _NO_LIMIT)
    for pair in range(len(pair_seller)):
        seller, buyer = pair_seller[pair], pair_buyer[pair]
        if price[n + buyer] - price[seller] != fee[seller, buyer]:
            continue
        room = residual[seller, n + buyer]
        flows[seller, buyer] = capacity_wh[seller, buyer] - room
        residual[seller, n + buyer] = residual[n + buyer, seller] = 0
        if room:
            more, _ = max_flow(residual, n + buyer, seller, room)
            flows[seller, buyer] += more
    return flows
