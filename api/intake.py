"""Gathers orders that arrive at the same time, so that one transaction takes them all (group commit).

A batch is whatever has arrived while the one before it was written: nobody waits for company, and under load batches
grow by themselves. Who would have to wait behind too many is told to come back.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import asyncpg

from api.limits import Busy
from indexer.db import ACQUIRE_TIMEOUT_S, Connection, Pool
from node.bus import stop_if_cancelled
from node.market.book import BookOrder
from node.market.service import Answer

logger = logging.getLogger(__name__)

MOST_WAITING: Final = 4_096
"""Orders; at 2,000 a second the last of them waits two seconds."""
DATA_FAULTS: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""One order's values can cause these; what is wrong with the server cannot."""

Accept: TypeAlias = Callable[[Connection, Sequence[BookOrder], float], Awaitable[list[Answer]]]
"""Takes orders into the market at a market time (Unix seconds), in the transaction it is given."""


@dataclass(slots=True)
class _Waiting:
    entries: Sequence[BookOrder]
    now_s: float
    answers: "asyncio.Future[list[Answer]]"


class Intake:
    """Where requests hand in their orders. ``run`` must be under way."""

    def __init__(self, pool: Pool, accept: Accept, *, most: int) -> None:
        self._pool = pool
        self._accept = accept
        self._most = most
        self._waiting: deque[_Waiting] = deque()
        self._orders = 0
        self._arrived = asyncio.Event()

    async def enter(self, entries: Sequence[BookOrder], now_s: float) -> list[Answer]:
        """Accepts or refuses each order; accepted ones are committed when this returns.

        Raises:
            Busy: too many orders are waiting; none of these was taken.
        """
        if self._orders + len(entries) > MOST_WAITING:
            raise Busy
        waiting = _Waiting(entries, now_s, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._orders += len(entries)
        self._arrived.set()
        return await waiting.answers

    async def run(self) -> None:
        """Takes what waits, batch after batch, until cancelled."""
        try:
            while True:
                await self._arrived.wait()
                await self._empty()
        finally:
            for waiting in self._waiting:
                waiting.answers.cancel()

    async def _empty(self) -> None:
        """Takes batch after batch on one connection, until nobody waits or the connection is lost."""
        try:
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as db:
                while self._waiting and not db.is_closed():
                    await self._take(db, self._next())
        except Exception as error:  # no connection to be had
            stop_if_cancelled()
            self._fail(self._next() if self._waiting else [], error)
        if not self._waiting:
            self._arrived.clear()

    def _next(self) -> list[_Waiting]:
        """Requests in the order they came, as many as fit: at least one."""
        batch = [self._waiting.popleft()]
        count = len(batch[0].entries)
        while self._waiting and count + len(self._waiting[0].entries) <= self._most:
            batch.append(self._waiting.popleft())
            count += len(batch[-1].entries)
        self._orders -= count
        return batch

    async def _take(self, db: Connection, batch: Sequence[_Waiting]) -> None:
        entries = [entry for waiting in batch for entry in waiting.entries]
        now_s = max(waiting.now_s for waiting in batch)
        try:
            try:
                answers = iter(await self._write(db, entries, now_s))
            except asyncpg.DeadlockDetectedError:
                # Whoever we stood against goes on now: once more, nothing is in our way.
                logger.warning("a batch of %d orders met a deadlock, taking it once more", len(entries))
                answers = iter(await self._write(db, entries, now_s))
        except DATA_FAULTS as error:
            if len(batch) == 1:
                self._fail(batch, error)
                return
            # What the checks let through and the database does not must harm nobody but its sender.
            logger.exception("a batch of %d orders failed, taking its requests one by one", len(entries))
            for waiting in batch:
                await self._take(db, [waiting])
            return
        except Exception as error:
            stop_if_cancelled()
            self._fail(batch, error)
            return
        for waiting in batch:
            told = [next(answers) for _ in waiting.entries]
            if not waiting.answers.done():  # its sender may have gone
                waiting.answers.set_result(told)

    async def _write(self, db: Connection, entries: Sequence[BookOrder], now_s: float) -> list[Answer]:
        async with db.transaction():
            return await self._accept(db, entries, now_s)

    def _fail(self, batch: Sequence[_Waiting], error: Exception) -> None:
        for waiting in batch:
            if not waiting.answers.done():
                waiting.answers.set_exception(error)
