"""How long after a block was mined its events stand in the database."""

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Mapping
from typing import Final

import asyncpg

from indexer.db import connect

logger = logging.getLogger(__name__)

CHANNEL: Final = "gridtrace_block"
RETRY_S: Final = 0.5
CHECK_S: Final = 1.0
KEPT: Final = 50_000


class LagMeter:
    """Listens to the indexer's commits and compares them with the times at which the blocks were mined."""

    def __init__(self, database_url: str, mined_at: Mapping[int, float]) -> None:
        self._database_url = database_url
        self._mined_at = mined_at
        self._last: int | None = None
        self.lags_s: deque[float] = deque(maxlen=KEPT)

    def heard(self, number: int, now: float) -> None:
        """Everything up to block ``number`` is in the database at real time ``now``."""
        first = number if self._last is None else self._last + 1
        for block in range(first, number + 1):
            if (mined := self._mined_at.get(block)) is not None:
                self.lags_s.append(now - mined)
        self._last = number

    async def run(self) -> None:
        """Until cancelled; listens again when the database comes back."""
        while True:
            try:
                await self._listen()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                logger.warning("lag meter lost the database error=%s", error)
            await asyncio.sleep(RETRY_S)

    async def _listen(self) -> None:
        db = await connect(self._database_url)
        try:
            await db.add_listener(CHANNEL, self._on_notify)
            while not db.is_closed():  # noqa: ASYNC110 -- a lost connection tells nobody
                await asyncio.sleep(CHECK_S)
        finally:
            await db.close(timeout=2)

    def _on_notify(self, connection: object, pid: int, channel: str, payload: object) -> None:
        self.heard(int(json.loads(str(payload))["number"]), time.time())
