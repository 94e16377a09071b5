"""Several orders at once: entered, replaced and cancelled."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from api.client import ApiProblem, OrderTerms
from tests.integration.api.conftest import ALICE_KEY, BOB_KEY, NOW_S, ZONE, Market, clear_account

pytestmark = pytest.mark.integration

START = datetime.fromtimestamp(NOW_S + 1_800, UTC)
BID = OrderTerms(ZONE, START, "buy", 1_000, 300_000, nonce=1)


@pytest.fixture
async def cleared(market: Market) -> Market:
    """Alice and Bob may trade."""
    await clear_account(market, ALICE_KEY, meter_id=1)
    await clear_account(market, BOB_KEY, meter_id=2)
    return market


async def test_post_orders__good_and_bad__each_has_its_answer(cleared: Market) -> None:
    async with cleared.client(ALICE_KEY) as alice:
        await alice.sign_in()
        terms = [
            replace(BID, lane=1),
            replace(BID, lane=2, energy_wh=9_000),
            replace(BID, lane=1),
            replace(BID, lane=2, limit_price_per_kwh=1),
            replace(BID, lane=2, energy_wh=500),
        ]
        results = await alice.post_orders(terms)
        stored = {order.order_id: order for order in await alice.orders()}
    assert [result.status for result in results] == [201, 409, 200, 422, 201]
    assert [result.code for result in results] == [None, "position-limit", None, "tick", None]
    assert [result.index for result in results] == [0, 1, 2, 3, 4]
    answered = [result.order for result in results if result.order]
    assert answered[0] == answered[1]
    assert {order.order_id: order for order in answered} == stored


@pytest.mark.parametrize("count", [0, 101])
async def test_post_orders__none_or_too_many__is_refused_as_a_whole(market: Market, count: int) -> None:
    async with market.client(ALICE_KEY) as alice:
        with pytest.raises(ApiProblem) as caught:
            await alice.post_orders([replace(BID, lane=lane) for lane in range(count)])
    assert (caught.value.code, caught.value.faults[0][0]) == ("field-invalid", "#/orders")


async def test_post_orders__bad_field__points_at_it(market: Market) -> None:
    async with market.client(ALICE_KEY) as alice, market.http() as http:
        del alice
        response = await http.post("/v1/orders:batch", json={"orders": [{"lane": -1}]})
    assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")
    pointers = {fault["pointer"] for fault in response.json()["errors"]}
    assert {"#/orders/0/lane", "#/orders/0/trader", "#/orders/0/signature"} <= pointers


async def test_replace_order__dearer__is_one_change_in_the_same_lane(cleared: Market) -> None:
    async with cleared.client(ALICE_KEY) as alice:
        await alice.sign_in()
        first = await alice.post_order(BID)
        second = await alice.replace_order(first.order_id, replace(BID, limit_price_per_kwh=310_000, nonce=2))
        with pytest.raises(ApiProblem) as caught:
            await alice.replace_order(first.order_id, replace(BID, nonce=3))
        orders = {order.order_id: order.status for order in await alice.orders()}
        locked = (await alice.balances()).locked
    assert orders == {first.order_id: "cancelled", second.order_id: "open"}
    assert (locked, caught.value.code) == (310_000, "replaced-order")


async def test_replace_order__of_another_trader__changes_nothing(cleared: Market) -> None:
    async with cleared.client(ALICE_KEY) as alice, cleared.client(BOB_KEY) as bob:
        await alice.sign_in()
        first = await alice.post_order(BID)
        with pytest.raises(ApiProblem) as caught:
            await bob.replace_order(first.order_id, replace(BID, nonce=2))
        assert (await alice.order(first.order_id)).status == "open"
    assert (caught.value.status, caught.value.code) == (409, "replaced-order")


async def test_cancel_orders__named__answers_for_each(cleared: Market) -> None:
    async with cleared.client(ALICE_KEY) as alice, cleared.client(BOB_KEY) as bob:
        await alice.sign_in()
        await bob.sign_in()
        mine = await alice.post_order(BID)
        theirs = await bob.post_order(BID)
        results = await alice.cancel_orders([mine.order_id, theirs.order_id, mine.order_id])
        assert (await bob.order(theirs.order_id)).status == "open"
    assert [(result.status, result.state, result.code) for result in results] == [
        (200, "cancelled", None),
        (404, None, "order-not-found"),
        (200, "cancelled", None),
    ]


async def test_cancel_orders__of_a_slot__leaves_other_slots_and_traders(cleared: Market) -> None:
    later = replace(BID, delivery_start=START + timedelta(minutes=15))
    async with cleared.client(ALICE_KEY) as alice, cleared.client(BOB_KEY) as bob:
        await alice.sign_in()
        await bob.sign_in()
        for lane in (1, 2):
            await alice.post_order(replace(BID, lane=lane, energy_wh=100))
        await alice.post_order(replace(later, lane=3))
        await bob.post_order(BID)
        assert len(await alice.cancel_orders(delivery_start=START)) == 2
        assert [order.lane for order in await alice.orders("open")] == [3]
        assert len(await alice.cancel_orders()) == 1
        assert len(await bob.orders("open")) == 1


async def test_cancel_orders__names_and_a_slot__is_refused(cleared: Market) -> None:
    async with cleared.client(ALICE_KEY) as alice, cleared.http() as http:
        token = (await alice.sign_in()).session_token
        body = {"order_ids": [], "zone": 1}
        response = await http.post("/v1/orders:cancel", json=body, headers={"Authorization": f"Bearer {token}"})
        unknown = await http.post("/v1/orders:cancel", json={})
    assert (response.status_code, response.json()["code"]) == (422, "field-invalid")
    assert unknown.status_code == 401
