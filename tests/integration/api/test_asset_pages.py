"""The pages about assets in a real browser, with a wallet in it: look, sign in, buy, claim, clear."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from api.app import create_app
from contracts.abi import encode_call
from contracts.typed_data import address_of, checksum
from indexer.db import transaction
from node import kyc
from node.assets import production, registry, revenue
from node.assets.production import Weather
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
        await expect(page.locator("#portfolio thead")).to_contain_text("Yield")
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
        options: dict[str, Any] = {
            "viewport": {"width": 360, "height": 740},
            "color_scheme": scheme,
            "java_script_enabled": True,
        }
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


async def test_owner_and_investor__page__offer_pay_in_apply_and_forget(
    stage: Stage, base_url: str, chromium: str, tmp_path: Path
) -> None:
    from playwright.async_api import expect

    asset = await listed(stage, tmp_path)
    assert asset.token is not None
    token, midnight = asset.token, datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    await settled_day(stage, midnight - timedelta(days=2), 2_000_001_500)
    noon = midnight - timedelta(days=2) + timedelta(hours=12)
    async with transaction(stage.pool) as db:
        await production.add_weather(db, asset.id, [Weather(noon, Decimal(20), Decimal(900), None)])
        start = (midnight - timedelta(days=2)).date()
        made = await revenue.propose(db, CHAIN_ID, asset.id, start, start + timedelta(days=1), midnight.date())
    await buy(stage, asset, ALICE, 5)
    await stage.fund(OWNER, 3_000_000)

    async with opened(chromium, base_url, Wallet(OPERATOR, CHAIN_ID)) as (page, complaints):
        await page.goto("/clearance")
        await page.locator("main").get_by_role("button", name="Sign in").click()
        await expect(page.locator("#queue")).to_be_visible(timeout=30_000)
        await page.goto("/assets")
        for name, value in {"name": "Barn", "owner": checksum(address_of(OWNER)), "plant_id": "barn"}.items():
            await page.locator(f"[data-register] [name={name}]").fill(value)
        await page.locator("[data-register] [name=symbol]").fill("BARN")
        await page.locator("[data-register] [name=supply]").fill("100")
        await page.get_by_role("button", name="Enter").click()
        await expect(page.locator("h1")).to_contain_text("Barn", timeout=30_000)
        await page.goto(f"/assets/{asset.id}")
        await page.get_by_role("button", name="Agree").click()
        await expect(page.locator("#distributions")).to_contain_text("approved", timeout=30_000)
        assert complaints == [], complaints

    wallet = Wallet(OWNER, CHAIN_ID)
    wallet.sends = lambda target, data: stage.as_wallet(OWNER, target, data)
    async with opened(chromium, base_url, wallet) as (page, complaints):
        await page.goto("/portfolio")
        await page.locator("main").get_by_role("button", name="Sign in").click()
        await expect(page.locator("#portfolio")).to_be_visible(timeout=30_000)
        await page.goto(f"/assets/{asset.id}")
        await expect(page.locator("#holders")).to_contain_text("0.50 %", timeout=30_000)
        await expect(page.locator("#days")).to_contain_text("65.8")
        offered = page.locator("[data-offer]")
        await offered.locator("[name=fractions]").fill("40")
        await offered.locator("[name=price]").fill("3.5")
        await offered.locator("[name=until]").fill(f"{midnight + timedelta(days=30):%Y-%m-%d}")
        await offered.get_by_role("button").click()
        await expect(offered.locator("[data-say]")).to_contain_text("Sent by your wallet", timeout=30_000)
        found = await _asset(stage, asset.id)
        assert (found.offer_fractions, found.offer_price) == (40, 3_500_000)
        await page.get_by_role("button", name="Pay in").click()
        await expect(page.locator("[data-pay-in] [data-say]")).to_contain_text("Passed on", timeout=30_000)
        assert wallet.signed[-2]["message"]["distributionId"] == "0x" + revenue.name_of(made).hex()

        async def paid() -> bool | None:
            return True if stage.ask("AssetToken", token, "claimable", address_of(ALICE)) else None

        await stage.until(paid)
        await stage.mirrored()
        async with transaction(stage.pool) as db:
            await revenue.follow(db, CHAIN_ID)
        await page.reload()
        await expect(page.locator("#figures")).to_contain_text("36.50 %", timeout=30_000)
        if shots := os.environ.get("GRIDTRACE_SCREENSHOTS"):
            await page.screenshot(path=f"{shots}/asset-owner.png", full_page=True)
        assert complaints == [], complaints

    async with opened(chromium, base_url, Wallet(ALICE, CHAIN_ID)) as (page, complaints):
        await page.goto("/clearance")
        await page.locator("main").get_by_role("button", name="Sign in").click()
        form = page.locator("[data-apply]")
        await expect(form.get_by_role("button")).to_be_enabled(timeout=30_000)
        for name, value in {"full_name": "Alice Example", "email": "a@example.org", "country_code": "CH"}.items():
            await form.locator(f"[name={name}]").fill(value)
        await form.locator("[name=phone]").fill("+41 44 668 18 00")
        await form.locator("[name=document_number]").fill("X1234567")
        await form.get_by_role("button").click()
        await expect(page.locator("#my-clearance")).to_contain_text("pending", timeout=30_000)
        async with stage.pool.acquire() as db:
            await db.execute(
                "with old as (update identity.user_profiles set cleared_until = now() - interval '1 hour')"
                " update identity.users set kyc_status = 'approved' where email = 'a@example.org'"
            )
            assert await kyc.expire(db, datetime.now(UTC)) == [address_of(ALICE)]
        await page.reload()
        await expect(page.locator("#my-clearance")).to_contain_text("expired", timeout=30_000)
        async with page.expect_download(timeout=30_000) as download:
            await page.get_by_role("button", name="Download").click()
        text = await asyncio.to_thread(Path(await (await download.value).path()).read_text)
        assert "X1234567" in text
        if shots := os.environ.get("GRIDTRACE_SCREENSHOTS"):
            await page.screenshot(path=f"{shots}/clearance.png", full_page=True)
        page.on("dialog", lambda dialog: dialog.accept())
        await page.get_by_role("button", name="Have it erased").click()
        await expect(page.locator("#my-clearance")).to_have_count(0, timeout=30_000)
        assert complaints == [], complaints


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
        async with stage.pool.acquire() as db:
            user = await db.fetchval("select id from identity.users where wallet = $1", address_of(ALICE))
        await bus.publish("notifications", {"user_id": str(user)})
        await page.wait_for_function("old => !old.isConnected", arg=before, timeout=15_000)
        await claiming.click(timeout=5_000)
        await expect(page.locator("#portfolio [data-say]")).to_contain_text("Asked for", timeout=15_000)
        assert complaints == [], complaints
    await bus.close()


async def _asset(stage: Stage, asset_id: Any) -> registry.Asset:
    async with stage.pool.acquire() as db:
        return await registry.asset(db, CHAIN_ID, asset_id)
