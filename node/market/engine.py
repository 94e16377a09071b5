"""What goes into a matching engine and comes out of it; ``continuous`` and ``replay`` are engines."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from struct import Struct
from typing import Final, TypeAlias

from node.market.instructions import SelfTrade, TimeInForce

BUY: Final = 0
SELL: Final = 1
UNLIMITED_WH: Final = 2**62

Fill: TypeAlias = tuple[int, int, int, int, int]
"""Sequence of the bid and of the offer, Wh, what the seller receives per kWh, and the fee that the buyer pays more."""
StateRow: TypeAlias = tuple[int, int, int, int, int]
"""Of an order in the book: sequence, rank, Wh left, Wh shown, Wh that it must trade at once if at all."""

_FILL: Final = Struct(">QQQqq")
_STATE: Final = Struct(">5Q")
_COUNT: Final = Struct(">Q")


class Reason(StrEnum):
    """Why energy of an order will not trade any more in the continuous book."""

    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    NOTHING_TO_REPLACE = "nothing-to-replace"
    CARRIED = "carried"
    """Traded by the order that this one replaced."""
    IMMEDIATE = "immediate-or-cancel"
    FILL_OR_KILL = "fill-or-kill"
    POST_ONLY = "post-only"
    MIN_FILL = "min-fill"
    SELF_TRADE = "self-trade"


Removal: TypeAlias = tuple[int, int, Reason]
"""Sequence of an order, Wh of it that will not trade any more, and why."""


@dataclass(frozen=True, slots=True)
class Network:
    """Fees and capacities between the zones of an area, by their positions: [seller's][buyer's]."""

    fee_per_kwh: Sequence[Sequence[int | None]]
    """Micro-currency per kWh; None where nothing can flow."""
    capacity_wh: Sequence[Sequence[int]]
    """``UNLIMITED_WH`` where there is no limit. Flows in opposite directions do not make room for each other."""

    @classmethod
    def single(cls, fee_per_kwh: int) -> "Network":
        """A zone by itself."""
        return cls(((fee_per_kwh,),), ((UNLIMITED_WH,),))


class LiveOrder:
    """An order in an engine."""

    # What most orders have in common is said once, here: the engine makes and reads them a million times a second.
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

    @property
    def public_wh(self) -> int:
        """What the open book shows of it."""
        return 0 if self.min_left_wh else self.shown_wh


def next_hash(previous_hash: bytes, fill: Fill) -> bytes:
    """sha256 of the hash of all earlier fills and a fill."""
    return sha256(previous_hash + _FILL.pack(*fill)).digest()


def replay_hash(fills: Iterable[Fill], state: Iterable[StateRow]) -> bytes:
    """sha256 of how many fills there were, the fills, and the book that is left: numbers of 8 bytes, big-endian."""
    packed = [_FILL.pack(*fill) for fill in fills]
    return sha256(_COUNT.pack(len(packed)) + b"".join(packed) + b"".join(_STATE.pack(*row) for row in state)).digest()
