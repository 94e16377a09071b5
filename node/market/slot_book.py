"""A slot's continuous book with the orders behind it: turns events of the sequence into what is to be written and told.

Holds no truth: the same events make the same book again.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import Final, NamedTuple

import numpy as np

from contracts.units import cash_up
from node.market.area import Area
from node.market.book import BUY, BookOrder
from node.market.book_events import BookEvents
from node.market.continuous import Continuous
from node.market.engine import REASONS, UNLIMITED_WH, Network, Reason, chain_hash, replay_hash
from node.market.rationing import Int64s
from node.market.rows import BLOCK, ORDER, Rows
from node.market.sequence import Event

NO_FILLS_HASH: Final = bytes(32)
_BATCH: Final = 8_192
_EXPIRED: Final = REASONS.index(Reason.EXPIRED)
_STATUSES: Final = np.array(["open", "matched", "expired", "cancelled"], dtype=object)
_REASONS: Final = np.array(REASONS, dtype=object)
_SAFE: Final = 2.0**62
_NO_ROWS: Final = np.zeros(0, dtype=np.int64)
_NO_FILLS: Final = np.zeros((0, 6), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Fill:
    """A trade. ``price_per_kwh`` goes to the seller; the buyer pays the fee on top, on what is delivered."""

    number: int
    buy: BookOrder
    sell: BookOrder
    energy_wh: int
    price_per_kwh: int
    fee_per_kwh: int
    sequence: int
    """The event that made it."""
    executed_ms: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an order stands after the events."""

    sequence: int
    status: str
    matched_wh: int
    taken_wh: int
    shown_wh: int
    locked_cash: int
    close_reason: str | None


@dataclass(frozen=True, slots=True)
class Level:
    """How much the open book shows at a limit price."""

    zone: int
    side: int
    limit_per_kwh: int
    energy_wh: int


class FillColumns(NamedTuple):
    """Trades, as they are written: a list for each column."""

    number: list[int]
    zone: list[int]
    """The buyer's."""
    sell_zone: list[int]
    buy_order: list[bytes]
    sell_order: list[bytes]
    buyer: list[bytes]
    seller: list[bytes]
    energy_wh: list[int]
    price_per_kwh: list[int]
    fee_per_kwh: list[int]
    sequence: list[int]
    executed_ms: list[int]


class OrderColumns(NamedTuple):
    """Where orders stand, as it is written: the fields of ``Standing``."""

    sequence: list[int]
    status: list[str]
    matched_wh: list[int]
    taken_wh: list[int]
    shown_wh: list[int]
    locked_cash: list[int]
    close_reason: list[str | None]


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """What events did to the book."""

    fill_columns: FillColumns
    order_columns: OrderColumns
    levels: tuple[Level, ...]
    traded: Callable[[], list[tuple[BookOrder, BookOrder]]]
    """Bid and offer of every fill."""

    @property
    def fills(self) -> tuple[Fill, ...]:
        """The trades with their orders, which are read again for it."""
        columns = self.fill_columns
        numbers = zip(columns.number, *columns[7:], strict=True)
        return tuple(
            Fill(number, buy, sell, *rest) for (number, *rest), (buy, sell) in zip(numbers, self.traded(), strict=True)
        )

    @property
    def orders(self) -> tuple[Standing, ...]:
        """Every order that the events touched."""
        return tuple(Standing(*row) for row in zip(*self.order_columns, strict=True))


def network_of(area: Area) -> Network:
    """Fees and capacities by the positions of the area's zones."""
    return Network(
        [[area.fee_per_kwh.get((seller, buyer)) for buyer in area.zones] for seller in area.zones],
        [[area.capacity_wh.get((seller, buyer), UNLIMITED_WH) for buyer in area.zones] for seller in area.zones],
    )


class SlotBook:
    """The book of one area and slot."""

    def __init__(self, area: Area, delivery_start: int, price_short_per_kwh: int) -> None:
        self.area = area
        self.delivery_start = delivery_start
        self.sequence = 0
        """The last event that it was told of."""
        self.trade_count = 0
        self.fills_hash = NO_FILLS_HASH
        """Of all fills so far, in order."""
        self._price_short = price_short_per_kwh
        self._zones = np.array(area.zones, dtype=np.int64)
        self._engine = Continuous(network_of(area))
        self._events = BookEvents(area.zones)
        self._told: list[Int64s] = []
        """All fills, as they are hashed."""
        self._spent_nano: defaultdict[int, int] = defaultdict(int)
        """The most that the trades of an order may cost its trader, by row."""
        self._depth: dict[int, int] = {}
        """Wh that a level shows, by the number of the level."""
        self._fills = [_NO_FILLS]
        self._touched: list[Int64s] = []

    def apply(self, events: Iterable[Event]) -> None:
        """Tells the book of the events of its slot that come next, in their sequence; others change nothing.

        Raises:
            BookUnreadable: an accepted order cannot be read.
        """
        coming = iter(events)
        while batch := list(islice(coming, _BATCH)):
            fresh = batch[bisect_right(batch, self.sequence, key=attrgetter("sequence")) :]
            if fresh:
                self._play(fresh)

    def drain(self) -> Changes:
        """What the events since the last call did."""
        rows = np.unique(np.concatenate((*self._touched, _NO_ROWS)))
        fills = np.concatenate(self._fills)
        self._touched, self._fills = [], [_NO_FILLS]
        levels = self._show(rows)
        pairs = fills[:, :2].tolist()

        def traded() -> list[tuple[BookOrder, BookOrder]]:
            return [(self._events.entry(bid), self._events.entry(offer)) for bid, offer in pairs]

        return Changes(self._fill_columns(fills), self._order_columns(rows), levels, traded)

    def state(self) -> Int64s:
        """The engine's book, by sequence."""
        return self._engine.state()

    def hash(self) -> bytes:
        """Of all fills since the slot opened, and what is left in the book."""
        return replay_hash(np.concatenate((*self._told, _NO_FILLS[:, :5])), self.state())

    def room_left(self) -> Area:
        """The area, with the capacity that the trades have left."""
        positions = {zone: position for position, zone in enumerate(self.area.zones)}
        room_wh = self._engine.room_wh
        left = {(sell, buy): int(room_wh[positions[sell], positions[buy]]) for sell, buy in self.area.capacity_wh}
        return Area(self.area.zones, self.area.fee_per_kwh, left)

    def _play(self, events: Sequence[Event]) -> None:
        first = len(self._engine.events)
        coming = self._events.read(events)
        self.sequence = events[-1].sequence
        fills, removals = self._engine.play(coming)
        come = np.flatnonzero((coming["kind"] == ORDER) | (coming["kind"] == BLOCK)) + first
        self._touched += [come, fills[:, :2].ravel(), removals[:, 0]]
        self._fills.append(fills)
        self.trade_count += len(fills)
        told = np.column_stack((self._engine.events["sequence"][fills[:, :2]], fills[:, 2:5]))
        self._told.append(told)
        self.fills_hash = chain_hash(self.fills_hash, told)
        spent_nano, price_short = self._spent_nano, self._price_short
        for bid, offer, energy_wh, price, fee, _ in fills.tolist():
            if price + fee > 0:
                spent_nano[bid] += energy_wh * (price + fee)
            if price_short > price:
                spent_nano[offer] += energy_wh * (price_short - price)

    def _fill_columns(self, fills: Int64s) -> FillColumns:
        events, read = self._engine.events, self._events
        bids, offers, energy_wh, price, fee, made_by = fills.T
        return FillColumns(
            number=list(range(self.trade_count - len(fills), self.trade_count)),
            zone=self._zones[events["zone"][bids]].tolist(),
            sell_zone=self._zones[events["zone"][offers]].tolist(),
            buy_order=read.digests(bids),
            sell_order=read.digests(offers),
            buyer=read.traders(bids),
            seller=read.traders(offers),
            energy_wh=energy_wh.tolist(),
            price_per_kwh=price.tolist(),
            fee_per_kwh=fee.tolist(),
            sequence=events["sequence"][made_by].tolist(),
            executed_ms=events["accepted_ms"][made_by].tolist(),
        )

    def _order_columns(self, rows: Int64s) -> OrderColumns:
        orders, live = self._engine.events[rows], self._engine.live[rows]
        left_wh, why = live["left_wh"], live["why"]
        is_open = left_wh > 0
        status = np.where(live["traded_wh"] > 0, 1, np.where(why == _EXPIRED, 2, 3)) * ~is_open
        return OrderColumns(
            orders["sequence"].tolist(),
            _STATUSES[status].tolist(),
            live["traded_wh"].tolist(),
            (orders["energy_wh"] - left_wh).tolist(),
            live["public_wh"].tolist(),
            self._locks(rows, orders, live),
            _REASONS[why * ~is_open].tolist(),
        )

    def _locks(self, rows: Int64s, orders: Rows, live: Rows) -> list[int]:
        """Cash units that the orders may still cost: what has traded, and what is left at the worst price."""
        limit, left_wh = orders["limit_per_kwh"], live["left_wh"]
        most = float(np.abs(limit).max(initial=0) + abs(self._price_short)) * float(left_wh.max(initial=0))
        number = np.int64 if most < _SAFE else object
        worst = np.where(orders["side"] == BUY, limit, self._price_short - limit.astype(number))
        nano: list[int] = (left_wh.astype(number) * np.maximum(0, worst)).tolist()
        for at in np.flatnonzero(live["traded_wh"]).tolist():
            nano[at] += self._spent_nano[rows[at]]
        return [cash_up(money) for money in nano]

    def _show(self, rows: Int64s) -> tuple[Level, ...]:
        """Shows what the open book may show of these orders: the levels whose depth that changes."""
        live = self._engine.live
        # What waits for its minimum is not shown.
        public_wh = np.where(live["min_left_wh"][rows] > 0, 0, live["shown_wh"][rows])
        more_wh = public_wh - live["public_wh"][rows]
        live["public_wh"][rows] = public_wh
        changed = np.flatnonzero(more_wh)
        orders = self._engine.events[rows[changed]]
        sides = 2 * len(self._zones)
        places = orders["limit_per_kwh"] * sides + orders["zone"] * 2 + orders["side"]
        levels, at = np.unique(places, return_inverse=True)
        level_wh = np.zeros(len(levels), dtype=np.int64)
        np.add.at(level_wh, at, more_wh[changed])
        shown = []
        for place, change_wh in zip(levels.tolist(), level_wh.tolist(), strict=True):
            depth_wh = self._depth.pop(place, 0) + change_wh
            if depth_wh:
                self._depth[place] = depth_wh
            limit, position = divmod(place, sides)
            shown.append(Level(self.area.zones[position // 2], position % 2, limit, depth_wh))
        return tuple(sorted(shown, key=attrgetter("zone", "side", "limit_per_kwh")))
