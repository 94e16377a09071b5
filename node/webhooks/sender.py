"""Sends each webhook what the mirror has for it: in order, at least once, later and later while a receiver is away.

Any number of processes may run this: whoever sends to a receiver holds its advisory lock.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import aiohttp
import asyncpg
from aiohttp.abc import AbstractResolver

from indexer.db import AWAY, Connection, Pool, open_pool, queries
from indexer.streams import Message, NotDelivered, Stream, WebhookSink
from node.bus import stop_if_cancelled
from node.errors import GridtraceError
from node.sealing import Box
from node.webhooks.guard import WebhookRefused, checked, open_session
from node.webhooks.hooks import LISTED, place

logger = logging.getLogger(__name__)
SQL = queries("node.webhooks.hooks")

POLL_S: Final = 0.5
PAUSE_S: Final = 1.0
AT_ONCE: Final = 4
DUE: Final = 100
STEPS: Final = 20
"""How far one receiver is brought before others have their turn."""
LONGEST_PAUSE_S: Final = 3_600.0
GIVEN_UP_S: Final = 3 * 86_400.0


class Deliveries:
    """One process's hand at sending."""

    def __init__(
        self, database_url: str, box: Box, allowed: frozenset[str], resolver: AbstractResolver | None = None
    ) -> None:
        self._database_url = database_url
        self._box = box
        self._allowed = allowed
        self._resolver = resolver

    async def run(self) -> None:
        """Sends until cancelled."""
        while True:
            try:
                async with (
                    open_pool(self._database_url, size=AT_ONCE + 1) as pool,
                    open_session(self._allowed, self._resolver) as session,
                ):
                    while True:
                        await self.round(pool, session)
                        await asyncio.sleep(POLL_S)
            except AWAY as error:
                stop_if_cancelled()
                logger.warning("webhooks wait, trying again: %s: %s", type(error).__name__, error)
            await asyncio.sleep(PAUSE_S)

    async def round(self, pool: Pool, session: aiohttp.ClientSession) -> None:
        """Brings every receiver that is due some way on."""
        async with pool.acquire() as db:
            await db.execute(SQL["forget_streams"])
            due = await db.fetch(SQL["due"], DUE)
        free = asyncio.Semaphore(AT_ONCE)

        async def one(row: asyncpg.Record) -> None:
            async with free, pool.acquire() as db:
                await self._deliver(db, session, row)

        async with asyncio.TaskGroup() as group:
            for row in due:
                group.create_task(one(row))

    async def _deliver(self, db: Connection, session: aiohttp.ClientSession, row: asyncpg.Record) -> None:
        if not await db.fetchval(SQL["hold"], row["id"]):
            return
        try:
            url = str(checked(row["url"], self._allowed))
            secret = self._box.unseal(row["secret"], place(row["id"])).encode()
            sink = _Logged(db, row["id"], row["events"], WebhookSink(session, url, secret))
            stream = Stream(db, row["chain_id"], f"webhook-{row['id']}", sink)
            for _ in range(STEPS):
                if await stream.step() == 0:
                    break
            await db.execute(SQL["succeeded"], row["id"])
        except (NotDelivered, WebhookRefused) as error:
            state = await db.fetchval(SQL["failed"], row["id"], LONGEST_PAUSE_S, GIVEN_UP_S)
            logger.info("webhook id=%s is %s: %s", row["id"], state, error)
        except GridtraceError:
            logger.exception("webhook id=%s cannot be sent to", row["id"])
            await db.execute(SQL["failed"], row["id"], LONGEST_PAUSE_S, GIVEN_UP_S)
        finally:
            if not db.is_closed():
                await db.execute(SQL["release"], row["id"])


@dataclass(frozen=True, slots=True)
class _Logged:
    """Passes on what a receiver has asked for, and notes each try."""

    db: Connection
    webhook_id: UUID
    events: list[str] | None
    inner: WebhookSink

    async def send(self, message: Message) -> None:
        """As the port says."""
        if message["type"] == "block" and self.events is not None:
            chosen = [event for event in message["events"] if event["event"] in self.events]
            if not chosen:
                return
            message = {**message, "events": chosen}
        began_s = time.monotonic()
        try:
            status = await self.inner.send(message)
        except NotDelivered as error:
            await self._note(message, error.status, str(error)[:300], began_s)
            raise
        await self._note(message, status, None, began_s)

    async def _note(self, message: Message, status: int | None, fault: str | None, began_s: float) -> None:
        duration_ms = int((time.monotonic() - began_s) * 1_000)
        await self.db.execute(SQL["tried"], self.webhook_id, message["id"], status, fault, duration_ms)
        await self.db.execute(SQL["trim"], self.webhook_id, LISTED)
