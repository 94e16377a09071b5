"""Clients of the API benchmark, in processes of their own: requests at a steady rate, and listeners to one book."""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import urlsplit

import aiohttp
import uvloop

WARM_UP: Final = 10
"""Requests on each connection that are not timed."""
END_OF_HEAD: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Asking:
    """Requests to one path; ``per_second`` 0: each connection asks again as soon as it is answered."""

    url: str
    headers: dict[str, str]
    per_second: float
    seconds: float
    connections: int


def ask(asking: Asking) -> list[float]:
    """Milliseconds from when each request was due until its answer was whole."""
    return uvloop.run(_ask(asking))


class _Connection(asyncio.Protocol):
    """A kept-alive connection that reads answers with a length and hardly costs anything itself."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._left = 0
        self._head = b""
        self._answered: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    async def ask(self) -> None:
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(self._request)
        await self._answered

    def data_received(self, data: bytes) -> None:
        if not self._left:
            head, found, body = (self._head + data).partition(END_OF_HEAD)
            if not found:
                self._head = head
                return
            self._head = b""
            if not head.startswith(b"HTTP/1.1 200 "):
                self.connection_lost(RuntimeError(head.partition(b"\r")[0].decode()))
                return
            self._left = int(head[head.lower().index(b"content-length:") + 15 :].split(b"\r\n", 1)[0])
            data = body
        self._left -= len(data)
        if not self._left and self._answered is not None:
            self._answered.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error or ConnectionError("connection lost"))


async def _ask(asking: Asking) -> list[float]:
    url = urlsplit(asking.url)
    lines = [f"GET {url.path}?{url.query}".rstrip("?") + " HTTP/1.1", f"Host: {url.netloc}"]
    lines += [f"{name}: {value}" for name, value in asking.headers.items()]
    request = "\r\n".join(lines).encode() + END_OF_HEAD
    loop = asyncio.get_running_loop()
    free = asyncio.Queue[_Connection]()
    for _ in range(asking.connections):
        _, connection = await loop.create_connection(lambda: _Connection(request), url.hostname or "", url.port or 80)
        free.put_nowait(connection)
    latencies: list[float] = []

    async def one(due: float) -> None:
        connection = await free.get()
        await connection.ask()
        free.put_nowait(connection)
        latencies.append((time.perf_counter() - due) * 1_000)

    # All at once: the first use of each connection to the database plans its statements.
    await asyncio.gather(*(one(0.0) for _ in range(WARM_UP * asking.connections)))
    latencies.clear()
    begun = time.perf_counter()
    if asking.per_second:
        async with asyncio.TaskGroup() as group:
            for number in range(int(asking.seconds * asking.per_second)):
                due = begun + number / asking.per_second
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                group.create_task(one(due))
        return latencies

    async def endless() -> None:
        while time.perf_counter() - begun < asking.seconds:
            await one(time.perf_counter())

    await asyncio.gather(*(endless() for _ in range(asking.connections)))
    return latencies


@dataclass(frozen=True, slots=True)
class Listening:
    """Listeners to one channel, until so many messages have come to each."""

    url: str
    listeners: int
    messages: int
    limit_s: float


def listen(listening: Listening, ready: Any) -> list[float]:
    """Milliseconds from when each message was published until each listener had it."""
    return asyncio.run(_listen(listening, ready))


async def _listen(listening: Listening, ready: Any) -> list[float]:
    delays: list[float] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        opened = asyncio.Semaphore(50)
        waiting = listening.listeners

        async def one() -> None:
            nonlocal waiting
            async with opened:
                socket = await session.ws_connect(listening.url, max_msg_size=0)
                await socket.send_json({"type": "subscribe", "channels": ["book"]})
                while (await socket.receive_json())["type"] != "snapshot":
                    continue
            waiting -= 1
            if waiting == 0:
                ready.release()
            got = 0
            while got < listening.messages:
                message = json.loads((await socket.receive()).data)
                if message["channel"] == "book":
                    delays.append((time.time() - message["data"]["sent_at"]) * 1_000)
                    got += 1
            await socket.close()

        async with asyncio.timeout(listening.limit_s):
            await asyncio.gather(*(one() for _ in range(listening.listeners)))
    return delays
