"""Signed readings that are pushed to us: stored at once, or kept on disk while the database is away."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from indexer.clock import Clock
from indexer.db import Pool, transaction
from node.config import NodeConfig
from node.metering import intake, service
from node.metering.buffer import Buffer
from node.metering.entries import ReadingEntry
from node.metering.readings import Reason, SignedReading, is_storable
from node.metering.service import Outcome, Taken
from node.metering.spool import DATABASE_AWAY, Spool

logger = logging.getLogger(__name__)

KEYS_S: Final = 2.0
"""Real seconds between two looks at which key signs for which meter."""


class Push:
    """Takes readings in, in order."""

    def __init__(self, pool: Pool, slot_s: int, spool: Spool | None = None) -> None:
        self._pool, self._slot_s, self._spool = pool, slot_s, spool
        self._keys: Mapping[int, bytes] = {}

    async def take(self, readings: Sequence[SignedReading], *, now_s: float) -> list[Outcome]:
        """What became of each: RECEIVED means that it is safe on disk and not looked at yet.

        Raises:
            BufferFull: the database is away and there is no more room.
            OSError and PostgreSQL's errors: the database is away, and there is no buffer or nobody is known yet.
        """
        if self._spool is None or self._spool.is_empty:
            try:
                async with transaction(self._pool) as db:
                    return await intake.take_in(db, readings, now_s=now_s, slot_s=self._slot_s)
            except DATABASE_AWAY:
                if self._spool is None or not self._keys:
                    raise
        return await self._keep(self._spool, readings)

    async def _keep(self, spool: Spool, readings: Sequence[SignedReading]) -> list[Outcome]:
        outcomes = [self._outcome(signed) for signed in readings]
        pairs = zip(readings, outcomes, strict=True)
        kept = [ReadingEntry.of(signed) for signed, outcome in pairs if outcome.state is Taken.RECEIVED]
        if kept:
            await spool.keep(kept)
        return outcomes

    def _outcome(self, signed: SignedReading) -> Outcome:
        """Strangers cannot fill the disk: only what a known meter's key has signed is kept."""
        said, reason = signed.reading, None
        if not is_storable(said):
            reason = Reason.OUT_OF_RANGE
        elif said.meter_id not in self._keys:
            reason = Reason.UNKNOWN_METER
        elif signed.signer != self._keys[said.meter_id]:
            reason = Reason.WRONG_SIGNER
        state = Taken.RECEIVED if reason is None else Taken.REFUSED
        return Outcome(said.meter_id, said.time, said.counter, state, reason)

    async def learn_keys(self) -> None:
        """Looks up which key signs for which meter, now and then, until cancelled."""
        while True:
            try:
                async with transaction(self._pool) as db:
                    self._keys = {meter.meter_id: meter.key for meter in await service.meters(db)}
            except DATABASE_AWAY as error:
                logger.debug("keys of meters not looked up: %s", error)
            await asyncio.sleep(KEYS_S)


@asynccontextmanager
async def open_push(pool: Pool, config: NodeConfig, clock: Clock) -> AsyncIterator[Push]:
    """Push with its buffer, where one is configured, being emptied in the background.

    Raises:
        BufferInUse, OSError: the buffer's folder cannot be used.
    """
    slot_s = config.market.slot_s
    if config.meter_buffer is None:
        yield Push(pool, slot_s)
        return
    buffer = Buffer.first_free(config.meter_buffer, "api", config.meter_buffer_bytes)
    spool = Spool(buffer, pool, clock, slot_s)
    push = Push(pool, slot_s, spool)
    tasks = [asyncio.create_task(spool.run()), asyncio.create_task(push.learn_keys())]
    try:
        yield push
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        spool.buffer.close()
