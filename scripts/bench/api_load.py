"""Clients of the API benchmark, in processes of their own: requests at a steady rate, and listeners to one book."""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

WARM_UP: Final = 50


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
    return asyncio.run(_ask(asking))


async def _ask(asking: Asking) -> list[float]:
    latencies: list[float] = []
    connector = aiohttp.TCPConnector(limit=asking.connections)
    async with aiohttp.ClientSession(connector=connector, headers=asking.headers) as session:

        async def one(due: float) -> None:
            async with session.get(asking.url) as answer:
                await answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"{asking.url} answers {answer.status}")
            latencies.append((time.perf_counter() - due) * 1_000)

        for _ in range(WARM_UP):
            await one(time.perf_counter())
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
