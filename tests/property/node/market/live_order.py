"""An order in the engines that the tests compare with: one object each."""

from typing import TypeAlias

from node.market.engine import Reason
from node.market.instructions import SelfTrade, TimeInForce

Fill: TypeAlias = tuple[int, int, int, int, int]
"""Sequence of the bid and of the offer, Wh, what the seller receives per kWh, and the fee that the buyer pays more."""
StateRow: TypeAlias = tuple[int, int, int, int, int]
"""Of an order in the book: sequence, rank, Wh left, Wh shown, Wh that it must trade at once if at all."""
Removal: TypeAlias = tuple[int, int, Reason]
"""Sequence of an order, Wh of it that will not trade any more, and why."""


class LiveOrder:
    """An order in an engine."""

    min_fill_wh = 0
    min_left_wh = 0
    """What it must trade at once if at all."""
    display_wh = 0
    shown_wh = 0
    """What a trade can take before the order goes to the end of the queue."""
    time_in_force: int = TimeInForce.GOOD_TILL_GATE
    post_only = False
    self_trade: int = SelfTrade.CANCEL_NEWEST
    replaces = 0
    carried_wh = 0
    lost_wh = 0
    rank = 0
    is_plain = True
    """Trades what it can, and waits for the rest."""

    def __init__(
        self, sequence: int, trader: object, side: int, limit_per_kwh: int, energy_wh: int, zone: int = 0
    ) -> None:
        self.sequence = sequence
        self.trader = trader
        self.side = side
        self.zone = zone
        # What it asks for, comparable on both sides: an offer's limit, or a bid's with its sign turned.
        self.cost = limit_per_kwh if side else -limit_per_kwh
        self.energy_wh = energy_wh
        self.left_wh = energy_wh

    def asking(
        self,
        *,
        min_fill_wh: int = 0,
        time_in_force: int = TimeInForce.GOOD_TILL_GATE,
        post_only: bool = False,
        display_wh: int = 0,
        self_trade: int = SelfTrade.CANCEL_NEWEST,
        replaces: int = 0,
    ) -> "LiveOrder":
        """The same order, with what it asks beside price and energy."""
        self.min_fill_wh = self.min_left_wh = min_fill_wh
        # Showing less than must be traded at once would show what cannot be had.
        self.display_wh = 0 if min_fill_wh else display_wh
        self.time_in_force = time_in_force
        self.post_only = post_only
        self.self_trade = self_trade
        self.replaces = replaces
        self.is_plain = not (
            min_fill_wh or time_in_force > TimeInForce.GOOD_TILL_TIME or post_only or self.display_wh or replaces
        )
        return self

    @property
    def traded_wh(self) -> int:
        """What it has traded, with what the order that it replaced had."""
        return self.energy_wh - self.left_wh - self.lost_wh
