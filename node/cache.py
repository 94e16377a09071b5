"""What is read often, in Redis: details of assets and users, what they were told, who leads. Never the truth.

Written after the commit of what it tells, and made anew from PostgreSQL at any time (``rebuild``): whoever reads here
and finds nothing asks PostgreSQL. No personal data are kept here.

Keys: ``user:{id}:profile``, ``asset:{id}:details``, ``asset:{id}:production:latest`` (JSON);
``user:{id}:notifications``, ``asset:{id}:events`` (lists, newest first); ``assets:by-yield``, ``users:by-investment``
(sorted sets).
"""

import json
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from redis.asyncio import Redis
from redis.exceptions import RedisError

from indexer import read
from indexer.db import Connection, queries

logger = logging.getLogger(__name__)

SQL = queries(__name__)

PREFIX: Final = "gridtrace:"
KEPT: Final = 50
"""Entries of a list."""
AT_ONCE: Final = 1_000
TIMEOUT_S: Final = 5.0

FIRST: Final = timedelta(days=1)
LATE: Final = timedelta(seconds=30)
"""A row may come to be seen this long after the time that it carries."""
REORGANISED: Final = 1_000
"""Blocks that are looked at again after a reorganisation."""
Board = Literal["assets", "users"]
BOARDS: Final[Mapping[Board, str]] = {"assets": "assets:by-yield", "users": "users:by-investment"}

Progress = Callable[[int], None]


class Cache:
    """The keys of one Redis database."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        self._followed: tuple[datetime, int, int] | None = None

    async def close(self) -> None:
        await self._redis.aclose()

    async def get(self, key: str) -> Any:
        """A JSON value, or None."""
        found = await self._redis.get(PREFIX + key)
        return None if found is None else json.loads(found)

    async def entries(self, key: str, count: int = KEPT) -> list[Any]:
        """The newest entries of a list."""
        return [json.loads(entry) for entry in await self._redis.lrange(PREFIX + key, 0, count - 1)]

    async def leaders(self, key: str, count: int) -> list[tuple[str, float]]:
        """Members of a sorted set with their scores, the highest first."""
        found: Any = await self._redis.zrange(PREFIX + key, 0, count - 1, desc=True, withscores=True)
        return [(member.decode(), score) for member, score in found]

    async def best(self, db: Connection, chain_id: int, board: Board, count: int) -> list[tuple[str, float]]:
        """As ``leaders``; from PostgreSQL where Redis is away or has nobody."""
        try:
            if found := await self.leaders(BOARDS[board], count):
                return found
        except RedisError as error:
            logger.warning("cache not read, PostgreSQL answers: %s", error)
        rows = await db.fetch(SQL[f"best_{board}"], chain_id, count)
        return [(row["member"], row["score"]) for row in rows]

    async def follow(self, db: Connection, chain_id: int, now: datetime) -> set[Any]:
        """Writes what belongs to users who changed or bought since the last call, a day back at first; who they are.

        ``now`` is real time, as ``identity.users.updated_at`` is.
        """
        head = await read.head(db, chain_id)
        block, epoch = (head.number, head.reorg_epoch) if head else (-1, 0)
        since, after, known = self._followed or (now - FIRST, -1, epoch)
        if epoch != known:
            after -= REORGANISED
        users = {row["id"] for row in await db.fetch(SQL["changed"], chain_id, since - LATE, after)}
        if users:
            await self.refresh(db, chain_id, (), users)
        self._followed = now, block, epoch
        return users

    async def refresh(self, db: Connection, chain_id: int, assets: Iterable[Any], users: Iterable[Any] = ()) -> int:
        """Writes what belongs to some assets and users; returns how many keys. Call it after the commit.

        Where Redis is away that is told and nothing else: ``rebuild`` makes up for it.
        """
        try:
            return await self._write(db, chain_id, list(assets), list(users), lambda _: None)
        except RedisError as error:
            logger.warning("cache not written, `gridtrace cache rebuild` does so: %s", error)
            return 0

    async def rebuild(self, db: Connection, chain_id: int, progress: Progress = lambda _: None) -> int:
        """Forgets every key and writes all of them anew from PostgreSQL; returns how many."""
        async for key in self._redis.scan_iter(PREFIX + "*", count=AT_ONCE):
            if self._is_ours(key.decode().removeprefix(PREFIX)):
                await self._redis.unlink(key)
        return await self._write(db, chain_id, None, None, progress)

    @staticmethod
    def _is_ours(key: str) -> bool:
        return key.startswith(("user:", "asset:", "assets:by-", "users:by-"))

    async def _write(
        self, db: Connection, chain_id: int, assets: list[Any] | None, users: list[Any] | None, progress: Progress
    ) -> int:
        written = 0
        async with db.transaction():
            for statement, wanted in (
                ("assets", assets),
                ("production", assets),
                ("events", assets),
                ("yields", assets),
                ("users", users),
                ("notifications", users),
                ("investments", users),
            ):
                async for batch in _batches(db, SQL[statement], chain_id, wanted):
                    written += await self._send(batch)
                    progress(written)
        return written

    async def _send(self, rows: list[Mapping[str, Any]]) -> int:
        """One round trip for rows of one statement, which are all of one kind."""
        async with self._redis.pipeline(transaction=False) as pipe:
            match rows[0]["kind"]:
                case "value":
                    pipe.mset({PREFIX + row["key"]: row["value"] for row in rows})
                case "list":
                    pipe.delete(*(PREFIX + row["key"] for row in rows))
                    for row in rows:
                        pipe.rpush(PREFIX + row["key"], *row["entries"])
                case _:
                    pipe.zadd(PREFIX + rows[0]["key"], {row["member"]: row["score"] for row in rows})
            await pipe.execute()
        return len(rows)


async def _batches(
    db: Connection, statement: str, chain_id: int, wanted: list[Any] | None
) -> AsyncIterator[list[Mapping[str, Any]]]:
    batch: list[Mapping[str, Any]] = []
    row: Any
    async for row in db.cursor(statement, chain_id, wanted, prefetch=AT_ONCE):
        batch.append(row)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch
