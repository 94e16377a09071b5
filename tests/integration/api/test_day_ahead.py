"""A day-ahead auction through the API: blocks in, the session's book out, and run again from its bytes."""

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.client import ApiProblem, OrderTerms
from indexer.db import connect
from node.config import MarketRules
from node.market import day_ahead
from node.market.area import alone
from node.market.session_book import rerun_session
from scripts import verify_day_ahead
from tests.integration.api.conftest import ALICE_KEY, BOB_KEY, NOW_S, ZONE, Market, api_config, clear_account
from tests.integration.api.test_published_auction import OURS, run, url

__all__ = ["url"]

pytestmark = pytest.mark.integration

DAY_S0 = int(NOW_S) // 86_400 * 86_400 + 86_400
DAY = datetime.fromtimestamp(DAY_S0, UTC)
GATE_S = DAY_S0 - 60
FIRST, SECOND = (datetime.fromtimestamp(DAY_S0 + hours * 3_600, UTC) for hours in (10, 11))
BLOCK = "0x" + "07" * 32
SESSION = f"/v1/markets/{ZONE}/day-ahead?day={DAY:%Y-%m-%d}"
OFFER = OrderTerms(ZONE, FIRST, "sell", 600, 80_000, nonce=1, asking={"block": BLOCK})
BID = OrderTerms(ZONE, FIRST, "buy", 600, 300_000, nonce=1)


@pytest.fixture
def environment() -> dict[str, str]:
    return {"GRIDTRACE_DAY_AHEAD_GATE": "23:59"}


@pytest.fixture
def rules(tmp_path: Path, environment: dict[str, str]) -> MarketRules:
    return api_config(tmp_path, "postgresql://nowhere", "redis://nowhere", **environment).node.market


async def get(market: Market, path: str) -> tuple[int, dict[str, Any]]:
    async with market.http() as http:
        answer = await http.get(path)
        return answer.status_code, answer.json()


async def test_day_ahead__blocks_over_http__are_cleared_published_and_run_again(
    market: Market, rules: MarketRules, url: str, tmp_path: Path
) -> None:
    await clear_account(market, ALICE_KEY, meter_id=1)
    await clear_account(market, BOB_KEY, meter_id=2)
    async with market.client(ALICE_KEY) as alice, market.client(BOB_KEY) as bob:
        first = await bob.post_order(OFFER)
        await bob.post_order(replace(OFFER, delivery_start=SECOND, lane=1))
        await alice.post_order(BID)
        await alice.post_order(replace(BID, delivery_start=SECOND, lane=1))
        assert (await get(market, SESSION))[0] == 404
        waiting = (await get(market, "/v1/status"))[1]["day_ahead"]
        assert [(session["day"][:10], session["state"]) for session in waiting] == [
            (f"{DAY - timedelta(days=1):%Y-%m-%d}", "closed"),
            (f"{DAY:%Y-%m-%d}", "open"),
        ]

        market.clock.time_s = GATE_S
        assert (await get(market, "/v1/status"))[1]["day_ahead"][0]["state"] == "closed"
        db = await connect(market.database_url)
        try:
            async with db.transaction():
                await day_ahead.clear(db, rules, alone(ZONE, rules.grid_fee_per_kwh), DAY_S0, GATE_S)
        finally:
            await db.close()
        with pytest.raises(ApiProblem, match="block"):
            await bob.post_order(replace(OFFER, lane=2, nonce=2))

    cleared, following = (await get(market, "/v1/status"))[1]["day_ahead"]
    assert (cleared["day"], cleared["state"], cleared["ends_at"]) == (
        f"{DAY:%Y-%m-%dT00:00:00Z}",
        "cleared",
        following["day"],
    )
    assert (following["state"], following["opens_at"]) == ("open", cleared["gate_closes_at"])
    status, told = await get(market, SESSION)
    assert status == 200
    again = rerun_session(bytes.fromhex(told["book"][2:]))
    assert "0x" + again.book_hash.hex() == told["book_hash"]
    assert "0x" + again.result_hash.hex() == told["result_hash"]
    assert told["accepted_blocks"] == [first.sequence]
    assert [(price["bought_wh"], price["sold_wh"]) for price in told["prices"]] == [("600", "600")] * 2
    _, trades = await get(market, f"/v1/markets/{ZONE}/trades")
    assert [trade["kind"] for trade in trades["items"]] == ["day_ahead"] * 2

    asked = ("--url", url, "--zone", str(ZONE), "--day", f"{DAY:%Y-%m-%d}")
    kept = tmp_path / "day.json"
    code, ours = await run(*OURS, *asked, "--save", str(kept))
    assert (code, ours["agrees"], ours["result_hash"]) == (0, True, told["result_hash"])
    theirs = sys.executable, "-I", "-S", verify_day_ahead.__file__
    for words in (asked, (str(kept),)):
        code, found = await run(*theirs, *words)
        assert (code, found["agrees"], found["result_hash"]) == (0, True, told["result_hash"])
