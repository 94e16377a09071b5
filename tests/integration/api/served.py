"""The API on a port of its own, for browsers."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from indexer.db import Connection, transaction
from tests.integration.api.conftest import NOW_S, FreshChain, Market, SteppedClock, api_config, index_block


@dataclass
class Served:
    """The running application, its address, and the hands of a test."""

    url: str
    app: FastAPI
    market: Market

    @property
    def services(self) -> Any:
        return self.app.state.services

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        """One transaction as the node's."""
        async with transaction(self.services.pool) as db:
            yield db

    async def tell(self, channel: str, **message: Any) -> None:
        """News, as the node tells them."""
        await self.services.bus.publish(channel, message)


@asynccontextmanager
async def served(folder: Path, database_url: str, redis_url: str, **variables: str) -> AsyncIterator[Served]:
    """At market time ``NOW_S``, one block indexed."""
    place = socket.socket()
    place.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{place.getsockname()[1]}"
    app = create_app(api_config(folder, database_url, redis_url, GRIDTRACE_PUBLIC_URL=url, **variables))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve(sockets=[place]))
    while not server.started:
        await asyncio.sleep(0.05)
    try:
        clock = SteppedClock(NOW_S)
        app.state.services = replace(app.state.services, clock=clock, rpc=FreshChain())
        market = Market(httpx.ASGITransport(app), database_url, clock)
        await index_block(market, 100)
        yield Served(url, app, market)
    finally:
        server.should_exit = True
        await serving
