"""What flows between the zones of an area, and the prices that fit it: ``zonal_flow`` with its data made ready.

Arrays of zones follow ``Area.zones``; tables are indexed [zone of the seller, zone of the buyer]. Curves and prices
come in one row: what sellers of each zone offer and receive, then what its buyers want and pay.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from node.market.area import Area
from node.market.auction import MAX_TOTAL_WH
from node.market.rationing import Int64s

FAR: Final = 2**60
"""Beyond every price."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The orders of a side from the most to the least generous, and the energy up to and including each.

    ``cost`` ascends: it is an offer's limit, and a bid's limit negated.
    """

    cost: Int64s
    total_wh: Int64s

    @classmethod
    def of(cls, cost: Int64s, quantity_wh: Int64s) -> "Curve":
        if not len(cost):
            return cls(cost, quantity_wh)
        least = int(cost.min())
        quantity_bits = int(quantity_wh.max()).bit_length()
        if (int(cost.max()) - least).bit_length() + quantity_bits >= 64:
            order = np.argsort(cost)
            return cls(cost[order], np.cumsum(quantity_wh[order]))
        # Sorting packed values is several times faster than sorting positions and gathering by them.
        packed = cost - least
        packed <<= quantity_bits
        packed |= quantity_wh
        packed.sort()
        ascending = packed >> quantity_bits
        ascending += least
        packed &= (1 << quantity_bits) - 1
        return cls(ascending, np.cumsum(packed, out=packed))

    @property
    def energy_wh(self) -> int:
        """All of it."""
        return int(self.total_wh[-1]) if len(self.total_wh) else 0

    def margin(self, volume_wh: int) -> tuple[int, int]:
        """Cost of the last order that ``volume_wh`` reaches, and of the first that it does not fill."""
        last, following = (int(self.total_wh.searchsorted(volume_wh, side)) for side in ("left", "right"))
        return (
            int(self.cost[last]) if volume_wh else -FAR,
            int(self.cost[following]) if following < len(self.cost) else FAR,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """An area as tables."""

    fee_per_kwh: Int64s
    capacity_wh: Int64s
    """0 where zones are not linked."""
    sell_zone: Int64s
    """Positions of each pair's zones, in the order of ``Area.pairs``."""
    buy_zone: Int64s

    @classmethod
    def of(cls, area: Area) -> "Network":
        position = {zone: index for index, zone in enumerate(area.zones)}
        pairs = np.array([(position[sell], position[buy]) for sell, buy in area.pairs], dtype=np.int64)
        sell, buy = np.ascontiguousarray(pairs.T)
        fee, capacity = np.zeros((2, len(position), len(position)), dtype=np.int64)
        fee[sell, buy] = [area.fee_per_kwh[pair] for pair in area.pairs]
        capacity[sell, buy] = [area.capacity_wh.get(pair, MAX_TOTAL_WH) for pair in area.pairs]
        return cls(fee, capacity, sell, buy)


@dataclass(frozen=True, slots=True, eq=False)
class Exchange:
    """What flows, and the least and the greatest prices that fit."""

    flow_wh: Int64s
    low: Int64s
    high: Int64s

    @property
    def volumes_wh(self) -> list[int]:
        """What sellers of each zone deliver, then what its buyers take."""
        return [*self.flow_wh.sum(axis=1).tolist(), *self.flow_wh.sum(axis=0).tolist()]


def exchange(network: Network, curves: Sequence[Curve]) -> Exchange:
    """The best exchange.

    Raises:
        ValueError: more energy than is computed exactly.
    """
    from node.market import zonal_flow  # compiled: loading it takes half a second that lonely zones need not spend

    zones = len(network.fee_per_kwh)
    sells, buys = curves[:zones], curves[zones:]
    supply_wh, demand_wh = ([curve.energy_wh for curve in side] for side in (sells, buys))
    if max(sum(supply_wh), sum(demand_wh)) * zones >= MAX_TOTAL_WH:
        raise ValueError(f"all quantities of a side, times the number of zones, must stay below {MAX_TOTAL_WH} Wh")
    # A capacity that no exchange can use up is none.
    capacity_wh = np.minimum(network.capacity_wh, np.minimum.outer(supply_wh, demand_wh) + 1)
    columns = (*_joined(sells), *_joined(buys), network.fee_per_kwh, capacity_wh)
    bits = int(max(np.abs(column).max() for column in (columns[0], columns[3], network.fee_per_kwh) if column.size))
    price = zonal_flow.find_prices(bits.bit_length() + 1, *columns)
    flow_wh = zonal_flow.find_flows(price, network.sell_zone, network.buy_zone, *columns)
    volumes_wh = [*flow_wh.sum(axis=1).tolist(), *flow_wh.sum(axis=0).tolist()]
    margins = [curve.margin(volume_wh) for curve, volume_wh in zip(curves, volumes_wh, strict=True)]
    return Exchange(flow_wh, *_fitting_prices(network.fee_per_kwh, capacity_wh, flow_wh, margins))


def _joined(curves: Sequence[Curve]) -> tuple[Int64s, Int64s, Int64s]:
    """All costs and totals one after another, and where each curve begins; the last number is where they end."""
    first = np.cumsum([0, *(len(curve.cost) for curve in curves)])
    return (
        np.concatenate([curve.cost for curve in curves]),
        np.concatenate([curve.total_wh for curve in curves]),
        first,
    )


def _fitting_prices(
    fee: Int64s, capacity_wh: Int64s, flow_wh: Int64s, margins: Sequence[tuple[int, int]]
) -> tuple[Int64s, Int64s]:
    """The least and the greatest solution of: buyers pay no more than sellers get and the fee where there is capacity
    left, and no less where energy flows; and every side's price lies at its margin.
    """
    zones = len(fee)
    is_open, is_used = flow_wh < capacity_wh, flow_wh > 0
    lowest, highest = np.array(margins, dtype=np.int64).T
    low, high = lowest.copy(), highest.copy()
    low[zones:], high[zones:] = -highest[zones:], -lowest[zones:]
    while True:
        before = low.copy(), high.copy()
        for prices, bound, best, sellers_from, buyers_from in (
            (low, -FAR, np.maximum, is_open, is_used),
            (high, FAR, np.minimum, is_used, is_open),
        ):
            sell, buy = prices[:zones], prices[zones:]
            best(sell, best.reduce(np.where(sellers_from, buy - fee, bound), axis=1), out=sell)
            best(buy, best.reduce(np.where(buyers_from, sell[:, np.newaxis] + fee, bound), axis=0), out=buy)
        if (before[0] == low).all() and (before[1] == high).all():
            return low, high
