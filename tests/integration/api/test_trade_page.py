"""The order ticket in a real browser, with a wallet in it."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn

from api.app import create_app
from contracts.typed_data import address_of
from tests.integration.api.browser import Wallet, opened
from tests.integration.api.conftest import (
    ALICE_KEY,
    CHAIN_ID,
    NOW_S,
    FreshChain,
    Market,
    SteppedClock,
    api_config,
    clear_account,
    index_block,
)
from tests.integration.api.test_asset_pages import chromium

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

__all__ = ["chromium"]


@pytest.fixture
async def base_url(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[str]:
    """The API on a port of its own, with an account that may trade."""
    place = socket.socket()
    place.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{place.getsockname()[1]}"
    app = create_app(api_config(tmp_path, database_url, redis_url, GRIDTRACE_PUBLIC_URL=url))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve(sockets=[place]))
    while not server.started:
        await asyncio.sleep(0.05)
    app.state.services = replace(app.state.services, clock=SteppedClock(NOW_S), rpc=FreshChain())
    market = Market(None, database_url, SteppedClock(NOW_S))  # type: ignore[arg-type]
    await index_block(market, 100)
    await clear_account(market, ALICE_KEY, meter_id=1)
    yield url
    server.should_exit = True
    await serving


async def test_ticket__wallet__places_follows_and_cancels(base_url: str, chromium: str) -> None:
    from playwright.async_api import expect

    wallet = Wallet(ALICE_KEY, CHAIN_ID)
    async with opened(chromium, base_url, wallet) as (page, complaints):
        await page.goto("/trade")
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

    for scheme in ("light", "dark"):
        async with opened(
            chromium, base_url, Wallet(ALICE_KEY, CHAIN_ID), viewport={"width": 360, "height": 740}, color_scheme=scheme
        ) as (page, _):
            await page.goto("/trade")
            await page.locator("main").get_by_role("button", name="Sign in").click()
            await expect(page.get_by_label("Energy, kWh")).to_be_visible(timeout=15_000)
            wider = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if shots := os.environ.get("GRIDTRACE_SCREENSHOTS"):
                await page.screenshot(path=f"{shots}/trade-{scheme}-360.png", full_page=True)
            assert wider <= 0, f"/trade is {wider} px wider than the screen in {scheme}"
