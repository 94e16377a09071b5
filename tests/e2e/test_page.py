"""The page in a real browser over a running market: what people see, with and without scripts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.e2e.conftest import GridtraceRun

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

StartRun = Callable[..., GridtraceRun]

SLOT_SECONDS = 6
LIMIT_S = 300.0


@contextmanager
def opened(browser: "Browser", base_url: str, **context: Any) -> "Iterator[tuple[Page, list[str]]]":
    """A page, and what the browser complains of: faults, refused resources, requests that leave the site."""
    page = browser.new_context(**context).new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: None if request.url.startswith(base_url) else complaints.append(request.url))
    yield page, complaints
    page.context.close()


def follows_the_market(browser: "Browser", base_url: str) -> None:
    from playwright.sync_api import expect

    with opened(browser, base_url) as (page, complaints):
        page.goto(base_url)
        expect(page.get_by_role("heading", level=1)).to_contain_text("Market")
        expect(page.locator("[data-live-state=live]")).to_be_visible()
        head = page.locator(".figure [data-live=block_number]")
        before = head.inner_text()
        expect(head).not_to_have_text(before, timeout=20_000)
        expect(page.locator("#chart canvas")).to_be_visible(timeout=60_000)  # once something was traded
        assert complaints == []


def slot_with_settled_trades(base_url: str) -> str | None:
    """Path of the page of a settled slot in which something was traded."""
    page = httpx.get(f"{base_url}/v1/settlements", params={"state": "settled"}, timeout=10).json()
    traded = (item for item in page["items"] if item["trades"])
    return next((f"/slots/{item['zone']}/{item['delivery_start']}" for item in traded), None)


def tells_a_settled_slot(browser: "Browser", base_url: str, slot: str) -> None:
    from playwright.sync_api import expect

    with opened(browser, base_url) as (page, complaints):
        page.goto(base_url)
        expect(page.locator("#verdict")).to_contain_text("0 differences", timeout=30_000)
        page.locator(f'#slots a[href="{slot}"]').click()
        expect(page.locator("svg.curve")).to_be_visible()
        expect(page.locator("#settlement")).to_contain_text("0 differences", timeout=30_000)
        account = page.locator("#accounts a").first.get_attribute("href")
        page.goto(base_url + str(account))
        expect(page.get_by_role("heading", name="Settled orders")).to_be_visible()
        assert complaints == []


def fits_a_phone(browser: "Browser", base_url: str) -> None:
    for scheme in ("light", "dark"):
        with opened(browser, base_url, viewport={"width": 360, "height": 740}, color_scheme=scheme) as (page, _):
            for path in ("/", "/ledger", "/status", "/devnet"):
                page.goto(base_url + path)
                wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                assert wider <= 0, f"{path} is {wider} px wider than the screen in {scheme}"


def reads_without_scripts(browser: "Browser", base_url: str) -> None:
    from playwright.sync_api import expect

    with opened(browser, base_url, java_script_enabled=False) as (page, complaints):
        page.goto(base_url)
        expect(page.locator("#slots table")).to_be_visible()
        expect(page.get_by_text("The chart needs scripts")).to_be_visible()
        page.goto(base_url + "/status")
        expect(page.get_by_role("heading", name="Market rules")).to_be_visible()
        assert complaints == []


def works_by_keyboard(browser: "Browser", base_url: str) -> None:
    from playwright.sync_api import expect

    with opened(browser, base_url) as (page, _):
        page.goto(base_url)
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text("Skip to content")
        for landmark in ("banner", "navigation", "main", "contentinfo"):
            expect(page.get_by_role(landmark).first).to_be_attached()


def test_page__over_a_live_market__is_right_for_everybody(start_run: StartRun, chromium: str) -> None:
    from playwright.sync_api import sync_playwright

    run = start_run("--slots", "8", "--slot-seconds", str(SLOT_SECONDS))
    base_url = run.page().rstrip("/")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        follows_the_market(browser, base_url)
        slot = run.wait_for("settled trades", lambda: slot_with_settled_trades(base_url), LIMIT_S)
        tells_a_settled_slot(browser, base_url, slot)
        fits_a_phone(browser, base_url)
        reads_without_scripts(browser, base_url)
        works_by_keyboard(browser, base_url)
        browser.close()
    assert run.end(LIMIT_S)["differences"] == 0
