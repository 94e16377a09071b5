"""Runs recurring jobs on the one node that leads.

Ticks come from APScheduler; what is due is asked of PostgreSQL by each job, so a node that was down finds everything
it missed, and doing a job twice changes nothing. The leader holds a session advisory lock: when it dies, PostgreSQL
frees the lock and a standby takes over.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import asyncpg
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from indexer.db import Connection, connect
from indexer.errors import GridtraceError

logger = logging.getLogger(__name__)

LEADER_LOCK: Final = 0x6E6F_6465  # "node"
RETRY_S: Final = 1.0
HEARTBEAT_S: Final = 1.0
HEARTBEAT_TIMEOUT_S: Final = 5.0

MayLead: TypeAlias = Callable[[Connection], Awaitable[None]]

UNREACHABLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was cut off in the middle of a call
    asyncpg.OperatorInterventionError,  # PostgreSQL stops, or is still starting
)
"""Errors that mean a service is away; the job is tried again at its next tick."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do again and again; each run does all that is due and returns."""

    name: str
    every_s: float
    """Real seconds between two starts; a run that takes longer swallows the ticks it overlaps."""
    run: Callable[[], Awaitable[None]]


class _Guard:
    """Runs a job so that a failure is told once and the next tick tries again."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._failing: str | None = None

    async def run(self) -> None:
        try:
            await self._job.run()
        except asyncio.CancelledError:
            return  # a job that ends with its node has not failed; APScheduler would log that it has
        except UNREACHABLE as error:
            self._tell(f"{type(error).__name__}: {error}", expected=True)
        except GridtraceError as error:
            self._tell(f"{error} ({error.code})", expected=error.retryable)
        except Exception as error:
            # A fault of ours must not stop the other jobs, and must be seen.
            self._tell(f"{type(error).__name__}: {error}", expected=False)
        else:
            if self._failing:
                logger.info("job=%s works again", self._job.name)
            self._failing = None

    def _tell(self, failure: str, *, expected: bool) -> None:
        if failure != self._failing:
            log = logger.warning if expected else logger.exception
            log("job=%s failed, next tick tries again: %s", self._job.name, failure)
        self._failing = failure


async def _lead(connection: Connection, jobs: Sequence[Job], may_lead: MayLead) -> None:
    """Runs the jobs until the connection that holds the lock is lost, or this node may not lead any more."""
    await may_lead(connection)
    logger.info("leading: %s", ", ".join(job.name for job in jobs))
    scheduler = AsyncIOScheduler(
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        timezone="UTC",
    )
    for job in jobs:
        scheduler.add_job(_Guard(job).run, "interval", seconds=job.every_s, id=job.name)
    scheduler.start()
    try:
        while True:
            async with asyncio.timeout(HEARTBEAT_TIMEOUT_S):
                await may_lead(connection)
            await asyncio.sleep(HEARTBEAT_S)
    finally:
        scheduler.shutdown(wait=False)


async def _is_there(connection: Connection) -> None:
    await connection.execute("select 1")


async def run(database_url: str, jobs: Sequence[Job], may_lead: MayLead = _is_there) -> None:
    """Leads whenever no other node does; returns only by cancellation.

    ``may_lead`` is asked before and all the time, on the connection that holds the lock; it raises GridtraceError where
    this node may not lead.
    """
    waiting, refusal = False, ""
    while True:
        try:
            connection = await connect(database_url)
            try:
                if await connection.fetchval("select pg_try_advisory_lock($1)", LEADER_LOCK):
                    waiting = False
                    await _lead(connection, jobs, may_lead)
                elif not waiting:
                    logger.info("another node leads, standing by")
                    waiting = True
            finally:
                connection.terminate()
        except UNREACHABLE as error:
            logger.warning("leadership lost or not to be had: %s: %s", type(error).__name__, error)
            waiting = False
        except GridtraceError as error:
            if str(error) != refusal:
                logger.error("this node does not lead: %s (%s)", error, error.code)
            refusal = str(error)
        await asyncio.sleep(RETRY_S)
