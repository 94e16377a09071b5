"""What one client address may ask for; Redis stands aside here, as it does when it is away."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from api import errors
from api.limits import Envelope
from api.quota import Limited, Quota, client_of, cost

NOWHERE = "redis://127.0.0.1:1"


def application(per_window: int) -> FastAPI:
    app = FastAPI()
    app.add_middleware(Limited, quota=Quota(NOWHERE, per_window))
    app.add_middleware(Envelope)
    errors.install(app, lambda request, problem, headers: HTMLResponse("", problem["status"]))

    async def answer() -> dict[str, str]:
        return {}

    for path in ("/v1/health", "/v1/status", "/v1/orders:batch", "/page"):
        app.get(path)(answer)
    return app


def http(app: FastAPI, client: str = "192.0.2.1") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(client, 1)), base_url="http://test")


async def test_limited__quota_used_up__is_429_with_when_to_return() -> None:
    app = application(3)
    async with http(app) as mine, http(app, "192.0.2.2") as other:
        responses = [await mine.get("/v1/status") for _ in range(4)]
        assert (await other.get("/v1/status")).status_code == 200
        assert [(await mine.get(path)).status_code for path in ("/v1/health", "/page")] == [200, 200]
    assert [response.status_code for response in responses] == [200, 200, 200, 429]
    assert [response.headers["RateLimit"] for response in responses[:3]] == [
        '"client";r=2;t=60',
        '"client";r=1;t=60',
        '"client";r=0;t=20',
    ]
    assert {response.headers["RateLimit-Policy"] for response in responses} == {'"client";q=3;w=60'}
    refused = responses[3]
    assert (refused.json()["code"], refused.headers["Retry-After"]) == ("rate-limited", "20")
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["X-Trace-Id"] == refused.json()["trace_id"]


async def test_limited__dear_request__takes_more() -> None:
    async with http(application(60)) as client:
        first, second = await client.get("/v1/orders:batch"), await client.get("/v1/orders:batch")
    assert (first.status_code, first.headers["RateLimit"]) == (200, '"client";r=10;t=40')
    assert (second.status_code, second.headers["Retry-After"]) == (429, "40")


async def test_limited__no_limit__says_nothing() -> None:
    async with http(application(0)) as client:
        response = await client.get("/v1/status")
    assert (response.status_code, "RateLimit" in response.headers) == (200, False)


async def test_take__time_passes__the_purse_fills_up_to_the_quota() -> None:
    now_s = 1_000.0
    bucket = Quota(NOWHERE, 60, lambda: now_s)
    assert await bucket.take("a", 60) == (True, 0)
    assert await bucket.take("a", 1) == (False, 0)
    now_s += 5
    assert await bucket.take("a", 4) == (True, 1)
    now_s += 1_000
    assert await bucket.take("a", 60) == (True, 0)


@pytest.mark.parametrize(
    ("path", "tokens"),
    [
        ("/v1/orders", 1),
        ("/v1/orders:batch", 50),
        ("/v1/readings:batch", 50),
        ("/v1/markets/1/candles", 5),
        ("/v1/markets/1/book", 1),
        ("/v1/ledger/reconcile", 20),
        ("/v1/ledger/events/12-7/proof", 20),
        ("/v1/ledger/events", 1),
        ("/v1/graphql", 20),
    ],
)
def test_cost__of_a_path__weighs_what_it_does(path: str, tokens: int) -> None:
    assert cost(path) == tokens


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::1", "2001:0db8:0001:0002"),
        ("2001:db8:1:2:ffff::", "2001:0db8:0001:0002"),
        ("unix", "unix"),
    ],
)
def test_client_of__addresses_of_one_network__are_one_client(host: str, client: str) -> None:
    scope: dict[str, Any] = {"client": (host, 1)}
    assert client_of(scope) == client
