"""Which orders the exchange would refuse, judged by its own rules before a batch is made.

The exchange refuses a batch as a whole. An order that would be refused is left out with its trades, so that the rest
of the slot settles; what that changes for the others (positions, delivery, imbalance) is computed anew.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from contracts.settlement_batch import ACCOUNT_LANE, ACCOUNT_LANE_WH
from contracts.typed_data import Order
from node.settlement.netting import BUY, OrderFill, Part
from node.settlement.outcome import NO_VOIDS, Outcome, Slot


class Reason(StrEnum):
    """Why an order cannot settle; in brackets the exchange's error."""

    NOT_CLEARED = "not-cleared"
    """The trader's clearance ended before the slot, or his account is frozen (NotCleared)."""
    ORDER_EXPIRED = "order-expired"
    """The order ran out before the slot (OrderExpired)."""
    NONCE_RAISED = "nonce-raised"
    """The trader voided his orders below a nonce (OrderVoid)."""
    ORDER_REPLACED = "order-replaced"
    """The order's lane holds a later one (OrderVoid)."""
    SLOT_PASSED = "slot-passed"
    """The account's own lane was already used for a later slot (SlotPassed)."""
    OTHER_SIDE = "other-side"
    """The account's own lane went the other way in the same slot (OtherSide)."""
    OVER_FILLED = "over-filled"
    """More than the order's energy, or than the account's own lane counts (OverFilled)."""
    CASH_SHORT = "cash-short"
    """The account does not hold what the order costs (InsufficientCash)."""
    ENERGY_SHORT = "energy-short"
    """The account does not hold what it delivers (InsufficientEnergy)."""


_DEPENDS_ON_MEANS: Final = frozenset({Reason.CASH_SHORT, Reason.ENERGY_SHORT})


@dataclass(frozen=True, slots=True)
class Standing:
    """An account of the exchange: cash units, Wh, nonce floor, and until when it may trade (Unix seconds).

    The last three are its own lane (lane 0): the last slot it was used for, on which side, and how much was filled.
    """

    cash: int = 0
    energy_wh: int = 0
    min_nonce: int = 0
    cleared_until: int = 0
    last_slot: int = 0
    last_side: int = 0
    filled_wh: int = 0


@dataclass(frozen=True, slots=True)
class Lane:
    """The live order of a lane that is not the account's own, and what of it is filled."""

    nonce: int = 0
    filled_wh: int = 0


@dataclass(frozen=True, slots=True)
class Exchange:
    """The exchange as of one block; an account or lane that is not in it was never used."""

    accounts: Mapping[bytes, Standing]
    lanes: Mapping[tuple[bytes, int], Lane]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The orders that fall out with a batch, each with its reason, and what follows without them."""

    voids: Mapping[bytes, Reason]
    outcome: Outcome
    batch: int = 0

    @property
    def part(self) -> Part | None:
        """What the batch settles; None when the ones before have settled all there is."""
        parts = self.outcome.netting.parts
        return parts[self.batch] if self.batch < len(parts) else None


def judge(
    slot: Slot,
    orders: Mapping[bytes, Order],
    exchange: Exchange,
    batch: int = 0,
    before: Mapping[bytes, int] = NO_VOIDS,
) -> Judgement:
    """Voids orders until the exchange would take all that are left in a batch of the slot.

    ``before`` are the orders that fell out with the batches before, which are settled and stay as they are. Orders that
    are void whatever the amounts go first. Then one at a time: what is left may suffice for the next.

    Raises:
        KeyError: a traded order is not among ``orders``.
    """
    voids: dict[bytes, Reason] = {}
    while True:
        found = Judgement(voids, slot.settle({**before, **dict.fromkeys(voids, batch)}), batch)
        refused = refusals(found.part.fills, orders, exchange) if found.part else {}
        if not refused:
            return found
        certain = {digest: reason for digest, reason in refused.items() if reason not in _DEPENDS_ON_MEANS}
        voids |= certain or dict([next(iter(refused.items()))])


def refusals(fills: Iterable[OrderFill], orders: Mapping[bytes, Order], exchange: Exchange) -> dict[bytes, Reason]:
    """The refused orders in the order of the batch, each fill judged against the balances that those before left."""
    accounts: dict[bytes, Standing] = {}
    lanes = dict(exchange.lanes)
    refused: dict[bytes, Reason] = {}
    for fill in fills:
        order = orders[fill.order]
        key = (order.trader, order.lane)
        account = accounts.get(order.trader) or exchange.accounts.get(order.trader, Standing())
        lane = lanes.get(key, Lane())
        filled_wh = _filled_wh(order, fill, account, lane)
        after = _exchanged(account, fill)
        reason = _standing(order, account, lane, filled_wh) or _means(after)
        if reason is not None:
            refused[fill.order] = reason
        elif order.lane == ACCOUNT_LANE:
            accounts[order.trader] = replace(
                after, last_slot=order.delivery_start, last_side=order.side, filled_wh=filled_wh
            )
        else:
            accounts[order.trader], lanes[key] = after, Lane(order.nonce, filled_wh)
    return refused


def _filled_wh(order: Order, fill: OrderFill, account: Standing, lane: Lane) -> int:
    """What the order's lane counts with this fill."""
    if order.lane == ACCOUNT_LANE:
        return fill.fill_wh + (account.filled_wh if account.last_slot == order.delivery_start else 0)
    return fill.fill_wh + (lane.filled_wh if lane.nonce == order.nonce else 0)


def _standing(order: Order, account: Standing, lane: Lane, filled_wh: int) -> Reason | None:
    if account.cleared_until < order.delivery_start:
        return Reason.NOT_CLEARED
    if order.expiry < order.delivery_start:
        return Reason.ORDER_EXPIRED
    if order.nonce < account.min_nonce:
        return Reason.NONCE_RAISED
    if order.lane == ACCOUNT_LANE:
        return _own_lane(order, account, filled_wh)
    if order.nonce < lane.nonce:
        return Reason.ORDER_REPLACED
    return Reason.OVER_FILLED if filled_wh > order.energy_wh else None


def _own_lane(order: Order, account: Standing, filled_wh: int) -> Reason | None:
    if account.last_slot > order.delivery_start:
        return Reason.SLOT_PASSED
    if account.last_slot == order.delivery_start and account.last_side != order.side:
        return Reason.OTHER_SIDE
    return Reason.OVER_FILLED if filled_wh > min(order.energy_wh, ACCOUNT_LANE_WH) else None


def _means(after: Standing) -> Reason | None:
    if after.cash < 0:
        return Reason.CASH_SHORT
    return Reason.ENERGY_SHORT if after.energy_wh < 0 else None


def _exchanged(account: Standing, fill: OrderFill) -> Standing:
    sign = 1 if fill.side == BUY else -1
    return replace(
        account,
        cash=account.cash - sign * fill.money,
        energy_wh=account.energy_wh + sign * fill.delivered_wh,
    )
