"""The invariants of the coupled auction, on thousands of random areas and books."""

import os
from dataclasses import replace
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.market import auction
from node.market.area import Area
from node.market.zonal import ZonalResult
from tests.property.node.market import zonal_oracle
from tests.property.node.market.books import book_of, books_with_minimum_fills
from tests.property.node.market.naive import BUY, SELL, Bid
from tests.property.node.market.zonal_books import Case, cases

# GRIDTRACE_DEEP=1 clears thousands of books for each invariant.
DEEP = bool(os.environ.get("GRIDTRACE_DEEP"))
_checks = [HealthCheck.filter_too_much, HealthCheck.too_slow]
many = settings(max_examples=3_000 if DEEP else 120, deadline=None, suppress_health_check=_checks)
some = settings(max_examples=500 if DEEP else 30, deadline=None, suppress_health_check=_checks)

trading = cases().filter(lambda case: bool(case.run().flows))


def price_of(result: ZonalResult, zone: int, side: int) -> int | None:
    return (result.buys if side == BUY else result.sells)[zone].price_per_kwh


def gain(bid: Bid, price: int) -> int:
    return bid.limit - price if bid.side == BUY else price - bid.limit


def welfare(case: Case, fills: dict[int, int], result: ZonalResult) -> int:
    traded = sum((1 if bid.side == BUY else -1) * bid.limit * fills[bid.sequence] for _, bid in case.placed())
    return traded - sum(flow.fee_per_kwh * flow.energy_wh for flow in result.flows)


@many
@given(cases())
def test_clear__any_area__has_the_welfare_and_volume_of_the_linear_programme(case: Case) -> None:
    result = case.run()
    volume = sum(flow.energy_wh for flow in result.flows)

    assert (welfare(case, case.fills(result), result), volume) == zonal_oracle.best(case)


@some
@given(cases())
def test_clear__several_best_exchanges__takes_the_most_local(case: Case) -> None:
    assert case.flows(case.run()) == zonal_oracle.most_local_flows(case)


@many
@given(trading)
def test_clear__prices__are_the_floored_midpoint_of_the_least_and_the_greatest_that_fit(case: Case) -> None:
    result = case.run()
    low, high = zonal_oracle.fitting_prices(case, case.fills(result), case.flows(result))

    for zone in case.area.zones:
        for side, row in ((BUY, result.buys[zone]), (SELL, result.sells[zone])):
            if row.matched_wh:
                assert (row.price_low_per_kwh, row.price_high_per_kwh) == (low[zone, side], high[zone, side])
                assert row.price_per_kwh == (low[zone, side] + high[zone, side]) // 2
            else:
                assert (row.price_per_kwh, row.price_low_per_kwh, row.price_high_per_kwh) == (None, None, None)


@many
@given(cases(huge=True))
def test_clear__numbers_of_any_size__prices_prove_that_welfare_is_greatest(case: Case) -> None:
    # Weak duality: no exchange has more welfare than what orders and links gain at any prices.
    result = case.run()
    fills = case.fills(result)
    highest = 2**60
    bought, sold = ({zone: row.price_per_kwh for zone, row in side.items()} for side in (result.buys, result.sells))
    # A side that does not trade asks a price at which nothing is gained by trading with it.
    buy = {zone: highest if price is None else price for zone, price in bought.items()}
    for zone in [zone for zone, price in bought.items() if price is None]:
        buy[zone] = max((bid.limit for bid in case.orders[zone] if bid.side == BUY), default=-highest)
    sell = {zone: price for zone, price in sold.items() if price is not None}
    for zone in [zone for zone, price in sold.items() if price is None]:
        sell[zone] = min((bid.limit for bid in case.orders[zone] if bid.side == SELL), default=highest)
    bound = 0
    for zone, bid in case.placed():
        bound += bid.quantity * max(0, gain(bid, buy[zone] if bid.side == BUY else sell[zone]))
    for (sell_zone, buy_zone), fee in case.area.fee_per_kwh.items():
        spread = buy[buy_zone] - sell[sell_zone] - fee
        capacity = case.area.capacity_wh.get((sell_zone, buy_zone))
        if spread > 0:
            assert capacity is not None
            bound += spread * capacity

    assert welfare(case, fills, result) == bound


@many
@given(cases(huge=True))
def test_clear__fills__keep_to_orders_limits_flows_and_capacities(case: Case) -> None:
    result = case.run()
    fills, flows = case.fills(result), case.flows(result)

    for zone, bid in case.placed():
        price, fill = price_of(result, zone, bid.side), fills[bid.sequence]
        assert 0 <= fill <= bid.quantity
        assert not fill or (price is not None and gain(bid, price) >= 0)
    for zone in case.area.zones:
        bought = sum(fills[bid.sequence] for bid in case.orders[zone] if bid.side == BUY)
        sold = sum(fills[bid.sequence] for bid in case.orders[zone] if bid.side == SELL)
        assert bought == result.buys[zone].matched_wh == sum(flow for pair, flow in flows.items() if pair[1] == zone)
        assert sold == result.sells[zone].matched_wh == sum(flow for pair, flow in flows.items() if pair[0] == zone)
    for pair, flow in flows.items():
        assert 0 <= flow <= case.area.capacity_wh.get(pair, flow)


@many
@given(trading)
def test_clear__divisible_order_better_than_the_price__is_full(case: Case) -> None:
    result = case.run()
    fills = case.fills(result)

    for zone, bid in case.placed():
        price = price_of(result, zone, bid.side)
        if price is not None and gain(bid, price) > 0:
            assert fills[bid.sequence] == bid.quantity


@many
@given(cases(huge=True, minimum_fills=True))
def test_clear__money__sums_to_zero_and_rent_is_paid_only_at_capacity(case: Case) -> None:
    result = case.run()
    paid = sum(row.price_per_kwh * row.matched_wh for row in result.buys.values() if row.price_per_kwh is not None)
    earned = sum(row.price_per_kwh * row.matched_wh for row in result.sells.values() if row.price_per_kwh is not None)
    fees = sum(flow.fee_per_kwh * flow.energy_wh for flow in result.flows)
    rent = sum(flow.rent_per_kwh * flow.energy_wh for flow in result.flows)

    assert paid - earned - fees - rent == 0
    for flow in result.flows:
        pair = flow.sell_zone, flow.buy_zone
        assert flow.price_per_kwh == result.sells[flow.sell_zone].price_per_kwh
        assert flow.fee_per_kwh == case.area.fee_per_kwh[pair]
        assert flow.rent_per_kwh >= 0
        assert not flow.rent_per_kwh or flow.energy_wh == case.area.capacity_wh[pair]


@many
@given(trading)
def test_clear__prices__lie_between_least_and_greatest_and_leave_no_gain_between_zones(case: Case) -> None:
    result = case.run()

    for row in (*result.buys.values(), *result.sells.values()):
        if row.price_low_per_kwh is not None and row.price_per_kwh is not None and row.price_high_per_kwh is not None:
            assert row.price_low_per_kwh <= row.price_per_kwh <= row.price_high_per_kwh
    for pair, flow in case.flows(result).items():
        sell, buy = result.sells[pair[0]].price_per_kwh, result.buys[pair[1]].price_per_kwh
        if sell is not None and buy is not None and flow < case.area.capacity_wh.get(pair, flow + 1):
            assert buy <= sell + case.area.fee_per_kwh[pair]


@many
@given(trading)
def test_clear__marginal_level__is_shared_within_one_unit_of_the_exact_share(case: Case) -> None:
    fills = case.fills(case.run())

    for bids in case.orders.values():
        for side in (BUY, SELL):
            mine = [bid for bid in bids if bid.side == side]
            partly = {bid.limit for bid in mine if 0 < fills[bid.sequence] < bid.quantity}
            assert len(partly) <= 1
            level = [bid for bid in mine if bid.limit in partly]
            total, amount = sum(bid.quantity for bid in level), sum(fills[bid.sequence] for bid in level)
            for bid in level:
                assert abs(fills[bid.sequence] * total - bid.quantity * amount) < total


@many
@given(cases(minimum_fills=True), st.randoms(use_true_random=False))
def test_clear__permuted_input__gives_the_same_result(case: Case, random: Random) -> None:
    orders = list(case.orders.items())
    random.shuffle(orders)
    fees = list(case.area.fee_per_kwh.items())
    random.shuffle(fees)
    shuffled = Case(
        Area(case.area.zones, dict(fees), case.area.capacity_wh),
        {zone: random.sample(bids, len(bids)) for zone, bids in orders},
    )

    assert shuffled.everything(shuffled.run()) == case.everything(case.run()) == case.everything(case.run())


@many
@given(cases(minimum_fills=True), st.integers(1, 1_000))
def test_clear__zones_and_sequences_relabelled_in_order__changes_nothing_else(case: Case, by: int) -> None:
    def moved(pair: tuple[int, int]) -> tuple[int, int]:
        return pair[0] + by, pair[1] + by

    relabelled = Case(
        Area(
            tuple(zone + by for zone in case.area.zones),
            {moved(pair): fee for pair, fee in case.area.fee_per_kwh.items()},
            {moved(pair): capacity for pair, capacity in case.area.capacity_wh.items()},
        ),
        {z + by: [replace(bid, sequence=3 * bid.sequence) for bid in bids] for z, bids in case.orders.items()},
    )
    before, after = case.run(), relabelled.run()

    assert relabelled.fills(after) == {3 * sequence: fill for sequence, fill in case.fills(before).items()}
    assert relabelled.trades(after) == [(3 * buy, 3 * sell, energy) for buy, sell, energy in case.trades(before)]
    assert [row.price_per_kwh for row in after.buys.values()] == [row.price_per_kwh for row in before.buys.values()]


@many
@given(cases(minimum_fills=True), st.integers(-1_000, 1_000))
def test_clear__all_prices_shifted__only_shifts_the_prices(case: Case, by: int) -> None:
    before, after = case.run(), case.shifted(by).run()

    assert case.trades(after) == case.trades(before)
    for zone in case.area.zones:
        for one, other in ((before.buys, after.buys), (before.sells, after.sells)):
            price = one[zone].price_per_kwh
            assert other[zone].price_per_kwh == (None if price is None else price + by)


@many
@given(trading, st.lists(st.tuples(st.booleans(), st.integers(1, 50), st.integers(1, 9)), min_size=1, max_size=4))
def test_clear__orders_outside_the_interval_added__change_nothing(
    case: Case, extra: list[tuple[bool, int, int]]
) -> None:
    before = case.run()
    sequence = 1_000
    orders = {zone: list(bids) for zone, bids in case.orders.items()}
    for zone in case.area.zones:
        for buys, quantity, distance in extra:
            sequence += 1
            low, high = before.buys[zone].price_low_per_kwh, before.sells[zone].price_high_per_kwh
            if buys and low is not None:
                orders[zone].append(Bid(sequence, BUY, quantity, low - distance))
            if not buys and high is not None:
                orders[zone].append(Bid(sequence, SELL, quantity, high + distance))
    more = replace(case, orders=orders)
    after = more.run()

    assert more.trades(after) == case.trades(before)
    assert [row.price_per_kwh for row in after.buys.values()] == [row.price_per_kwh for row in before.buys.values()]
    assert [row.price_per_kwh for row in after.sells.values()] == [row.price_per_kwh for row in before.sells.values()]


@many
@given(trading, st.data())
def test_clear__filled_order_made_more_generous__is_not_filled_less(case: Case, data: st.DataObject) -> None:
    fills = case.fills(case.run())
    filled = data.draw(st.sampled_from([bid for _, bid in case.placed() if fills[bid.sequence]]))
    step = data.draw(st.integers(1, 5)) * (1 if filled.side == BUY else -1)
    bolder = case.changed(filled, replace(filled, limit=filled.limit + step))

    assert bolder.fills(bolder.run())[filled.sequence] >= fills[filled.sequence]


@many
@given(trading)
def test_clear__trades__walk_the_pairs_by_sequence_and_are_few(case: Case) -> None:
    result = case.run()
    fills, trades = case.fills(result), case.trades(result)
    pairs = [(flow.sell_zone, flow.buy_zone) for flow in result.flows]

    for number, side in ((0, BUY), (1, SELL)):
        for _, bid in case.placed():
            if bid.side == side:
                assert sum(trade[2] for trade in trades if trade[number] == bid.sequence) == fills[bid.sequence]
    assert pairs == [pair for pair in case.area.pairs if pair in pairs]
    for flow in result.flows:
        assert flow.trades.buy.tolist() == sorted(flow.trades.buy.tolist())
        assert flow.trades.sell.tolist() == sorted(flow.trades.sell.tolist())
    at_capacity = sum(
        flow.energy_wh == case.area.capacity_wh.get((flow.sell_zone, flow.buy_zone)) for flow in result.flows
    )
    assert len(trades) <= sum(fill > 0 for fill in fills.values()) - 1 + at_capacity


@many
@given(cases(minimum_fills=True))
def test_clear__minimum_fills__are_met_or_nothing_and_only_they_are_passed_over(case: Case) -> None:
    result = case.run()
    fills = case.fills(result)

    for zone, bid in case.placed():
        fill, price = fills[bid.sequence], price_of(result, zone, bid.side)
        assert fill == 0 or bid.min_fill <= fill <= bid.quantity
        if price is None:
            assert fill == 0
            continue
        # Nobody is accepted at a loss; who is better than the price and left out is listed, and had a minimum.
        assert not fill or gain(bid, price) >= 0
        passed_over = gain(bid, price) > 0 and fill < bid.quantity
        assert passed_over == (bid.sequence in result.rejected)
        assert not passed_over or bid.min_fill


@many
@given(books_with_minimum_fills(), st.integers(0, 5))
def test_clear__one_zone__is_what_the_auction_of_a_zone_gives(orders: list[Bid], fee: int) -> None:
    case = Case(Area((3,), {(3, 3): fee}), {3: orders})
    result, expected = case.run(), auction.clear(book_of(orders), fee)
    sells, buys = result.sells[3], result.buys[3]

    assert (sells.price_per_kwh, sells.price_low_per_kwh, sells.price_high_per_kwh) == (
        expected.price_per_kwh,
        expected.price_low_per_kwh,
        expected.price_high_per_kwh,
    )
    assert sells.fills_wh.tolist() == expected.sell_fills_wh.tolist()
    assert buys.fills_wh.tolist() == expected.buy_fills_wh.tolist()
    assert result.rejected == expected.rejected
    assert [flow.trades.energy_wh.tolist() for flow in result.flows] == [
        energy for energy in [expected.trades.energy_wh.tolist()] if energy
    ]
    for flow in result.flows:
        assert flow.trades.buy.tolist() == expected.trades.buy.tolist()
        assert flow.trades.sell.tolist() == expected.trades.sell.tolist()
        assert flow.rent_per_kwh == 0
