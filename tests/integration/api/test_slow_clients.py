"""Clients that are slow, endless or enormous, on real sockets: the server stays small and answers others."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from api import bounded_http
from api.bounded_http import BoundedHttp
from api.cli.processes import bound
from tests.integration.api.conftest import Market

pytestmark = pytest.mark.integration

LIMIT_S = 60.0
MOST_BYTES = 50 << 20


@pytest.fixture
async def port(market: Market) -> AsyncIterator[int]:
    """The application on a socket, served as ``gridtrace serve`` does."""
    place = bound("127.0.0.1", 0)
    app: Any = market.transport.app
    config = uvicorn.Config(
        app, http=BoundedHttp, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[place]))
    async with asyncio.timeout(LIMIT_S):
        while not server.started:
            await asyncio.sleep(0.01)
    yield place.getsockname()[1]
    server.should_exit = True
    await serving


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def is_answered(port: int) -> bool:
    async with httpx.AsyncClient(timeout=LIMIT_S) as http:
        return (await http.get(f"http://127.0.0.1:{port}/v1/health")).status_code == 200


async def sent(port: int, *parts: bytes) -> asyncio.StreamWriter:
    """A connection that has sent these, as far as the server took them, and stays open."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    return writer


async def answer(port: int, *parts: bytes) -> bytes:
    """The first line that the server says; nothing where it ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(LIMIT_S):
            for part in parts:
                writer.write(part)
                await writer.drain()
            return await reader.readline()
    except ConnectionError:
        return b""
    finally:
        writer.close()


POST = b"POST /v1/auth/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


async def test_memory__slow_endless_and_enormous_requests__grows_by_less_than_50_mb(port: int) -> None:
    assert await is_answered(port)
    before = resident_bytes()
    held = []
    for number in range(200):
        held.append(await sent(port, b"GET /v1/health HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"%d" % number))
        held.append(await sent(port, POST + b"Content-Length: 1000000\r\n\r\n", b"{"))
    for _ in range(20):
        held.append(await sent(port, POST + b"Content-Length: 900000\r\n\r\n" + b"[" * 500_000))
    for _ in range(5):
        said = await answer(port, POST + b"Content-Length: 40000000\r\n\r\n", *[b"x" * 1_000_000] * 5)
        assert b" 413 " in said or said == b""
        said = await answer(port, b"GET / HTTP/1.1\r\nX: ", *[b"x" * 1_000_000] * 20)
        assert b" 400 " in said or said == b""  # the refusal may be lost to a reset
    assert await is_answered(port)
    assert resident_bytes() - before < MOST_BYTES
    for writer in held:
        writer.transport.abort()


async def test_head__without_end__is_refused(port: int) -> None:
    said = await answer(port, b"GET / HTTP/1.1\r\n", *[b"X-Y: " + b"y" * 1_000 + b"\r\n"] * 80)
    assert b" 400 " in said or said == b""
    trailers = POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n"
    said = await answer(port, trailers, *[b"X-Y: " + b"y" * 1_000 + b"\r\n"] * 80)
    assert b" 400 " in said or said == b""
    assert await is_answered(port)


async def test_head__that_never_comes__ends_the_connection(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "HEAD_S", 0.05)
    assert await answer(port, b"") == b""
    assert await answer(port, b"GET / HTT") == b""
    assert await answer(port, b"GET / HTTP/1.1\r\nX-Slow: ") == b""
    monkeypatch.setattr(bounded_http, "WHOLE_S", 0.05)
    assert await answer(port, POST + b"Content-Length: 10\r\n\r\n{") == b""
    monkeypatch.setattr(bounded_http, "HEAD_S", LIMIT_S)
    assert await is_answered(port)
