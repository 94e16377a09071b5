"""The continuous double auction: the books of coupled zones for one delivery slot, with price-time priority.

Orders trade as they come, at the price of the order that waited. A buyer's limit is all-in: with F the grid fee from
the seller's zone to the buyer's, a bid at L meets an offer at p where L - F >= p. An incoming bid takes the offer with
the least p + F and pays p; an incoming offer takes the bid with the greatest L - F and receives that: the order that
waited gets its limit, the one that comes bears the fee. Ties go to the smaller fee, then to who waited longer.

An order with a minimum fill trades at least that with the first order it meets, or as it comes; until then it waits
and is passed by, so a book may be crossed by such orders and by no others. Once one has its minimum by an order that
came, it takes what it crosses in turn.

The same events give the same fills, in the same order, however they are cut into batches and in every implementation:
``tests/property/node/market`` has a naive one and one on Python's heaps.
"""

import importlib
from typing import Final

import numpy as np

from node.market import rows
from node.market.engine import Network
from node.market.rationing import Int64s
from node.market.rows import EVENT, FEE, LIVE, NO_LINK, ORDER, ROOM, Rows

_SIDES: Final = 2
_FEWEST_ROWS: Final = 2**14


def load() -> None:
    """Makes the compiled loop ready: a second, and some more where it was never compiled on this machine."""
    importlib.import_module("node.market.continuous_loop")


class Continuous:
    """The engine. Rows of events stay where they are: an order is known by the row of the event that it came with."""

    def __init__(self, network: Network) -> None:
        # Here and not above: see ``load``.
        from node.market import continuous_loop

        self._loop = continuous_loop
        zones = len(network.fee_per_kwh)
        fees = [[NO_LINK if fee is None else fee for fee in row] for row in network.fee_per_kwh]
        self._links = np.zeros((3, zones, zones), dtype=np.int64)
        self._links[FEE], self._links[ROOM] = fees, network.capacity_wh
        self._count = 0
        self._events = rows.events(0)
        self._live = np.zeros(0, LIVE)
        self._next_rank = np.ones(1, dtype=np.int64)
        self._heap = np.empty((0, 3), dtype=np.int64)
        self._heads = np.zeros((_SIDES * zones, 2), dtype=np.int64)

    @property
    def room_wh(self) -> Int64s:
        """What may still flow, [seller's zone][buyer's zone]."""
        room_wh: Int64s = self._links[ROOM]
        return room_wh

    @property
    def events(self) -> Rows:
        """All events so far."""
        return self._events[: self._count]

    @property
    def live(self) -> Rows:
        """What has become of the order of each event."""
        return self._live[: self._count]

    def play(self, events: Rows) -> tuple[Int64s, Int64s]:
        """What the next events do: fills and removals, in order. The rows given must not be changed any more.

        A fill is the row of the bid and of the offer, Wh, what the seller receives per kWh, the fee that the buyer pays
        more, and the row of the event that made it; a removal is a row, the Wh of its order that will not trade any
        more, and the number of the reason.
        """
        first = self._count
        self._add(events)
        self._make_room(events)
        fills, removals = self._loop.play(
            self.events, self.live, self._heap, self._heads, self._links, self._next_rank, first
        )
        return fills, removals

    def state(self) -> Int64s:
        """The book: sequence, rank, Wh left, Wh shown and outstanding minimum of each order, by sequence."""
        waiting = np.flatnonzero((self.live["left_wh"] > 0) & (self.events["kind"] == ORDER))
        orders = self.live[waiting]
        columns = (orders[name] for name in ("rank", "left_wh", "shown_wh", "min_left_wh"))
        return np.column_stack((self.events["sequence"][waiting], *columns))

    def _add(self, events: Rows) -> None:
        first, self._count = self._count, self._count + len(events)
        if not first and len(events) >= _FEWEST_ROWS:
            self._events, self._live = events, np.zeros(len(events), LIVE)
            return
        if self._count > len(self._events):
            # Rows that are not used yet take no memory: the system gives them when they are written to.
            size = max(_FEWEST_ROWS, 4 * self._count)
            for name, dtype in (("_events", EVENT), ("_live", LIVE)):
                more = np.zeros(size, dtype)
                more[:first] = getattr(self, name)[:first]
                setattr(self, name, more)
        self._events[first : self._count] = events

    def _make_room(self, events: Rows) -> None:
        """Every order that comes may add one entry to the heap of its side and zone."""
        # What is no order counts as one of the first zone.
        heaps = events["side"] * self._links.shape[1] + events["zone"]
        comes = np.bincount(heaps, minlength=len(self._heads))
        bases, sizes = self._heads.T
        needed = sizes + comes
        if (bases + needed <= np.append(bases[1:], len(self._heap))).all():
            return
        ends = np.cumsum(2 * needed if len(self._heap) else needed)
        heap = np.empty((ends[-1], 3), dtype=np.int64)
        for head, new in zip(self._heads, (0, *ends), strict=False):
            old, size = head
            heap[new : new + size] = self._heap[old : old + size]
            head[0] = new
        self._heap = heap
