"""The invariants of the auction, each on a thousand random books; with GRIDTRACE_DEEP=1 on 20,000."""

import os
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.market.auction import clear
from node.market.book import PublishedBook, result_bytes
from tests.property.node.market import naive
from tests.property.node.market.books import (
    book_order,
    books,
    books_with_minimum_fills,
    bytes_of,
    crossing_books,
    fills_of,
    run,
    shifted,
    trades_of,
)
from tests.property.node.market.naive import BUY, SELL, Bid

DEEP = bool(os.environ.get("GRIDTRACE_DEEP"))
pytestmark = pytest.mark.timeout(3_600 if DEEP else 180)

many = settings(
    max_examples=20_000 if DEEP else 1_000, deadline=None, suppress_health_check=[HealthCheck.filter_too_much]
)


@many
@given(books())
def test_clear__any_book__is_what_the_definitions_say(orders: list[Bid]) -> None:
    result = run(orders)
    expected, rejected = naive.clear(orders)

    assert (result.price_per_kwh, result.price_low_per_kwh, result.price_high_per_kwh) == (
        expected.price,
        expected.low,
        expected.high,
    )
    assert result.matched_wh == expected.volume
    assert fills_of(orders, result) == expected.fills
    assert trades_of(orders, result) == naive.pair(orders, expected.fills)
    assert list(result.rejected) == rejected == []


@many
@given(books())
def test_clear__any_book__has_the_welfare_of_the_linear_programme(orders: list[Bid]) -> None:
    # HiGHS works in floating point: exact only where the sums stay far below 2**53.
    small = [replace(order, quantity=order.quantity % 1_000 + 1) for order in orders]
    if not small:
        return
    fills = fills_of(small, run(small))

    assert naive.welfare(small, fills) == naive.best_welfare(small)


@many
@given(crossing_books())
def test_clear__crossing_book__keeps_every_order_and_limit(orders: list[Bid]) -> None:
    result = run(orders)
    price, low, high = result.price_per_kwh, result.price_low_per_kwh, result.price_high_per_kwh
    assert price is not None
    assert low is not None
    assert high is not None
    fills = fills_of(orders, result)

    assert low <= price <= high
    for order in orders:
        fill = fills[order.sequence]
        advantage = order.limit - price if order.side == BUY else price - order.limit
        assert 0 <= fill <= order.quantity
        if advantage > 0:
            assert fill == order.quantity
        if advantage < 0:
            assert fill == 0
    for side in (BUY, SELL):
        assert sum(fills[order.sequence] for order in orders if order.side == side) == result.matched_wh


@many
@given(crossing_books(), st.integers(-20, 20))
def test_clear__money__sums_to_zero_whatever_the_fee(orders: list[Bid], fee: int) -> None:
    result = run(orders, fee)
    fills, price = fills_of(orders, result), result.price_per_kwh or 0

    paid = sum((price + fee) * fills[order.sequence] for order in orders if order.side == BUY)
    received = sum(price * fills[order.sequence] for order in orders if order.side == SELL)

    assert paid - received - fee * result.matched_wh == 0


@many
@given(books_with_minimum_fills(), st.data())
def test_clear__owners_exchanged__change_nothing(orders: list[Bid], data: st.DataObject) -> None:
    def outcome(owners: list[int]) -> bytes:
        signed = tuple(book_order(order, owner) for order, owner in zip(orders, owners, strict=True))
        columns = PublishedBook(1, 900, 900, 0, signed).columns()
        return result_bytes(columns, clear(columns))

    owners = list(range(len(orders)))

    assert outcome(data.draw(st.permutations(owners))) == outcome(owners) == bytes_of(orders)


@many
@given(crossing_books())
def test_clear__trades__add_up_to_the_fills_and_are_few(orders: list[Bid]) -> None:
    result = run(orders)
    fills, trades = fills_of(orders, result), trades_of(orders, result)

    for order in orders:
        assert sum(trade[2] for trade in trades if trade[order.side] == order.sequence) == fills[order.sequence]
    assert len(trades) <= sum(fill > 0 for fill in fills.values()) - 1
    assert [trade[0] for trade in trades] == sorted(trade[0] for trade in trades)
    assert [trade[1] for trade in trades] == sorted(trade[1] for trade in trades)


@many
@given(crossing_books())
def test_clear__marginal_level__is_shared_within_one_unit_of_the_exact_share(orders: list[Bid]) -> None:
    result = run(orders)
    fills = fills_of(orders, result)

    for side in (BUY, SELL):
        partly = {order.limit for order in orders if order.side == side and 0 < fills[order.sequence] < order.quantity}
        assert len(partly) <= 1
        for limit in partly:
            level = [order for order in orders if order.side == side and order.limit == limit]
            total = sum(order.quantity for order in level)
            amount = sum(fills[order.sequence] for order in level)
            for order in level:
                assert abs(fills[order.sequence] * total - order.quantity * amount) < total


@many
@given(books(), st.randoms(use_true_random=False))
def test_clear__permuted_input__gives_the_same_bytes(orders: list[Bid], random: Random) -> None:
    before = bytes_of(orders)
    shuffled = list(orders)
    random.shuffle(shuffled)

    assert bytes_of(shuffled) == before == bytes_of(orders)


@many
@given(books(), st.integers(-1_000, 1_000))
def test_clear__all_prices_shifted__only_shifts_the_prices(orders: list[Bid], by: int) -> None:
    before, after = run(orders), run(shifted(orders, by))

    assert fills_of(orders, after) == fills_of(orders, before)
    if before.price_per_kwh is not None:
        assert after.price_per_kwh == before.price_per_kwh + by


@many
@given(books(), st.integers(-20, 20))
def test_clear__grid_fee__is_the_same_as_lower_bids(orders: list[Bid], fee: int) -> None:
    lower = [replace(order, limit=order.limit - fee) if order.side == BUY else order for order in orders]

    assert bytes_of(orders, fee) == bytes_of(lower)


@many
@given(books())
def test_clear__mirrored_book__gives_the_mirrored_result(orders: list[Bid]) -> None:
    mirrored = [replace(order, side=1 - order.side, limit=-order.limit) for order in orders]
    result, reflection = run(orders), run(mirrored)

    assert fills_of(mirrored, reflection) == fills_of(orders, result)
    if result.price_low_per_kwh is not None and result.price_high_per_kwh is not None:
        assert reflection.price_low_per_kwh == -result.price_high_per_kwh
        assert reflection.price_high_per_kwh == -result.price_low_per_kwh


@many
@given(crossing_books(), st.lists(st.tuples(st.integers(1, 50), st.integers(1, 9)), min_size=1, max_size=4))
def test_clear__orders_outside_the_interval_added__change_nothing(
    orders: list[Bid], extra: list[tuple[int, int]]
) -> None:
    before = run(orders)
    assert before.price_low_per_kwh is not None
    assert before.price_high_per_kwh is not None
    last = orders[-1].sequence
    outside = [
        Bid(last + number, BUY, quantity, before.price_low_per_kwh - distance)
        if number % 2
        else Bid(last + number, SELL, quantity, before.price_high_per_kwh + distance)
        for number, (quantity, distance) in enumerate(extra, 1)
    ]

    after = run(orders + outside)

    assert after.price_per_kwh == before.price_per_kwh
    assert trades_of(orders + outside, after) == trades_of(orders, before)


@many
@given(crossing_books(), st.data())
def test_clear__filled_order_made_more_generous__is_not_filled_less(orders: list[Bid], data: st.DataObject) -> None:
    fills = fills_of(orders, run(orders))
    filled = data.draw(st.sampled_from([order for order in orders if fills[order.sequence]]))
    step = data.draw(st.integers(1, 5)) * (1 if filled.side == BUY else -1)
    bolder = [replace(order, limit=order.limit + step) if order is filled else order for order in orders]

    assert fills_of(bolder, run(bolder))[filled.sequence] >= fills[filled.sequence]


@many
@given(books_with_minimum_fills())
def test_clear__minimum_fills__is_what_the_definitions_say(orders: list[Bid]) -> None:
    result = run(orders)
    expected, rejected = naive.clear(orders)

    assert (result.price_per_kwh, result.matched_wh) == (expected.price, expected.volume)
    assert fills_of(orders, result) == expected.fills
    assert list(result.rejected) == rejected


@many
@given(books_with_minimum_fills())
def test_clear__minimum_fills__are_met_or_nothing_and_only_they_are_passed_over(orders: list[Bid]) -> None:
    result = run(orders)
    fills = fills_of(orders, result)

    for order in orders:
        assert fills[order.sequence] == 0 or fills[order.sequence] >= order.min_fill
        if result.price_per_kwh is None:
            assert fills[order.sequence] == 0
            continue
        advantage = (order.limit - result.price_per_kwh) * (1 if order.side == BUY else -1)
        if fills[order.sequence]:
            assert advantage >= 0
        # Nobody is accepted at a loss; who is better than the price and left out is listed, and had a minimum.
        passed_over = advantage > 0 and fills[order.sequence] < order.quantity
        assert passed_over == (order.sequence in result.rejected)
        assert not passed_over or order.min_fill


@pytest.mark.parametrize("size", [100, 3_000])
def test_clear__large_book__is_what_the_definitions_say(size: int) -> None:
    orders = [
        Bid(number, number % 2, 1 + number * 7_919 % 1_009, number * 104_729 % 61) for number in range(1, size + 1)
    ]

    expected, _ = naive.clear(orders)

    assert fills_of(orders, run(orders)) == expected.fills
    assert trades_of(orders, run(orders)) == naive.pair(orders, expected.fills)
