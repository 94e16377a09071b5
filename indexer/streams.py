"""Streams out: every block's events to Redis or to a webhook, and a notice when delivered blocks are orphaned.

Delivery is at least once and in order: the stream's cursor moves after the receiver has taken a message, so that one
may come again after a crash. ``id`` is the same then: chain, number and hash of the block, or of the reorganisation.
"""

import asyncio
import hashlib
import hmac
import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import aiohttp
from redis.asyncio import Redis
from redis.exceptions import RedisError

from indexer.db import Connection, queries
from indexer.errors import GridtraceError
from indexer.event import BASE_COLUMNS
from indexer.export import plain

SQL = queries(__name__)

BLOCKS_AT_ONCE: Final = 20
TIMEOUT_S: Final = 10.0
LONGEST_STREAM: Final = 100_000
"""Messages that Redis keeps, about."""
REDIS_KEY: Final = "gridtrace:events"
Message = dict[str, Any]


class NotDelivered(GridtraceError):
    """The receiver of a stream did not take a message; it is sent again."""

    code = "stream-not-delivered"
    retryable = True
    status: int | None = None
    """What an HTTP receiver answered."""


class Sink(Protocol):
    """Where a stream goes."""

    async def send(self, message: Message) -> object:
        """Returns when the receiver has it. Raises NotDelivered."""
        ...


class RedisSink:
    """A Redis stream; each entry has the message as JSON in ``message``."""

    def __init__(self, client: "Redis", key: str = REDIS_KEY) -> None:
        self._client = client
        self._key = key

    async def send(self, message: Message) -> None:
        """As the port says."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._client.xadd(
                    self._key, {"message": encoded(message)}, maxlen=LONGEST_STREAM, approximate=True
                )
        except (RedisError, OSError, TimeoutError) as error:
            raise NotDelivered(f"redis: {type(error).__name__}: {error}") from error


class WebhookSink:
    """An HTTP receiver. ``Gridtrace-Signature`` is ``v1=`` and HMAC-SHA256 over ``timestamp.body`` in hexadecimal."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, secret: bytes, now: Callable[[], float] = time.time
    ) -> None:
        self._session = session
        self._url = url
        self._secret = secret
        self._now = now

    async def send(self, message: Message) -> int:
        """As the port says; anything but 2xx is a refusal. Returns the status."""
        body, moment = encoded(message), str(int(self._now()))
        headers = {
            "Content-Type": "application/json",
            "Gridtrace-Timestamp": moment,
            "Gridtrace-Signature": signature(self._secret, moment, body),
        }
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                status = response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise NotDelivered(f"webhook: {type(error).__name__}: {error}") from error
        if not 200 <= status < 300:
            refusal = NotDelivered(f"webhook: HTTP {status}")
            refusal.status = status
            raise refusal
        return status


def encoded(message: Message) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """What a receiver recomputes and compares in constant time."""
    return "v1=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


class Stream:
    """Delivers one chain to one sink."""

    def __init__(self, db: Connection, chain_id: int, name: str, sink: Sink) -> None:
        self._db = db
        self._chain_id = chain_id
        self._name = name
        self._sink = sink

    async def step(self) -> int:
        """Delivers the next blocks, or a notice; returns how many messages' worth of progress was made.

        Raises:
            NotDelivered: the receiver did not take a message; what it took before is noted.
        """
        standing = await self._db.fetchrow(SQL["standing"], self._chain_id, self._name)
        if standing is None:
            await self._db.execute(SQL["begin"], self._chain_id, self._name)
            return 0
        if not standing["is_standing"]:
            await self._orphan(standing)
            return 1
        async with self._db.transaction(isolation="repeatable_read", readonly=True):
            blocks = await self._db.fetch(SQL["following"], self._chain_id, standing["number"], BLOCKS_AT_ONCE)
            events = (
                await events_of(self._db, self._chain_id, blocks[0]["number"], blocks[-1]["number"]) if blocks else {}
            )
        for block in blocks:
            if found := events.get(block["number"]):
                await self._sink.send(self._message(block, found))
                await self._moved(block["number"], block["hash"], standing["finalized"])
        if blocks and not events.get(blocks[-1]["number"]):
            await self._moved(blocks[-1]["number"], blocks[-1]["hash"], standing["finalized"])
        return len(blocks)

    async def _orphan(self, standing: Any) -> None:
        """Tells from which block on what was delivered does not hold any more."""
        row = await self._db.fetchrow(SQL["ancestor"], self._chain_id, self._name)
        number, block_hash = (row["number"], row["hash"]) if row else (standing["finalized"], b"")
        if row is None:
            block_hash = await self._db.fetchval(SQL["hash"], self._chain_id, number)
            if block_hash is None:
                return
        await self._sink.send(
            {
                "type": "reorg",
                "id": f"{self._chain_id}-reorg-{standing['epoch']}-{number + 1}",
                "chain_id": self._chain_id,
                "from_block": number + 1,
                "reorg_epoch": standing["epoch"],
            }
        )
        await self._moved(number, block_hash, standing["finalized"])

    async def _moved(self, number: int, block_hash: bytes, finalized: int) -> None:
        async with self._db.transaction():
            await self._db.execute(SQL["move"], self._chain_id, self._name, number, block_hash)
            await self._db.execute(SQL["keep"], self._chain_id, self._name, number, block_hash)
            await self._db.execute(SQL["forget"], self._chain_id, self._name, number, finalized)

    def _message(self, block: Any, events: Sequence[Message]) -> Message:
        return {
            "type": "block",
            "id": f"{self._chain_id}-{block['number']}-0x{block['hash'].hex()}",
            "chain_id": self._chain_id,
            "block_number": block["number"],
            "block_hash": "0x" + block["hash"].hex(),
            "block_time": block["time"],
            "events": events,
        }


async def events_of(db: Connection, chain_id: int, first: int, last: int) -> dict[int, list[Message]]:
    """Events of the blocks from one to another, by block, in chain order."""
    names = [row["name"] for row in await db.fetch(SQL["tables"])]
    # Names come from the catalogue, values are parameters.
    probes = " union all ".join(
        f"select '{name}' as name where exists (select from blockchain.\"{name}\" "  # noqa: S608
        "where chain_id = $1 and block_number between $2 and $3)"
        for name in names
    )
    busy = await db.fetch(probes, chain_id, first, last) if probes else []
    found: dict[int, list[tuple[int, Message]]] = defaultdict(list)
    for (name,) in busy:
        rows = await db.fetch(
            f'select * from blockchain."{name}" where chain_id = $1 and block_number between $2 and $3',  # noqa: S608
            chain_id,
            first,
            last,
        )
        for row in rows:
            found[row["block_number"]].append((row["log_index"], _event(name, row)))
    return {
        number: [event for _, event in sorted(listed, key=lambda pair: pair[0])] for number, listed in found.items()
    }


async def follow(stream: Stream, db: Connection, chain_id: int, name: str, news: asyncio.Event, poll_s: float) -> None:
    """Delivers until cancelled; ``news`` is set when the mirror has moved. Raises NotDelivered."""
    while not await db.fetchval(SQL["lock"], chain_id, name):  # noqa: ASYNC110 -- a lock is waited for, no event
        await asyncio.sleep(poll_s)
    while True:
        news.clear()
        if await stream.step() == 0:
            try:
                async with asyncio.timeout(poll_s):
                    await news.wait()
            except TimeoutError:
                continue


def _event(table: str, row: Any) -> Message:
    fields = dict(row)
    return {
        "id": f"{fields['block_number']}-{fields['log_index']}",
        "event": table.removeprefix("fact_"),
        "emitter": "0x" + fields["emitter"].hex(),
        "transaction_hash": "0x" + fields["transaction_hash"].hex(),
        "log_index": fields["log_index"],
        "arguments": {name: _argument(value) for name, value in fields.items() if name not in BASE_COLUMNS},
    }


def _argument(value: Any) -> Any:
    """As the API writes it: integers as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list):
        return [_argument(item) for item in value]
    return plain(value)
