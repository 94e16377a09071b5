"""How much one client address may ask for: a token bucket in Redis, which all API processes share.

A process takes tokens in lots and spends them by itself, so that most requests cost no round trip; what is in a lot has
left the bucket, so all processes together never grant more than the quota. While Redis is away every process keeps
buckets of its own: limits are then looser by the number of processes, and nobody is refused for our fault. Every answer
says where its client stands (IETF draft-ietf-httpapi-ratelimit-headers).
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import problem

logger = logging.getLogger(__name__)

WINDOW_S: Final = 60
LOTS: Final = 200
"""A process takes this part of the quota at a time."""
MOST_CLIENTS: Final = 10_000
REDIS_TIMEOUT_S: Final = 0.2
AWAY_S: Final = 5.0
"""How long Redis is not asked again once it did not answer."""
COSTS: Final = (
    (re.compile(r"/v1/(orders|readings):batch$"), 50),
    (re.compile(r"/v1/(graphql$|ledger/(events/[^/]+/proof|reconcile))"), 20),
    (re.compile(r"/v1/markets/\d+/(candles|statistics|indicative)$"), 5),
)
FREE: Final = frozenset({"/v1/health", "/v1/ready"})

_TAKE: Final = """
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local most, per_s, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tokens = math.min(most, (tonumber(kept[1]) or most) + (now - (tonumber(kept[2]) or now)) * per_s)
local granted = math.min(wanted, math.floor(tokens))
redis.call('HSET', KEYS[1], 'tokens', tokens - granted, 'at', now)
redis.call('EXPIRE', KEYS[1], ARGV[4])
return {granted, math.floor(tokens - granted)}
"""


def cost(path: str) -> int:
    """Tokens that a request takes."""
    return next((tokens for pattern, tokens in COSTS if pattern.search(path)), 1)


def client_of(scope: Scope) -> str:
    """Who asks: an IPv4 address, or the /64 network that one household or host has of IPv6."""
    return _network_of((scope.get("client") or ("",))[0])


@lru_cache(MOST_CLIENTS)
def _network_of(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return str(host)
    return str(address) if address.version == 4 else address.exploded[:19]


@dataclass(slots=True)
class _Purse:
    """What a process has of one client's tokens; ``rest`` is what the bucket had when it was last asked."""

    tokens: float
    rest: int
    filled_s: float
    filling: asyncio.Lock = field(default_factory=asyncio.Lock)


class Quota:
    """Buckets of ``per_window`` tokens, one for each client; full again after a window."""

    def __init__(self, redis_url: str, per_window: int, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self.per_window = per_window
        self._policy = b"ratelimit-policy", b'"client";q=%d;w=%d' % (per_window, WINDOW_S)
        self._monotonic_s = monotonic_s
        self._redis: Any = Redis.from_url(
            redis_url, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S
        )
        self._purses: dict[str, _Purse] = {}
        self._away_until_s = 0.0

    async def take(self, client: str, tokens: int) -> tuple[bool, int]:
        """Whether the client had as many tokens, and how many he has left."""
        purse = self._purses.get(client)
        if purse is None:
            if len(self._purses) >= MOST_CLIENTS:
                self._purses.clear()
            purse = self._purses[client] = _Purse(0, 0, self._monotonic_s() - WINDOW_S)
        if purse.tokens < tokens:
            async with purse.filling:  # those who come meanwhile share the lot
                if purse.tokens < tokens:
                    await self._fill(client, purse, max(tokens, self.per_window // LOTS))
        granted = purse.tokens >= tokens
        if granted:
            purse.tokens -= tokens
        return granted, int(purse.tokens) + purse.rest

    async def _fill(self, client: str, purse: _Purse, wanted: int) -> None:
        now_s = self._monotonic_s()
        if now_s >= self._away_until_s:
            try:
                arguments = (self.per_window, self.per_window / WINDOW_S, wanted, WINDOW_S)
                granted, purse.rest = await self._redis.eval(_TAKE, 1, f"gridtrace:quota:{client}", *arguments)
                purse.tokens += granted
                purse.filled_s = now_s
                return
            except (RedisError, OSError) as error:
                self._away_until_s = now_s + AWAY_S
                logger.warning("quotas are kept by this process alone, Redis is away: %s", error)
        refilled = (now_s - purse.filled_s) * self.per_window / WINDOW_S
        purse.tokens = min(self.per_window, purse.tokens + refilled)
        purse.filled_s, purse.rest = now_s, 0

    def headers(self, left: int, tokens: int) -> tuple[tuple[bytes, bytes], ...]:
        """Where the client stands, as ASGI has headers."""
        wait_s = -(-max(0, tokens - left) * WINDOW_S // self.per_window)
        return self._policy, (b"ratelimit", b'"client";r=%d;t=%d' % (left, wait_s or WINDOW_S))

    async def close(self) -> None:
        """Gives the connections back."""
        await self._redis.aclose()


class Limited:
    """Answers 429 to who has used up his quota, and tells everybody else how much is left."""

    def __init__(self, app: ASGIApp, quota: Quota) -> None:
        self._app = app
        self._quota = quota

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith("/v1/") or path in FREE or not self._quota.per_window:
            await self._app(scope, receive, send)
            return
        tokens = min(cost(path), self._quota.per_window)
        granted, left = await self._quota.take(client_of(scope), tokens)
        headers = self._quota.headers(left, tokens)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        if granted:
            await self._app(scope, receive, send_with_headers)
            return
        wait_s = -(-(tokens - left) * WINDOW_S // self._quota.per_window)
        refusal = problem(
            Request(scope),
            429,
            "rate-limited",
            f"{self._quota.per_window} tokens in {WINDOW_S} s; this takes {tokens}, {left} are left",
            headers={"Retry-After": str(max(1, wait_s))},
        )
        await refusal(scope, receive, send_with_headers)
