"""Open books as they are told: made once for all who ask at the same time, again only when something has changed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from api.joined import Joined
from indexer.db import ACQUIRE_TIMEOUT_S, Pool, queries

SQL = queries(__name__)
MOST_KEPT: Final = 256
LARGEST: Final = 256 << 10
LIMIT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class _State:
    """All that an open book's answer depends on, beside the question."""

    market: tuple[Any, ...]
    second: int


class OpenBooks:
    """Answers by zone and slot."""

    def __init__(self) -> None:
        self._joined = Joined[tuple[int, datetime], bytes]()
        self._told: dict[tuple[int, datetime], tuple[_State, bytes]] = {}

    async def told(
        self,
        pool: Pool,
        chain_id: int,
        area: int,
        slot: tuple[int, datetime],
        now_s: Callable[[], float],
        tell: Callable[[], Awaitable[bytes]],
    ) -> bytes:
        """The answer as it was told before where it still holds, else what ``tell`` says. Raises what that raises."""

        async def answer() -> bytes:
            async with asyncio.timeout(LIMIT_S):
                return await once()

        async def once() -> bytes:
            async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as db:
                row = await db.fetchrow(SQL["state"], chain_id, area, *slot)
            state = _State(tuple(row or ()), int(now_s()))
            known = self._told.get(slot)
            if known is None or known[0] != state:
                known = state, await tell()
                self._told.pop(slot, None)
                if len(known[1]) <= LARGEST:
                    self._told[slot] = known
                if len(self._told) > MOST_KEPT:
                    del self._told[next(iter(self._told))]
            return known[1]

        return await self._joined.get(slot, answer)
