"""Random areas with random books, and what the product makes of them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product

from hypothesis import strategies as st

from node.market.area import Area, Pair
from node.market.auction import Book, Side
from node.market.zonal import ZonalResult, clear
from tests.property.node.market.naive import BUY, SELL, Bid

# Few zones, prices and quantities, so that ties, full links and closed links are the rule and not the exception.
_TIGHT = st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 12), st.integers(-4, 6))
_WIDE = st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 1_000), st.integers(-300, 300))
_HUGE = st.tuples(st.sampled_from([BUY, SELL]), st.sampled_from([1, 10**9, 2**47]), st.integers(-(2**46), 2**46))


@dataclass(frozen=True)
class Case:
    """An area, and the orders of each of its zones, ascending by sequence."""

    area: Area
    orders: dict[int, list[Bid]]

    def books(self) -> dict[int, Book]:
        def side(bids: list[Bid], wanted: int) -> Side:
            return Side.of((bid.sequence, bid.quantity, bid.limit, bid.min_fill) for bid in bids if bid.side == wanted)

        return {zone: Book(side(bids, BUY), side(bids, SELL)) for zone, bids in self.orders.items()}

    def run(self) -> ZonalResult:
        return clear(self.area, self.books())

    def placed(self) -> Iterable[tuple[int, Bid]]:
        return ((zone, bid) for zone, bids in self.orders.items() for bid in bids)

    def changed(self, old: Bid, new: Bid) -> "Case":
        return replace(
            self, orders={zone: [new if bid is old else bid for bid in bids] for zone, bids in self.orders.items()}
        )

    def shifted(self, by: int) -> "Case":
        return replace(
            self, orders={z: [replace(bid, limit=bid.limit + by) for bid in bids] for z, bids in self.orders.items()}
        )

    def fills(self, result: ZonalResult) -> dict[int, int]:
        """What each order got, by sequence."""
        filled: dict[int, int] = {}
        for zone, book in self.books().items():
            for side, row in ((book.buys, result.buys[zone]), (book.sells, result.sells[zone])):
                filled |= dict(zip(side.sequence.tolist(), row.fills_wh.tolist(), strict=True))
        return filled

    def flows(self, result: ZonalResult) -> dict[Pair, int]:
        """Of every pair that can trade."""
        found = {(flow.sell_zone, flow.buy_zone): flow.energy_wh for flow in result.flows}
        return {pair: found.get(pair, 0) for pair in self.area.pairs}

    def trades(self, result: ZonalResult) -> list[tuple[int, int, int]]:
        """Sequence of the bid, sequence of the offer, energy."""
        books = self.books()
        return [
            (int(books[flow.buy_zone].buys.sequence[buy]), int(books[flow.sell_zone].sells.sequence[sell]), int(energy))
            for flow in result.flows
            for buy, sell, energy in zip(flow.trades.buy, flow.trades.sell, flow.trades.energy_wh, strict=True)
        ]

    def everything(self, result: ZonalResult) -> tuple[object, ...]:
        """All that a result says, to be compared."""
        rows = [
            (zone, row.price_per_kwh, row.price_low_per_kwh, row.price_high_per_kwh, row.matched_wh)
            for side in (result.sells, result.buys)
            for zone, row in side.items()
        ]
        money = [(flow.price_per_kwh, flow.fee_per_kwh, flow.rent_per_kwh) for flow in result.flows]
        return rows, money, self.flows(result), self.fills(result), self.trades(result), result.rejected


@st.composite
def areas(draw: st.DrawFn, most_fee: int = 3, most_capacity: int = 15) -> Area:
    zones = tuple(range(1, 1 + draw(st.integers(1, 4))))
    fees, capacities = {}, {}
    for pair in product(zones, zones):
        if pair[0] == pair[1] or draw(st.sampled_from([True, True, False])):
            fees[pair] = draw(st.integers(0, most_fee))
        if pair[0] != pair[1] and pair in fees and draw(st.booleans()):
            capacities[pair] = draw(st.integers(0, most_capacity))
    return Area(zones, fees, capacities)


@st.composite
def cases(draw: st.DrawFn, *, minimum_fills: bool = False, huge: bool = False) -> Case:
    """Orders in random zones of a random area; divisible unless minimum fills are asked for."""
    kinds = [(_TIGHT, 3, 15), (_WIDE, 60, 800)] + ([(_HUGE, 2**40, 2**48)] if huge else [])
    row, most_fee, most_capacity = draw(st.sampled_from(kinds))
    area = draw(areas(most_fee, most_capacity))
    placed = draw(st.lists(st.tuples(st.sampled_from(area.zones), row), max_size=14))
    shares = st.sampled_from([0.0, 0.0, 0.0, 0.4, 1.0]) if minimum_fills else st.just(0.0)
    orders: dict[int, list[Bid]] = {zone: [] for zone in area.zones}
    for sequence, (zone, (side, quantity, limit)) in enumerate(placed, 1):
        orders[zone].append(Bid(sequence, side, quantity, limit, int(quantity * draw(shares))))
    return Case(area, orders)
