"""PostgreSQL: the pool, named SQL files, and transactions owned by their caller."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

AWAY: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What passes by waiting, for work that is begun again; the last is a connection cut off in the middle of a call."""

COMMAND_TIMEOUT_S = 30.0
ACQUIRE_TIMEOUT_S = 10.0
"""Who has waited this long for a connection is told that the database is busy."""
_NAME = re.compile(r"^-- (\w+) --.*$", re.MULTILINE)


@cache
def queries(module: str) -> dict[str, str]:
    """The named statements of the SQL file beside a module: ``queries(__name__)["open_orders"]``.

    A statement starts with a line ``-- name -- what it is for``. ``node.market.service`` reads
    ``node/market/service.sql``.
    """
    package, _, name = module.rpartition(".")
    return parse((files(package) / f"{name}.sql").read_text())


def parse(text: str) -> dict[str, str]:
    """Statements by name. Raises ValueError for a name that stands twice."""
    parts = _NAME.split(text)
    names, bodies = parts[1::2], parts[2::2]
    if len(set(names)) != len(names):
        raise ValueError(f"a statement name stands twice: {sorted(names)}")
    return {name: body.strip() for name, body in zip(names, bodies, strict=True)}


async def set_up(connection: Any) -> None:
    """JSONB columns are Python values."""
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


async def connect(
    database_url: str, *, command_timeout_s: float = COMMAND_TIMEOUT_S, version: str | None = None
) -> Connection:
    """One connection, for a process's own long-lived work (listening, advisory locks).

    Args:
        version: of the mirror, whose tables statements mean; the served ones where None.
    """
    if version is not None:
        from indexer import version_db  # it needs this module

        return await version_db.connect(database_url, version, command_timeout_s)
    connection = await asyncpg.connect(database_url, command_timeout=command_timeout_s, timeout=10)
    await set_up(connection)
    return connection


if TYPE_CHECKING:
    _Session: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    _Session = asyncpg.Connection


class _Plain(_Session):
    """Goes back to its pool without a round trip; an open transaction is still rolled back."""

    def get_reset_query(self) -> str:
        return ""


@asynccontextmanager
async def open_pool(
    database_url: str, *, size: int = 10, ready: int = 1, keeps_sessions: bool = True
) -> AsyncIterator[Pool]:
    """A pool for the life of a process. JSONB columns are Python values.

    Args:
        size: connections at most.
        ready: connections that are made before anybody asks.
        keeps_sessions: False where nobody sets what outlives a transaction (session locks, listening): connections then
            need no cleaning after each use.
    """
    async with asyncpg.create_pool(
        database_url,
        min_size=ready,
        max_size=size,
        command_timeout=COMMAND_TIMEOUT_S,
        timeout=10,
        init=set_up,
        connection_class=_Session if keeps_sessions else _Plain,
    ) as pool:
        yield pool


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """One unit of work: commits when the block ends, rolls back when it raises."""
    async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection, connection.transaction():
        yield connection
