"""The short ways to the busiest routes answer as the long ones do."""

import logging
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest

from api.client import OrderTerms
from api.client.signing import sign_order
from api.intake import Intake
from api.limits import SECURITY_HEADERS, Busy
from contracts.typed_data import address_of, checksum
from tests.integration.api.conftest import ALICE_KEY, BOB_KEY, NOW_S, ZONE, Market, clear_account

pytestmark = pytest.mark.integration

BID = OrderTerms(ZONE, datetime.fromtimestamp(NOW_S + 1_800, UTC), "buy", 1_000, 300_000, nonce=1)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (RuntimeError("secret"), 500, "internal"),
        (ConnectionResetError("10.0.0.1"), 503, "unavailable"),
        (asyncpg.InternalClientError("10.0.0.1: cut off"), 503, "unavailable"),
        (Busy(), 503, "unavailable"),
    ],
)
async def test_post_order__fault_behind_it__is_the_usual_problem(
    market: Market, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    fault: Exception, status: int, code: str,
) -> None:  # fmt: skip
    async def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(Intake, "enter", fail)
    caplog.set_level(logging.CRITICAL)
    async with market.client(ALICE_KEY) as alice, market.http() as http:
        body = sign_order(await alice.contracts(), ALICE_KEY, BID)
        response = await http.post("/v1/orders", json=body)

    problem = response.json()
    assert (response.status_code, problem["code"], problem["trace_id"]) == (
        status,
        code,
        response.headers["X-Trace-Id"],
    )
    assert {name: response.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "secret" not in response.text
    assert "10.0.0.1" not in response.text
    assert ("Retry-After" in response.headers) == (status == 503)


async def test_orders__other_methods_and_paths__take_the_long_way(market: Market) -> None:
    async with market.http() as http:
        found = [(await http.request(method, "/v1/orders")).status_code for method in ("GET", "PUT", "OPTIONS")]
        posted = await http.post("/v1/orders", json={})
    assert found == [401, 405, 405]
    assert (posted.status_code, posted.json()["code"]) == (422, "field-invalid")
    assert posted.headers["RateLimit"].startswith('"client";r=')


async def test_balances__without_parameters__are_answered_as_with_them(market: Market) -> None:
    await clear_account(market, ALICE_KEY, meter_id=1)
    async with market.client(ALICE_KEY) as alice, market.client(BOB_KEY) as bob:
        hers, his = (await alice.sign_in()).session_token, (await bob.sign_in()).session_token
    path = f"/v1/balances/{checksum(address_of(ALICE_KEY))}"
    asked: dict[str, httpx.Response] = {}
    for name, token in {"hers": hers, "his": his, "nobody's": None}.items():
        async with market.http(token) as http:
            short, long = await http.get(path), await http.get(path, params={"finality": "latest"})
        assert short.status_code == long.status_code
        if short.status_code == 200:
            assert (short.content, short.headers["etag"]) == (long.content, long.headers["etag"])
        else:
            assert short.json()["code"] == long.json()["code"]
        asked[name] = short
    assert {name: answer.status_code for name, answer in asked.items()} == {"hers": 200, "his": 404, "nobody's": 401}
    assert asked["hers"].json()["cash"] == "10000000"
    async with market.http(hers) as http:
        misspelt = await http.get(path.removesuffix("cF") + "cf")
    assert (misspelt.status_code, misspelt.json()["code"]) == (422, "field-invalid")
