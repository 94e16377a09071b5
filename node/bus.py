"""What happened, told to whoever listens, over Redis publish/subscribe.

The bus carries news, never truth: every message can be read again from PostgreSQL, so a lost one costs a delay
and nothing else. Publish after the commit that a message tells of.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any, Final, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

PREFIX: Final = "gridtrace:"
TIMEOUT_S: Final = 2.0
RECONNECT_S: Final = 0.5
LISTEN_S: Final = 1.0

Message = dict[str, Any]


def stop_if_cancelled() -> None:
    """Raises CancelledError in a task that was cancelled: a client that is cut off while it connects may keep the
    cancellation to itself (redis) or report a lost connection, and whoever goes on would never end."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class Publisher(Protocol):
    """Somewhere to tell news."""

    async def publish(self, channel: str, message: Message) -> None:
        """Tells ``message`` to the channel's listeners; never raises because nobody can be told."""
        ...


class Bus:
    """Publishes to and listens on Redis channels; survives Redis going away and coming back."""

    def __init__(self, redis_url: str) -> None:
        self._redis: Redis = Redis.from_url(
            redis_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, decode_responses=True
        )
        self._url = redis_url
        self._reachable = True

    async def publish(self, channel: str, message: Message) -> None:
        """Tells ``message`` to the channel's listeners. Redis away: said once in the log, and dropped."""
        try:
            await self._redis.publish(PREFIX + channel, json.dumps(message, separators=(",", ":")))
        except (RedisError, OSError) as error:
            if self._reachable:
                logger.warning("bus unreachable, news is dropped until it is back: %s", error)
            self._reachable = False
        else:
            if not self._reachable:
                logger.info("bus reachable again")
            self._reachable = True

    async def subscribe(self, *channels: str) -> AsyncIterator[tuple[str, Message]]:
        """Endless (channel, message) pairs from now on; reconnects by itself."""
        while True:
            # A listener waits as long as it is quiet, so this connection has no read limit of its own.
            redis: Redis = Redis.from_url(
                self._url, socket_connect_timeout=TIMEOUT_S, health_check_interval=15, decode_responses=True
            )
            try:
                async with redis, redis.pubsub(ignore_subscribe_messages=True) as listener:
                    await listener.subscribe(*(PREFIX + channel for channel in channels))
                    while True:
                        stop_if_cancelled()
                        raw = await listener.get_message(timeout=LISTEN_S)
                        if raw is not None:
                            yield raw["channel"].removeprefix(PREFIX), json.loads(raw["data"])
            except (RedisError, OSError) as error:
                stop_if_cancelled()
                logger.warning("bus subscription lost, trying again: %s", error)
            await asyncio.sleep(RECONNECT_S)

    async def ping(self) -> bool:
        """Whether Redis answers within its time limit."""
        try:
            return bool(await self._redis.ping())
        except (RedisError, OSError):
            return False

    async def close(self) -> None:
        """Gives the connections back."""
        await self._redis.aclose()
