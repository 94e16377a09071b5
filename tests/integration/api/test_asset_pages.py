"""The pages about assets in a real browser, with a wallet in it: look, sign in, buy, claim, clear."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from api.app import create_app
from contracts.abi import encode_call
from contracts.typed_data import address_of, checksum
from indexer.db import transaction
from node import kyc
from node.assets import registry
from node.bus import Bus
from node.sealing import Box
from tests.integration.api.browser import Wallet, opened
from tests.integration.api.conftest import api_config
from tests.integration.node.assets.stage import ALICE, CHAIN_ID, OPERATOR, OWNER, Stage, open_stage
from tests.integration.node.assets.test_on_chain import buy, listed, settled_day

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def chromium() -> str:
    if CHROMIUM is None:
        pytest.skip("no chromium on the PATH: the page is not opened in a browser")
    return CHROMIUM


@pytest.fixture
async def stage(database_url: str, anvil: Any, tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(database_url, anvil, tmp_path) as opened_stage:
        await opened_stage.clear(OWNER, ALICE)
        yield opened_stage


@pytest.fixture
async def base_url(stage: Stage, database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[str]:
    """The API on a port of its own."""
    (tmp_path / "sealing").write_text("5a" * 32)
    place = socket.socket()
    place.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{place.getsockname()[1]}"
    config = api_config(
        tmp_path,
        database_url,
        redis_url,
        RPC_URL=stage.anvil.url,
        GRIDTRACE_OPERATOR=checksum(address_of(OPERATOR)),
        GRIDTRACE_OPERATORS=checksum(address_of(OPERATOR)),
        GRIDTRACE_PUBLIC_URL=url,
        GRIDTRACE_DOCUMENTS_DIR=str(tmp_path / "blocks"),
        GRIDTRACE_SEALING_KEY_FILE=str(tmp_path / "sealing"),
    )
    stage.chain.deployment.dump(tmp_path / "deployment.json")
    server = uvicorn.Server(uvicorn.Config(create_app(config), log_config=None, timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve(sockets=[place]))
    while not server.started:
        await asyncio.sleep(0.05)
    yield url
    server.should_exit = True
    with suppress(asyncio.CancelledError):
        await serving


async def test_asset_page__wallet__buys_and_claims(stage: Stage, base_url: str, chromium: str, tmp_path: Path) -> None:
    from playwright.async_api import expect

    asset = await listed(stage, tmp_path)
    assert asset.token is not None
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for days in (3, 2, 1):
        await settled_day(stage, midnight - timedelta(days=days), 1_000_000)
    await stage.fund(ALICE, 10_000_000)
    wallet = Wallet(ALICE, CHAIN_ID)
    async with opened(chromium, base_url, wallet) as (page, complaints):
        await page.goto("/assets")
        await expect(page.locator("svg.map .place")).to_have_count(1)
        await page.get_by_role("link", name="Sun Hill").last.click()
        await expect(page.locator("#production-chart canvas")).to_be_visible()
        await expect(page.locator("#documents")).to_contain_text("legal/deed.pdf")

        count = page.get_by_label("How many")
        await count.fill("3")
        await expect(page.locator("[name=cost]")).to_have_text("6.0000")
        wallet.refuses = True
        await page.get_by_role("button", name="Sign with a wallet").click()
        await expect(page.locator("[data-buy] [data-say]")).to_have_text("You refused it in your wallet.")
        wallet.refuses = False
        await page.get_by_role("button", name="Sign with a wallet").click()
        await expect(page.locator("[data-buy] [data-say]")).to_contain_text("Bought", timeout=15_000)
        purchase, permit = wallet.signed[-2:]
        assert purchase["message"]["maxCost"] == permit["message"]["value"] == "6000000"

        # The mirror shows it; so does the portfolio, once signed in.
        async def held() -> bool | None:
            found = await _asset(stage, asset.id)
            return True if found.offer_fractions == 597 else None

        await stage.until(held)
        await page.goto("/portfolio")
        await page.locator("main").get_by_role("button", name="Sign in").click()
        await expect(page.locator("#portfolio")).to_contain_text("Sun Hill", timeout=15_000)
        assert "wants you to sign in" in wallet.signed[-1]
        money = stage.chain.deployment.address("PaymentToken")
        await stage.fund(OWNER, 5_000)
        await stage.as_wallet(OWNER, money, encode_call("PaymentToken", "approve", asset.token, 5_000))
        await stage.as_wallet(OWNER, asset.token, encode_call("AssetToken", "depositRevenue", 5_000, bytes(32)))
        await page.reload()
        await page.get_by_role("button", name="Claim").click()
        await expect(page.locator("#portfolio [data-say]")).to_contain_text("Asked for", timeout=15_000)
        before = 10_000_000 - 6_000_000

        async def paid() -> bool | None:
            balance = stage.ask("PaymentToken", money, "balanceOf", address_of(ALICE))
            return True if balance == before + 15 else None

        await stage.until(paid)
        if shots := os.environ.get("GRIDTRACE_SCREENSHOTS"):
            for path in ("/assets", f"/assets/{asset.id}", "/portfolio"):
                await page.goto(path)
                await page.wait_for_timeout(700)
                name = path.strip("/").split("/")[0] + ("-one" if path.count("/") > 1 else "")
                await page.screenshot(path=f"{shots}/{name}.png", full_page=True)
        assert complaints == [], complaints

    # Small screens and no scripts: nothing wider than the screen, everything still readable.
    for scheme in ("light", "dark"):
        options = {"viewport": {"width": 360, "height": 740}, "color_scheme": scheme, "java_script_enabled": True}
        async with opened(chromium, base_url, **options) as (page, _):
            for path in ("/assets", f"/assets/{asset.id}", "/portfolio", "/clearance"):
                await page.goto(path)
                wider = await page.evaluate(
                    "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                )
                if shots := os.environ.get("GRIDTRACE_SCREENSHOTS"):
                    name = path.strip("/").split("/")[0] + ("-one" if path.count("/") > 1 else "")
                    await page.screenshot(path=f"{shots}/{name}-{scheme}-360.png", full_page=True)
                assert wider <= 0, f"{path} is {wider} px wider than the screen in {scheme}"
    async with opened(chromium, base_url, java_script_enabled=False) as (page, complaints):
        await page.goto(f"/assets/{asset.id}")
        await expect(page.get_by_role("button", name="Sign with a wallet")).to_be_disabled()
        await expect(page.locator("#days tbody tr")).to_have_count(3)
        assert complaints == []


async def test_clearance_page__registrar__clears_who_applied(
    stage: Stage, base_url: str, chromium: str, tmp_path: Path
) -> None:
    from playwright.async_api import expect

    async with transaction(stage.pool) as db:
        user = await db.fetchval(
            "insert into identity.users (wallet, wallet_address) values ($1, $2) returning id",
            b"\x77" * 20,
            checksum(b"\x77" * 20),
        )
        applicant = kyc.Application(
            "eve@example.org", "<img src=x onerror=alert(1)>", "CH", "+41 44 668 18 00", "passport", "X1234567", ()
        )
        await kyc.apply(db, Box(bytes(range(32))), user, applicant)
    async with opened(chromium, base_url, Wallet(OPERATOR, CHAIN_ID)) as (page, complaints):
        await page.goto("/clearance")
        await expect(page.locator("main")).to_contain_text("for administrators")
        await page.locator("main").get_by_role("button", name="Sign in").click()
        await expect(page.locator("#applications")).to_contain_text("<img src=x", timeout=15_000)
        await page.get_by_role("button", name="Clear for a year").click()
        await expect(page.locator("#applications")).to_contain_text("Nobody waits", timeout=15_000)
        assert complaints == []
    async with stage.pool.acquire() as db:
        assert (await kyc.profile(db, user)).kyc_status == "approved"


async def test_portfolio__drawn_anew_with_the_news__still_claims(
    stage: Stage, base_url: str, redis_url: str, chromium: str, tmp_path: Path
) -> None:
    from playwright.async_api import expect

    asset = await listed(stage, tmp_path)
    await buy(stage, asset, ALICE, 3)
    bus = Bus(redis_url)
    async with opened(chromium, base_url, Wallet(ALICE, CHAIN_ID)) as (page, complaints):
        await page.goto("/portfolio")
        await page.locator("main").get_by_role("button", name="Sign in").click()
        claiming = page.get_by_role("button", name="Claim")
        await expect(claiming).to_be_enabled(timeout=15_000)
        await expect(page.locator("[data-live-text]")).to_have_text("live")
        # The region is drawn anew: what stood in it before is gone.
        before = await claiming.element_handle()
        assert before is not None
        await stage.fund(OWNER, 5_000)
        assert asset.token is not None
        money = stage.chain.deployment.address("PaymentToken")
        await stage.as_wallet(OWNER, money, encode_call("PaymentToken", "approve", asset.token, 5_000))
        await stage.as_wallet(OWNER, asset.token, encode_call("AssetToken", "depositRevenue", 5_000, bytes(32)))
        await bus.publish("audit", {"zone": 1, "delivery_start": 0, "differences": 0})
        await page.wait_for_function("old => !old.isConnected", arg=before, timeout=15_000)
        await claiming.click(timeout=5_000)
        await expect(page.locator("#portfolio [data-say]")).to_contain_text("Asked for", timeout=15_000)
        assert complaints == [], complaints
    await bus.close()


async def _asset(stage: Stage, asset_id: Any) -> registry.Asset:
    async with stage.pool.acquire() as db:
        return await registry.asset(db, CHAIN_ID, asset_id)
