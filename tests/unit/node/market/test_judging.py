"""The orders of one batch count against each other as orders of earlier batches do."""

from dataclasses import replace
from typing import Any

import pytest

from node.market import refusals
from node.market.book import BookOrder
from node.market.instructions import Instructions
from node.market.judging import Judge, Resting, Standing
from tests.unit.node.market.orders import GATE, RULES, TRADER, entry, order, trader

NOW = GATE - 100.0


def standing(**changes: Any) -> Standing:
    return replace(Standing(None, False, TRADER, None), **changes)


def judged(*entries: BookOrder, **state: Any) -> list[str | int]:
    """Codes of refusals and locks of admitted orders; all of them of one trader with this state."""
    judge, before = Judge(RULES, NOW), standing(trader=trader(**state))
    found: list[str | int] = []
    for one in entries:
        try:
            found.append(judge.judge(one, before).lock)
        except refusals.OrderRefused as refusal:
            found.append(refusal.code)
    return found


def test_judge__cash_for_one_order__the_second_is_refused() -> None:
    assert judged(entry(1, lane=1), entry(2, lane=2), free_cash=499_999) == [250_000, "insufficient-collateral"]
    assert judged(entry(1, lane=1), entry(2, lane=2), free_cash=500_000) == [250_000, 250_000]


def test_judge__positions_of_a_batch__add_up_per_side() -> None:
    entries = [entry(1, lane=1), entry(2, lane=2), entry(3, lane=3, side=1)]
    assert judged(*entries, position_limit_wh=1_999) == [250_000, "position-limit", 70_000]


def test_judge__refused_order__takes_nothing_from_the_next() -> None:
    assert judged(entry(1, lane=1, limit_price_per_kwh=250_050), entry(2, lane=1), free_cash=250_000) == [
        "tick",
        250_000,
    ]


def test_judge__lane_of_the_same_batch__is_in_use() -> None:
    assert judged(entry(1, lane=1), entry(2, lane=1)) == [250_000, "lane-in-use"]
    assert judged(entry(2, lane=1), entry(1, lane=1)) == [250_000, "stale-nonce"]


def test_judge__own_lane__is_free_in_every_slot() -> None:
    later = {"delivery_start": entry(1).order.delivery_start + 900, "expiry": 2**31}
    assert judged(entry(1, lane=0), entry(2, lane=0, **later), entry(3, lane=0)) == [250_000, 250_000, "lane-in-use"]


def test_judge__most_orders_of_a_slot__counts_the_batch() -> None:
    assert judged(entry(1, lane=1), entry(2, lane=2), open_orders=31) == [250_000, "too-many-orders"]


def test_judge__most_orders_ever_entered__counts_the_batch_and_replaced_ones() -> None:
    assert judged(entry(1, lane=1), entry(2, lane=2), entered_orders=999) == [250_000, "too-many-orders"]
    first, judge, before = entry(1), Judge(RULES, NOW), standing(trader=trader(entered_orders=999))
    judge.judge(first, before)
    with pytest.raises(refusals.TooManyOrders):
        judge.judge(replacing(2, first.digest), before)


def test_judge__slot_cleared_meanwhile__is_closed() -> None:
    with pytest.raises(refusals.GateClosed):
        Judge(RULES, NOW).judge(entry(1), standing(is_cleared=True))


def replacing(sequence: int, digest: bytes, **changes: Any) -> BookOrder:
    return replace(entry(sequence, **changes), instructions=Instructions(replaces=digest))


def test_judge__replacement__takes_lane_cash_and_position_of_what_it_replaces() -> None:
    held = Resting.of(order(nonce=1), 250_000)
    before = standing(
        trader=trader(free_cash=0, position_wh=5_000, open_orders=32, live_lane_order=b"\x01" * 32, last_lane_nonce=1),
        replaced=held,
    )
    admitted = Judge(RULES, NOW).judge(replacing(2, b"\x01" * 32), before)
    assert (admitted.lock, admitted.cancels) == (250_000, b"\x01" * 32)
    with pytest.raises(refusals.InsufficientCollateral):
        Judge(RULES, NOW).judge(replacing(2, b"\x01" * 32, limit_price_per_kwh=250_100), before)
    with pytest.raises(refusals.OverPositionLimit):
        Judge(RULES, NOW).judge(replacing(2, b"\x01" * 32, energy_wh=1_010), before)


@pytest.mark.parametrize(
    "changes", [{"trader": b"\x02" * 20}, {"zone": 2}, {"delivery_start": 0}, {"side": 1}, {"lane": 4}]
)
def test_judge__replacement_of_an_order_elsewhere__is_refused(changes: dict[str, Any]) -> None:
    held = replace(Resting.of(order(nonce=1), 250_000), **changes)
    with pytest.raises(refusals.ReplacesNothing, match="0101"):
        Judge(RULES, NOW).judge(replacing(2, b"\x01" * 32), standing(replaced=held))


def test_judge__replacement_of_an_order_of_the_batch__works_once() -> None:
    first = entry(1)
    judge, before = Judge(RULES, NOW), standing(trader=trader(free_cash=250_000))
    judge.judge(first, before)
    second = judge.judge(replacing(2, first.digest), before)
    assert second.cancels == first.digest
    with pytest.raises(refusals.ReplacesNothing):
        judge.judge(replacing(3, first.digest), before)
    assert judge.judge(replacing(4, second.entry.digest), before).lock == 250_000


def test_judge__continuous_trading__replaced_order_keeps_its_cash_until_the_engine_is_there() -> None:
    rules = replace(RULES, trading="continuous")
    held = Resting.of(order(nonce=1), 250_000)
    before = standing(trader=trader(free_cash=250_000, last_lane_nonce=1), replaced=held)
    admitted = Judge(rules, NOW).judge(replacing(2, b"\x01" * 32), before)
    assert (admitted.lock, admitted.cancels) == (250_000, None)
    with pytest.raises(refusals.InsufficientCollateral):
        Judge(rules, NOW).judge(replacing(2, b"\x01" * 32), standing(trader=trader(free_cash=249_999), replaced=held))
