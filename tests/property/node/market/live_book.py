"""The compiled engine, an event at a time, with what the tests look at."""

import numpy as np

from node.market import rows
from node.market.continuous import Continuous
from node.market.engine import REASONS, Network, Reason
from node.market.rationing import Int64s
from node.market.rows import CANCEL, EXPIRE, UNKNOWN_TARGET, Rows
from tests.property.node.market.live_order import Fill, LiveOrder, Removal, StateRow

_ASKED = ("side", "zone", "energy_wh", "min_fill_wh", "display_wh", "time_in_force", "post_only", "self_trade")


def told(engine: Continuous, fills: Int64s) -> list[Fill]:
    """Fills with the orders' sequences for their rows."""
    sequences = engine.events["sequence"][fills[:, :2]]
    return [tuple(fill) for fill in np.column_stack((sequences, fills[:, 2:5])).tolist()]


def why(engine: Continuous, removals: Int64s) -> list[Removal]:
    """Removals with the orders' sequences and the names of the reasons."""
    sequences = engine.events["sequence"].tolist()
    return [(sequences[row], wh, reason) for row, wh, number in removals.tolist() if (reason := REASONS[number])]


class LiveBook:
    """``Continuous`` as the other engines are."""

    def __init__(self, network: Network) -> None:
        self.engine = Continuous(network)
        self.fills: list[Fill] = []
        self.removals: list[Removal] = []
        self.orders: dict[int, LiveOrder] = {}
        self._row_of: dict[int, int] = {}
        self._traders: dict[object, int] = {}

    @property
    def room_wh(self) -> list[list[int]]:
        rooms: list[list[int]] = self.engine.room_wh.tolist()
        return rooms

    def accept(self, order: LiveOrder) -> None:
        event = rows.events(1)
        event["sequence"] = order.sequence
        event["limit_per_kwh"] = order.cost if order.side else -order.cost
        event["trader"] = self._traders.setdefault(order.trader, len(self._traders))
        for name in _ASKED:
            event[name] = getattr(order, name)
        if order.replaces:
            event["target"] = self._row_of.get(order.replaces, UNKNOWN_TARGET)
        self._row_of[order.sequence] = len(self.engine.events)
        self.orders[order.sequence] = order
        self._play(event)

    def cancel(self, sequence: int, reason: Reason = Reason.CANCELLED) -> bool:
        found = sequence in self.orders
        event = rows.events(1)
        event["kind"] = EXPIRE if reason == Reason.EXPIRED else CANCEL
        event["target"] = self._row_of.get(sequence, UNKNOWN_TARGET)
        self._play(event)
        return found

    def state(self) -> list[StateRow]:
        return [tuple(row) for row in self.engine.state().tolist()]

    def _play(self, event: Rows) -> None:
        fills, removals = self.engine.play(event)
        self.fills += told(self.engine, fills)
        self.removals += why(self.engine, removals)
        for sequence, order in list(self.orders.items()):
            live = self.engine.live[self._row_of[sequence]]
            for name in ("left_wh", "shown_wh", "rank", "min_left_wh", "lost_wh"):
                setattr(order, name, int(live[name]))
            if not order.left_wh:
                del self.orders[sequence]
