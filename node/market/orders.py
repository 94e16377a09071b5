"""Whether an order may enter the book: pure checks, each with its own refusal. Money in cash units, energy in Wh."""

from dataclasses import dataclass, replace
from typing import Final

from contracts.typed_data import BadSignature, Domain, Order, checksum, order_digest, recover
from contracts.units import cash_up
from node.config import MarketRules
from node.market import days, refusals
from node.market.auction import MAX_QUANTITY_WH
from node.market.book import BUY, SELL, BookOrder
from node.market.instructions import NO_INSTRUCTIONS, Instructions, SelfTrade, TimeInForce

SIDES: Final = {BUY: "buy", SELL: "sell"}
PRODUCER_FLAG: Final = 1
CONSUMER_FLAG: Final = 2
FROZEN_FLAG: Final = 4

MOST_OPEN_ORDERS: Final = 32
"""Of one trader in one slot: a slot settles in one batch, whose room all its traders share."""

MOST_ENTERED_ORDERS: Final = 1_000
"""Of one trader in one slot and zone, whatever became of them: all that ever came is matched again at the gate, and
published."""
MOST_SLICES: Final = 100
"""Of an iceberg: each of its fills is a trade to be settled."""
_AT_ONCE: Final = (TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL)
_LAST_SOURCE: Final = 4
_END_OF_TIME: Final = 2**32


@dataclass(frozen=True, slots=True)
class MandateState:
    """The imbalance mandate of an account, as indexed."""

    budget_per_slot: int
    budget_left: int
    expiry: int


@dataclass(frozen=True, slots=True)
class TraderState:
    """What must be known of a trader to judge an order of his."""

    zone_known: bool
    kyc_until: int
    """Unix seconds; 0 when the account was never cleared."""
    flags: int
    free_cash: int
    """Vault cash that no order has locked and no withdrawal announced; negative where both want more than there is."""
    nonce_floor: int
    mandate: MandateState | None
    position_limit_wh: int
    """The most his meters in the zone can move in one slot."""
    position_wh: int
    """What his other orders of the same slot and side come to."""
    open_orders: int
    """How many other orders he has in the slot, on both sides."""
    entered_orders: int
    """How many he ever entered in the slot and zone, whatever became of them."""
    last_lane_nonce: int
    """-1 when the lane was never used."""
    live_lane_order: bytes | None
    """Digest of the order that holds the lane, if any."""


def signed_digest(domain: Domain, order: Order, signature: bytes) -> bytes:
    """The order's digest, once the signature is known to be its trader's.

    Raises:
        WrongSignature: not a signature, or another account's.
        FieldOutOfRange: a field does not fit its Solidity type.
    """
    digest = order_digest(domain, order)
    try:
        signer = recover(digest, signature)
    except BadSignature as error:
        raise refusals.WrongSignature(reason=str(error)) from error
    if signer != order.trader:
        raise refusals.WrongSignature(signer=checksum(signer), trader=checksum(order.trader))
    return digest


def signed(domain: Domain, order: Order, signature: bytes, instructions: Instructions = NO_INSTRUCTIONS) -> BookOrder:
    """The order as it may enter the sequence, once it means something and its trader is known to have signed it.

    Raises:
        OrderRefused: a field means nothing, or the signature is not the trader's.
        FieldOutOfRange: a field does not fit its Solidity type.
    """
    check_fields(order, instructions)
    return BookOrder(0, signed_digest(domain, order, signature), order, signature, instructions)


def gate_closes_at(rules: MarketRules, delivery_start: int) -> int:
    """Unix seconds from which the slot takes no orders."""
    return delivery_start - rules.gate_lead_s


def gate_opens_at(rules: MarketRules, delivery_start: int) -> int:
    """Unix seconds from which the slot takes orders."""
    opens_at = gate_closes_at(rules, delivery_start) - rules.open_slots * rules.slot_s
    day_ahead = days.session_opens_at(rules, delivery_start)
    return opens_at if day_ahead is None else min(opens_at, day_ahead)


def settled_by(rules: MarketRules, delivery_start: int) -> int:
    """Unix seconds until which clearance and mandate must hold for the slot to settle."""
    return delivery_start + rules.slot_s + rules.reading_grace_s


def check_order(rules: MarketRules, order: Order, now_s: float, instructions: Instructions = NO_INSTRUCTIONS) -> None:
    """Checks all that the order itself, the rules and the time decide.

    Raises:
        OrderRefused: the subclass says which rule, and the message its limit and the order's value.
    """
    check_fields(order, instructions)
    _check_price_and_energy(rules, order)
    _check_time(rules, order, now_s)
    _check_instructions(rules, order, instructions, now_s)


def check_fields(order: Order, instructions: Instructions = NO_INSTRUCTIONS) -> None:
    """Checks that every field means something, whatever the rules are.

    Raises:
        FieldInvalid, SourceUnsupported: naming the field.
    """
    if not 0 <= order.delivery_start < _END_OF_TIME:
        raise refusals.FieldInvalid(delivery_start=order.delivery_start, allowed=f"0 to {_END_OF_TIME - 1}")
    if not 0 <= order.zone < 2**32:
        raise refusals.FieldInvalid(zone=order.zone, allowed="uint32")
    if order.side not in SIDES:
        raise refusals.FieldInvalid(side=order.side, allowed="0 buy, 1 sell")
    if not 0 < order.energy_wh < MAX_QUANTITY_WH:
        raise refusals.FieldInvalid(energy_wh=order.energy_wh, allowed=f"1 to {MAX_QUANTITY_WH - 1}")
    if order.min_fill_wh > order.energy_wh:
        raise refusals.FieldInvalid(min_fill_wh=order.min_fill_wh, energy_wh=order.energy_wh)
    if order.time_in_force > max(TimeInForce):
        raise refusals.FieldInvalid(time_in_force=order.time_in_force, allowed=f"0 to {max(TimeInForce):d}")
    if order.source > _LAST_SOURCE:
        raise refusals.FieldInvalid(source=order.source, allowed=f"0 to {_LAST_SOURCE}")
    if order.side == BUY and order.source:
        raise refusals.SourceUnsupported(source=order.source)
    if not 0 <= instructions.display_wh < order.energy_wh:
        raise refusals.FieldInvalid(display_wh=instructions.display_wh, energy_wh=order.energy_wh)
    if not 0 <= instructions.self_trade <= max(SelfTrade):
        raise refusals.FieldInvalid(self_trade=instructions.self_trade, allowed=f"0 to {max(SelfTrade):d}")
    if not 0 <= instructions.good_till < _END_OF_TIME:
        raise refusals.FieldInvalid(good_till=instructions.good_till, allowed=f"0 to {_END_OF_TIME - 1}")


def _check_price_and_energy(rules: MarketRules, order: Order) -> None:
    limit = order.limit_price_per_kwh
    if not rules.price_min_per_kwh <= limit <= rules.price_max_per_kwh:
        band = f"{rules.price_min_per_kwh} to {rules.price_max_per_kwh}"
        raise refusals.OutsidePriceBand(limit_price_per_kwh=limit, band=band)
    if limit % rules.tick_per_kwh:
        raise refusals.OffTick(limit_price_per_kwh=limit, tick_per_kwh=rules.tick_per_kwh)
    for field in ("energy_wh", "min_fill_wh"):
        if getattr(order, field) % rules.lot_wh:
            raise refusals.OffLot(**{field: getattr(order, field)}, lot_wh=rules.lot_wh)


def _check_time(rules: MarketRules, order: Order, now_s: float) -> None:
    if order.delivery_start % rules.slot_s:
        raise refusals.SlotMisaligned(delivery_start=order.delivery_start, slot_s=rules.slot_s)
    opens_at, closes_at = gate_opens_at(rules, order.delivery_start), gate_closes_at(rules, order.delivery_start)
    if now_s < opens_at:
        raise refusals.GateNotOpen(opens_at=opens_at, now_s=int(now_s))
    if now_s >= closes_at:
        raise refusals.GateClosed(closed_at=closes_at, now_s=int(now_s))
    if order.expiry < order.delivery_start:
        raise refusals.OrderExpired(expiry=order.expiry, delivery_start=order.delivery_start)


def _check_instructions(rules: MarketRules, order: Order, instructions: Instructions, now_s: float) -> None:
    if instructions.block is not None:
        day_ahead = days.session_closes_at(rules, order.delivery_start)
        if day_ahead is None:
            raise refusals.BlockUnsupported(day_ahead="this market has no day-ahead auction")
        if now_s >= day_ahead:
            raise refusals.BlockUnsupported(closed_at=day_ahead, now_s=int(now_s))
    if instructions.good_till:
        closes_at = gate_closes_at(rules, order.delivery_start)
        if order.time_in_force != TimeInForce.GOOD_TILL_TIME or not now_s < instructions.good_till <= closes_at:
            raise refusals.GoodTillInvalid(
                good_till=instructions.good_till,
                now_s=int(now_s),
                closes_at=closes_at,
                time_in_force=order.time_in_force,
            )
    if rules.trading == "auction":
        # A sealed book is matched once, at the gate: only where orders trade as they come can one ask how.
        if order.time_in_force in _AT_ONCE:
            raise refusals.TimeInForceUnsupported(time_in_force=order.time_in_force)
        if replace(instructions, good_till=0, replaces=None, block=None) != NO_INSTRUCTIONS:
            raise refusals.InstructionUnsupported(trading=rules.trading)
        return
    if instructions.post_only and order.time_in_force in _AT_ONCE:
        raise refusals.InstructionUnsupported(post_only=True, time_in_force=order.time_in_force)
    if instructions.display_wh and order.min_fill_wh:
        raise refusals.InstructionUnsupported(display_wh=instructions.display_wh, min_fill_wh=order.min_fill_wh)
    least_wh = -(-order.energy_wh // MOST_SLICES)
    if 0 < instructions.display_wh < least_wh:
        raise refusals.InstructionUnsupported(display_wh=instructions.display_wh, least_wh=least_wh)
    if instructions.display_wh % rules.lot_wh:
        raise refusals.OffLot(display_wh=instructions.display_wh, lot_wh=rules.lot_wh)


def check_trader(rules: MarketRules, order: Order, trader: TraderState) -> int:
    """Checks what the trader's state decides; returns the cash units to lock.

    Raises:
        OrderRefused: the subclass says which rule, and the message its limit and the order's value.
    """
    if not trader.zone_known:
        raise refusals.UnknownZone(zone=order.zone)
    _check_clearance(rules, order, trader)
    _check_lane(order, trader)
    if trader.open_orders >= MOST_OPEN_ORDERS:
        raise refusals.TooManyOrders(open_orders=trader.open_orders, limit=MOST_OPEN_ORDERS)
    if trader.entered_orders >= MOST_ENTERED_ORDERS:
        raise refusals.TooManyOrders(entered_orders=trader.entered_orders, limit=MOST_ENTERED_ORDERS)
    position_wh = trader.position_wh + order.energy_wh
    if position_wh > trader.position_limit_wh:
        raise refusals.OverPositionLimit(position_wh=position_wh, limit_wh=trader.position_limit_wh)
    _check_mandate(rules, order, trader.mandate, position_wh)
    lock = order_lock(rules, order.side, order.energy_wh, order.limit_price_per_kwh)
    if lock > trader.free_cash:
        raise refusals.InsufficientCollateral(needed=lock, free=trader.free_cash)
    return lock


def _check_clearance(rules: MarketRules, order: Order, trader: TraderState) -> None:
    if trader.flags & FROZEN_FLAG:
        raise refusals.Frozen(trader=checksum(order.trader))
    needed_until = settled_by(rules, order.delivery_start)
    if trader.kyc_until < needed_until:
        raise refusals.NotCleared(cleared_until=trader.kyc_until, needed_until=needed_until)
    needed_flag = CONSUMER_FLAG if order.side == BUY else PRODUCER_FLAG
    if not trader.flags & needed_flag:
        raise refusals.WrongRole(side=SIDES[order.side], flags=trader.flags)


def _check_lane(order: Order, trader: TraderState) -> None:
    least = max(trader.nonce_floor, trader.last_lane_nonce + 1)
    if order.nonce < least:
        raise refusals.StaleNonce(nonce=order.nonce, least=least, lane=order.lane)
    if trader.live_lane_order is not None:
        raise refusals.LaneInUse(lane=order.lane, order="0x" + trader.live_lane_order.hex())


def _check_mandate(rules: MarketRules, order: Order, mandate: MandateState | None, position_wh: int) -> None:
    needed_until = settled_by(rules, order.delivery_start)
    if mandate is None or mandate.expiry < needed_until:
        raise refusals.MandateMissing(expiry=mandate and mandate.expiry, needed_until=needed_until)
    # Energy sold and not fed in is bought from the grid, and only the mandate lets that be charged.
    needed = imbalance_cover(rules, order.side, position_wh)
    covered = min(mandate.budget_per_slot, mandate.budget_left)
    if needed > covered:
        raise refusals.MandateTooSmall(needed=needed, covered=covered)


def imbalance_cover(rules: MarketRules, side: int, energy_wh: int) -> int:
    """The most that an imbalance over a whole position can be charged."""
    worst_price = rules.price_short_per_kwh if side == SELL else -rules.price_long_per_kwh
    return cash_up(energy_wh * max(0, worst_price))


def order_lock(rules: MarketRules, side: int, energy_wh: int, limit_price_per_kwh: int) -> int:
    """Cash that an order can cost its trader: a bid its all-in limit, an offer what replacing its energy costs more."""
    worst_price = limit_price_per_kwh if side == BUY else rules.price_short_per_kwh - limit_price_per_kwh
    return cash_up(energy_wh * max(0, worst_price))


def trade_lock(rules: MarketRules, side: int, matched_wh: int, price_per_kwh: int, grid_fee_per_kwh: int) -> int:
    """Cash that a matched order can still cost its trader, at the clearing price."""
    worst_price = price_per_kwh + grid_fee_per_kwh if side == BUY else rules.price_short_per_kwh - price_per_kwh
    return cash_up(matched_wh * max(0, worst_price))
