import asyncio
import re

import pytest

from tests.integration.api.conftest import ALICE_KEY, Market, clear_account

pytestmark = pytest.mark.integration

HTML = {"accept": "text/html"}


PAGES = {
    "/": "Market",
    "/ledger": "Ledger",
    "/status": "Status",
    "/slots/1/2027-01-15T08:30:00Z": "08:30",
    "/accounts/0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF": "Account",
}


async def test_page__nothing_traded_yet__still_says_what_it_is(market: Market) -> None:
    await clear_account(market, ALICE_KEY, meter_id=1)
    async with market.http() as http:
        for path, heading in PAGES.items():
            response = await http.get(path, headers=HTML)
            assert response.status_code == 200, path
            assert heading in response.text.split("<h1>")[1].split("</h1>")[0]


async def test_status_page__more_ask_than_there_are_connections__all_are_answered(market: Market) -> None:
    async with market.http() as http, asyncio.timeout(9):
        answers = await asyncio.gather(*(http.get("/status", headers=HTML) for _ in range(30)))
    assert {answer.status_code for answer in answers} == {200}


async def test_page__policy__allows_no_inline_code_and_the_markup_has_none(market: Market) -> None:
    async with market.http() as http:
        response = await http.get("/", headers=HTML)
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert not re.search(r"<[^>]+\s(style|on\w+)=", response.text)
    assert not re.search(r"<script(?![^>]*src=)", response.text)
    assert not re.search(r"(src|href)=\"(https?:)?//", response.text)


async def test_static__prebuilt_file__is_served(market: Market) -> None:
    async with market.http() as http:
        for name in ("main.js", "main.css", "icon.svg"):
            assert (await http.get(f"/static/{name}")).status_code == 200


async def test_page__missing__is_a_page_with_the_status(market: Market) -> None:
    async with market.http() as http:
        for path in ("/nowhere", "/slots/1/2027-01-15T08:31:00Z", "/static/../app.py"):
            response = await http.get(path, headers=HTML)
            assert response.status_code == 404, path
            assert "Back to the market" in response.text


async def test_page__not_an_address__is_refused_as_a_page(market: Market) -> None:
    async with market.http() as http:
        response = await http.get("/accounts/<script>alert(1)</script>", headers=HTML)
    assert response.status_code in (404, 422)
    assert "<script>alert" not in response.text
