"""Every page with everything on it, strangers' words hostile: nothing runs, nothing leaves, anybody can use it."""

import json
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from api.client import OrderTerms
from contracts.typed_data import address_of, checksum
from node.market import clearing
from node.settlement import merkle
from tests.integration.api.browser import Wallet, opened
from tests.integration.api.conftest import (
    ALICE_KEY,
    BOB_KEY,
    CHAIN_ID,
    NOW_S,
    OPERATOR_KEY,
    ZONE,
    clear_account,
    index_block,
    index_events,
)
from tests.integration.api.served import Served, served
from tests.integration.api.test_asset_pages import chromium

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

__all__ = ["chromium"]

ROOT: Final = Path(__file__).parents[3]
AXE: Final = ROOT / "node_modules" / "axe-core" / "axe.min.js"
ALICE: Final = address_of(ALICE_KEY)
START_S: Final = NOW_S + 1_800
NIGHT: Final = datetime.fromtimestamp(NOW_S - 900, UTC)
CID: Final = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
ASSET: Final = "00000000-0000-4000-8000-0000000000aa"
CORPUS: Final = (
    "<img src=http://evil.test/i onerror=window.hit=1>",
    "\"'><script>window.hit=1</script>",
    "<svg/onload=window.hit=1>",
    "javascript:window.hit=1",
    "{{7*7}}${7*7}",
    "</title></textarea><iframe srcdoc='<script>parent.hit=1</script>'>",
    "' autofocus onfocus=window.hit=1 x='",
    "\u202e<b>&lt;&amp;",
)
LONG: Final = " ".join(CORPUS)
SHORT: Final = "<img/src>"
FAULTS: Final = """
async (rules) => {
  const run = rules === null ? {} : { runOnly: rules };
  const found = await axe.run(document, { ...run, resultTypes: ["violations"] });
  return found.violations
    .filter((fault) => ["serious", "critical"].includes(fault.impact))
    .map((fault) => `${fault.id}: ${fault.nodes.map((node) => node.html).slice(0, 3).join(" | ")}`);
}
"""
SWEEP: Final = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
async def site(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Served]:
    """A market that has traded, with a plant, meters in fault, sessions, keys and a mirrored ledger."""
    (tmp_path / "salt").write_bytes(bytes(32))
    salt = str(tmp_path / "salt")
    async with served(tmp_path, database_url, redis_url, GRIDTRACE_READINGS_SALT_FILE=salt) as running:
        await trade(running)
        await mirror(running)
        await meter(running)
        await people(running)
        yield running


async def trade(site: Served) -> None:
    """One slot cleared, settled and audited; one that is open."""
    await clear_account(site.market, ALICE_KEY, meter_id=1)
    await clear_account(site.market, BOB_KEY, meter_id=2)
    for key, side, price in ((ALICE_KEY, "buy", 200_000), (BOB_KEY, "sell", 50_000)):
        async with site.market.client(key) as one:
            for number, start_s in enumerate((START_S, START_S + 900)):
                start = datetime.fromtimestamp(start_s, UTC)
                await one.post_order(OrderTerms(ZONE, start, side, 1_000, price, nonce=number + 1))
    site.market.clock.time_s = START_S - 299
    async with site.writing() as db:
        await clearing.clear(db, site.services.config.node.market, ZONE, START_S, site.market.clock.now_s())
    await site.market.execute(
        "insert into trading.settlements (zone, zones, delivery_start, version, state, state_reason, trades, traded_wh,"
        " delivered_wh, imbalance_wh, grid_exchange_wh, price_local_per_kwh, price_long_per_kwh, price_short_per_kwh,"
        " grid_fee_nano, residue_nano, readings_root, result_hash, batch_sequence, transaction_hash, block_number)"
        " values (1, '{1}', to_timestamp($1), 0, 'settled', $2, 1, 1000, 900, 100, 10, 1, 1, 1, 1, 0,"
        " $3::bytea, $3::bytea, 1, $3::bytea, 100)",
        float(START_S),
        LONG,
        b"\x55" * 32,
    )
    await site.market.execute(
        "insert into audit.slot_checks (zone, delivery_start, version, differences, findings, block_number)"
        " values (1, to_timestamp($1), 0, 1, $2, 100)",
        float(START_S),
        [LONG],
    )
    for day in range(1, 11):
        await site.market.execute(
            "insert into trading.auctions (zone, area, delivery_start, slot_s, gate_closed_at, clearing_price_per_kwh,"
            " price_low_per_kwh, price_high_per_kwh, grid_fee_per_kwh, order_count, matched_wh, sold_wh, book,"
            " book_hash, result_hash)"
            " values (1, 1, to_timestamp($1), 900, now(), $2, 1, 2, 20000, 0, 0, 0, '', $3::bytea, $3::bytea)",
            float(START_S + 900 - day * 86_400),
            100_000 + day * 1_000,
            bytes(32),
        )


async def mirror(site: Served) -> None:
    """An event with words of a stranger, a comparison that found something, a halted cursor."""
    await index_events(site.market)
    await index_block(site.market, 101)
    await site.market.execute(
        "insert into blockchain.fact_trace_governor_vote_cast (chain_id, block_number, log_index, transaction_hash,"
        " block_time, emitter, voter, proposal_id, support, weight, reason)"
        " values ($1, 100, 1, $2, to_timestamp($3), $4::bytea, $4::bytea, 1, 1, 1, $5)",
        CHAIN_ID,
        b"\x66" * 32,
        float(NOW_S),
        ALICE,
        LONG,
    )
    await site.market.execute(
        "insert into blockchain.balance_checks (chain_id, scope, outcome, block_number, block_hash, finality, compared,"
        " differences, notes, started_at) values ($1, 'sample', 'different', 100, $2, 'latest', 3, 1, $3, now())",
        CHAIN_ID,
        bytes(32),
        [LONG],
    )
    await site.market.execute(
        "insert into blockchain.cursors (chain_id, stream, block_number, block_hash, state, state_reason)"
        " values ($1, 'side', 90, $2, 'halted', $3)",
        CHAIN_ID,
        bytes(32),
        LONG,
    )


async def meter(site: Served) -> None:
    """A day of a home's energy, an open fault, a plant that is an asset."""
    await site.market.execute("update telemetry.meters set device = $1, plant_id = $2 where meter_id = 1", LONG, LONG)
    await site.market.execute(
        "insert into telemetry.slot_energy (meter_id, delivery_start, slot_s, version, import_register_wh,"
        " export_register_wh, import_wh, export_wh, state)"
        " select m, to_timestamp($1), 900, 0, 1000, 1, 300, 0, 'VALIDATED' from generate_series(1, 2) as m",
        float(NOW_S - 900),
    )
    await site.market.execute(
        "insert into trading.settlements (zone, zones, delivery_start, version, state, trades, traded_wh,"
        " delivered_wh, imbalance_wh, grid_exchange_wh, price_local_per_kwh, price_long_per_kwh, price_short_per_kwh,"
        " grid_fee_nano, residue_nano, readings_root, result_hash)"
        " values (1, '{1}', to_timestamp($1), 0, 'computed', 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, $2::bytea, $2::bytea)",
        float(NOW_S - 900),
        bytes(32),
    )
    await site.market.execute(
        "insert into telemetry.meter_faults (meter_id, kind, since, last_seen, evidence)"
        " values (1, $1, to_timestamp($2::float8), to_timestamp($2::float8), $3)",
        LONG,
        float(NOW_S - 60),
        {LONG: LONG},
    )
    await site.market.execute(
        "insert into assets.assets (id, name, location_lat, location_lon, owner, plant_id, symbol, supply)"
        " values ($1, $2, 47, 8, $3, $4, $5, 1000)",
        ASSET,
        LONG[:255],
        ALICE,
        LONG,
        SHORT,
    )
    await site.market.execute(
        "insert into assets.asset_documents (asset_id, document_type, ipfs_hash, file_name, media_type, size_bytes,"
        " total_bytes, profile, uploaded_by, fault)"
        " values ($1, 'legal', $4, 'deed.pdf', $2::text, 1, 1, $2::text, $3, $2::text)",
        ASSET,
        LONG,
        ALICE,
        CID,
    )


async def people(site: Served) -> None:
    """A session of a strange browser, a key, a notification, an application for clearance; all of the operator's."""
    later = datetime.now(UTC) + timedelta(days=1)
    user = await site.services.pool.fetchval(
        "insert into identity.users (wallet, wallet_address, role, email)"
        " values ($1, $2, 'super_admin', 'o@example.org') returning id",
        address_of(OPERATOR_KEY),
        checksum(address_of(OPERATOR_KEY)),
    )
    await site.market.execute(
        "insert into identity.sessions (user_id, token_hash, user_agent, expires_at) values ($1, '\\x01', $2, $3)",
        user,
        LONG,
        later,
    )
    await site.market.execute(
        "insert into identity.api_keys (user_id, name, key_hash, scopes, expires_at) values ($1, $2, $3, '{read}', $4)",
        user,
        LONG[:100],
        bytes(32),
        later,
    )
    await site.market.execute(
        "insert into identity.notifications (user_id, kind, detail) values ($1, $2, $3)", user, LONG, {LONG: LONG}
    )
    await site.market.execute(
        "insert into identity.user_profiles (user_id, full_name, document_number, country_code, phone, document_type)"
        " values ($1, $2, $3, 'CH', '18 00', 'passport')",
        user,
        LONG[:255],
        LONG[:50],
    )


PAGES: Final = {
    "market": "/",
    "market-slot": f"/?slot={datetime.fromtimestamp(START_S + 900, UTC):%Y-%m-%dT%H:%M:%SZ}&interval=hour",
    "slot": f"/slots/1/{datetime.fromtimestamp(START_S, UTC):%Y-%m-%dT%H:%M:%SZ}",
    "trade": "/trade",
    "assets": "/assets",
    "asset": f"/assets/{ASSET}",
    "portfolio": "/portfolio",
    "clearance": "/clearance",
    "meters": "/meters",
    "meter": "/meters/1",
    "ledger": "/ledger",
    "ledger-events": "/ledger?contract=TraceGovernor&event=VoteCast",
    "block": "/ledger/blocks/100",
    "account": f"/accounts/{checksum(ALICE)}",
    "status": "/status",
    "devnet": "/devnet",
    "access": "/access",
    "problem": "/nowhere",
}
"""All of them; a test looks."""
SAY_STRANGERS_WORDS: Final = (
    "slot",
    "asset",
    "portfolio",
    "clearance",
    "meters",
    "meter",
    "ledger",
    "status",
    "access",
)


async def test_every_page__hostile_words__runs_nothing_fits_a_phone_and_is_accessible(
    site: Served, chromium: str
) -> None:
    from playwright.async_api import expect

    assert AXE.exists(), "npm ci installs axe-core"
    axe = AXE.read_text()
    shots = os.environ.get("GRIDTRACE_SCREENSHOTS")
    faults: list[str] = []
    phone = {"width": 360, "height": 740}
    async with opened(chromium, site.url, Wallet(OPERATOR_KEY, CHAIN_ID), viewport=phone) as (page, complaints):
        await page.goto("/trade")
        await page.locator("main").get_by_role("button", name="Sign in").click()
        await expect(page.locator("form[data-order]")).to_be_visible(timeout=30_000)
        for name, path in PAGES.items():
            await page.emulate_media(color_scheme="light")
            answer = await page.goto(path)
            if answer is None or answer.status != (404 if name == "problem" else 200):
                faults.append(f"{name}: {await page.locator('.lead').text_content()}")
                continue
            if shots:
                await photograph(page, f"{shots}/{name}")
            if name in SAY_STRANGERS_WORDS and CORPUS[0] not in str(await page.locator("main").text_content()):
                faults.append(f"{name}: does not show a stranger's words")
            if wider := await page.evaluate(SWEEP):
                faults.append(f"{name}: {wider} px wider than the screen")
            await page.evaluate(axe)
            faults += [f"{name}: {fault}" for fault in await page.evaluate(FAULTS, None)]
            await page.emulate_media(color_scheme="dark")
            faults += [f"{name}, dark: {fault}" for fault in await page.evaluate(FAULTS, ["color-contrast"])]
            if await page.evaluate("window.hit") is not None:
                faults.append(f"{name}: ran a stranger's words")
    # The page that is not there is asked for once.
    faults += [text for text in complaints if "404 (Not Found)" not in text]
    assert faults == [], "\n".join(faults)


async def photograph(page: "Page", place: str) -> None:
    """Light and dark, narrow and wide."""
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        for width in (360, 1200):
            await page.set_viewport_size({"width": width, "height": 740})
            await page.wait_for_timeout(150)
            await page.screenshot(path=f"{place}-{scheme}-{width}.png", full_page=True)
    await page.set_viewport_size({"width": 360, "height": 740})
    await page.emulate_media(color_scheme="light")


async def test_every_page__no_scripts__says_the_same_under_a_strict_policy(site: Served) -> None:
    async with site.market.client(ALICE_KEY) as alice:
        token = (await alice.sign_in()).session_token
    async with site.market.http(token) as http:
        for name, path in PAGES.items():
            response = await http.get(path, headers={"accept": "text/html"})
            assert response.status_code == (404 if name == "problem" else 200), name
            assert "unsafe" not in response.headers["content-security-policy"]
        market = (await http.get(PAGES["market-slot"])).text
        assert '<span class="num">2</span> sealed orders' in market
        assert "10.50" in market, "the median of ten days"
        events = (await http.get(PAGES["ledger-events"])).text
        assert 'href="/v1/ledger/events/100-1/proof" download' in events
        proof = await http.get(f"/meters/1/proofs/{NIGHT:%Y-%m-%dT%H:%M:%SZ}")
        assert proof.headers["content-disposition"].startswith("attachment")
        found: dict[str, Any] = json.loads(proof.content)
        slot = merkle.MeteredSlot(1, NOW_S - 900, 0, 300, 0)
        written = [found["salt"], found["leaf"], *found["siblings"], found["readings_root"]]
        salt, leaf, sibling, root = (bytes.fromhex(text[2:]) for text in written)
        assert leaf == merkle.leaf(slot, salt)
        assert merkle.verify(root, leaf, [sibling])
        assert (await http.get(f"/meters/2/proofs/{NIGHT:%Y-%m-%dT%H:%M:%SZ}")).status_code == 404
        assert (await http.get("/meters/2", headers={"accept": "text/html"})).status_code == 404
