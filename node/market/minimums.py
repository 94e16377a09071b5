"""Orders with a minimum fill, taken out and put back one at a time, in books that have thousands of them.

Clearing again after every order that goes takes as long as there are orders, each time. Here both sides lie sorted,
with their energy in trees of partial sums (Fenwick, https://doi.org/10.1002/spe.4380240306): a change, and the search
for the next order whose minimum cannot be met, take a few steps. ``node/market/jit.py`` says what loading it costs.
"""

from collections.abc import Sequence

import numpy as np
from numba import types

from node.market.jit import compiled
from node.market.rationing import Int64s

_ROW = types.Array(types.int64, 1, "C")
_TABLE = types.Array(types.int64, 2, "C")
_PAIR = types.UniTuple(types.int64, 2)  # type: ignore[no-untyped-call]

_COST, _QUANTITY, _MIN_FILL, _TREE = range(4)
"""Rows of a side's table, cheapest first and then by sequence; the tree has one column more, the first."""


@compiled(types.int64(_TABLE, types.int64))
def _up_to(side: Int64s, count: int) -> int:
    """Energy of the first ``count`` orders."""
    total = 0
    while count:
        total += side[_TREE, count]
        count &= count - 1
    return total


@compiled(types.void(_TABLE, types.int64, types.int64))
def _change(side: Int64s, rank: int, energy_wh: int) -> None:
    node = rank + 1
    while node < side.shape[1]:
        side[_TREE, node] += energy_wh
        node += node & -node


@compiled(types.int64(_TABLE, types.int64))
def _reaching(side: Int64s, energy_wh: int) -> int:
    """The order with which the energy so far comes to ``energy_wh`` or more."""
    step = 1
    while step * 2 < side.shape[1]:
        step *= 2
    rank = 0
    while step:
        if rank + step < side.shape[1] and side[_TREE, rank + step] < energy_wh:
            rank += step
            energy_wh -= side[_TREE, rank]
        step //= 2
    return rank


@compiled(types.int64(_TABLE, types.int64))
def _offered(sells: Int64s, price: int) -> int:
    """Energy offered at ``price`` or less."""
    low, high = 0, sells.shape[1] - 1
    while low < high:
        middle = (low + high) // 2
        if sells[_COST, middle] <= price:
            low = middle + 1
        else:
            high = middle
    return _up_to(sells, low)


@compiled(types.int64(_TABLE, _TABLE))
def _volume(buys: Int64s, sells: Int64s) -> int:
    """The most energy that can trade."""
    low, high = 0, buys.shape[1] - 1
    while low < high:
        middle = (low + high) // 2
        if _offered(sells, -buys[_COST, middle]) <= _up_to(buys, middle):
            high = middle
        else:
            low = middle + 1
    if not low:
        return 0
    return min(_up_to(buys, low), _offered(sells, -buys[_COST, low - 1]))


@compiled(_PAIR(_TABLE, _TABLE))
def _violator(buys: Int64s, sells: Int64s) -> tuple[int, int]:
    """Side and rank of the order that would get less than it accepts; side -1 where there is none.

    By price and time the energy runs out within one order of a side. Where that one has what it accepts, so has every
    other; where it has not, it has a minimum, and with it its level goes by time.
    """
    volume_wh = _volume(buys, sells)
    if volume_wh:
        for number, side in ((0, buys), (1, sells)):
            rank = _reaching(side, volume_wh)
            if volume_wh - _up_to(side, rank) < side[_MIN_FILL, rank]:
                return number, rank
    return -1, 0


@compiled(types.int64(_TABLE, _TABLE, _TABLE))
def _drop(buys: Int64s, sells: Int64s, out: Int64s) -> int:
    """Takes violators out until there is none; writes them, returns how many."""
    count = 0
    number, rank = _violator(buys, sells)
    while number >= 0:
        side = buys if number == 0 else sells
        _change(side, rank, -side[_QUANTITY, rank])
        out[0, count], out[1, count] = number, rank
        count += 1
        number, rank = _violator(buys, sells)
    return count


@compiled(types.void(_TABLE, _TABLE, _TABLE, _ROW))
def _admit(buys: Int64s, sells: Int64s, orders: Int64s, admitted: Int64s) -> None:
    """Puts each order back that violates nothing, and says which."""
    for i in range(orders.shape[1]):
        rank = orders[1, i]
        side = buys if orders[0, i] == 0 else sells
        _change(side, rank, side[_QUANTITY, rank])
        admitted[i] = _violator(buys, sells)[0] < 0
        if not admitted[i]:
            _change(side, rank, -side[_QUANTITY, rank])


class Minimums:
    """The orders of a book, as (side, position), of which some are out. Costs ascend from the best order of a side."""

    def __init__(self, sides: Sequence[tuple[Int64s, Int64s, Int64s]]) -> None:
        """Takes cost, quantity and minimum fill of the buys and of the sells, each in the order of sequence."""
        self._positions = [np.argsort(cost, kind="stable") for cost, _, _ in sides]
        self._buys, self._sells = (_table(*side, order) for side, order in zip(sides, self._positions, strict=True))

    def drop(self) -> list[tuple[int, int]]:
        """Takes violators out until there is none; in that order."""
        out = np.empty((2, sum(map(len, self._positions))), dtype=np.int64)
        count = _drop(self._buys, self._sells, out)
        return [(side, int(self._positions[side][rank])) for side, rank in out[:, :count].T.tolist()]

    def admit(self, orders: Sequence[tuple[int, int]]) -> list[bool]:
        """Offers each order its way back; says which of them took it."""
        ranks = [np.argsort(order) for order in self._positions]
        rows = np.array([(side, ranks[side][position]) for side, position in orders], dtype=np.int64).reshape(-1, 2)
        admitted = np.empty(len(orders), dtype=np.int64)
        _admit(self._buys, self._sells, np.ascontiguousarray(rows.T), admitted)
        return admitted.astype(bool).tolist()


def _table(cost: Int64s, quantity_wh: Int64s, min_fill_wh: Int64s, order: Int64s) -> Int64s:
    table = np.zeros((4, len(order) + 1), dtype=np.int64)
    for row, column in ((_COST, cost), (_QUANTITY, quantity_wh), (_MIN_FILL, min_fill_wh)):
        table[row, :-1] = column[order]
    totals = np.concatenate(([0], np.cumsum(quantity_wh[order])))
    nodes = np.arange(len(order) + 1)
    table[_TREE] = totals - totals[nodes & (nodes - 1)]  # a node has the energy since the node it is reached from
    table[_TREE, 0] = 0
    return table
