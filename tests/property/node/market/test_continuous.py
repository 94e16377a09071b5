"""The invariants of the continuous book, each on a thousand random streams; with GRIDTRACE_DEEP=1 on 20,000."""

import os
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.market.continuous import Continuous
from node.market.engine import BUY, Network, Reason, replay_hash
from node.market.instructions import TimeInForce
from tests.property.node.market.heap_book import HeapBook
from tests.property.node.market.live_book import LiveBook, told, why
from tests.property.node.market.live_order import LiveOrder
from tests.property.node.market.naive_book import NaiveBook
from tests.property.node.market.streams import (
    COUPLED,
    SINGLE,
    Come,
    Step,
    apply,
    rows_of,
    run,
    stream,
    streams,
)

DEEP = bool(os.environ.get("GRIDTRACE_DEEP"))
pytestmark = pytest.mark.timeout(3_600 if DEEP else 180)

many = settings(max_examples=20_000 if DEEP else 1_000, deadline=None)


def limits(steps: list[Step]) -> dict[int, Come]:
    return {step.sequence: step for step in steps if isinstance(step, Come)}


def place(maker: LiveOrder, taker: LiveOrder, network: Network) -> tuple[int, int, int] | None:
    """How good a waiting order is to one that comes; None if they cannot trade."""
    seller, buyer = (maker, taker) if taker.side == BUY else (taker, maker)
    fee = network.fee_per_kwh[seller.zone][buyer.zone]
    if fee is None or maker.side == taker.side or maker.cost + fee + taker.cost > 0:
        return None
    return maker.cost + fee, fee, maker.rank


@many
@given(streams())
def test_book__after_every_event__is_crossed_only_by_orders_that_wait_for_their_minimum(
    given: tuple[Network, list[Step]],
) -> None:
    network, steps = given
    engine = LiveBook(network)
    for step in steps:
        apply(engine, step)
        free = [order for order in engine.orders.values() if not order.min_left_wh]
        for offer in (order for order in free if order.side != BUY):
            for bid in (order for order in free if order.side == BUY):
                assert place(offer, bid, network) is None or engine.room_wh[offer.zone][bid.zone] == 0


@many
@given(streams())
def test_energy__of_every_order__is_left_or_traded_or_cancelled(given: tuple[Network, list[Step]]) -> None:
    network, steps = given
    engine = run(lambda: LiveBook(network), steps)
    assert isinstance(engine, LiveBook)
    for sequence, come in limits(steps).items():
        traded_wh = sum(fill[2] for fill in engine.fills if sequence in fill[:2])
        gone_wh = sum(removal[1] for removal in engine.removals if removal[0] == sequence)
        left_wh = engine.orders[sequence].left_wh if sequence in engine.orders else 0
        assert left_wh + traded_wh + gone_wh == come.fields["energy_wh"]


@many
@given(streams())
def test_fills__of_an_order_that_comes__pass_by_nobody_better_or_earlier(given: tuple[Network, list[Step]]) -> None:
    network, steps = given
    engine = LiveBook(network)
    for step in steps:
        if not isinstance(step, Come):
            apply(engine, step)
            continue
        taker, waiting = step.order(), list(engine.orders.values())
        before = {order.sequence: (order.left_wh, order.shown_wh, place(order, taker, network)) for order in waiting}
        eager = [order for order in waiting if not order.min_left_wh and order.trader != taker.trader]
        first_fill = len(engine.fills)
        engine.accept(taker)
        fills = [fill for fill in engine.fills[first_fill:] if taker.sequence in fill[:2]]
        if len(fills) < len(engine.fills) - first_fill or taker.replaces:
            continue  # an order that got its minimum took in turn, or one that waited has been replaced
        worst = max((before[min(fill[:2])][2] for fill in fills), default=None)  # type: ignore[type-var]
        for order in eager:
            left_wh, shown_wh, its_place = before[order.sequence]
            seller, buyer = (order, taker) if taker.side == BUY else (taker, order)
            if worst is None or its_place is None or its_place >= worst or not engine.room_wh[seller.zone][buyer.zone]:
                continue
            assert left_wh - order.left_wh >= shown_wh


@many
@given(streams())
def test_fills__of_any_stream__are_never_between_orders_of_one_trader(given: tuple[Network, list[Step]]) -> None:
    network, steps = given
    orders = limits(steps)
    for buy, sell, *_ in run(lambda: LiveBook(network), steps).fills:
        assert orders[buy].fields["trader"] != orders[sell].fields["trader"]


@many
@given(streams())
def test_fills__of_any_stream__are_at_the_limit_of_the_one_that_waited_and_within_both(
    given: tuple[Network, list[Step]],
) -> None:
    network, steps = given
    orders = limits(steps)
    engine = LiveBook(network)
    for step in steps:
        first = len(engine.fills)
        apply(engine, step)
        for buy, sell, energy_wh, price, fee in engine.fills[first:]:
            bid, offer = orders[buy].fields, orders[sell].fields
            assert fee == network.fee_per_kwh[offer["zone"]][bid["zone"]]
            assert price + fee <= bid["limit_per_kwh"]
            assert price >= offer["limit_per_kwh"]
            if step.sequence in (buy, sell):
                limit = offer["limit_per_kwh"] if step.sequence == buy else bid["limit_per_kwh"] - fee
                assert price == limit
            assert energy_wh > 0


@many
@given(streams())
def test_minimum_fill__of_any_stream__is_met_or_nothing_is_traded(given: tuple[Network, list[Step]]) -> None:
    network, steps = given
    engine = LiveBook(network)
    orders = limits(steps)
    for step in steps:
        apply(engine, step)
    for sequence, come in orders.items():
        traded_wh = sum(fill[2] for fill in engine.fills if sequence in fill[:2])
        carried = any(removal[0] == sequence and removal[2] == Reason.CARRIED for removal in engine.removals)
        if come.fields.get("time_in_force") != TimeInForce.FILL_OR_KILL and not carried:
            assert traded_wh == 0 or traded_wh >= come.fields.get("min_fill_wh", 0)


@many
@given(streams())
def test_time_in_force__of_any_stream__is_kept(given: tuple[Network, list[Step]]) -> None:
    network, steps = given
    engine = LiveBook(network)
    for step in steps:
        first = len(engine.fills)
        apply(engine, step)
        if not isinstance(step, Come):
            assert len(engine.fills) == first
            continue
        now_wh = sum(fill[2] for fill in engine.fills[first:] if step.sequence in fill[:2])
        time_in_force = step.fields.get("time_in_force", 0)
        if time_in_force >= TimeInForce.IMMEDIATE_OR_CANCEL:
            assert step.sequence not in engine.orders
        if time_in_force == TimeInForce.FILL_OR_KILL:
            carried_wh = sum(r[1] for r in engine.removals if r[0] == step.sequence and r[2] == Reason.CARRIED)
            assert now_wh in (0, step.fields["energy_wh"] - carried_wh)
        if step.fields.get("post_only"):
            assert now_wh == 0


@many
@given(streams(COUPLED))
def test_flows__of_any_stream__stay_within_capacity(given: tuple[Network, list[Step]]) -> None:
    network, steps = given
    engine = run(lambda: LiveBook(network), steps)
    orders = limits(steps)
    for sell_zone, row in enumerate(network.capacity_wh):
        for buy_zone, capacity_wh in enumerate(row):
            flow_wh = sum(
                fill[2]
                for fill in engine.fills
                if (orders[fill[1]].fields["zone"], orders[fill[0]].fields["zone"]) == (sell_zone, buy_zone)
            )
            assert flow_wh == capacity_wh - engine.room_wh[sell_zone][buy_zone] <= capacity_wh


@many
@given(streams())
def test_replacement__that_does_not_keep_its_place__is_a_cancellation_and_a_new_order(
    given: tuple[Network, list[Step]],
) -> None:
    network, steps = given
    one, two = LiveBook(network), LiveBook(network)
    for step in steps:
        fields = step.fields if isinstance(step, Come) else {}
        old = one.orders.get(fields.get("replaces", 0))
        keeps = old is not None and all(
            getattr(old, name) == fields.get(name, 0) for name in ("min_fill_wh", "display_wh")
        )
        apply(one, step)
        if old is None or keeps or not isinstance(step, Come) or step.order().trader != old.trader:
            apply(two, step)
            continue
        if (old.side, old.zone) != (fields["side"], fields["zone"]):
            apply(two, step)
            continue
        carried_wh = two.orders[old.sequence].traded_wh
        two.cancel(old.sequence)
        anew = {**fields, "replaces": 0, "energy_wh": fields["energy_wh"] - carried_wh}
        if carried_wh:
            anew["min_fill_wh"] = 0
        if anew["energy_wh"] > 0:
            apply(two, replace(step, fields=anew))
    assert one.fills == two.fills
    assert [row[:4] for row in one.state()] == [row[:4] for row in two.state()]


def test_replacement__smaller_and_otherwise_the_same__keeps_its_place_in_the_queue() -> None:
    engine = LiveBook(SINGLE)
    engine.accept(LiveOrder(1, "a", 1, 10, 50))
    engine.accept(LiveOrder(2, "b", 1, 10, 50))
    engine.accept(LiveOrder(3, "a", 1, 10, 40).asking(replaces=1))
    engine.accept(LiveOrder(4, "b", 1, 10, 60).asking(replaces=2))
    engine.accept(LiveOrder(5, "c", 0, 30, 45))
    assert engine.fills == [(5, 3, 40, 10, 20), (5, 4, 5, 10, 20)]
    # What the replaced order had traded counts against the new one.
    engine.accept(LiveOrder(6, "b", 1, 10, 20).asking(replaces=4))
    assert engine.orders[6].left_wh == 15
    assert not engine.cancel(4)


@many
@given(streams(), st.lists(st.integers(0, 30), max_size=4))
def test_play__of_any_stream_in_any_batches__is_what_the_heap_book_does(
    given: tuple[Network, list[Step]], cuts: list[int]
) -> None:
    network, steps = given
    heaps = run(lambda: HeapBook(network), steps)
    engine, events = Continuous(network), rows_of(steps)
    played = [engine.play(batch) for batch in np.split(events, sorted(cuts))]
    assert [fill for fills, _ in played for fill in told(engine, fills)] == heaps.fills
    assert [removal for _, removals in played for removal in why(engine, removals)] == heaps.removals
    assert replay_hash(heaps.fills, heaps.state()) == replay_hash(
        np.concatenate([np.reshape(told(engine, fills), (-1, 5)) for fills, _ in played]), engine.state()
    )
    assert engine.room_wh.tolist() == heaps.room_wh


def test_play__more_events_than_there_was_room_for__is_what_it_is_all_at_once() -> None:
    events = rows_of(list(stream(Random(3), 20_000, COUPLED, levels=40)))
    at_once, engine = Continuous(COUPLED), Continuous(COUPLED)
    fills, removals = at_once.play(events)
    played = [engine.play(batch) for batch in np.array_split(events, 7)]
    assert np.array_equal(np.concatenate([part for part, _ in played]), fills)
    assert np.array_equal(np.concatenate([part for _, part in played]), removals)
    assert np.array_equal(engine.state(), at_once.state())
    assert len(fills) > 5_000


@pytest.mark.parametrize("network", [SINGLE, COUPLED], ids=["one zone", "coupled zones"])
def test_engines__naive_heaps_and_compiled__agree_on_every_event(network: Network) -> None:
    random = Random(7)
    events = 0
    while events < (500_000 if DEEP else 8_000):
        steps = list(stream(random, 200, network, levels=random.choice((5, 12, 40)) + 20 * (network is SINGLE)))
        live, heaps, naive = LiveBook(network), HeapBook(network), NaiveBook(network)
        for step in steps:
            for engine in (live, heaps, naive):
                apply(engine, step)
            assert live.fills == heaps.fills == naive.fills
            assert live.removals == heaps.removals == naive.removals
            assert live.state() == heaps.state() == naive.state()
        assert live.room_wh == heaps.room_wh == naive.room_wh
        at_once = Continuous(network)
        fills, removals = at_once.play(rows_of(steps))
        assert told(at_once, fills) == naive.fills
        assert why(at_once, removals) == naive.removals
        assert at_once.state().tolist() == [list(row) for row in naive.state()]
        assert len(live.fills) > 5
        events += len(steps)
