"""Files asked for: who asked for what, how far it is, and until when it can be fetched."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from indexer import history
from indexer.db import Connection, queries
from indexer.export import ExportRefused, standing
from node.errors import Conflict, NotFound, Refused
from node.exports import datasets
from node.exports.datasets import Filters
from node.identity import Caller

SQL = queries(__name__)

MOST_OPEN: Final = 3
MOST_LISTED: Final = 100


class ExportNotFound(NotFound):
    """There is no such export of yours."""

    code = "export-not-found"


class ExportNotReady(Conflict):
    """The file is still being written."""

    code = "export-not-ready"
    retryable = True


class ExportGone(Refused):
    """There is no file of this export any more, or there never was one."""

    code = "export-gone"


class TooManyExports(Conflict):
    """You have three exports under way: wait for one."""

    code = "too-many-exports"
    retryable = True


@dataclass(frozen=True, slots=True)
class Job:
    """One export. ``block_number`` is the block that its file is of."""

    id: UUID
    user_id: UUID
    account: bytes
    role: str
    dataset: str
    format: str
    filters: dict[str, Any]
    chain_id: int
    block_number: int
    block_hash: bytes
    state: str
    attempts: int
    rows: int | None
    size_bytes: int | None
    sha256: bytes | None
    fault_code: str | None
    fault: str | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None

    @property
    def file_name(self) -> str:
        """In the folder of exports."""
        return f"{self.id}.{self.format}"


async def add(db: Connection, caller: Caller, chain_id: int, dataset: str, file_format: str, filters: Filters) -> Job:
    """A new job, pinned to a block of the mirror.

    Raises:
        ExportRefused: no such dataset or block, or filters that it has not.
        TooManyExports.
    """
    is_pinned = await datasets.check(db, dataset, filters)
    stamp = await standing(db, chain_id)
    if stamp is None:
        raise ExportRefused(f"nothing is mirrored of chain {chain_id}")
    number, block_hash = stamp.block_number, bytes.fromhex(stamp.block_hash[2:])
    if is_pinned and filters.block is not None and filters.block != number:
        found = await history.block_at(db, chain_id, filters.block)
        if filters.block > number or found is None or found.number != filters.block:
            raise ExportRefused(f"block {filters.block} is not kept; the newest is {number}")
        number, block_hash = found.number, found.hash
    await db.execute(SQL["lock_user"], caller.user_id)
    if await db.fetchval(SQL["open"], caller.user_id) >= MOST_OPEN:
        raise TooManyExports
    row = await db.fetchrow(
        SQL["add"], caller.user_id, caller.account, caller.role, dataset, file_format, filters.as_dict(), chain_id,
        number, block_hash,
    )  # fmt: skip
    assert row is not None
    return Job(**dict(row))


async def job(db: Connection, user_id: UUID, job_id: UUID) -> Job:
    """One of a user's jobs. Raises ExportNotFound."""
    row = await db.fetchrow(SQL["job"], job_id)
    if row is None or row["user_id"] != user_id:
        raise ExportNotFound(f"no export {job_id}")
    return Job(**dict(row))


async def jobs(db: Connection, user_id: UUID) -> Sequence[Job]:
    """A user's newest jobs."""
    return [Job(**dict(row)) for row in await db.fetch(SQL["jobs"], user_id, MOST_LISTED)]


async def remove(db: Connection, user_id: UUID, job_id: UUID) -> Job:
    """Forgets a job, whatever its state. Raises ExportNotFound."""
    found = await job(db, user_id, job_id)
    await db.execute(SQL["remove"], job_id)
    return found
