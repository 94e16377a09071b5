import importlib
import pkgutil
import re
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

import api.graphql
import node
from api import errors
from api.app import RECURSION_LIMIT, create_app
from api.codes import STATUS
from api.config import ApiConfig
from api.limits import MAX_BODY_BYTES, Envelope
from contracts.errors import GridtraceError
from node.errors import Conflict, NotFound, Refused
from tests.unit.api.test_config import COMPLETE

COMMANDS = ("api.cli.", "api.devnet.")
"""Answer to who typed them, not over HTTP."""


class Body(BaseModel):
    energy_wh: int


class Odd(GridtraceError):
    """Something inside broke at /etc/secret."""

    code = "odd"


class Away(GridtraceError):
    """A service inside is away."""

    code = "odd-away"
    retryable = True


def application() -> FastAPI:
    app = FastAPI()
    app.add_middleware(Envelope)
    errors.install(
        app, lambda request, problem, headers: HTMLResponse(f"<h1>{problem['code']}</h1>", problem["status"])
    )
    raised: dict[str, Exception] = {
        "refused": Refused("no"),
        "missing": NotFound(),
        "conflict": Conflict("twice"),
        "odd": Odd(),
        "away": Away(),
        "bug": RuntimeError("secret stack"),
        "database": ConnectionRefusedError("database at 10.0.0.1"),
        "starting": asyncpg.CannotConnectNowError("the database system is starting up"),
        "stopping": asyncpg.AdminShutdownError("terminating connection"),
        "crowded": asyncpg.TooManyConnectionsError("sorry, too many clients"),
        "deadlock": asyncpg.DeadlockDetectedError("deadlock detected"),
    }

    @app.get("/v1/raise/{name}")
    async def fail(name: str) -> None:
        raise raised[name]

    @app.post("/v1/bodies")
    async def take(body: Body) -> Body:
        return body

    return app


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


@pytest.mark.parametrize("name", ["database", "starting", "stopping", "crowded", "deadlock"])
async def test_problem__database_cannot_answer_now__is_503_and_says_when_to_return(
    http: httpx.AsyncClient, name: str
) -> None:
    response = await http.get(f"/v1/raise/{name}")
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert response.headers["retry-after"] == "1"


def subclasses(kind: type[GridtraceError]) -> Iterator[type[GridtraceError]]:
    for below in kind.__subclasses__():
        yield below
        yield from subclasses(below)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/raise/refused", 422, "refused"),
        ("/v1/raise/missing", 404, "not-found"),
        ("/v1/raise/conflict", 409, "conflict"),
        ("/v1/raise/odd", 500, "internal"),
        ("/v1/raise/away", 503, "unavailable"),
        ("/v1/raise/bug", 500, "internal"),
        ("/v1/raise/database", 503, "unavailable"),
        ("/v1/nowhere", 404, "not-found"),
        ("/v1/bodies", 405, "method-not-allowed"),
    ],
)
async def test_problem__every_kind_of_failure__has_its_status_and_code(
    http: httpx.AsyncClient, path: str, status: int, code: str
) -> None:
    response = await http.get(path)
    body = response.json()
    assert (response.status_code, body["status"], body["code"]) == (status, status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert body["instance"] == path
    assert body["trace_id"] == response.headers["x-trace-id"]
    assert "secret" not in response.text
    assert "10.0.0.1" not in response.text


async def test_problem__invalid_body__points_at_the_field(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/bodies", json={"energy_wh": "much"})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "#/energy_wh"


async def test_problem__body_over_the_limit__is_413(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/bodies", content=b"x" * (MAX_BODY_BYTES + 1))
    assert (response.status_code, response.json()["code"]) == (413, "body-too-large")


async def test_problem__service_away__says_when_to_try_again(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v1/raise/away")).headers["retry-after"] == "1"


async def test_problem__browser_on_a_page__gets_a_page(http: httpx.AsyncClient) -> None:
    response = await http.get("/slots/none", headers={"accept": "text/html"})
    assert (response.status_code, response.text) == (404, "<h1>not-found</h1>")


async def test_envelope__trace_context_given__is_kept(http: httpx.AsyncClient) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    response = await http.get("/v1/nowhere", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    assert response.json()["trace_id"] == trace


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ({"authorization": "Bearer x"}, "private, no-store"),
        ({"cookie": "a=b; sid=x"}, "private, no-store"),
        ({"cookie": "__Host-sid=x"}, "private, no-store"),
        ({"cookie": "residual=x"}, None),
        ({}, None),
    ],
)
async def test_envelope__answer_to_somebody__is_kept_by_no_cache(
    http: httpx.AsyncClient, headers: dict[str, str], kept: str | None
) -> None:
    assert (await http.get("/v1/nowhere", headers=headers)).headers.get("cache-control") == kept
    assert "cache-control" not in (await http.get("/static/none.js", headers=headers)).headers


def test_status__every_refusal_of_the_node_and_api__is_published() -> None:
    for package in (node, api):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not module.name.startswith(COMMANDS):
                importlib.import_module(module.name)
    products = [kind for kind in subclasses(Refused) if not kind.__module__.startswith(("tests.", *COMMANDS))]
    assert len(products) > 20
    assert [kind.code for kind in products if kind.code not in STATUS] == []


def test_status__every_code_of_graphql__is_published() -> None:
    sources = Path(api.graphql.__file__).parent.glob("*.py")
    codes = {code for source in sources for code in re.findall(r'"code": "([a-z-]+)"', source.read_text())}
    assert "query-too-large" in codes
    assert codes <= STATUS.keys()


def test_status__not_found_kinds__are_404_and_conflicts_409() -> None:
    for kind, status in ((NotFound, 404), (Conflict, 409)):
        assert {STATUS[below.code] for below in subclasses(kind)} <= {status}


def test_create_app__limits_recursion__whatever_libraries_did() -> None:
    """A deeply nested body must raise, not overflow the C stack."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        create_app(ApiConfig.from_environment(COMPLETE))
        assert sys.getrecursionlimit() == RECURSION_LIMIT
    finally:
        sys.setrecursionlimit(before)
