from dataclasses import replace
from typing import Any

import pytest

from contracts.typed_data import order_digest, sign
from node.errors import Conflict, NotFound, Refused
from node.market import orders, refusals
from node.market.instructions import Instructions
from node.market.orders import MandateState
from tests.unit.node.market.orders import DOMAIN, GATE, KEY, ORDER, RULES, SLOT, TRADER, order, trader

OPENS = GATE - 3_600


@pytest.mark.parametrize("now_s", [OPENS, GATE - 0.001])
def test_check_order__while_the_gate_is_open__passes(now_s: float) -> None:
    orders.check_order(RULES, ORDER, now_s)


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"side": 2}, "field-invalid", "side=2"),
        ({"energy_wh": 0}, "field-invalid", "energy_wh=0"),
        ({"energy_wh": 2**48}, "field-invalid", f"energy_wh={2**48}"),
        ({"min_fill_wh": 1_010}, "field-invalid", "min_fill_wh=1010, energy_wh=1000"),
        ({"delivery_start": 2**32 + 200}, "field-invalid", "delivery_start"),
        ({"zone": 2**32}, "field-invalid", "zone"),
        ({"time_in_force": 3}, "time-in-force", "time_in_force=3"),
        ({"source": 5}, "field-invalid", "source=5"),
        ({"source": 1}, "source", "source=1"),
        ({"limit_price_per_kwh": 4_000_100}, "price-band", "4000100, band=-500000 to 4000000"),
        ({"limit_price_per_kwh": -500_100}, "price-band", "-500100"),
        ({"limit_price_per_kwh": 250_050}, "tick", "limit_price_per_kwh=250050, tick_per_kwh=100"),
        ({"energy_wh": 1_005}, "lot", "energy_wh=1005, lot_wh=10"),
        ({"min_fill_wh": 5}, "lot", "min_fill_wh=5, lot_wh=10"),
        ({"delivery_start": SLOT + 1}, "slot-misaligned", "slot_s=900"),
        ({"delivery_start": SLOT + 900 * 5}, "gate-not-open", "opens_at"),
        ({"delivery_start": SLOT - 900}, "gate-closed", f"closed_at={GATE - 900}"),
        ({"expiry": SLOT - 1}, "order-expired", f"expiry={SLOT - 1}, delivery_start={SLOT}"),
    ],
)
def test_check_order__breaks_a_rule__names_code_limit_and_value(changes: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(refusals.OrderRefused) as refusal:
        orders.check_order(RULES, order(**changes), GATE - 100)

    assert refusal.value.code == code
    assert words in str(refusal.value)


def test_check_order__limits_of_the_rules__are_allowed() -> None:
    for price in (RULES.price_min_per_kwh, RULES.price_max_per_kwh):
        orders.check_order(RULES, order(limit_price_per_kwh=price), GATE - 100)
    orders.check_order(RULES, order(side=1, source=4, min_fill_wh=1_000, expiry=SLOT), GATE - 100)


def test_check_trader__one_order_below_the_most_and_the_most__passes_and_is_refused() -> None:
    orders.check_trader(RULES, ORDER, trader(open_orders=31))
    with pytest.raises(refusals.TooManyOrders, match="open_orders=32, limit=32") as refusal:
        orders.check_trader(RULES, ORDER, trader(open_orders=32))
    assert refusal.value.code == "too-many-orders"


def test_check_trader__as_many_orders_as_one_may_ever_enter__are_refused_whatever_became_of_them() -> None:
    orders.check_trader(RULES, ORDER, trader(entered_orders=999))
    with pytest.raises(refusals.TooManyOrders, match="entered_orders=1000, limit=1000"):
        orders.check_trader(RULES, ORDER, trader(entered_orders=1_000))


@pytest.mark.parametrize(("display_wh", "is_taken"), [(10, True), (9, False), (1, False), (0, True)])
def test_check_order__iceberg__has_at_most_a_hundred_slices(display_wh: int, is_taken: bool) -> None:
    rules = replace(RULES, trading="continuous", lot_wh=1)
    iceberg = order(energy_wh=1_000 if display_wh != 9 else 901), Instructions(display_wh=display_wh)
    if is_taken:
        orders.check_order(rules, iceberg[0], GATE - 100, iceberg[1])
        return
    with pytest.raises(refusals.InstructionUnsupported, match=f"display_wh={display_wh}, least_wh=10"):
        orders.check_order(rules, iceberg[0], GATE - 100, iceberg[1])


def test_check_order__block_without_a_day_ahead_auction__says_so() -> None:
    with pytest.raises(refusals.BlockUnsupported, match="this market has no day-ahead auction"):
        orders.check_order(RULES, ORDER, GATE - 100, Instructions(block=bytes(32)))


def test_check_order__at_the_gate__is_closed() -> None:
    with pytest.raises(refusals.GateClosed):
        orders.check_order(RULES, ORDER, GATE)
    with pytest.raises(refusals.GateNotOpen):
        orders.check_order(RULES, ORDER, OPENS - 0.001)


def test_signed_digest__own_signature__is_the_digest() -> None:
    digest = order_digest(DOMAIN, ORDER)

    assert orders.signed_digest(DOMAIN, ORDER, sign(digest, KEY)) == digest


def test_signed_digest__foreign_or_broken_signature__is_refused() -> None:
    digest = order_digest(DOMAIN, ORDER)

    for signature in (sign(digest, b"\x08" * 32), sign(b"\x01" * 32, KEY), bytes(65), b""):
        with pytest.raises(refusals.WrongSignature) as refusal:
            orders.signed_digest(DOMAIN, ORDER, signature)
        assert refusal.value.code == "bad-signature"


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"zone_known": False}, "unknown-zone", "zone=1"),
        ({"flags": 7}, "frozen", "trader=0x"),
        ({"flags": 1}, "wrong-role", "side=buy, flags=1"),
        ({"kyc_until": SLOT + 1_199}, "not-cleared", f"needed_until={SLOT + 1_200}"),
        ({"nonce_floor": 6}, "stale-nonce", "nonce=5, least=6"),
        ({"last_lane_nonce": 5}, "stale-nonce", "nonce=5, least=6, lane=3"),
        ({"live_lane_order": b"\xab" * 32}, "lane-in-use", "0xabab"),
        ({"position_wh": 4_001}, "position-limit", "position_wh=5001, limit_wh=5000"),
        ({"mandate": None}, "mandate-missing", "expiry=None"),
        ({"mandate": MandateState(10**6, 10**6, SLOT + 1_199)}, "mandate-missing", f"expiry={SLOT + 1_199}"),
        ({"free_cash": 249_999}, "insufficient-collateral", "needed=250000, free=249999"),
    ],
)
def test_check_trader__state_forbids__names_code_limit_and_value(
    changes: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(refusals.OrderRefused) as refusal:
        orders.check_trader(RULES, ORDER, trader(**changes))

    assert refusal.value.code == code
    assert words in str(refusal.value)


def test_check_trader__just_enough_of_everything__returns_the_lock() -> None:
    barely = trader(
        kyc_until=SLOT + 1_200,
        flags=2,
        nonce_floor=5,
        last_lane_nonce=4,
        position_wh=4_000,
        mandate=MandateState(0, 0, SLOT + 1_200),
        free_cash=250_000,
    )

    assert orders.check_trader(RULES, ORDER, barely) == 250_000


@pytest.mark.parametrize(
    "mandate", [MandateState(319_999, 10**9, SLOT + 7_200), MandateState(10**9, 319_999, SLOT + 7_200)]
)
def test_check_trader__seller_whose_mandate_is_too_small__is_refused(mandate: MandateState) -> None:
    with pytest.raises(refusals.MandateTooSmall, match="needed=320000, covered=319999"):
        orders.check_trader(RULES, order(side=1), replace(TRADER, mandate=mandate))


@pytest.mark.parametrize(
    ("side", "energy_wh", "limit", "lock"),
    [
        (0, 1_000, 250_000, 250_000),
        (0, 1, 250_100, 251),
        (0, 1_000, -100, 0),
        (1, 1_000, 250_000, 70_000),
        (1, 1, 319_900, 1),
        (1, 1_000, 320_000, 0),
        (1, 1_000, 400_000, 0),
        (1, 1_000, -100_000, 420_000),
    ],
)
def test_order_lock__any_order__is_the_worst_case_rounded_up(side: int, energy_wh: int, limit: int, lock: int) -> None:
    assert orders.order_lock(RULES, side, energy_wh, limit) == lock


@pytest.mark.parametrize(
    ("side", "matched_wh", "price", "lock"),
    [(0, 1_000, 150_000, 170_000), (0, 0, 150_000, 0), (0, 1_000, -30_000, 0), (1, 1_000, 150_000, 170_000)],
)
def test_trade_lock__at_the_clearing_price__is_exact(side: int, matched_wh: int, price: int, lock: int) -> None:
    assert orders.trade_lock(RULES, side, matched_wh, price, RULES.grid_fee_per_kwh) == lock


@pytest.mark.parametrize("price", range(150_000, 250_001, 25_000))
def test_trade_lock__within_limits__never_exceeds_the_order_lock(price: int) -> None:
    fee = RULES.grid_fee_per_kwh
    assert orders.trade_lock(RULES, 0, 1_000, price, fee) <= orders.order_lock(RULES, 0, 1_000, price + fee)
    assert orders.trade_lock(RULES, 1, 1_000, price, fee) <= orders.order_lock(RULES, 1, 1_000, price)


def test_refusals__every_class__has_its_own_published_code_and_reason() -> None:
    def family(base: type[Refused]) -> list[type[Refused]]:
        return [base, *(found for child in base.__subclasses__() for found in family(child))]

    listed = [
        error
        for error in family(refusals.OrderRefused) + family(NotFound) + family(Conflict)
        if error.__module__ == refusals.__name__
    ]
    codes = [error.code for error in listed]

    assert len(set(codes)) == len(codes) > 20
    assert all(error.__doc__ for error in listed)
    assert str(refusals.LaneInUse()) == "The lane holds an order that is not settled yet; use another lane"
