"""The API outlives its database: it says that it is away, and goes on when it is back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.devnet.postgres import PostgresServer
from indexer import migrate
from tests.integration.api.conftest import ALICE_KEY, BASE_URL, Market, api_config

pytestmark = pytest.mark.integration

LIMIT_S = 20.0


@asynccontextmanager
async def serving(folder: Path, database_url: str, redis_url: str) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(api_config(folder, database_url, redis_url))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(base_url=BASE_URL, transport=transport) as http:
            yield http


async def test_status__database_away_and_back__is_503_and_recovers(tmp_path: Path, redis_url: str) -> None:
    server = PostgresServer(tmp_path / "postgres", tmp_path / "postgres.log", settings={"fsync": "off"})
    await asyncio.to_thread(server.start)
    await asyncio.to_thread(migrate.upgrade, server.url)
    try:
        async with serving(tmp_path, server.url, redis_url) as http:
            assert (await http.get("/v1/status")).status_code == 200
            await asyncio.to_thread(server.stop)
            for path in ("/v1/status", "/v1/ready", "/v1/markets/1/trades"):
                response = await http.get(path)
                assert (response.status_code, response.json()["code"]) == (503, "unavailable")
                assert response.headers["retry-after"] == "1"
            assert (await http.get("/v1/health")).status_code == 200
            await asyncio.to_thread(server.start)
            async with asyncio.timeout(LIMIT_S):
                while (await http.get("/v1/status")).status_code != 200:
                    await asyncio.sleep(0.05)
    finally:
        await asyncio.to_thread(server.stop)


async def test_portfolio__before_the_indexer_ever_ran__is_unavailable_and_not_a_fault(market: Market) -> None:
    async with market.client(ALICE_KEY) as alice:
        token = (await alice.sign_in()).session_token
    async with market.http(token) as http:
        answer = await http.get("/v1/portfolio")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
