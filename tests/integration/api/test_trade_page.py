"""Trading in a real browser, with a wallet in it: place, cancel, follow to finality; by keyboard; through lost news."""

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.client import OrderTerms
from contracts.typed_data import address_of
from node.market import clearing
from node.market.area import alone
from node.market.matching import Matcher
from tests.integration.api.browser import Wallet, opened
from tests.integration.api.conftest import ALICE_KEY, BOB_KEY, CHAIN_ID, NOW_S, ZONE, clear_account
from tests.integration.api.served import Served, served
from tests.integration.api.test_asset_pages import chromium

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

__all__ = ["chromium"]

START_S = NOW_S + 1_800
START = datetime.fromtimestamp(START_S, UTC)
GATE_LEAD_S = 300
REMEMBER_STATES = """
() => {
  const text = document.querySelector("[data-live-text]");
  window.states = [];
  new MutationObserver(() => window.states.push(text.textContent)).observe(text, { childList: true });
}
"""


@pytest.fixture
async def site(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Served]:
    """The API on a port of its own, with an account that may trade."""
    async with served(tmp_path, database_url, redis_url) as running:
        await clear_account(running.market, ALICE_KEY, meter_id=1)
        yield running


async def test_ticket__wallet__places_follows_and_cancels(site: Served, chromium: str) -> None:
    from playwright.async_api import expect

    base_url = site.url
    wallet = Wallet(ALICE_KEY, CHAIN_ID)
    async with opened(chromium, base_url, wallet) as (page, complaints):
        await page.goto("/trade")
        wallet.refuses = True
        await page.locator("main").get_by_role("button", name="Sign in").click()
        await expect(page.locator("main [data-say]")).to_have_text("You refused it in your wallet.", timeout=20_000)
        wallet.refuses = False
        await page.locator("main").get_by_role("button", name="Sign in").click()
        energy, limit = page.get_by_label("Energy, kWh"), page.get_by_label("Limit, ct/kWh")
        await expect(energy).to_be_visible(timeout=15_000)

        # What cannot be meant is said before anything is signed.
        ticket, say = page.locator("form[data-order]"), page.locator("form[data-order] [data-say]")
        sign = ticket.get_by_role("button", name="Sign with a wallet")
        await energy.fill("0.5")
        await limit.fill("12.3456")
        await expect(page.locator("[name=cost]")).to_contain_text("multiple of 0.01")
        await limit.fill("12.5")
        await expect(page.locator("[name=cost]")).to_have_text("You pay at most 0.0625, grid fee of 2 ct/kWh included.")

        wallet.refuses = True
        await sign.click()
        await expect(say).to_have_text("You refused it in your wallet.")
        wallet.refuses = False
        await sign.click()
        await expect(say).to_contain_text("Taken: open", timeout=15_000)
        order = wallet.signed[-1]
        assert order["primaryType"] == "Order"
        assert order["message"]["energyWh"] == "500"
        assert order["message"]["limitPricePerKwh"] == "125000"
        assert order["message"]["trader"].lower() == "0x" + address_of(ALICE_KEY).hex()

        # The market's refusal is told with its reason.
        await energy.fill("900")
        await sign.click()
        await expect(say).to_contain_text("position_wh", timeout=15_000)

        await page.goto("/trade")
        await expect(page.locator("#orders tbody tr")).to_have_count(1)
        if shots := os.environ.get("GRIDTRACE_SCREENSHOTS"):
            await page.wait_for_timeout(500)
            await page.screenshot(path=f"{shots}/trade.png", full_page=True)
        await page.locator("#orders").get_by_role("button", name="Cancel").click()
        await expect(page.locator("#orders")).to_contain_text("cancelled", timeout=15_000)

        await page.get_by_label("Move into the vault").fill("25")
        await page.get_by_role("button", name="Sign the permit").click()
        await expect(page.locator("form[data-deposit] [data-say]")).to_contain_text("On its way", timeout=15_000)
        assert wallet.signed[-1]["message"]["value"] == "25000000"
        await page.get_by_label("Imbalance, most in a slot").fill("1")
        await page.get_by_label("and in all").fill("10")
        await page.get_by_role("button", name="Sign the mandate").click()
        await expect(page.locator("form[data-mandate] [data-say]")).to_contain_text("On its way", timeout=15_000)
        assert wallet.signed[-1]["message"]["budgetPerSlot"] == "1000000"
        refusals = [text for text in complaints if "409" not in text]
        assert refusals == [], refusals


async def test_order__by_keyboard_alone__is_followed_until_no_block_can_be_taken_back(
    site: Served, chromium: str
) -> None:
    from playwright.async_api import Page, expect

    async def tab_to(page: Page, name: str) -> None:
        for _ in range(40):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.name || document.activeElement.textContent") == name:
                return
        raise AssertionError(f"no way to {name} by keyboard")

    await clear_account(site.market, BOB_KEY, meter_id=2)
    async with site.market.client(BOB_KEY) as bob:
        await bob.post_order(OrderTerms(ZONE, START, "sell", 1_000, 50_000, nonce=1))
    async with opened(chromium, site.url, Wallet(ALICE_KEY, CHAIN_ID)) as (page, complaints):
        await page.goto("/trade")
        await expect(page.locator("main [data-sign-in]")).to_be_enabled(timeout=20_000)
        await tab_to(page, "Sign in")
        await page.keyboard.press("Enter")
        ticket = page.locator("form[data-order]")
        await expect(ticket.locator("[type=submit]")).to_be_enabled(timeout=20_000)
        await expect(page.locator("[data-live-text]")).to_have_text("live", timeout=20_000)
        await page.keyboard.press("Tab")
        await expect(page.locator(":focus")).to_have_text("Skip to content")
        await tab_to(page, "side")
        assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("ArrowLeft")
        await tab_to(page, "delivery_start")
        await page.keyboard.type(f"{START:%a} {START.day} {START:%b} {START:%H:%M}")
        await tab_to(page, "energy")
        await page.keyboard.type("0.5")
        await tab_to(page, "limit")
        await page.keyboard.type("20")
        await page.keyboard.press("Enter")
        await expect(ticket.locator("[data-say]")).to_contain_text("Taken: open", timeout=20_000)
        await page.keyboard.press("Escape")
        await page.evaluate("document.activeElement.blur()")

        # What follows comes with the news alone: the page is not loaded again.
        row = page.locator("#orders tbody tr")
        await site.tell("trades", zone=ZONE)
        await expect(row.locator("[aria-current=step]")).to_have_text("accepted", timeout=20_000)
        site.market.clock.time_s = START_S - GATE_LEAD_S + 1
        async with site.writing() as db:
            rules = site.services.config.node.market
            auction = await clearing.clear(db, rules, ZONE, START_S, site.market.clock.now_s())
        assert auction.matched_wh == 500
        await site.tell("auctions", zone=ZONE)
        await expect(row.locator("[aria-current=step]")).to_have_text("matched", timeout=20_000)
        await mirror_settlement(site, block=100)
        await site.tell("settlements", zone=ZONE)
        await expect(row.locator("[aria-current=step]")).to_have_text("settled", timeout=20_000)
        await expect(row.get_by_role("link", name="0x5555…5555")).to_have_attribute(
            "href", f"/ledger/blocks/100#tx-{'55' * 32}"
        )
        await site.market.execute("update blockchain.cursors set finalized_number = 100")
        await site.tell("settlements", zone=ZONE)
        await expect(row.locator("[aria-current=step]")).to_have_text("final", timeout=20_000)
        assert complaints == [], complaints


async def mirror_settlement(site: Served, block: int) -> None:
    """Alice's order on the mirrored chain, as the indexer writes it."""
    await site.market.execute(
        "insert into blockchain.settled_orders (chain_id, block_number, log_index, entry, transaction_hash, sequence,"
        " delivery_start, version, trader, side, zone, lane, nonce, fill_wh, money, delivered_wh)"
        " select $1, $2, 0, 0, $3, 1, delivery_start, 0, trader, 0, zone, lane, nonce, matched_wh, 1, 400"
        " from trading.orders where trader = $4",
        CHAIN_ID,
        block,
        b"\x55" * 32,
        address_of(ALICE_KEY),
    )


async def test_stream__lost_and_regained__shows_what_was_missed(site: Served, chromium: str) -> None:
    from playwright.async_api import expect

    async with opened(chromium, site.url) as (page, complaints):
        await page.goto("/")
        live = page.locator("[data-live-text]")
        await expect(live).to_have_text("live", timeout=20_000)
        await page.evaluate(REMEMBER_STATES)
        # Nobody tells of this: only a page that looks again after the gap shows it.
        async with site.market.client(ALICE_KEY) as alice:
            await alice.post_order(OrderTerms(ZONE, START, "buy", 500, 200_000, nonce=1))
        site.app.state.hub.close()
        await page.wait_for_function("window.states.includes('reconnecting')", timeout=30_000)
        await expect(live).to_have_text("live", timeout=30_000)
        row = page.locator("#slots tr", has=page.get_by_role("link", name=f"{START:%H:%M}"))
        await expect(row.locator("td").nth(2)).to_have_text("1", timeout=20_000)
        assert complaints == [], complaints


async def test_open_book__continuous_trading__is_drawn_and_follows(
    tmp_path: Path, database_url: str, redis_url: str, chromium: str
) -> None:
    from playwright.async_api import expect

    phone: dict[str, Any] = {"color_scheme": "dark", "viewport": {"width": 360, "height": 740}}
    async with served(tmp_path, database_url, redis_url, GRIDTRACE_TRADING="continuous") as site:
        await clear_account(site.market, ALICE_KEY, meter_id=1)
        rules = site.services.config.node.market
        matcher = Matcher(rules, [alone(ZONE, rules.grid_fee_per_kwh)])
        bid = OrderTerms(ZONE, START, "buy", 500, 200_000, nonce=1)
        async with (
            site.market.client(ALICE_KEY) as alice,
            opened(chromium, site.url, **phone) as (page, complaints),
        ):
            await alice.post_order(bid)
            await matcher.follow(site.services.pool, site.market.clock.now_s())
            await page.goto(f"/?slot={START:%Y-%m-%dT%H:%M:%SZ}")
            levels = page.locator("tr[data-level]")
            await expect(levels).to_have_count(1, timeout=20_000)
            await expect(page.locator("#depth canvas")).to_be_visible(timeout=20_000)
            await expect(page.locator("[data-live-text]")).to_have_text("live", timeout=20_000)
            await alice.post_order(replace(bid, lane=2, limit_price_per_kwh=190_000))
            await matcher.follow(site.services.pool, site.market.clock.now_s())
            await site.tell("book", area=ZONE, delivery_start=START_S, revision=2)
            await expect(levels).to_have_count(2, timeout=20_000)
            if shots := os.environ.get("GRIDTRACE_SCREENSHOTS"):
                await page.screenshot(path=f"{shots}/continuous-dark-360.png", full_page=True)
            assert complaints == [], complaints
