"""The uniform-price double auction of all zones of an area at once, for one delivery slot.

Of all exchanges that keep to the orders and to the capacities between zones, one is chosen with the most welfare:
the bids' value less the offers' value less the grid fees. Of those, one with the most volume; of those, the one
with most on the most local pair of zones, then on the next, in the order of ``Area.pairs``.

Every zone has a price that its sellers receive and one that its buyers pay, all in. Between two zones the buyers'
price is at most the sellers' plus the fee where the capacity is not used up, and at least that where energy flows;
what it is more is congestion rent. Of all prices that fit the exchange, the midpoint of the least and the greatest
is published, rounded down: it fits as well. In a single zone all this comes to what ``auction`` does.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from node.market.area import Area
from node.market.auction import Book, Side, Trades, pair
from node.market.rationing import Int64s, price_time, pro_rata
from node.market.zonal_prices import Curve, Exchange, Network, exchange


@dataclass(frozen=True, slots=True, eq=False)
class SideResult:
    """What one side of a zone's book came to. Prices are None where nothing trades."""

    price_per_kwh: int | None
    """What sellers receive; what buyers pay with fee and rent."""
    price_low_per_kwh: int | None
    price_high_per_kwh: int | None
    matched_wh: int
    fills_wh: Int64s
    """Aligned with the side's orders."""


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """What sellers of one zone deliver to buyers of another, or of the same."""

    sell_zone: int
    buy_zone: int
    energy_wh: int
    price_per_kwh: int
    """What the sellers receive."""
    fee_per_kwh: int
    rent_per_kwh: int
    """What the buyers pay beyond price and fee; above 0 only where the capacity is used up."""
    trades: Trades
    """Positions are those in the zones' books."""


@dataclass(frozen=True, slots=True, eq=False)
class ZonalResult:
    """What an area's auction decided."""

    sells: Mapping[int, SideResult]
    """By zone, ascending."""
    buys: Mapping[int, SideResult]
    flows: tuple[Flow, ...]
    """Those with energy, in the order of ``Area.pairs``."""
    rejected: tuple[int, ...]
    """Sequence numbers of orders left out only because their minimum fill could not be met (paradoxically rejected)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Fills:
    exchange: Exchange
    volumes_wh: list[int]
    fills_wh: list[Int64s]

    def price(self, row: int) -> int | None:
        return (int(self.exchange.low[row]) + int(self.exchange.high[row])) // 2 if self.volumes_wh[row] else None


class _Clearing:
    """The rows of an area, sellers of each zone and then buyers, and what takes part of each."""

    def __init__(self, area: Area, books: Mapping[int, Book], without: Collection[int]) -> None:
        self.network = Network.of(area)
        self.zones = len(area.zones)
        self.sides: list[Side] = [books[zone].sells for zone in area.zones] + [books[zone].buys for zone in area.zones]
        self._costs = [side.limit_per_kwh * self._sign(row) for row, side in enumerate(self.sides)]
        self._quantities = [side.quantity_wh for side in self.sides]
        if without:
            gone = np.array(sorted(without), dtype=np.int64)
            self._quantities = [np.where(np.isin(side.sequence, gone), 0, side.quantity_wh) for side in self.sides]
        self._curves = [Curve.of(*columns) for columns in zip(self._costs, self._quantities, strict=True)]

    def take_part(self, row: int, position: int, *, wanted: bool) -> None:
        """Takes an order in or out."""
        quantity_wh = self._quantities[row].copy()
        quantity_wh[position] = self.sides[row].quantity_wh[position] if wanted else 0
        self._quantities[row] = quantity_wh
        self._curves[row] = Curve.of(self._costs[row], quantity_wh)

    def fill(self) -> _Fills:
        """Clears as if every order could be filled in part."""
        found = exchange(self.network, self._curves)
        volumes_wh = found.volumes_wh
        return _Fills(found, volumes_wh, [self._row_fills(row, volume_wh) for row, volume_wh in enumerate(volumes_wh)])

    def violator(self, fills: _Fills) -> tuple[int, int] | None:
        """Row and position of an order that is filled, but less than it accepts: of several, the latest."""
        short = [
            (int(side.sequence[position]), row, position)
            for row, (side, fill_wh) in enumerate(zip(self.sides, fills.fills_wh, strict=True))
            for position in np.flatnonzero((fill_wh > 0) & (fill_wh < side.min_fill_wh)).tolist()
        ]
        return max(short)[1:] if short else None

    def sequence(self, order: tuple[int, int]) -> int:
        return int(self.sides[order[0]].sequence[order[1]])

    def surplus(self, fills: _Fills, order: tuple[int, int]) -> int:
        """What a Wh of the order gains at the price; nothing where there is no price."""
        row, position = order
        price = fills.price(row)
        return 0 if price is None else self._sign(row) * (price - int(self.sides[row].limit_per_kwh[position]))

    def _sign(self, row: int) -> int:
        return 1 if row < self.zones else -1

    def _row_fills(self, row: int, volume_wh: int) -> Int64s:
        cost, quantity_wh = self._costs[row], self._quantities[row]
        if not volume_wh:
            return np.zeros_like(quantity_wh)
        marginal, _ = self._curves[row].margin(volume_wh)
        fills_wh = quantity_wh * (cost <= marginal)
        if excess_wh := int(fills_wh.sum()) - volume_wh:
            level = np.flatnonzero(cost == marginal)
            level_wh = quantity_wh[level]
            by_time = ((self.sides[row].min_fill_wh[level] > 1) & (level_wh > 0)).any()
            fills_wh[level] = (price_time if by_time else pro_rata)(level_wh, int(level_wh.sum()) - excess_wh)
        return fills_wh


def clear(area: Area, books: Mapping[int, Book], without: Collection[int] = ()) -> ZonalResult:
    """Clears the books of all zones of an area, as if the orders whose sequences are in ``without`` were not there.

    Raises:
        ValueError: more energy than is computed exactly.
    """
    clearing = _Clearing(area, books, without)
    fills, rejected = _meet_minimum_fills(clearing, clearing.fill())
    rows = [_side_result(fills, row) for row in range(2 * clearing.zones)]
    return ZonalResult(
        sells=dict(zip(area.zones, rows, strict=False)),
        buys=dict(zip(area.zones, rows[clearing.zones :], strict=True)),
        flows=_flows(area, clearing.network, fills),
        rejected=rejected,
    )


def _meet_minimum_fills(clearing: _Clearing, fills: _Fills) -> tuple[_Fills, tuple[int, ...]]:
    """Takes violators out one by one, then offers each of them one way back, the best and earliest first.

    A violator is partly filled, so it stands at the price and its surplus is nil, as that of every other violator.
    """
    out: list[tuple[int, int]] = []
    while (violator := clearing.violator(fills)) is not None:
        out.append(violator)
        clearing.take_part(*violator, wanted=False)
        fills = clearing.fill()
    still_out: list[tuple[int, int]] = []
    for order in sorted(out, key=lambda order: (-clearing.surplus(fills, order), clearing.sequence(order))):
        clearing.take_part(*order, wanted=True)
        attempt = clearing.fill()
        if clearing.violator(attempt) is None:
            fills = attempt
        else:
            clearing.take_part(*order, wanted=False)
            still_out.append(order)
    rejected = (
        clearing.sequence(order)
        for order in still_out
        if fills.price(order[0]) is None or clearing.surplus(fills, order) > 0
    )
    return fills, tuple(sorted(rejected))


def _side_result(fills: _Fills, row: int) -> SideResult:
    trades = fills.volumes_wh[row] > 0
    return SideResult(
        price_per_kwh=fills.price(row),
        price_low_per_kwh=int(fills.exchange.low[row]) if trades else None,
        price_high_per_kwh=int(fills.exchange.high[row]) if trades else None,
        matched_wh=fills.volumes_wh[row],
        fills_wh=fills.fills_wh[row],
    )


class _Line:
    """The energy of a row's filled orders, one after another by sequence, from which flows are taken."""

    def __init__(self, fills_wh: Int64s) -> None:
        self._orders = np.flatnonzero(fills_wh)
        self._ends_wh = np.cumsum(fills_wh[self._orders])
        self._taken_wh = 0

    def take(self, energy_wh: int) -> tuple[Int64s, Int64s]:
        """Positions of the orders next in line, and what each gives."""
        start, self._taken_wh = self._taken_wh, self._taken_wh + energy_wh
        first = int(self._ends_wh.searchsorted(start, "right"))
        last = int(self._ends_wh.searchsorted(self._taken_wh, "left"))
        ends_wh = np.minimum(self._ends_wh[first : last + 1], self._taken_wh)
        return self._orders[first : last + 1], np.diff(ends_wh, prepend=start)


def _flows(area: Area, network: Network, fills: _Fills) -> tuple[Flow, ...]:
    lines = [_Line(fills_wh) for fills_wh in fills.fills_wh]
    return tuple(
        _flow(area, fills, lines, (sell, buy))
        for sell, buy in zip(network.sell_zone.tolist(), network.buy_zone.tolist(), strict=True)
        if fills.exchange.flow_wh[sell, buy]
    )


def _flow(area: Area, fills: _Fills, lines: Sequence[_Line], pair_: tuple[int, int]) -> Flow:
    sell, buy = pair_
    zones = area.zones[sell], area.zones[buy]
    energy_wh = int(fills.exchange.flow_wh[sell, buy])
    (sellers, sold_wh), (buyers, bought_wh) = lines[sell].take(energy_wh), lines[len(area.zones) + buy].take(energy_wh)
    trades = pair(bought_wh, sold_wh)
    price, paid, fee = fills.price(sell), fills.price(len(area.zones) + buy), area.fee_per_kwh[zones]
    assert price is not None
    assert paid is not None
    return Flow(
        *zones,
        energy_wh=energy_wh,
        price_per_kwh=price,
        fee_per_kwh=fee,
        rent_per_kwh=paid - price - fee,
        trades=Trades(buyers[trades.buy], sellers[trades.sell], trades.energy_wh),
    )
