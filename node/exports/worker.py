"""Writes the files that were asked for, one at a time in each process.

Whoever writes a file holds its advisory lock. A process that is killed loses its locks with its connection, and another
one, or the next, begins the file anew; a file has its name only once it is whole.
"""

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg

from indexer.clock import Clock
from indexer.db import AWAY, Connection, connect, queries
from indexer.errors import GridtraceError
from indexer.export import ExportRefused, Stamp, standing
from node import row_security
from node.bus import stop_if_cancelled
from node.exports import datasets
from node.exports.datasets import Filters
from node.exports.jobs import Job

logger = logging.getLogger(__name__)
SQL = queries("node.exports.jobs")

POLL_S: Final = 1.0
PAUSE_S: Final = 1.0
KEPT_S: Final = 86_400.0
MOST_TRIES: Final = 5
MOST_BYTES: Final = 8 << 30
STATEMENT_TIMEOUT_S: Final = 3_600.0


class ExportTooLarge(ExportRefused):
    """The file would be larger than 8 GiB: choose fewer rows."""

    code = "export-too-large"


class BlockOrphaned(ExportRefused):
    """The block that the file was to be of is not the chain's any more: ask again."""

    code = "block-orphaned"


class Worker:
    """One process's hand at writing files."""

    def __init__(self, database_url: str, folder: Path, clock: Clock) -> None:
        self._database_url = database_url
        self.folder = folder
        self._clock = clock
        self.news = asyncio.Event()
        """Set when there may be a job."""

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                db = await connect(self._database_url, command_timeout_s=STATEMENT_TIMEOUT_S)
                try:
                    while True:
                        self.news.clear()
                        if not await self.step(db):
                            await self._wait()
                finally:
                    db.terminate()  # and gives every lock back
            except AWAY as error:
                stop_if_cancelled()
                logger.warning("exports wait, trying again: %s: %s", type(error).__name__, error)
            await asyncio.sleep(PAUSE_S)

    async def step(self, db: Connection) -> bool:
        """Writes the oldest file that nobody else is writing; whether there was one."""
        await self._sweep(db)
        for (job_id,) in await db.fetch(SQL["waiting"]):
            if not await db.fetchval(SQL["hold"], job_id):
                continue
            try:
                row = await db.fetchrow(SQL["begin"], job_id)
                if row is not None:
                    await self._finish(db, Job(**dict(row)))
                    return True
            finally:
                if not db.is_closed():
                    await db.execute(SQL["release"], job_id)
        return False

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(POLL_S):
                await self.news.wait()
        except TimeoutError:
            return

    async def _finish(self, db: Connection, job: Job) -> None:
        part = self.folder / f"{job.id}.part"
        try:
            if job.attempts > MOST_TRIES:
                raise ExportRefused(f"it was begun {MOST_TRIES} times and never finished")
            stamp, rows = await self._write(db, job, part)
            size, digest = await asyncio.to_thread(_sealed, part, self.folder / job.file_name)
        except (GridtraceError, asyncpg.DataError, asyncpg.UndefinedTableError) as error:
            _forget(part)
            code = error.code if isinstance(error, GridtraceError) else ExportRefused.code
            logger.warning("export id=%s failed: %s", job.id, error)
            await db.execute(SQL["fail"], job.id, code, str(error)[:500], KEPT_S)
            return
        block_hash = bytes.fromhex(stamp.block_hash[2:])
        await db.execute(SQL["done"], job.id, rows, size, digest, stamp.block_number, block_hash, KEPT_S)
        logger.info("export written id=%s dataset=%s rows=%d bytes=%d", job.id, job.dataset, rows, size)

    async def _write(self, db: Connection, job: Job, part: Path) -> tuple[Stamp, int]:
        filters = Filters.of(job.filters)
        async with db.transaction(isolation="repeatable_read", readonly=True):
            stamp = await standing(db, job.chain_id)
            if stamp is None:
                raise ExportRefused(f"nothing is mirrored of chain {job.chain_id}")
            if await datasets.check(db, job.dataset, filters):
                if await db.fetchval(SQL["hash"], job.chain_id, job.block_number) != job.block_hash:
                    raise BlockOrphaned(f"block {job.block_number} was reorganised away")
                stamp = Stamp(job.chain_id, job.block_number, "0x" + job.block_hash.hex(), stamp.finalized)
            await row_security.act_as(db, self._clock.now_s(), job.account, job.user_id, job.role)
            rows = await datasets.write(db, job.dataset, filters, job.format, part, stamp, self._watch(part))
        return stamp, rows

    def _watch(self, part: Path) -> Callable[[int], None]:
        def look(rows: int) -> None:
            if part.stat().st_size > MOST_BYTES:
                raise ExportTooLarge(f"over {MOST_BYTES} bytes after {rows} rows")

        return look

    async def _sweep(self, db: Connection) -> None:
        """Takes away files whose time is over, and what was left of jobs that are gone."""
        await db.execute(SQL["expire"])
        present: dict[UUID, list[Path]] = {}
        for path in self.folder.iterdir():
            if (job_id := _job_of(path)) is not None:
                present.setdefault(job_id, []).append(path)
        for (job_id,) in await db.fetch(SQL["gone"], list(present)) if present else []:
            for path in present[job_id]:
                _forget(path)


def _job_of(path: Path) -> UUID | None:
    try:
        return UUID(path.name.partition(".")[0])
    except ValueError:
        return None


def _sealed(part: Path, whole: Path) -> tuple[int, bytes]:
    """Makes the file last and gives it its name; its size and SHA-256."""
    digest = hashlib.sha256()
    with part.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
        os.fsync(file.fileno())
    part.replace(whole)
    _forget(part.with_name(part.name + ".block.json"))
    return whole.stat().st_size, digest.digest()


def _forget(path: Path) -> None:
    path.unlink(missing_ok=True)
