"""Streams over a real server: a transport inside the process cannot stream."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import uvicorn
import websockets

from api.app import create_app
from api.client import Client
from indexer.db import connect
from node.bus import Bus
from tests.integration.api.conftest import ALICE_KEY, api_config

pytestmark = pytest.mark.integration


@pytest.fixture
async def server(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[str]:
    """Address of a running server."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = api_config(tmp_path, database_url, redis_url)
    running = uvicorn.Server(
        uvicorn.Config(create_app(config), port=port, log_level="warning", timeout_graceful_shutdown=1)
    )
    serving = asyncio.create_task(running.serve())
    while not running.started:
        await asyncio.sleep(0.02)
    yield f"127.0.0.1:{port}"
    running.should_exit = True
    await serving


async def test_stream__news_on_the_bus__arrives_in_order_with_growing_seq(server: str, redis_url: str) -> None:
    bus = Bus(redis_url)
    async with Client(f"http://{server}", ALICE_KEY) as client, asyncio.timeout(20):
        stream = client.stream("auctions")
        hello, snapshot = await anext(stream), await anext(stream)
        assert (hello.type, snapshot.type, snapshot.channel) == ("hello", "snapshot", "auctions")
        telling = asyncio.create_task(tell(bus))
        first, second = await anext(stream), await anext(stream)
        telling.cancel()
        assert second.seq == first.seq + 1
        assert second.data["n"] == first.data["n"] + 1
        await stream.aclose()  # type: ignore[attr-defined]
    await bus.close()


async def tell(bus: Bus) -> None:
    """Until heard: the hub's own subscription may only just be under way."""
    for number in range(1_000):
        await bus.publish("auctions", {"zone": 1, "n": number})
        await asyncio.sleep(0.05)


async def test_socket__block_notice__arrives_after_subscribing(server: str, database_url: str) -> None:
    connection = await connect(database_url)
    async with asyncio.timeout(20), websockets.connect(f"ws://{server}/v1/ws") as ws:
        assert json.loads(await ws.recv())["type"] == "hello"
        await ws.send(json.dumps({"type": "subscribe", "channels": ["blocks"]}))
        assert json.loads(await ws.recv())["type"] == "snapshot"
        await asyncio.sleep(0.5)
        await connection.execute(
            "select pg_notify('gridtrace_block', $1)", json.dumps({"number": 7, "reorg_from": None})
        )
        block = json.loads(await ws.recv())
        await connection.execute("select pg_notify('gridtrace_block', $1)", json.dumps({"number": 6, "reorg_from": 6}))
        reorg = json.loads(await ws.recv())
    await connection.close()
    assert (block["channel"], block["type"], block["data"]["number"]) == ("blocks", "delta", 7)
    assert (reorg["type"], reorg["seq"]) == ("reorg", block["seq"] + 1)


@pytest.mark.parametrize("text", ["{", "[]", '{"type":"subscribe","channels":["orders"]}', '{"type":"dance"}'])
async def test_socket__request_it_does_not_know__is_closed_with_4000(server: str, text: str) -> None:
    async with asyncio.timeout(20), websockets.connect(f"ws://{server}/v1/ws") as ws:
        await ws.send(text)
        with pytest.raises(websockets.ConnectionClosed) as caught:
            while True:
                await ws.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 4000
