"""Orders that the market must not take: each is refused with its own code, and nothing is entered."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.client import OrderTerms
from api.client.results import Contracts
from api.client.signing import sign_order
from indexer.db import connect
from node.market import refusals
from tests.integration.api.conftest import ALICE_KEY, NOW_S, ZONE, Market, clear_account

pytestmark = pytest.mark.integration

START = datetime.fromtimestamp(NOW_S + 1_800, UTC)
BID = OrderTerms(ZONE, START, "buy", 1_000, 300_000, nonce=5, lane=3)
DIGEST = "0x" + "11" * 32


@dataclass(frozen=True)
class Case:
    """An order that is refused with ``code``, and part of what the refusal says."""

    code: str
    words: str
    terms: OrderTerms = BID
    body: tuple[tuple[str, Any], ...] = ()
    """Fields of the body that are other than what was signed."""
    before: str = ""
    after: str = ""


CASES = [
    Case("bad-signature", "signer=0x", body=(("energy_wh", "1001"),)),
    Case("field-invalid", "energy_wh=0", replace(BID, energy_wh=0)),
    Case("time-in-force", "time_in_force=3", replace(BID, time_in_force="fill_or_kill")),
    Case("instruction", "trading=auction", body=(("post_only", True),)),
    Case("good-till", "closes_at=", body=(("good_till", START.strftime("%Y-%m-%dT%H:%M:%SZ")),)),
    Case("replaced-order", "order=" + DIGEST, body=(("replaces", DIGEST),)),
    Case("block", "this market has no day-ahead auction", body=(("block", DIGEST),)),
    Case("source", "source=1", replace(BID, source="solar")),
    Case("slot-misaligned", "slot_s=900", replace(BID, delivery_start=START + timedelta(seconds=60))),
    Case("gate-not-open", "opens_at=", replace(BID, delivery_start=START + timedelta(hours=9))),
    Case("gate-closed", "closed_at=", replace(BID, delivery_start=START - timedelta(hours=1))),
    Case("order-expired", "expiry=", replace(BID, expiry=START - timedelta(hours=1))),
    Case("tick", "limit_price_per_kwh=300050, tick_per_kwh=100", replace(BID, limit_price_per_kwh=300_050)),
    Case("lot", "energy_wh=1005, lot_wh=10", replace(BID, energy_wh=1_005)),
    Case("price-band", "band=-500000 to 4000000", replace(BID, limit_price_per_kwh=4_000_100)),
    Case("unknown-zone", "zone=9", replace(BID, zone=9)),
    Case(
        "not-cleared",
        "needed_until=",
        before="update blockchain.participants set kyc_until = 'epoch'",
        after="update blockchain.participants set kyc_until = 'infinity'",
    ),
    Case(
        "frozen",
        "trader=0x",
        before="update blockchain.participants set flags = 7",
        after="update blockchain.participants set flags = 3",
    ),
    Case(
        "wrong-role",
        "side=buy, flags=1",
        before="update blockchain.participants set flags = 1",
        after="update blockchain.participants set flags = 3",
    ),
    Case("position-limit", "position_wh=7000, limit_wh=5000", replace(BID, energy_wh=6_000)),
    Case(
        "too-many-orders",
        "open_orders=32, limit=32",
        before="insert into trading.orders (digest, sequence, trader, side, zone, delivery_start, energy_wh,"
        " limit_price_per_kwh, time_in_force, source, expiry, lane, nonce, signature, received_at)"
        " select decode(lpad(to_hex(n), 64, '0'), 'hex'), -n, trader, side, zone, delivery_start, 1, 0, 0, 0, 0,"
        " 100 + n, 1, signature, received_at from trading.orders, generate_series(1, 31) n",
        after="delete from trading.orders where sequence < 0",
    ),
    Case(
        "mandate-missing",
        "needed_until=",
        before="update blockchain.mandates set expiry = 'epoch'",
        after="update blockchain.mandates set expiry = 'infinity'",
    ),
    Case(
        "mandate-budget",
        "covered=1",
        replace(BID, side="sell", lane=4),
        before="update blockchain.mandates set budget_per_slot = 1",
        after="update blockchain.mandates set budget_per_slot = 5000000",
    ),
    Case(
        "insufficient-collateral",
        "needed=300000, free=299999",
        before="update blockchain.account_balances set cash = 599999",
        after="update blockchain.account_balances set cash = 10000000",
    ),
    Case("stale-nonce", "nonce=3, least=5, lane=2", replace(BID, nonce=3, lane=2)),
    Case("lane-in-use", "lane=2", replace(BID, lane=2)),
]


@pytest.fixture
def environment() -> dict[str, str]:
    return {"GRIDTRACE_LOT_WH": "10"}


def kinds(kind: type[refusals.OrderRefused]) -> Iterator[type[refusals.OrderRefused]]:
    for below in kind.__subclasses__():
        yield below
        yield from kinds(below)


def test_cases__cover_every_refusal_of_the_market() -> None:
    assert {case.code for case in CASES} == {kind.code for kind in kinds(refusals.OrderRefused)}


def body_of(contracts: Contracts, case: Case) -> dict[str, Any]:
    return sign_order(contracts, ALICE_KEY, case.terms) | dict(case.body)


async def traces(market: Market) -> tuple[Any, ...]:
    """All that an order could have left behind."""
    db = await connect(market.database_url)
    try:
        row = await db.fetchrow(
            "select (select max(hash) from trading.events), (select count(*) from trading.events),"
            " (select array_agg(o order by sequence) from trading.orders o)"
        )
        assert row is not None
        return tuple(row)
    finally:
        await db.close()


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/orders:batch"])
async def test_post_order__what_may_not_stand__has_its_own_code_and_leaves_no_trace(market: Market, path: str) -> None:
    await clear_account(market, ALICE_KEY, meter_id=1)
    async with market.client(ALICE_KEY) as alice, market.http() as http:
        contracts = await alice.contracts()
        published = {one["code"]: one["status"] for one in (await http.get("/v1/errors")).json()["items"]}
        await alice.post_order(replace(BID, lane=2, nonce=4))
        found, expected = [], []
        for case in CASES:
            if case.before:
                await market.execute(case.before)
            before = await traces(market)
            body = body_of(contracts, case)
            response = await http.post(path, json=body if path == "/v1/orders" else {"orders": [body]})
            refusal = response.json() if path == "/v1/orders" else response.json()["results"][0]
            says = case.words in str(refusal.get("detail"))
            found.append((refusal.get("code"), refusal["status"], says, await traces(market)))
            expected.append((case.code, published[case.code], True, before))
            if case.after:
                await market.execute(case.after)
        assert found == expected
        assert (await alice.post_order(BID)).status == "open"
