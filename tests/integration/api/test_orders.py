import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.client import ApiProblem, OrderTerms
from api.client.signing import sign_order
from tests.integration.api.conftest import ALICE_KEY, BOB_KEY, NOW_S, OPERATOR_KEY, ZONE, Market, clear_account

pytestmark = pytest.mark.integration

START = datetime.fromtimestamp(NOW_S + 1_800, UTC)
"""A slot that takes orders."""
BID = OrderTerms(ZONE, START, "buy", 1_000, 300_000, nonce=1)


@pytest.fixture
async def cleared(market: Market) -> Market:
    """Alice and Bob may trade."""
    await clear_account(market, ALICE_KEY, meter_id=1)
    await clear_account(market, BOB_KEY, meter_id=2)
    return market


async def test_post_order__signed_and_covered__is_open_and_locks_its_limit(cleared: Market) -> None:
    async with cleared.client(ALICE_KEY) as alice:
        await alice.sign_in()
        order = await alice.post_order(BID)
        assert (order.status, order.side, order.energy_wh) == ("open", "buy", 1_000)
        balances = await alice.balances()
        assert (balances.locked, balances.available) == (300_000, balances.cash - 300_000)


async def test_post_order__again__is_200_and_the_same(cleared: Market) -> None:
    async with cleared.client(ALICE_KEY) as alice, cleared.http() as http:
        body = sign_order(await alice.contracts(), ALICE_KEY, BID)
        first, second = await http.post("/v1/orders", json=body), await http.post("/v1/orders", json=body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()


async def test_post_order__sent_twenty_times_at_once__is_entered_once(cleared: Market) -> None:
    async with cleared.client(ALICE_KEY) as alice, cleared.http() as http:
        body = sign_order(await alice.contracts(), ALICE_KEY, BID)
        responses = await asyncio.gather(*(http.post("/v1/orders", json=body) for _ in range(20)))
    assert sorted(response.status_code for response in responses) == [200] * 19 + [201]


AGAINST_THE_RULES = [
    (replace(BID, zone=9), 422, "unknown-zone"),
    (replace(BID, delivery_start=START + timedelta(seconds=60)), 422, "slot-misaligned"),
    (replace(BID, delivery_start=START - timedelta(hours=1)), 409, "gate-closed"),
    (replace(BID, delivery_start=START + timedelta(hours=9)), 409, "gate-not-open"),
    (replace(BID, limit_price_per_kwh=4_000_100), 422, "price-band"),
    (replace(BID, limit_price_per_kwh=300_050), 422, "tick"),
    (replace(BID, energy_wh=6_000), 409, "position-limit"),
    (replace(BID, energy_wh=0), 422, "field-invalid"),
    (replace(BID, time_in_force="fill_or_kill"), 422, "time-in-force"),
    (replace(BID, expiry=START - timedelta(hours=1)), 422, "order-expired"),
]


async def test_post_order__against_a_rule__is_refused_with_its_code(cleared: Market) -> None:
    async with cleared.client(ALICE_KEY) as alice:
        for terms, status, code in AGAINST_THE_RULES:
            with pytest.raises(ApiProblem) as caught:
                await alice.post_order(terms)
            assert (caught.value.status, caught.value.code) == (status, code)


CHANGED_AFTER_SIGNING: list[tuple[dict[str, Any], str]] = [
    ({"energy_wh": "1001"}, "bad-signature"),
    ({"nonce": str(1 << 48)}, "field-out-of-range"),
    ({"side": "sell"}, "bad-signature"),
    ({"trader": "0x" + "11" * 20}, "bad-signature"),
    ({"signature": "0x" + "00" * 65}, "bad-signature"),
    ({"signature": "0x12"}, "field-invalid"),
    ({"energy_wh": 1000.5}, "field-invalid"),
    ({"side": "hold"}, "field-invalid"),
    ({"stranger": 1}, "field-invalid"),
    ({"delivery_start": "tomorrow"}, "field-invalid"),
]


async def test_post_order__body_changed_after_signing__is_422(cleared: Market) -> None:
    async with cleared.client(ALICE_KEY) as alice, cleared.http() as http:
        signed = sign_order(await alice.contracts(), ALICE_KEY, BID)
        for change, code in CHANGED_AFTER_SIGNING:
            response = await http.post("/v1/orders", json=signed | change)
            assert (response.status_code, response.json()["code"]) == (422, code), change


async def test_post_order__account_not_cleared__is_403(market: Market) -> None:
    await clear_account(market, BOB_KEY, meter_id=2)
    async with market.client(ALICE_KEY) as alice:
        with pytest.raises(ApiProblem) as caught:
            await alice.post_order(BID)
    assert (caught.value.status, caught.value.code) == (403, "not-cleared")


async def test_order__of_another_while_its_book_is_sealed__looks_missing(cleared: Market) -> None:
    async with (
        cleared.client(ALICE_KEY) as alice,
        cleared.client(BOB_KEY) as bob,
        cleared.client(OPERATOR_KEY) as operator,
    ):
        for client in (alice, bob, operator):
            await client.sign_in()
        order = await alice.post_order(BID)
        for client in (bob, operator):
            with pytest.raises(ApiProblem) as foreign:
                await client.order(order.order_id)
            with pytest.raises(ApiProblem) as missing:
                await client.order("0x" + "00" * 32)
            assert (foreign.value.status, foreign.value.code) == (missing.value.status, missing.value.code)
            listed = await client.page("/v1/orders", {"account": alice.address})
            assert listed.items == []
        cleared.clock.time_s = START.timestamp() - 300
        assert (await bob.order(order.order_id)).order_id == order.order_id


async def test_book__before_and_after_the_gate__is_a_count_then_all_orders(cleared: Market) -> None:
    path = f"/v1/markets/{ZONE}/book?delivery_start={START:%Y-%m-%dT%H:%M:%SZ}"
    async with cleared.client(ALICE_KEY) as alice, cleared.http() as http:
        await alice.post_order(BID)
        sealed = (await http.get(path)).json()
        cleared.clock.time_s = START.timestamp() - 300
        published = (await http.get(path)).json()
    assert (sealed["sealed"], sealed["order_count"], sealed["orders"]) == (True, 1, [])
    assert (published["sealed"], [order["energy_wh"] for order in published["orders"]]) == (False, ["1000"])


async def test_cancel_order__own__is_cancelled_and_frees_its_cash(cleared: Market) -> None:
    async with cleared.client(ALICE_KEY) as alice:
        await alice.sign_in()
        order = await alice.post_order(BID)
        assert (await alice.cancel_order(order.order_id)).status == "cancelled"
        assert (await alice.cancel_order(order.order_id)).status == "cancelled"
        assert (await alice.balances()).locked == 0


async def test_cancel_order__of_another__looks_missing_and_leaves_it(cleared: Market) -> None:
    async with cleared.client(ALICE_KEY) as alice, cleared.client(BOB_KEY) as bob:
        await alice.sign_in()
        await bob.sign_in()
        order = await alice.post_order(BID)
        with pytest.raises(ApiProblem) as caught:
            await bob.cancel_order(order.order_id)
        assert (caught.value.status, caught.value.code) == (404, "order-not-found")
        assert (await alice.order(order.order_id)).status == "open"


async def test_cancel_order__after_the_gate__is_too_late(cleared: Market) -> None:
    async with cleared.client(ALICE_KEY) as alice:
        await alice.sign_in()
        order = await alice.post_order(BID)
        cleared.clock.time_s = START.timestamp() - 300
        with pytest.raises(ApiProblem) as caught:
            await alice.cancel_order(order.order_id)
    assert (caught.value.status, caught.value.code) == (409, "cancel-too-late")


async def test_orders__in_pages__come_all_once_newest_first(cleared: Market) -> None:
    async with cleared.client(ALICE_KEY) as alice:
        await alice.sign_in()
        for lane in range(5):
            await alice.post_order(replace(BID, energy_wh=100, lane=lane))
        seen, cursor = [], None
        while True:
            page = await alice.page("/v1/orders", {"limit": "2", "cursor": cursor})
            seen += [item["lane"] for item in page.items]
            if (cursor := page.next_cursor) is None:
                break
        assert seen == [4, 3, 2, 1, 0]
        first = await alice.page("/v1/orders", {"limit": "2"})
        with pytest.raises(ApiProblem) as caught:
            await alice.page("/v1/orders", {"limit": "2", "status": "open", "cursor": first.next_cursor})
    assert (caught.value.status, caught.value.code) == (422, "cursor-invalid")
