"""Fans news out to listeners: from Redis, from PostgreSQL's block notices, and the market's own pulse."""

import asyncio
import json
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from api.deps import Services
from api.market_feed import MarketFeed
from contracts.errors import GridtraceError
from indexer.db import AWAY, connect, queries
from node.bus import stop_if_cancelled

logger = logging.getLogger(__name__)

CHANNELS: Final = (
    "blocks", "ledger", "auctions", "book", "trades", "candles", "indicative", "settlements", "audit", "status",
)  # fmt: skip
"""What is public. Orders are not: books are sealed; readings belong to their meter's owner."""
PERSONAL: Final = ("fills", "balances", "telemetry")
"""What is one account's: its trades, its money and energy, its meters."""

_FROM_BUS: Final = ("auctions", "book", "trades", "settlements", "audit")
BLOCK_NOTICE: Final = "gridtrace_block"
NOTIFICATIONS: Final = "notifications"
"""For one user alone: says that he was told something, and not what."""
QUEUE_LENGTH: Final = 256
MAX_LISTENERS: Final = 4_000
PULSE_S: Final = 2.0
HEARTBEAT_S: Final = 5.0
RECONNECT_S: Final = 0.5

_SQL = queries(__name__)


class TooManyListeners(GridtraceError):
    """There are as many listeners as we can serve; try again later."""

    code = "too-many-listeners"
    retryable = True


class Overrun(Exception):
    """The listener took too long, or the hub closed; it must connect again."""


def topic_of(channel: str, account: bytes | None) -> str:
    """What a message is numbered within: a channel, or an account's part of it."""
    return f"{channel} {account.hex()}" if account is not None and channel in PERSONAL else channel


class Listener:
    """One connection's queue of messages, as JSON text."""

    def __init__(self, hub: "Hub", user: str | None = None, account: bytes | None = None) -> None:
        self._hub = hub
        self.account = account
        self.user = user
        """Who listens, as far as he has signed in."""
        self._queue: asyncio.Queue[str | None] = asyncio.Queue(QUEUE_LENGTH)
        self._overrun = False
        self.channels: set[str] = set()
        """Topics."""

    def subscribe(self, channels: Iterable[str]) -> None:
        """Gets the newest message of each channel now, and every later one; of personal ones, the account's."""
        for channel in (topic_of(name, self.account) for name in channels):
            if channel not in self.channels:
                self.channels.add(channel)
                self.put(self._hub.snapshot(channel, self.user))

    def unsubscribe(self, channels: Iterable[str]) -> None:
        """Stops the channels."""
        self.channels.difference_update(topic_of(name, self.account) for name in channels)

    def put(self, message: str) -> None:
        """Queues a message; a full queue ends the listener rather than leaving a gap nobody sees."""
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self.end()

    def end(self) -> None:
        """Makes ``next`` raise at once."""
        self._overrun = True
        if not self._queue.full():
            self._queue.put_nowait(None)

    async def next(self) -> str:
        """The next message. Raises Overrun once the listener has ended."""
        message = None if self._overrun else await self._queue.get()
        if message is None or self._overrun:
            raise Overrun
        return message


class Hub:
    """Numbers messages per channel and hands them to the listeners of that channel."""

    def __init__(self) -> None:
        self.stream_id = secrets.token_hex(8)
        self._listeners: set[Listener] = set()
        self._sequence: Counter[str] = Counter()
        self._told: Counter[str | None] = Counter()
        self._newest: dict[str, Any] = {}
        self._revisions: dict[tuple[int, int], int] = {}
        self.moved = asyncio.Event()
        """Set when the mirror has moved."""
        self.reorg_from: int | None = None
        """The first block that was taken back since somebody last looked."""
        self._market = MarketFeed(self)

    @contextmanager
    def listen(
        self, channels: Iterable[str], user: str | None = None, account: bytes | None = None
    ) -> Iterator[Listener]:
        """A listener for as long as the block lasts; its first message is the ``hello``.

        Raises:
            TooManyListeners: see ``require_room``.
        """
        self.require_room()
        listener = Listener(self, user, account)
        hello = {"stream_id": self.stream_id, "channels": list(CHANNELS)}
        listener.put(_message("stream", 0, "hello", hello))
        listener.subscribe(channels)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def has_listeners(self, channel: str) -> bool:
        """Whether anybody listens to a channel."""
        return any(channel in listener.channels for listener in self._listeners)

    def require_room(self) -> None:
        """Raises TooManyListeners where one more would be too many."""
        if self.listeners >= MAX_LISTENERS:
            raise TooManyListeners

    def snapshot(self, channel: str, user: str | None = None) -> str:
        """The channel's newest message, as the state to start from."""
        if channel == NOTIFICATIONS:
            return _message(channel, self._told[user], "snapshot", {})
        return _message(channel, self._sequence[channel], "snapshot", self._newest.get(channel, {}))

    def topics(self) -> set[str]:
        """What anybody listens to."""
        return set().union(*(listener.channels for listener in self._listeners))

    def forget(self, topic: str) -> None:
        """Nobody listens to it any more: its state is made anew for the next one."""
        self._newest.pop(topic, None)

    def publish(self, channel: str, kind: str, data: Any, *, state: Any = None) -> None:
        """Tells the listeners of a channel or topic; ``state`` is what its snapshot says from now on."""
        self._sequence[channel] += 1
        self._newest[channel] = data if state is None else state
        message = _message(channel, self._sequence[channel], kind, data)
        for listener in tuple(self._listeners):
            if channel in listener.channels:
                listener.put(message)

    def tell(self, user: str) -> None:
        """Says to one user, wherever he listens, that there is a new notification."""
        self._told[user] += 1
        message = _message(NOTIFICATIONS, self._told[user], "delta", {})
        for listener in tuple(self._listeners):
            if listener.user == user and NOTIFICATIONS in listener.channels:
                listener.put(message)

    def publish_book(self, data: Mapping[str, Any]) -> None:
        """Tells how a continuous book went on; ``resync`` where news of it was lost on the way to us.

        ``prev_revision`` is the revision that the change follows: whoever has another one reads the book again.
        """
        book = int(data["area"]), int(data["delivery_start"])
        if data.get("closed"):
            self._revisions.pop(book, None)
            self.publish("book", "closed", data)
            return
        revision = int(data["revision"])
        before = self._revisions.get(book, revision - 1)
        self._revisions[book] = revision
        kind = "delta" if before == revision - 1 else "resync"
        self.publish("book", kind, {**data, "prev_revision": revision - 1})

    def close(self) -> None:
        """Ends every listener."""
        for listener in tuple(self._listeners):
            listener.end()

    async def feed(self, services: Services) -> None:
        """Publishes what happens until cancelled."""
        async with asyncio.TaskGroup() as group:
            for source in (self._feed_bus, self._feed_blocks, self._feed_pulse, self._market.run):
                group.create_task(_keep(source, services))

    async def _feed_bus(self, services: Services) -> None:
        async for channel, data in services.bus.subscribe(*_FROM_BUS, NOTIFICATIONS):
            if channel == NOTIFICATIONS:
                self.tell(str(data["user_id"]))
                continue
            if channel == "book":
                self.publish_book(data)
            else:
                self.publish(channel, str(data.get("type", "delta")), data)
            self._market.heard(channel, data)

    async def _feed_blocks(self, services: Services) -> None:
        while True:
            try:
                connection = await connect(services.config.node.indexer.database_url)
                try:
                    await connection.add_listener(BLOCK_NOTICE, self._on_block)
                    while not connection.is_closed():
                        await connection.execute("select 1")
                        await asyncio.sleep(HEARTBEAT_S)
                finally:
                    connection.terminate()
            except AWAY as error:
                stop_if_cancelled()
                logger.warning("block notices lost, listening again: %s: %s", type(error).__name__, error)
            await asyncio.sleep(RECONNECT_S)

    def _on_block(self, _connection: Any, _pid: int, _channel: str, payload: Any) -> None:
        block = json.loads(payload)
        if (taken_back := block.get("reorg_from")) is not None:
            self.reorg_from = min(taken_back, self.reorg_from or taken_back)
        self.moved.set()
        self.publish("blocks", "delta" if block.get("reorg_from") is None else "reorg", block)

    async def _feed_pulse(self, services: Services) -> None:
        while True:
            if self.has_listeners("status"):
                try:
                    await self._pulse(services)
                except AWAY as error:
                    stop_if_cancelled()
                    logger.warning("no pulse, database away: %s: %s", type(error).__name__, error)
            await asyncio.sleep(PULSE_S)

    async def _pulse(self, services: Services) -> None:
        async with services.pool.acquire() as db:
            row = await db.fetchrow(_SQL["pulse"], services.chain_id)
        now = services.clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
        self.publish("status", "delta", {"now": now, **dict(row or {})})


async def _keep(source: Callable[[Services], Awaitable[None]], services: Services) -> None:
    """A fault in one source must not silence it or the others."""
    while True:
        try:
            await source(services)
        except Exception:
            stop_if_cancelled()
            logger.exception("stream source=%s failed, starting it again", source.__name__)
        await asyncio.sleep(RECONNECT_S)


def _message(channel: str, seq: int, kind: str, data: Any) -> str:
    name = channel.partition(" ")[0]
    return json.dumps({"channel": name, "seq": seq, "type": kind, "data": data}, separators=(",", ":"))
