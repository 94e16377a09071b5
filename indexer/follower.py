"""What walks behind the mirror's cursor, block by block, on a connection of its own.

A follower never holds the log path up. Its rows go with their blocks in a reorganisation, and so does its cursor, in
the reorganisation's own transaction (``take_followers_back``).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from indexer.db import Connection, queries

SQL = queries(__name__)


@dataclass(frozen=True, slots=True)
class Indexed:
    """A block of the mirror."""

    number: int
    hash: bytes
    parent_hash: bytes
    transaction_count: int
    time: int
    """Unix seconds."""


class BlockGone(Exception):
    """The mirror's block is not the chain's, or not the mirror's any more: a reorganisation is under way."""


class Follower:
    """One stream's cursor."""

    def __init__(self, db: Connection, chain_id: int, stream: str) -> None:
        self.db = db
        self.chain_id = chain_id
        self.stream = stream

    async def settle(self, starts: Mapping[str, int]) -> None:
        """Notes what is kept, with its first block; what is new is looked for from there on. Safe to repeat."""
        rows = await self.db.fetch(SQL["sources"], self.chain_id, self.stream)
        known = {row["source"]: row["start_block"] for row in rows}
        if known == starts:
            return
        new = [name for name, start in starts.items() if known.get(name) != start]
        async with self.db.transaction():
            if new:
                await self.db.execute(SQL["begin"], self.chain_id, self.stream, min(starts[name] for name in new) - 1)
            await self.db.executemany(
                SQL["keep_source"], [(self.chain_id, self.stream, name, starts[name]) for name in new]
            )
            await self.db.execute(SQL["drop_sources"], self.chain_id, self.stream, list(starts))

    async def forget(self, sources: Sequence[str]) -> None:
        """Some sources count as new at the next ``settle``."""
        await self.db.execute(SQL["forget"], self.chain_id, self.stream, list(sources))

    async def following(self, most: int) -> tuple[int, list[Indexed]]:
        """Where the cursor stands, and the next blocks of the mirror; none before ``settle``."""
        number = await self.db.fetchval(SQL["cursor"], self.chain_id, self.stream)
        if number is None:
            return -1, []
        rows = await self.db.fetch(SQL["following"], self.chain_id, number, most)
        return number, [Indexed(**row) for row in rows]

    @asynccontextmanager
    async def passing(self, number: int, blocks: Sequence[Indexed]) -> AsyncIterator[None]:
        """A transaction that moves the cursor from ``number`` to the last of the blocks.

        Raises:
            BlockGone: they are not what the mirror has; nothing is written.
        """
        async with self.db.transaction():
            held = await self.db.fetch(SQL["hold"], self.chain_id, blocks[0].number, blocks[-1].number)
            if [row["hash"] for row in held] != [block.hash for block in blocks]:
                raise BlockGone
            last = blocks[-1]
            moved = await self.db.execute(SQL["move"], self.chain_id, self.stream, number, last.number, last.hash)
            if moved != "UPDATE 1":
                raise BlockGone
            yield

    async def lead(self, poll_s: float) -> None:
        """Waits until no other process follows."""
        while not await self.db.fetchval(SQL["lock"], self.chain_id, self.stream):  # noqa: ASYNC110 -- a lock is no event
            await asyncio.sleep(poll_s)


async def follow(follower: Follower, step: Callable[[], Awaitable[int]], news: asyncio.Event, poll_s: float) -> None:
    """Keeps up with the mirror until cancelled; ``news`` is set when it has moved.

    Args:
        step: takes the next blocks in; returns how many.
    """
    await follower.lead(poll_s)
    while True:
        news.clear()
        try:
            done = await step()
        except BlockGone:
            done = 0
        if not done:
            try:
                async with asyncio.timeout(poll_s):
                    await news.wait()
            except TimeoutError:
                continue
