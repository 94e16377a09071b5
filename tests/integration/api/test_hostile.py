"""Whatever is sent, the answer is a success or a problem document, and never a fault of ours."""

import json
import logging
import os
from collections.abc import AsyncIterator
from urllib.parse import quote, urlencode

import httpx
import pytest

from tests.integration.api.conftest import ALICE_KEY, OPERATOR_KEY, Market, clear_account, index_events
from tests.integration.api.hostile import DEEP, Attack, Description

pytestmark = pytest.mark.integration


@pytest.fixture
def environment() -> dict[str, str]:
    """Thousands of requests from one address."""
    return {"GRIDTRACE_RATE_LIMIT": "0"}


async def send(http: httpx.AsyncClient, attack: Attack) -> httpx.Response:
    url = quote(attack.path, safe="/:%", errors="surrogatepass")
    if attack.query:
        url += "?" + urlencode(attack.query, errors="surrogatepass")
    content = None if attack.body is None else json.dumps(attack.body)
    headers = {name.encode(): value.encode("utf-8", "surrogatepass") for name, value in attack.headers.items()}
    headers[b"Content-Type"] = b"application/json"
    return await http.request(attack.method, url, content=content, headers=headers)


def complaint(attack: Attack, response: httpx.Response) -> str | None:
    """What is wrong with an answer."""
    if response.status_code >= 500:
        return f"{response.status_code} for {str(attack)[:400]}"
    if response.status_code >= 400:
        if response.headers.get("content-type") != "application/problem+json":
            return f"no problem document for {str(attack)[:400]}: {response.text[:200]}"
        problem = response.json()
        if "Traceback" in response.text or problem["status"] != response.status_code or not problem["code"]:
            return f"bad problem for {str(attack)[:400]}: {response.text[:200]}"
    return None


@pytest.mark.timeout(600)
@pytest.mark.parametrize("who", ["operator", "trader"] if os.environ.get("GRIDTRACE_DEEP") else ["operator"])
async def test_every_operation__hostile_values__answers_are_problems(
    market: Market, who: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    await index_events(market)
    await clear_account(market, ALICE_KEY, meter_id=1)
    async with market.client(ALICE_KEY if who == "trader" else OPERATOR_KEY) as caller:
        token = (await caller.sign_in()).session_token
        async with market.http(token) as http:
            description = Description((await http.get("/v1/openapi.json")).json())
            attacks = [a for a in description.attacks() if "/stream" not in a.path and "/auth/session" not in a.path]
            found = [complaint(attack, await send(http, attack)) for attack in attacks]
    assert len(attacks) > 1_000
    complaints = [text for text in found if text]
    assert not complaints, "\n".join(complaints)


BODIES: dict[str, bytes] = {
    "deep": b"[" * 100_000,
    "deep and whole": DEEP.encode(),
    "deep inside": b'{"message":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001,
    "not UTF-8": b'{"message": "\xff\xfe"}',
    "not JSON": b"energy=1",
    "empty": b"",
    "lone surrogate": b'{"message": "\\ud800", "\\udfff": 1, "signature": "\\udc00"}',
    "key twice": b'{"message": "a", "message": "b"}',
    "not a number": b'{"message": NaN}',
}


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/auth/verify", "/v1/readings:batch", "/v1/faucet"])
async def test_post__body_that_is_no_request__is_a_problem(market: Market, path: str) -> None:
    async with market.http() as http:
        for name, content in BODIES.items():
            for kind in ("application/json", "text/plain", "multipart/form-data", "application/json; charset=utf-16"):
                headers = {"Content-Type": kind, "Idempotency-Key": "1"}
                response = await http.post(path, content=content, headers=headers)
                assert response.status_code in (400, 415, 422), (name, kind, response.text)
                assert response.headers["content-type"] == "application/problem+json"


async def test_post__body_over_a_mebibyte__is_413(market: Market) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 50_000

    async with market.http() as http:
        for content in (b" " * (1 << 20) + b"{}", endless()):
            response = await http.post("/v1/orders", content=content)
            assert (response.status_code, response.json()["code"]) == (413, "body-too-large")


async def test_request__method_not_offered__is_405(market: Market) -> None:
    async with market.http() as http:
        for path in (await http.get("/v1/openapi.json")).json()["paths"]:
            response = await http.request("PATCH", path.replace("{", "").replace("}", ""))
            assert (response.status_code, response.json()["code"]) == (405, "method-not-allowed"), path


async def test_list__cursor_not_ours__is_refused(market: Market) -> None:
    cursors = ("x", "====", "WzEsMl0", "bnVsbA", "W10", "W1siYSJdLDFd", "W10" * 60, "\u00e9", "\0", "_" * 200)
    async with market.http() as http:
        for path in ("/v1/ledger/blocks", "/v1/ledger/events", "/v1/markets/1/trades", "/v1/audit/slots"):
            for cursor in cursors:
                response = await http.get(path, params={"cursor": cursor})
                assert (response.status_code, response.json()["code"]) == (422, "cursor-invalid"), (path, cursor)


async def test_static__path_that_leads_out__is_not_found(market: Market) -> None:
    async with market.http() as http:
        for path in ("..%2fpages.py", "%2e%2e/pages.py", "..%5cpages.py", "%2fetc%2fpasswd", "main.js%00"):
            response = await http.get("/static/" + path)
            assert response.status_code in (404, 405), path
            assert b"import" not in response.content


@pytest.mark.parametrize("path", ["/?zone=-1", "/?zone=x", "/slots/99999999999999999999/2027-01-15T08:00:00Z"])
async def test_page__of_nothing__is_a_page(market: Market, path: str) -> None:
    async with market.http() as http:
        response = await http.get(path, headers={"Accept": "text/html"})
    assert response.status_code in (404, 422)
    assert response.headers["content-type"].startswith("text/html")


async def test_nonce__browser_key_made_up__is_replaced(market: Market) -> None:
    async with market.http() as http:
        for made_up in ("attacker", "a" * 5_000, "A" * 32, "x; Domain=evil"):
            response = await http.post("/v1/auth/nonce", headers={"Cookie": f"browser={made_up}"})
            assert f"browser={made_up[:6]}" not in response.headers["set-cookie"]
