from dataclasses import replace

import pytest

from contracts.typed_data import Order
from node.settlement.delivery import Trade
from node.settlement.imbalance import Prices
from node.settlement.outcome import Slot
from node.settlement.voids import Exchange, Lane, Reason, Standing, judge
from tests.unit.node.settlement.slot import account, metered, trade

START, FAR = 900, 10_000
TRADES = (trade(0, "s", "b", 500), trade(1, "s", "c", 300), trade(2, "t", "c", 100))
SELL_S, SELL_T, BUY_B, BUY_C = TRADES[0].sell_order, TRADES[2].sell_order, TRADES[0].buy_order, TRADES[1].buy_order
RICH = Standing(cash=1_000_000, energy_wh=1_000, min_nonce=0, cleared_until=FAR)


def slot(*trades: Trade) -> Slot:
    meters = metered(s=(800, 0), t=(100, 0), b=(0, 500), c=(0, 400))
    return Slot(1, START, 0, trades or TRADES, meters, Prices(100_000, 60_000, 320_000), bytes(32), account("g"))


def order(trade: Trade, side: int) -> Order:
    trader = trade.seller if side else trade.buyer
    return Order(trader, 1, START, side, 1_000, 120_000, 0, 0, 0, FAR, 3, 7)


ORDERS = {item.buy_order: order(item, 0) for item in TRADES} | {item.sell_order: order(item, 1) for item in TRADES}


def exchange(**changed: Standing) -> Exchange:
    everybody = {account(name): RICH for name in "stbc"}
    return Exchange(everybody | {account(name): standing for name, standing in changed.items()}, {})


def test_judge__everybody_stands__voids_nothing() -> None:
    found = judge(slot(), ORDERS, exchange())
    assert (dict(found.voids), found.outcome) == ({}, slot().settle())


@pytest.mark.parametrize(
    ("standing", "reason"),
    [
        (replace(RICH, cleared_until=START - 1), Reason.NOT_CLEARED),
        (replace(RICH, min_nonce=8), Reason.NONCE_RAISED),
        (replace(RICH, cash=1), Reason.CASH_SHORT),
    ],
)
def test_judge__buyer_cannot_settle__is_left_out_and_the_rest_settles(standing: Standing, reason: Reason) -> None:
    found = judge(slot(), ORDERS, exchange(b=standing))
    assert dict(found.voids) == {BUY_B: reason}
    assert [item.trade.number for item in found.outcome.deliveries] == [1, 2]
    lines = {line.account: line for line in found.outcome.accounts}
    # What the buyer took was bought of nobody, and what was fed in for him is sold to nobody.
    assert (lines[account("b")].bought_wh, lines[account("b")].imbalance_wh) == (0, -500)
    assert (lines[account("s")].sold_wh, lines[account("s")].imbalance_wh) == (300, 500)


def test_judge__as_much_as_is_needed__is_enough() -> None:
    assert judge(slot(), ORDERS, exchange(b=replace(RICH, cash=60_000, cleared_until=START, min_nonce=7))).voids == {}
    assert judge(slot(), ORDERS, exchange(b=replace(RICH, cash=59_999))).voids == {BUY_B: Reason.CASH_SHORT}


def test_judge__seller_without_the_energy__is_left_out() -> None:
    found = judge(slot(), ORDERS, exchange(s=replace(RICH, energy_wh=799)))
    assert dict(found.voids) == {SELL_S: Reason.ENERGY_SHORT}
    assert [fill.order for fill in found.outcome.netting.fills] == [SELL_T, BUY_C]


def test_judge__lane_moved_on__voids_what_it_held() -> None:
    standing = exchange().accounts
    replaced = judge(slot(), ORDERS, Exchange(standing, {(account("b"), 3): Lane(8, 0)}))
    assert dict(replaced.voids) == {BUY_B: Reason.ORDER_REPLACED}
    filled = judge(slot(), ORDERS, Exchange(standing, {(account("b"), 3): Lane(7, 501)}))
    assert dict(filled.voids) == {BUY_B: Reason.OVER_FILLED}
    assert judge(slot(), ORDERS, Exchange(standing, {(account("b"), 3): Lane(7, 500)})).voids == {}
    assert judge(slot(), ORDERS, Exchange(standing, {(account("b"), 3): Lane(6, 900)})).voids == {}


OWN = {digest: replace(item, lane=0) for digest, item in ORDERS.items()}


@pytest.mark.parametrize(
    ("last_slot", "last_side", "filled_wh", "reason"),
    [
        (0, 0, 0, None),
        (START - 900, 1, 900, None),
        (START, 0, 500, None),
        (START, 0, 501, Reason.OVER_FILLED),
        (START, 1, 0, Reason.OTHER_SIDE),
        (START + 900, 0, 0, Reason.SLOT_PASSED),
    ],
)
def test_judge__own_lane__holds_one_slot_and_one_side(
    last_slot: int, last_side: int, filled_wh: int, reason: Reason | None
) -> None:
    used = replace(RICH, last_slot=last_slot, last_side=last_side, filled_wh=filled_wh)
    # Another lane of the same number of nobody's is not looked at.
    lanes = {(account("b"), 0): Lane(99, 99_999)}
    found = judge(slot(), OWN, Exchange(exchange(b=used).accounts, lanes))
    assert dict(found.voids) == ({} if reason is None else {BUY_B: reason})


def test_judge__own_lane__two_orders_of_a_slot_share_its_count() -> None:
    trades = (trade(0, "s", "b", 500), trade(1, "t", "b", 100))
    second = replace(order(trades[1], 0), lane=0, energy_wh=599, nonce=8)
    orders = {item.sell_order: order(item, 1) for item in trades}
    orders |= {trades[0].buy_order: replace(order(trades[0], 0), lane=0), trades[1].buy_order: second}
    assert judge(slot(*trades), orders, exchange()).voids == {trades[1].buy_order: Reason.OVER_FILLED}
    orders[trades[1].buy_order] = replace(second, energy_wh=600)
    assert judge(slot(*trades), orders, exchange()).voids == {}


def test_judge__own_lane__counts_31_bits() -> None:
    trades = (trade(0, "s", "b", 1),)
    orders = {item.buy_order: replace(order(item, 0), lane=0, energy_wh=2**40) for item in trades}
    orders |= {item.sell_order: order(item, 1) for item in trades}
    full = replace(RICH, last_slot=START, filled_wh=2**31 - 1)
    assert judge(slot(*trades), orders, exchange(b=full)).voids == {trades[0].buy_order: Reason.OVER_FILLED}
    assert judge(slot(*trades), orders, exchange(b=replace(full, filled_wh=2**31 - 2))).voids == {}


def test_judge__expired_order__is_void() -> None:
    orders = ORDERS | {SELL_T: replace(ORDERS[SELL_T], expiry=START - 1)}
    assert judge(slot(), orders, exchange()).voids == {SELL_T: Reason.ORDER_EXPIRED}


def test_judge__void_takes_the_money_of_another__voids_him_too() -> None:
    # The seller pays for what he buys by what he sells, and his only buyer is frozen.
    trades = (trade(0, "s", "b", 500), trade(1, "t", "s", 100))
    orders = {item.buy_order: order(item, 0) for item in trades} | {item.sell_order: order(item, 1) for item in trades}
    poor = replace(RICH, cash=0)
    assert judge(slot(*trades), orders, exchange(s=poor)).voids == {}
    frozen = replace(RICH, cleared_until=0)
    voids = judge(slot(*trades), orders, exchange(s=poor, b=frozen)).voids
    assert dict(voids) == {trades[0].buy_order: Reason.NOT_CLEARED, trades[1].buy_order: Reason.CASH_SHORT}


def test_judge__void_spares_another_the_money__keeps_him() -> None:
    # Without the frozen seller the buyer's cash is enough for the rest.
    found = judge(slot(), ORDERS, exchange(s=replace(RICH, cleared_until=0), c=replace(RICH, cash=12_000)))
    assert dict(found.voids) == {SELL_S: Reason.NOT_CLEARED}


def test_judge__unknown_account__is_not_cleared() -> None:
    found = judge(slot(), ORDERS, Exchange({}, {}))
    assert set(found.voids.values()) == {Reason.NOT_CLEARED}
    assert found.outcome.netting.fills == ()


def test_settle__asked_again__is_the_same_outcome_and_a_changed_slot_has_its_own() -> None:
    before = slot()
    outcome = before.settle()
    assert before.settle() is outcome
    assert before.settle({BUY_B: 0}) is not outcome
    assert replace(before, version=3).settle().version == 3
