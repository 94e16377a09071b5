"""Orders that the market must not take: each is refused with its own code, and nothing is entered."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from api.client import OrderTerms
from api.client.signing import sign_order
from indexer.db import connect
from tests.integration.api.conftest import ALICE_KEY, BOB_KEY, NOW_S, ZONE, Market, clear_account

pytestmark = pytest.mark.integration

START = datetime.fromtimestamp(NOW_S + 1_800, UTC)
BID = OrderTerms(ZONE, START, "buy", 1_000, 300_000, nonce=1)
EXPIRED = replace(BID, expiry=START - timedelta(hours=1))
CLOSED = replace(BID, delivery_start=START - timedelta(hours=1))
DEAR = replace(BID, energy_wh=4_000, limit_price_per_kwh=3_000_000)


async def test_post_order__what_may_not_stand__has_its_own_problem_and_enters_nothing(market: Market) -> None:
    await clear_account(market, ALICE_KEY, meter_id=1)
    answers = []
    async with market.client(ALICE_KEY) as alice, market.http() as http:
        contracts = await alice.contracts()
        for body in (
            sign_order(contracts, ALICE_KEY, BID) | {"signature": "0x" + "11" * 65},
            sign_order(contracts, ALICE_KEY, EXPIRED),
            sign_order(contracts, ALICE_KEY, CLOSED),
            sign_order(contracts, ALICE_KEY, DEAR),
            sign_order(contracts, BOB_KEY, BID),
        ):
            response = await http.post("/v1/orders", json=body)
            assert response.headers["content-type"] == "application/problem+json"
            answers.append((response.status_code, response.json()["code"]))
    db = await connect(market.database_url)
    entered = await db.fetchval("select (select count(*) from trading.orders) + (select count(*) from trading.events)")
    await db.close()
    assert entered == 0
    assert answers == [
        (422, "bad-signature"),
        (422, "order-expired"),
        (409, "gate-closed"),
        (409, "insufficient-collateral"),
        (403, "not-cleared"),
    ]
