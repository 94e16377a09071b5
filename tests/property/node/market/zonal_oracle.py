"""The coupled auction as linear programmes, solved by HiGHS: integer data have an integer optimum.

HiGHS works in floating point: only for books whose sums stay far below 2**53.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

from node.market.area import Area, Pair
from tests.property.node.market.naive import BUY, SELL, Bid
from tests.property.node.market.zonal_books import Case

_BIG = 10**6
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Programme:
    """Variables: the fill of every order, then the flow of every pair; every zone balanced on both sides."""

    case: Case
    placed: Sequence[tuple[int, Bid]]

    @classmethod
    def of(cls, case: Case) -> "Programme":
        return cls(case, list(case.placed()))

    def bounds(self) -> list[tuple[int, int | None]]:
        area = self.case.area
        return [(0, bid.quantity) for _, bid in self.placed] + [(0, area.capacity_wh.get(p)) for p in area.pairs]

    def balances(self) -> Floats:
        area, orders = self.case.area, len(self.placed)
        rows = [(zone, side) for zone in area.zones for side in (BUY, SELL)]
        table = np.zeros((len(rows), orders + len(area.pairs)))
        for row, (zone, side) in enumerate(rows):
            for column, (place, bid) in enumerate(self.placed):
                table[row, column] = (place, bid.side) == (zone, side)
            for column, pair in enumerate(area.pairs, orders):
                table[row, column] = -(pair[0 if side == SELL else 1] == zone)
        return table

    def values(self) -> Floats:
        worth = [bid.limit if bid.side == BUY else -bid.limit for _, bid in self.placed]
        return np.array(worth + [-self.case.area.fee_per_kwh[pair] for pair in self.case.area.pairs], dtype=float)

    def volumes(self) -> Floats:
        return np.array([0] * len(self.placed) + [1] * len(self.case.area.pairs), dtype=float)


def best(case: Case) -> tuple[int, int]:
    """Most welfare, and the most volume with it."""
    programme = Programme.of(case)
    scale = 1 + sum(bid.quantity for _, bid in programme.placed)
    optimum = _solve(programme, programme.values() * scale + programme.volumes(), programme.bounds())
    welfare, volume = divmod(round(optimum), scale)
    return welfare, volume


def most_local_flows(case: Case) -> dict[Pair, int]:
    """Flows of the best exchange, with most on the first pair, then on the next: the most local one of several."""
    programme = Programme.of(case)
    welfare, volume = best(case)
    fixed = np.vstack([programme.balances(), programme.values(), programme.volumes()])
    targets = np.array([0] * (len(fixed) - 2) + [welfare, volume], dtype=float)
    bounds = programme.bounds()
    flows = {}
    for column, pair in enumerate(case.area.pairs, len(programme.placed)):
        value = np.zeros(len(bounds))
        value[column] = 1
        solution = linprog(-value, A_eq=fixed, b_eq=targets, bounds=bounds, method="highs")
        assert solution.success
        flows[pair] = round(-float(solution.fun))
        bounds[column] = (flows[pair], flows[pair])
    return flows


def fitting_prices(
    case: Case, fills: dict[int, int], flows: dict[Pair, int]
) -> tuple[dict[Pair, int], dict[Pair, int]]:
    """Least and greatest prices that fit an exchange, by (zone, side)."""
    rows = {
        (zone, side): index for index, (zone, side) in enumerate((z, s) for z in case.area.zones for s in (BUY, SELL))
    }
    limits = {row: [-_BIG, _BIG] for row in rows}
    for zone, bid in case.placed():
        fill, generous = fills[bid.sequence], 1 if bid.side == BUY else 0
        if fill:  # nobody trades at a loss
            _tighten(limits[zone, bid.side], generous, bid.limit)
        if fill < bid.quantity:  # nobody is kept from a gain
            _tighten(limits[zone, bid.side], 1 - generous, bid.limit)
    table, most = _spreads(case.area, flows, rows)
    bounds = [tuple(limits[row]) for row in rows]
    found = []
    for sign in (1, -1):
        solution = linprog([sign] * len(rows), A_ub=table, b_ub=most, bounds=bounds, method="highs")
        assert solution.success
        found.append({row: round(float(solution.x[index])) for row, index in rows.items()})
    return found[0], found[1]


def _tighten(limit: list[int], end: int, price: int) -> None:
    limit[end] = min(limit[end], price) if end else max(limit[end], price)


def _spreads(area: Area, flows: dict[Pair, int], rows: dict[Pair, int]) -> tuple[Floats, list[int]]:
    """Buyers' price less sellers' is at most the fee where there is room, and at least the fee where energy flows."""
    table, most = [np.zeros(len(rows))], [0]
    for (sell, buy), flow in flows.items():
        spread = np.zeros(len(rows))
        spread[rows[buy, BUY]] = 1
        spread[rows[sell, SELL]] = -1
        fee, capacity = area.fee_per_kwh[sell, buy], area.capacity_wh.get((sell, buy))
        if capacity is None or flow < capacity:
            table.append(spread)
            most.append(fee)
        if flow:
            table.append(-spread)
            most.append(-fee)
    return np.array(table), most


def _solve(programme: Programme, value: Floats, bounds: list[tuple[int, int | None]]) -> float:
    balances = programme.balances()
    solution = linprog(-value, A_eq=balances, b_eq=np.zeros(len(balances)), bounds=bounds, method="highs")
    assert solution.success
    return -float(solution.fun)
