"""A slot's continuous book with the orders behind it: turns events of the sequence into what is to be written and told.

Holds no truth: the same events make the same book again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from contracts.units import cash_up
from node.market.area import Area
from node.market.book import BUY, BookOrder, parse_entry
from node.market.continuous import Continuous
from node.market.engine import UNLIMITED_WH, LiveOrder, Network, Reason, StateRow, next_hash, replay_hash
from node.market.engine import Fill as EngineFill
from node.market.sequence import ORDER_ACCEPTED, ORDER_CANCELLED, ORDER_EXPIRED, Event, parse_accepted

NO_FILLS_HASH: Final = bytes(32)
_NOT_HERE: Final = -1
_REASONS: Final = {ORDER_CANCELLED: Reason.CANCELLED, ORDER_EXPIRED: Reason.EXPIRED}


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


@dataclass(frozen=True, slots=True)
class Changes:
    """What events did to the book."""

    fills: tuple[Fill, ...]
    orders: tuple[Standing, ...]
    levels: tuple[Level, ...]


@dataclass(slots=True)
class _Known:
    """An order that the book has been told of."""

    entry: BookOrder
    live: LiveOrder | None
    """None for an order of a block: it waits for the auction, where alone blocks are filled."""
    accepted_ms: int
    matched_wh: int = 0
    spent_nano: int = 0
    """The most that its trades may cost its trader."""
    public_wh: int = 0
    reason: Reason | None = None


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
        self._engine = Continuous(network_of(area))
        self._all_fills: list[EngineFill] = []
        self._known: dict[int, _Known] = {}
        self._numbers: dict[bytes, int] = {}
        self._depth: dict[tuple[int, int, int], int] = {}
        self._fills: list[Fill] = []
        self._touched: set[int] = set()

    def apply(self, events: Iterable[Event]) -> None:
        """Tells the book of the events of its slot that come next; others change nothing."""
        for event in events:
            if event.sequence <= self.sequence:
                continue
            self.sequence = event.sequence
            if event.kind == ORDER_ACCEPTED:
                self._accept(event)
            elif event.kind in _REASONS:
                self._take_out(self._numbers.get(event.subject, _NOT_HERE), _REASONS[event.kind])

    def drain(self) -> Changes:
        """What the events since the last call did."""
        fills, touched = tuple(self._fills), [self._known[number] for number in sorted(self._touched)]
        changed = {level for known in touched if (level := self._show(known)) is not None}
        orders = tuple(self._standing(known) for known in touched)
        self._fills, self._touched = [], set()
        return Changes(fills, orders, tuple(Level(*level, self._depth.get(level, 0)) for level in sorted(changed)))

    def state(self) -> list[StateRow]:
        """The engine's book, by sequence."""
        return self._engine.state()

    def hash(self) -> bytes:
        """Of all fills since the slot opened, and what is left in the book."""
        return replay_hash(self._all_fills, self.state())

    def room_left(self) -> Area:
        """The area, with the capacity that the trades have left."""
        positions = {zone: position for position, zone in enumerate(self.area.zones)}
        room_wh = self._engine.room_wh
        left = {(sell, buy): room_wh[positions[sell]][positions[buy]] for sell, buy in self.area.capacity_wh}
        return Area(self.area.zones, self.area.fee_per_kwh, left)

    def _accept(self, event: Event) -> None:
        zone, delivery_start, accepted_ms, data = parse_accepted(event.payload)
        entry = parse_entry(zone, delivery_start, data)
        order, asked = entry.order, entry.instructions
        live = None
        if asked.block is None:
            live = LiveOrder(
                event.sequence,
                order.trader,
                order.side,
                order.limit_price_per_kwh,
                order.energy_wh,
                self.area.zones.index(zone),
            ).asking(
                min_fill_wh=order.min_fill_wh,
                time_in_force=order.time_in_force,
                post_only=asked.post_only,
                display_wh=asked.display_wh,
                self_trade=asked.self_trade,
                replaces=0 if asked.replaces is None else self._numbers.get(asked.replaces, _NOT_HERE),
            )
        self._known[event.sequence] = _Known(entry, live, accepted_ms)
        self._numbers[event.subject] = event.sequence
        self._touched.add(event.sequence)
        if live is not None:
            self._engine.accept(live)
            self._collect(event.sequence, accepted_ms)

    def _take_out(self, number: int, reason: Reason) -> None:
        known = self._known.get(number)
        if known is None:
            return
        if known.live is not None:
            self._engine.cancel(number, reason)
            self._collect(self.sequence, known.accepted_ms)
        elif known.reason is None:
            known.reason = reason
            self._touched.add(number)

    def _collect(self, sequence: int, executed_ms: int) -> None:
        for fill in self._engine.fills:
            bid, offer, energy_wh, price, fee = fill
            buy, sell = self._known[bid], self._known[offer]
            self._fills.append(
                Fill(self.trade_count, buy.entry, sell.entry, energy_wh, price, fee, sequence, executed_ms)
            )
            self.trade_count += 1
            self.fills_hash = next_hash(self.fills_hash, fill)
            for known, worst_price in ((buy, price + fee), (sell, self._price_short - price)):
                known.matched_wh += energy_wh
                known.spent_nano += energy_wh * max(0, worst_price)
            self._touched.update((bid, offer))
        self._all_fills += self._engine.fills
        self._engine.fills.clear()
        for number, _, reason in self._engine.removals:
            if reason != Reason.CARRIED:
                self._known[number].reason = reason
            self._touched.add(number)
        self._engine.removals.clear()

    def _standing(self, known: _Known) -> Standing:
        order, live = known.entry.order, known.live
        is_open = known.reason is None if live is None else live.left_wh > 0
        left_wh = (order.energy_wh if live is None else live.left_wh) if is_open else 0
        if is_open:
            status = "open"
        elif known.matched_wh:
            status = "matched"
        else:
            status = "expired" if known.reason == Reason.EXPIRED else "cancelled"
        limit = order.limit_price_per_kwh
        worst_price = limit if order.side == BUY else self._price_short - limit
        return Standing(
            sequence=known.entry.sequence,
            status=status,
            matched_wh=known.matched_wh,
            taken_wh=order.energy_wh - left_wh,
            shown_wh=known.public_wh,
            locked_cash=cash_up(known.spent_nano + left_wh * max(0, worst_price)),
            close_reason=known.reason if known.reason and not is_open else None,
        )

    def _show(self, known: _Known) -> tuple[int, int, int] | None:
        """The level whose depth the order changes, if it does."""
        live, order = known.live, known.entry.order
        public_wh = live.public_wh if live is not None and live.left_wh else 0
        if public_wh == known.public_wh:
            return None
        level = order.zone, order.side, order.limit_price_per_kwh
        depth_wh = self._depth.get(level, 0) + public_wh - known.public_wh
        known.public_wh = public_wh
        if depth_wh:
            self._depth[level] = depth_wh
        else:
            self._depth.pop(level, None)
        return level
