"""Continuous trading through the API: orders in, the open book, the log after the gate, and who replays it."""

import asyncio
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.client import OrderTerms
from api.market_feed import MarketFeed
from indexer.db import open_pool
from node.config import MarketRules
from node.market import agreement
from node.market.area import alone
from node.market.clearing import clear_area
from node.market.matching import Matcher
from tests.integration.api.conftest import ALICE_KEY, BOB_KEY, NOW_S, ZONE, Market, api_config, clear_account
from tests.integration.api.test_published_auction import run, url
from tests.unit.api.test_market_feed import Outlet

pytestmark = pytest.mark.integration

START_S = NOW_S + 1_800
START = datetime.fromtimestamp(START_S, UTC)
SLOT = f"{START:%Y-%m-%dT%H:%M:%SZ}"
OFFER = OrderTerms(ZONE, START, "sell", 600, 80_000, nonce=1)
BID = OrderTerms(ZONE, START, "buy", 1_000, 300_000, nonce=1)
BOOK = f"/v1/markets/{ZONE}/book?delivery_start={SLOT}"
LOG = f"/v1/markets/{ZONE}/log?delivery_start={SLOT}"

__all__ = ["url"]


@pytest.fixture
def environment() -> dict[str, str]:
    return {"GRIDTRACE_TRADING": "continuous"}


@pytest.fixture
def rules(tmp_path: Path) -> MarketRules:
    config = api_config(tmp_path, "postgresql://nowhere", "redis://nowhere", GRIDTRACE_TRADING="continuous")
    return config.node.market


async def see_the_closing_auction(market: Market) -> None:
    """An offer for no less than 500 Wh passes by a bid of 400 Wh, and waits: there is nothing for the auction."""
    said = {
        "zone": ZONE,
        "sell_price_per_kwh": None,
        "buy_price_per_kwh": None,
        "sold_wh": "0",
        "bought_wh": "0",
        "best_bid_per_kwh": "300000",
        "best_ask_per_kwh": None,
    }
    status, found = await get(market, BOOK.replace("/book", "/indicative"))
    assert (status, found["revision"], found["zones"]) == (200, 2, [said])
    assert (await get(market, BOOK))[1]["indicative"] == said

    outlet = Outlet("candles", "indicative")
    feed = MarketFeed(outlet)
    feed.heard("trades", {"zone": ZONE, "delivery_start": START_S})
    feed.heard("book", {"area": ZONE, "delivery_start": START_S, "revision": 2})
    app: Any = market.transport.app
    await feed.tell(app.state.services)
    (_, _, candles), (channel, kind, told) = outlet.said
    slot = candles["candles"]["slot"]
    assert (candles["zone"], candles["delivery_start"], slot["trades"], slot["energy_wh"]) == (ZONE, START_S, 1, "600")
    assert slot["close_per_kwh"] == candles["candles"]["1m"]["open_per_kwh"] == "80000"
    assert (channel, kind) == ("indicative", "delta")
    assert (told["revision"], told["zones"]) == (2, [said])


async def get(market: Market, path: str) -> tuple[int, dict[str, Any]]:
    async with market.http() as http:
        answer = await http.get(path)
        return answer.status_code, answer.json()


async def test_continuous__orders_over_http__are_matched_shown_published_and_replayed(
    market: Market, rules: MarketRules, url: str, tmp_path: Path
) -> None:
    await clear_account(market, ALICE_KEY, meter_id=1)
    await clear_account(market, BOB_KEY, meter_id=2)
    area = alone(ZONE, rules.grid_fee_per_kwh)
    matcher = Matcher(rules, [area])
    async with open_pool(market.database_url, size=2) as pool:
        async with market.client(ALICE_KEY) as alice, market.client(BOB_KEY) as bob:
            await alice.sign_in()
            await bob.sign_in()
            await bob.post_order(OFFER)
            placed = await alice.post_order(BID)
            gone = await bob.post_order(replace(OFFER, limit_price_per_kwh=400_000, lane=1))
            await matcher.follow(pool, NOW_S)
            assert (await alice.order(placed.order_id)).status == "open"
            assert (await bob.cancel_order(gone.order_id)).status == "cancelling"
            status, book = await get(market, BOOK)
            assert (status, book["sealed"], book["revision"]) == (200, False, 1)
            levels = [(level["price_per_kwh"], level["energy_wh"]) for level in book["bids"] + book["asks"]]
            assert levels == [("300000", "400"), ("400000", "600")]
            await matcher.follow(pool, NOW_S)
            assert (await bob.order(gone.order_id)).status == "cancelled"
            await bob.post_order(replace(OFFER, energy_wh=500, limit_price_per_kwh=90_000, min_fill_wh=500, lane=2))
            await matcher.follow(pool, NOW_S)
        await see_the_closing_auction(market)
        async with pool.acquire() as db:
            await agreement.lead_with(db, [area])
            assert (await get(market, BOOK))[0] == 200
            await agreement.adopt(db, [alone(ZONE, rules.grid_fee_per_kwh + 1)])
            status, refusal = await get(market, BOOK)
            assert (status, refusal["code"]) == (409, "areas-differ")
            assert (await get(market, "/v1/status"))[1]["areas"]["agree"] is False
            await agreement.adopt(db, [area])
            assert (await get(market, "/v1/status"))[1]["areas"]["agree"] is True
        assert (await get(market, LOG))[0] == 404
        market.clock.time_s = START_S - rules.gate_lead_s
        async with pool.acquire() as db, db.transaction():
            await clear_area(db, rules, area, START_S, market.clock.time_s)

    status, log = await get(market, LOG)
    assert status == 200
    document = tmp_path / "log.json"
    command = (sys.executable, "-m", "api.cli.main", "auction", "replay", "--json")
    code, found = await run(*command, "--url", url, "--zone", str(ZONE), "--slot", SLOT, "--save", str(document))
    assert (code, found["differ"], found["trades"], found["energy_wh"], found["waiting"]) == (0, [], 1, 600, 2)
    assert found["replay_hash"] == log["replay_hash"]

    document.write_text(document.read_text().replace(log["replay_hash"], "0x" + "00" * 32))
    code, found = await run(*command, str(document))
    assert (code, found["differ"]) == (1, ["replay_hash"])
    document.write_bytes(bytes.fromhex(log["log"][2:])[:-1] + b"\x01")
    code, found = await run(*command, str(document))
    assert code != 0
    assert "slot-log-unreadable" in found["complaint"]


async def test_book__more_ask_than_there_are_connections__all_are_told_the_same(market: Market) -> None:
    async with market.http() as http, asyncio.timeout(8):
        answers = await asyncio.gather(*(http.get(BOOK) for _ in range(60)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
