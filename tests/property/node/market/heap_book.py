"""The continuous book on Python's heaps, an event at a time: the second reference, fast enough for a million events."""

from heapq import heapify, heappop, heappush
from typing import Final, TypeAlias

from node.market.engine import BUY, SELL, Network, Reason
from node.market.instructions import SelfTrade, TimeInForce
from tests.property.node.market.live_order import Fill, LiveOrder, Removal, StateRow

RANK_BITS: Final = 40
_RANK_MASK: Final = (1 << RANK_BITS) - 1
_COMPACT_ABOVE: Final = 1_024

Aside: TypeAlias = tuple[list[int], int]
"""A heap and an entry that belongs into it."""


class HeapBook:
    """Does what ``node.market.continuous.Continuous`` does."""

    def __init__(self, network: Network) -> None:
        zones = range(len(network.fee_per_kwh))
        self.orders: dict[int, LiveOrder] = {}
        """The book, by sequence."""
        self.fills: list[Fill] = []
        self.removals: list[Removal] = []
        self.room_wh = [list(row) for row in network.capacity_wh]
        """What may still flow, [seller's zone][buyer's zone]."""
        self._next_rank = 1
        self._by_rank: dict[int, LiveOrder] = {}
        # Of each side and zone: cost and rank in one number, best first. What has left the book is dropped at the top.
        self._heaps: list[list[list[int]]] = [[[] for _ in zones] for _ in (BUY, SELL)]
        # Whom an order of a side and zone can trade with: position of the other's zone, the fee, and their heap.
        fees, (bids, offers) = network.fee_per_kwh, self._heaps
        self._links = [
            [[(z, fee, offers[z]) for z in zones if (fee := fees[z][w]) is not None] for w in zones],
            [[(w, fee, bids[w]) for w in zones if (fee := fees[z][w]) is not None] for z in zones],
        ]
        self._released: list[LiveOrder] = []
        self._gone = 0

    def accept(self, order: LiveOrder) -> None:
        """An order comes: it trades what it can, and the rest waits or goes."""
        if order.is_plain:
            for _, fee, heap in self._links[order.side][order.zone]:
                # Below it are all entries that cross; what has left the book may be among them.
                if heap and heap[0] < 1 - order.cost - fee << RANK_BITS:
                    self._trade(order)
                    break
            if order.left_wh:
                order.shown_wh = order.left_wh
                order.rank = rank = self._next_rank
                self._next_rank = rank + 1
                self.orders[order.sequence] = self._by_rank[rank] = order
                heappush(self._heaps[order.side][order.zone], order.cost << RANK_BITS | rank)
        else:
            self._accept_special(order)
        while self._released:
            self._take_in_turn(self._released.pop(0))

    def cancel(self, sequence: int, reason: Reason = Reason.CANCELLED) -> bool:
        """An order leaves the book; False when it is not there any more."""
        order = self.orders.get(sequence)
        if order is None:
            return False
        self._remove(order, reason)
        return True

    def state(self) -> list[StateRow]:
        """The book, by sequence."""
        return [(o.sequence, o.rank, o.left_wh, o.shown_wh, o.min_left_wh) for _, o in sorted(self.orders.items())]

    def _accept_special(self, order: LiveOrder) -> None:
        if order.replaces and self._replaced(order):
            return
        if self._may_trade(order):
            self._trade(order)
        if not order.left_wh:
            return
        if order.time_in_force >= TimeInForce.IMMEDIATE_OR_CANCEL:
            self._drop(order, Reason.IMMEDIATE)
        else:
            self.orders[order.sequence] = order
            self._queue(order)

    def _may_trade(self, order: LiveOrder) -> bool:
        """What the order asks before it trades; it is dropped where the answer ends it."""
        if order.post_only:
            aside: list[Aside] = []
            meets = self._best(order, order.left_wh, aside) is not None
            self._put_back(aside)
            if meets:
                self._drop(order, Reason.POST_ONLY)
            return False
        fill_or_kill = order.time_in_force == TimeInForce.FILL_OR_KILL
        if not (fill_or_kill or order.min_left_wh):
            return True
        needed_wh = order.left_wh if fill_or_kill else order.min_left_wh
        reached_wh, stopped = self._reach(order, needed_wh)
        if reached_wh >= needed_wh:
            order.min_left_wh = 0
            return True
        if fill_or_kill:
            self._drop(order, Reason.FILL_OR_KILL)
        elif stopped is not None:
            self._self_trade(order, stopped)
        elif order.time_in_force == TimeInForce.IMMEDIATE_OR_CANCEL:
            self._drop(order, Reason.MIN_FILL)
        return False

    def _best(
        self, taker: LiveOrder, left_wh: int, aside: list[Aside], used: dict[int, int] | None = None
    ) -> tuple[int, int, int, LiveOrder, list[int]] | None:
        """Cost, fee, Wh that may flow, order and heap of the best that the taker can trade with.

        What it must pass by is put ``aside``. ``used`` is what of each link is spoken for, by the other's zone.
        """
        best: tuple[int, int, int] | None = None
        found: tuple[int, int, int, LiveOrder, list[int]] | None = None
        side = taker.side
        for zone, fee, heap in self._links[side][taker.zone]:
            room_wh = self.room_wh[taker.zone][zone] if side else self.room_wh[zone][taker.zone]
            if used:
                room_wh -= used.get(zone, 0)
            if room_wh <= 0:
                continue
            while heap:
                top = heap[0]
                cost = (top >> RANK_BITS) + fee
                if cost + taker.cost > 0:
                    break
                maker = self._by_rank.get(top & _RANK_MASK)
                if maker is None:
                    heappop(heap)
                elif maker.min_left_wh > min(left_wh, room_wh):
                    aside.append((heap, heappop(heap)))
                else:
                    place = cost, fee, maker.rank
                    if best is None or place < best:
                        best, found = place, (cost, fee, room_wh, maker, heap)
                    break
        return found

    def _reach(self, order: LiveOrder, needed_wh: int) -> tuple[int, LiveOrder | None]:
        """Energy that the order would trade at once, counted up to what is needed; and its trader's own order, if that
        ends it. Changes nothing."""
        aside: list[Aside] = []
        left_wh, reached_wh = order.left_wh, 0
        level: tuple[int, int] | None = None
        used: dict[int, int] = {}
        hidden: dict[int, int] = {}  # of icebergs of the level: it comes when all that is shown has gone
        stopped: LiveOrder | None = None
        while left_wh and reached_wh < needed_wh:
            best = self._best(order, left_wh, aside, used)
            if hidden and (best is None or best[:2] != level):
                for zone, wh in hidden.items():
                    room_wh = self.room_wh[order.zone][zone] if order.side else self.room_wh[zone][order.zone]
                    wh = min(wh, left_wh, room_wh - used.get(zone, 0))
                    used[zone] = used.get(zone, 0) + wh
                    left_wh -= wh
                    reached_wh += wh
                hidden.clear()
                continue
            if best is None:
                break
            _, _, room_wh, maker, heap = best
            level = best[:2]
            aside.append((heap, heappop(heap)))
            if maker.trader == order.trader:
                if order.self_trade in (SelfTrade.CANCEL_NEWEST, SelfTrade.CANCEL_BOTH):
                    stopped = maker
                    break
                if order.self_trade == SelfTrade.DECREMENT:
                    left_wh -= min(left_wh, maker.left_wh)
                continue
            wh = min(left_wh, maker.shown_wh, room_wh)
            used[maker.zone] = used.get(maker.zone, 0) + wh
            left_wh -= wh
            reached_wh += wh
            if maker.left_wh > maker.shown_wh:
                hidden[maker.zone] = hidden.get(maker.zone, 0) + maker.left_wh - maker.shown_wh
        self._put_back(aside)
        return reached_wh, stopped

    def _trade(self, taker: LiveOrder) -> None:
        aside: list[Aside] = []
        while taker.left_wh:
            best = self._best(taker, taker.left_wh, aside)
            if best is None:
                break
            _, fee, room_wh, maker, heap = best
            if maker.trader == taker.trader:
                if self._self_trade(taker, maker):
                    break
                continue
            wh = min(taker.left_wh, maker.shown_wh, room_wh)
            if taker.side:
                self.room_wh[taker.zone][maker.zone] = room_wh - wh
                self.fills.append((maker.sequence, taker.sequence, wh, -maker.cost - fee, fee))
            else:
                self.room_wh[maker.zone][taker.zone] = room_wh - wh
                self.fills.append((taker.sequence, maker.sequence, wh, maker.cost, fee))
            taker.left_wh -= wh
            maker.left_wh -= wh
            maker.shown_wh -= wh
            if not maker.left_wh:
                heappop(heap)
                del self._by_rank[maker.rank], self.orders[maker.sequence]
            elif not maker.shown_wh:
                heappop(heap)
                del self._by_rank[maker.rank]
                self._queue(maker)
            elif maker.min_left_wh:
                maker.min_left_wh = 0
                self._released.append(maker)
        self._put_back(aside)

    def _self_trade(self, taker: LiveOrder, maker: LiveOrder) -> bool:
        """Two orders of one trader meet. Whether that ends the taker's turn."""
        newest, oldest = (taker, maker) if taker.sequence > maker.sequence else (maker, taker)
        mode = newest.self_trade
        if mode == SelfTrade.DECREMENT:
            wh = min(taker.left_wh, maker.left_wh)
            self._reduce(taker, wh)
            # What is left may be less than its minimum.
            self._reduce(maker, maker.left_wh if maker.min_left_wh else wh)
            return False
        gone = {
            SelfTrade.CANCEL_NEWEST: (newest,),
            SelfTrade.CANCEL_OLDEST: (oldest,),
            SelfTrade.CANCEL_BOTH: (taker, maker),
        }[SelfTrade(mode)]
        for order in gone:
            self._reduce(order, order.left_wh)
        return taker in gone

    def _reduce(self, order: LiveOrder, wh: int) -> None:
        """Takes energy out of an order because it would trade with its trader's own."""
        order.left_wh -= wh
        order.lost_wh += wh
        order.shown_wh = min(order.shown_wh, order.left_wh)
        self.removals.append((order.sequence, wh, Reason.SELF_TRADE))
        if not order.left_wh and self.orders.get(order.sequence) is order:
            del self._by_rank[order.rank], self.orders[order.sequence]

    def _take_in_turn(self, order: LiveOrder) -> None:
        """An order that has its minimum now takes what it crosses, and keeps its place."""
        if self.orders.get(order.sequence) is not order:
            return
        self._trade(order)
        order.shown_wh = order.left_wh
        if not order.left_wh and self.orders.pop(order.sequence, None) is order:
            del self._by_rank[order.rank]

    def _replaced(self, order: LiveOrder) -> bool:
        """Takes the replaced order out. True when nothing is left to do: the order has its place, or none to take."""
        old = self.orders.get(order.replaces)
        if old is None or (old.trader, old.side, old.zone) != (order.trader, order.side, order.zone):
            self._drop(order, Reason.NOTHING_TO_REPLACE)
            return True
        order.carried_wh = old.traded_wh
        if order.carried_wh:
            order.min_left_wh = 0
            wh = min(order.carried_wh, order.left_wh)
            order.left_wh -= wh
            self.removals.append((order.sequence, wh, Reason.CARRIED))
        keeps_place = (
            0 < order.left_wh <= old.left_wh
            and (old.cost, old.min_fill_wh, old.display_wh) == (order.cost, order.min_fill_wh, order.display_wh)
            and order.time_in_force < TimeInForce.IMMEDIATE_OR_CANCEL
        )
        rank, shown_wh = old.rank, old.shown_wh
        self._remove(old, Reason.REPLACED)
        if keeps_place:
            order.rank = rank
            order.shown_wh = min(shown_wh, order.left_wh) if order.display_wh else order.left_wh
            self._by_rank[order.rank] = self.orders[order.sequence] = order
        return keeps_place or not order.left_wh

    def _queue(self, order: LiveOrder) -> None:
        """The order waits behind all others of its cost, with as much as it shows."""
        left_wh, display_wh = order.left_wh, order.display_wh
        order.shown_wh = display_wh if 0 < display_wh < left_wh else left_wh
        order.rank = rank = self._next_rank
        self._next_rank = rank + 1
        self._by_rank[rank] = order
        heappush(self._heaps[order.side][order.zone], order.cost << RANK_BITS | rank)

    def _remove(self, order: LiveOrder, reason: Reason) -> None:
        del self._by_rank[order.rank], self.orders[order.sequence]
        self._drop(order, reason)
        self._gone += 1
        if self._gone > len(self._by_rank) + _COMPACT_ABOVE:
            self._compact()

    def _compact(self) -> None:
        """Takes out of the heaps what has left the book, before it is most of them."""
        self._gone = 0
        for heaps in self._heaps:
            for heap in heaps:
                heap[:] = [entry for entry in heap if entry & _RANK_MASK in self._by_rank]
                heapify(heap)

    def _drop(self, order: LiveOrder, reason: Reason) -> None:
        self.removals.append((order.sequence, order.left_wh, reason))
        order.left_wh = order.shown_wh = 0

    @staticmethod
    def _put_back(aside: list[Aside]) -> None:
        for heap, entry in aside:
            heappush(heap, entry)
