"""Judges the orders of one batch one after another, each with what the earlier ones changed. Pure.

What the database says of an order's trader was read before the batch; ``Judge`` keeps what the batch adds to it.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

from contracts.typed_data import Order
from node.config import MarketRules
from node.market import refusals
from node.market.book import BookOrder
from node.market.orders import TraderState, check_order, check_trader, gate_closes_at


@dataclass(frozen=True, slots=True)
class Accepted:
    """An order in the market's sequence."""

    sequence: int
    digest: bytes
    status: str
    received_at: datetime
    """Market time."""
    duplicate: bool = False
    """The same signed order was accepted before; nothing was added."""
    locked_cash: int = 0
    """Cash units that it holds back."""


@dataclass(frozen=True, slots=True)
class Resting:
    """An open order, as far as the one that replaces it must know it. Energy in Wh, lock in cash units."""

    trader: bytes
    zone: int
    delivery_start: int
    side: int
    lane: int
    energy_wh: int
    lock: int

    @classmethod
    def of(cls, order: Order, lock: int) -> "Resting":
        """The order once it stands in the book."""
        return cls(order.trader, order.zone, order.delivery_start, order.side, order.lane, order.energy_wh, lock)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database says before the batch."""

    stored: Accepted | None
    """The order itself, where it was accepted before."""
    is_cleared: bool
    trader: TraderState
    replaced: Resting | None
    """The open order that this one is to replace."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """An order that may enter, and the cash units to lock for it."""

    entry: BookOrder
    lock: int
    cancels: bytes | None
    """Digest of the order that leaves the book for it."""


class Judge:
    """Judges orders in turn, as of one market time (Unix seconds)."""

    def __init__(self, rules: MarketRules, now_s: float) -> None:
        self._rules = rules
        self._now_s = now_s
        self._locked: Counter[bytes] = Counter()
        self._position_wh: Counter[tuple[bytes, int, int, int]] = Counter()
        self._orders: Counter[tuple[bytes, int, int]] = Counter()
        self._ever_entered: Counter[tuple[bytes, int, int]] = Counter()
        self._nonces: dict[tuple[bytes, int], int] = {}
        self._lanes: dict[tuple[bytes, int, int], bytes] = {}
        self._entered: dict[bytes, Resting] = {}
        self._left: set[bytes] = set()

    def judge(self, entry: BookOrder, standing: Standing) -> Admitted:
        """Admits the order, which from now on counts, or refuses it.

        Raises:
            OrderRefused: the subclass says which rule, and the message its limit and the order's value.
        """
        rules, order = self._rules, entry.order
        check_order(rules, order, self._now_s, entry.instructions)
        if standing.is_cleared:  # the batch waited for its locks while the slot was cleared
            raise refusals.GateClosed(closed_at=gate_closes_at(rules, order.delivery_start), now_s=int(self._now_s))
        replaces = entry.instructions.replaces
        replaced = None if replaces is None else self._replaced(order, replaces, standing)
        lock = check_trader(rules, order, self._state(order, standing.trader, replaces, replaced))
        self._enter(entry, lock)
        if replaced is not None and replaces is not None:
            self._leave(order, replaces, replaced)
            if rules.trading == "auction":
                return Admitted(entry, lock, replaces)
        return Admitted(entry, lock, None)

    def has_left(self, digest: bytes) -> bool:
        """Whether an order left the book for a later one of the batch."""
        return digest in self._left and self._rules.trading == "auction"

    def _replaced(self, order: Order, digest: bytes, standing: Standing) -> Resting:
        found = self._entered.get(digest, standing.replaced)
        same_place = Resting.of(order, 0)
        if digest in self._left or found is None or replace(found, energy_wh=order.energy_wh, lock=0) != same_place:
            raise refusals.ReplacesNothing(order="0x" + digest.hex())
        return found

    def _state(
        self, order: Order, before: TraderState, replaces: bytes | None, replaced: Resting | None
    ) -> TraderState:
        place = order.trader, order.zone, order.delivery_start
        lane = order.trader, order.lane
        holder = self._lanes.get((*lane, 0 if order.lane else order.delivery_start), before.live_lane_order)
        return replace(
            before,
            free_cash=before.free_cash - self._locked[order.trader] + self._freed(replaced),
            position_wh=before.position_wh
            + self._position_wh[(*place, order.side)]
            - (replaced.energy_wh if replaced else 0),
            open_orders=before.open_orders + self._orders[place] - (replaced is not None),
            entered_orders=before.entered_orders + self._ever_entered[place],
            last_lane_nonce=max(before.last_lane_nonce, self._nonces.get(lane, -1)),
            live_lane_order=None if holder == replaces else holder,
        )

    def _freed(self, replaced: Resting | None) -> int:
        # In continuous trading the replaced order may trade until the engine has come to the replacement.
        return replaced.lock if replaced and self._rules.trading == "auction" else 0

    def _enter(self, entry: BookOrder, lock: int) -> None:
        order = entry.order
        self._locked[order.trader] += lock
        self._position_wh[order.trader, order.zone, order.delivery_start, order.side] += order.energy_wh
        self._orders[order.trader, order.zone, order.delivery_start] += 1
        self._ever_entered[order.trader, order.zone, order.delivery_start] += 1
        self._nonces[order.trader, order.lane] = order.nonce
        self._lanes[order.trader, order.lane, 0 if order.lane else order.delivery_start] = entry.digest
        self._entered[entry.digest] = Resting.of(order, lock)

    def _leave(self, order: Order, digest: bytes, replaced: Resting) -> None:
        self._locked[order.trader] -= self._freed(replaced)
        self._position_wh[order.trader, order.zone, order.delivery_start, order.side] -= replaced.energy_wh
        self._orders[order.trader, order.zone, order.delivery_start] -= 1
        self._left.add(digest)
