"""From drivers to the database by way of the disk: what is acknowledged is on disk, what is taken over is in order.

Without a folder the memory takes the disk's place: then nothing is acknowledged before it is in the database.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import asyncpg

from indexer.clock import Clock
from indexer.db import Pool, transaction
from node.metering import entries, intake
from node.metering.buffer import Buffer
from node.metering.entries import Entry
from node.metering.outages import Outages
from node.metering.service import Outcome

logger = logging.getLogger(__name__)

DATABASE: Final = "postgresql"
MOST_PER_BATCH: Final = 5_000
DATABASE_AWAY: Final = (
    OSError,  # among them TimeoutError
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was cut off in the middle of a call
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
)
"""What passes by waiting; everything else is a fault of ours."""

Tell = Callable[[Sequence[Entry], Sequence[Outcome]], Awaitable[None]]


class Spool:
    """A buffer on disk and its way into the database."""

    def __init__(self, buffer: Buffer, pool: Pool, clock: Clock, slot_s: int, tell: Tell | None = None) -> None:
        self.buffer = buffer
        self._pool, self._clock, self._slot_s, self._tell = pool, clock, slot_s, tell
        self._position: int | None = None
        self._turn = asyncio.Lock()
        self._more, self._caught_up = asyncio.Event(), asyncio.Event()
        self._database = Outages("database", last_retry_s=2.0)

    @property
    def is_empty(self) -> bool:
        """Whether everything in it is known to be in the database."""
        return self._position == self.buffer.end

    @property
    def waiting_bytes(self) -> int:
        """What is not in the database yet."""
        return self.buffer.end - (self.buffer.start if self._position is None else self._position)

    async def keep(self, found: Sequence[Entry]) -> None:
        """Returns once the entries are on disk.

        Raises:
            BufferFull: they do not fit; none was kept.
            OSError: the disk refuses.
        """
        records = [entries.encode(entry) for entry in found]
        async with self._turn:
            await asyncio.to_thread(self.buffer.append, records)
        self._more.set()

    async def run(self) -> None:
        """Takes over what is kept, through every outage of the database, until cancelled."""
        while True:
            try:
                while await self._take_over():
                    pass
            except DATABASE_AWAY as error:
                await asyncio.sleep(self._database.failed(DATABASE, error))
                continue
            self._database.worked(DATABASE)
            self._caught_up.set()
            await self._more.wait()
            self._more.clear()

    async def drained(self) -> None:
        """Returns once everything that was kept at the start is in the database."""
        await self._caught_up.wait()

    async def _take_over(self) -> bool:
        """One batch; False where nothing was left."""
        async with transaction(self._pool) as db:
            position = await intake.position(db, self.buffer.id)
            async with self._turn:
                records, reached = self.buffer.read(position, MOST_PER_BATCH)
            found = [entries.decode(record) for record in records]
            outcomes: list[Outcome] = []
            if found:
                outcomes = await intake.take_entries(db, found, now_s=self._clock.now_s(), slot_s=self._slot_s)
            if reached != position:
                await intake.move(db, self.buffer.id, reached)
        self._position = reached
        async with self._turn:
            self.buffer.release(reached)
        if found and self._tell is not None:
            await self._tell(found, outcomes)
        return bool(found)
