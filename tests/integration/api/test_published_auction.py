"""An auction that the API has published, run again by two programs that share no code and know only its answers."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from api.client import OrderTerms
from indexer.db import connect
from node.config import MarketRules
from node.market import area as areas
from node.market import clearing
from scripts import verify_auction
from tests.integration.api.conftest import ALICE_KEY, BOB_KEY, NOW_S, ZONE, Market, api_config, clear_account

pytestmark = pytest.mark.integration

START_S = NOW_S + 1_800
START = datetime.fromtimestamp(START_S, UTC)
SLOT = f"{START:%Y-%m-%dT%H:%M:%SZ}"
OFFER = OrderTerms(ZONE, START, "sell", 600, 80_000, nonce=1)
BID = OrderTerms(ZONE, START, "buy", 1_000, 300_000, nonce=1)

OURS = (sys.executable, "-m", "api.cli.main", "auction", "verify", "--json")
THEIRS = (sys.executable, "-I", "-S", verify_auction.__file__)


@pytest.fixture
async def url(market: Market) -> AsyncIterator[str]:
    """The running application on a real port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(market.transport.app, lifespan="off", log_level="error", ws="none")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await serving


async def trade(market: Market) -> None:
    """Alice and Bob leave orders, one of each twice in size, so that a level is shared."""
    await clear_account(market, ALICE_KEY, meter_id=1)
    await clear_account(market, BOB_KEY, meter_id=2)
    async with market.client(ALICE_KEY) as alice, market.client(BOB_KEY) as bob:
        await bob.post_order(OFFER)
        await bob.post_order(replace(OFFER, energy_wh=300, limit_price_per_kwh=-1_000, lane=1))
        await alice.post_order(BID)
        await alice.post_order(replace(BID, energy_wh=500, lane=1))


async def close_gate(market: Market, rules: MarketRules, area: areas.Area | None = None) -> None:
    market.clock.time_s = START_S - rules.gate_lead_s
    connection = await connect(market.database_url)
    try:
        async with connection.transaction():
            if area is None:
                await clearing.clear(connection, rules, ZONE, START_S, market.clock.time_s)
            else:
                await clearing.clear_area(connection, rules, area, START_S, market.clock.time_s)
    finally:
        await connection.close()


async def run(*command: str) -> tuple[int, dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    told, complaint = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, json.loads(told) if told else {"complaint": complaint.decode()}


def rules_of(folder: Path, market: Market) -> MarketRules:
    return api_config(folder, market.database_url, "redis://127.0.0.1:1/0").node.market


async def test_published_book__run_again_by_two_strangers__agrees_with_both(
    market: Market, url: str, tmp_path: Path
) -> None:
    await trade(market)
    await close_gate(market, rules_of(tmp_path, market))
    kept = tmp_path / "auction.json"
    asked = ("--url", url, "--zone", str(ZONE), "--slot", SLOT)

    ours = await run(*OURS, *asked, "--save", str(kept))
    theirs = await run(*THEIRS, *asked)

    assert (ours[0], theirs[0]) == (0, 0), (ours, theirs)
    assert ours[1]["agrees"] is theirs[1]["agrees"] is True
    (zone,) = ours[1]["zones"]
    assert (zone["order_count"], zone["sold_wh"]) == (4, "900")
    assert [theirs[1][name] for name in ("order_count", "price_per_kwh", "matched_wh", "trade_count")] == [
        zone["order_count"],
        zone["price_per_kwh"],
        zone["sold_wh"],
        ours[1]["trade_count"],
    ]
    for name in ("book_hash", "result_hash"):
        assert ours[1][name] == theirs[1][name] == json.loads(kept.read_bytes())[name]

    # The kept document is enough, and a changed one is found by both.
    document = json.loads(kept.read_bytes())
    book = bytearray.fromhex(document["book"][2:])
    book[-240] ^= 1  # in the digest of the last order
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(document | {"book": "0x" + book.hex()}))
    for command in (OURS, THEIRS):
        assert (await run(*command, str(kept)))[0] == 0
        code, told = await run(*command, str(forged))
        assert code == 1
        assert not told["agrees"]
        assert "book" in str(told["differences"])
        assert "signature" in str(told["differences"])


async def test_published_book__gate_still_open__is_not_there_to_judge(market: Market, url: str, tmp_path: Path) -> None:
    await trade(market)
    asked = ("--url", url, "--zone", str(ZONE), "--slot", SLOT)
    assert "(auction-not-published)" in (await run(*OURS, *asked))[1]["complaint"]
    assert (await run(*THEIRS, *asked))[0] == 2


async def test_published_book__of_zones_cleared_together__is_the_whole_areas(
    market: Market, url: str, tmp_path: Path
) -> None:
    rules = rules_of(tmp_path, market)
    await trade(market)
    fee = rules.grid_fee_per_kwh
    area = areas.Area((ZONE, ZONE + 1), {(ZONE, ZONE): fee, (ZONE + 1, ZONE + 1): fee, (ZONE, ZONE + 1): fee * 2})
    await close_gate(market, rules, area)

    for zone in area.zones:
        code, told = await run(*OURS, "--url", url, "--zone", str(zone), "--slot", SLOT)
        assert code == 0, told
        assert [each["zone"] for each in told["zones"]] == list(area.zones)
        assert told["zones"][0]["sold_wh"] == "900"
