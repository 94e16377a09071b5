"""Streams over a real server: a transport inside the process cannot stream."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
import websockets

from api import hub as hubs
from api import ws
from api.app import create_app
from api.client import Client
from api.hub import Hub
from indexer.db import connect
from node.bus import Bus
from tests.integration.api.conftest import ALICE_KEY, api_config

pytestmark = pytest.mark.integration


@dataclass
class Running:
    """A server and its application."""

    address: str
    hub: Hub


@pytest.fixture
async def running(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Running]:
    """A running server."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = api_config(tmp_path, database_url, redis_url)
    app = create_app(config)
    listening = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(listening.serve())
    while not listening.started:
        await asyncio.sleep(0.02)
    yield Running(f"127.0.0.1:{port}", app.state.hub)
    listening.should_exit = True
    await serving


@pytest.fixture
def server(running: Running) -> str:
    """Address of a running server."""
    return running.address


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
        await bus.publish("auctions", {"zone": 1, "delivery_start": 900, "matched_wh": "0", "n": number})
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


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("frame", [b"\x00\xff", "[" * 4_000, '{"type": 1}', "x" * 5_000, '{"type": "subscribe"}'])
async def test_socket__frame_that_is_no_request__closes_with_the_reason(running: Running, frame: str | bytes) -> None:
    async with asyncio.timeout(20), websockets.connect(f"ws://{running.address}/v1/ws") as socket_:
        await socket_.recv()
        await socket_.send(frame)
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await socket_.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == ws.BAD_REQUEST


async def test_streams__too_many__are_refused_until_one_ends(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "MAX_LISTENERS", 3)
    async with AsyncExitStack() as stack, httpx.AsyncClient(base_url=f"http://{running.address}") as http:
        sockets = [await stack.enter_async_context(websockets.connect(f"ws://{running.address}/v1/ws")) for _ in "abc"]
        await until(lambda: running.hub.listeners == 3)
        response = await http.get("/v1/stream")
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        async with websockets.connect(f"ws://{running.address}/v1/ws") as fourth:
            with pytest.raises(websockets.ConnectionClosedError):
                await fourth.recv()
        await sockets[0].close()
        await until(lambda: running.hub.listeners == 2)
        async with http.stream("GET", "/v1/stream") as again:
            assert again.status_code == 200


@pytest.mark.parametrize("path", ["/v1/stream", "/v1/ws"])
async def test_streams__reader_stops_reading__is_let_go(
    running: Running, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ws, "SEND_S", 0.3)
    host, port = running.address.split(":")
    _, writer = await asyncio.open_connection(host, int(port), limit=1_024)
    upgrade = (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{upgrade if path.endswith('ws') else ''}\r\n".encode())
    await until(lambda: running.hub.listeners == 1)
    if path.endswith("ws"):
        request = b'{"type":"subscribe","channels":["audit"]}'
        writer.write(bytes([0x81, 0x80 | len(request)]) + bytes(4) + request)
    async with asyncio.timeout(20):
        while running.hub.listeners:
            running.hub.publish("audit", "delta", {"text": "x" * 100_000})
            await asyncio.sleep(0.005)
    writer.transport.abort()


async def test_notifications__of_the_one_who_signed_in__come_to_him_alone(
    server: str, redis_url: str, database_url: str
) -> None:
    bus = Bus(redis_url)
    path = f"http://{server}/v1/stream?channels=notifications"
    async with httpx.AsyncClient() as nobody:
        assert (await nobody.get(path)).json()["code"] == "unknown-channel"
    async with Client(f"http://{server}", ALICE_KEY) as client:
        session = await client.sign_in()
    headers = {"Authorization": f"Bearer {session.session_token}"}
    async with httpx.AsyncClient(headers=headers) as alice, alice.stream("GET", path) as answer:
        lines = (json.loads(line[6:]) async for line in answer.aiter_lines() if line.startswith("data: "))
        assert (await anext(lines))["type"] == "hello"
        assert (await anext(lines))["type"] == "snapshot"
        db = await connect(database_url)
        user = await db.fetchval("select id from identity.users")
        await db.close()
        await bus.publish("notifications", {"user_id": "somebody else"})
        await bus.publish("notifications", {"user_id": str(user)})
        async with asyncio.timeout(20):
            assert (await anext(lines)) == {"channel": "notifications", "seq": 1, "type": "delta", "data": {}}
    await bus.close()
