"""Sends signed orders over kept-alive connections, each at its time, and measures how long the answers take."""

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, cast

import msgspec
import uvloop

from api.client.results import Contracts, ExchangeDomain
from api.client.signing import OrderTerms, sign_order

ORDERS_A_SLOT: Final = 32
ANSWERS_S: Final = 60.0
END_OF_HEAD: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Load:
    """What one process sends. Traders are numbered: a trader's key is its number."""

    host: str
    port: int
    exchange: bytes
    chain_id: int
    first_trader: int
    traders: int
    slots: tuple[int, ...]
    orders: int
    connections: int
    per_second: float
    """0: as fast as answers come."""
    per_request: int
    """1: ``POST /v1/orders``; more: ``POST /v1/orders:batch``."""
    start_at: float
    """Unix seconds: all processes begin together."""


@dataclass(slots=True)
class Measured:
    """What came back. Latency runs from when an order was due, so waiting for a free connection counts."""

    latencies_ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    first_s: float = 0.0
    last_s: float = 0.0
    cpu_s: float = 0.0


def requests(load: Load) -> list[bytes]:
    """Every request's bytes: traders in turn, so that a trader's orders are far apart."""
    domain = ExchangeDomain("Gridtrace Exchange", "1", load.chain_id, "0x" + load.exchange.hex())
    contracts = Contracts(load.chain_id, {}, domain, domain)
    bodies = [_body(load, contracts, number) for number in range(load.orders)]
    if load.per_request == 1:
        return [_request(load, "/v1/orders", body) for body in bodies]
    parts = [bodies[at : at + load.per_request] for at in range(0, len(bodies), load.per_request)]
    return [_request(load, "/v1/orders:batch", {"orders": part}) for part in parts]


def _body(load: Load, contracts: Contracts, number: int) -> dict[str, Any]:
    turn, trader = divmod(number, load.traders)
    terms = OrderTerms(
        zone=1,
        delivery_start=datetime.fromtimestamp(load.slots[turn // ORDERS_A_SLOT], UTC),
        side="buy" if number % 2 else "sell",
        energy_wh=100 + number % 900,
        limit_price_per_kwh=100_000 + number % 2_000 * 100,
        nonce=1,
        lane=1 + turn,
    )
    return sign_order(contracts, (load.first_trader + trader).to_bytes(32, "big"), terms)


def _request(load: Load, path: str, content: object) -> bytes:
    body = msgspec.json.encode(content)
    head = f"POST {path} HTTP/1.1\r\nHost: {load.host}\r\nContent-Type: application/json\r\n"
    return head.encode() + f"Content-Length: {len(body)}".encode() + END_OF_HEAD + body


class _Sender(asyncio.Protocol):
    def __init__(self, run: "_Run") -> None:
        self._run = run
        self._received = b""
        self.due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._run.free.append(self)

    def send(self, due: float, request: bytes) -> None:
        self.due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(END_OF_HEAD)
        if not found:
            return
        length = head[head.lower().index(b"content-length:") + 15 :].split(b"\r\n", 1)[0]
        if len(body) < int(length):
            return
        self._received = b""
        self._run.answered(self, int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        self._run.lost(error)


class _Run:
    def __init__(self, load: Load, bodies: list[bytes]) -> None:
        self.load = load
        self.free: deque[_Sender] = deque()
        self.measured = Measured()
        self._bodies = deque(bodies)
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._left = len(bodies)
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def go(self) -> Measured:
        load, loop = self.load, asyncio.get_running_loop()
        for _ in range(load.connections):
            await loop.create_connection(lambda: _Sender(self), load.host, load.port)
        await asyncio.sleep(max(0.0, load.start_at - time.time()))
        cpu_s, self.measured.first_s = time.process_time(), time.time()
        begun, gap_s = time.perf_counter(), 1 / load.per_second if load.per_second else 0.0
        number = 0
        while self._bodies and not self._done.done():
            now = time.perf_counter()
            while self._bodies and begun + number * gap_s <= now:
                self._waiting.append((begun + number * gap_s if gap_s else 0.0, self._bodies.popleft()))
                number += 1
            self._dispatch()
            await asyncio.sleep(0.001)
        async with asyncio.timeout(ANSWERS_S):
            await self._done
        self.measured.cpu_s, self.measured.last_s = time.process_time() - cpu_s, time.time()
        return self.measured

    def _dispatch(self) -> None:
        while self.free and self._waiting:
            due, request = self._waiting.popleft()
            self.free.popleft().send(due or time.perf_counter(), request)

    def answered(self, sender: _Sender, status: int) -> None:
        self.measured.latencies_ms.append((time.perf_counter() - sender.due) * 1_000)
        self.measured.statuses[status] += 1
        self.free.append(sender)
        self._left -= 1
        self._dispatch()
        if not self._left and not self._done.done():
            self._done.set_result(None)

    def lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(ConnectionError(f"connection lost with {self._left} answers to come: {error}"))


def send(load: Load) -> Measured:
    """Signs, connects, waits for the common start, sends, and measures. Raises ConnectionError."""
    bodies = requests(load)

    async def go() -> Measured:
        return await _Run(load, bodies).go()

    return uvloop.run(go())
