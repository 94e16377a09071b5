"""Whether a database that somebody else runs may be ours: reachable, new enough, and empty or of this very run."""

from typing import Final

import asyncpg
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from api.devnet.addresses import place, reason
from contracts.addresses import Deployment
from contracts.typed_data import checksum
from indexer.db import Connection, queries
from indexer.errors import ConfigError, GridtraceError
from indexer.migrate import alembic_config

SQL = queries(__name__)

OLDEST: Final = 150_000
"""PostgreSQL 15 as ``server_version_num``."""
SHOWN: Final = 3


class DatabaseUnreachable(GridtraceError):
    """The PostgreSQL server does not answer."""

    code = "database-unreachable"
    retryable = True


class DatabaseUnfit(ConfigError):
    """The database cannot be used."""

    code = "database-unfit"


async def check(url: str, known: Deployment | None, limit_s: float) -> None:
    """Looks at the database; ``known`` is what an earlier run of the same folder has deployed.

    Raises:
        DatabaseUnreachable: the server does not answer.
        DatabaseUnfit: it refuses us, is too old, or the database holds something else.
    """
    where = place(url)
    try:
        db = await asyncpg.connect(url, timeout=limit_s, command_timeout=limit_s)
    except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError) as error:
        raise DatabaseUnreachable(f"DATABASE_URL: PostgreSQL at {where} does not answer: {reason(error)}") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise DatabaseUnfit([f"DATABASE_URL: {where} refuses us: {reason(error)}"]) from error
    try:
        if fault := await fault_of(db, known):
            raise DatabaseUnfit([f"DATABASE_URL: {where} {fault}"])
    finally:
        await db.close(timeout=limit_s)


async def fault_of(db: Connection, known: Deployment | None) -> str | None:
    """Why the database cannot be used, or None."""
    server = await db.fetchrow(SQL["server"])
    if server is None or server["number"] < OLDEST:
        return f"is PostgreSQL {server and server['version']}; 15 or newer is needed"
    if not server["may_create"]:
        return "does not let this user create schemas (grant create on the database)"
    if not server["migrated"]:
        tables = [row["name"] for row in await db.fetch(SQL["tables"])]
        more = f" and {len(tables) - SHOWN} more" if len(tables) > SHOWN else ""
        return f"is not empty: it holds {', '.join(tables[:SHOWN])}{more}" if tables else None
    revision = await db.fetchval(SQL["revision"])
    if revision is not None and not _is_known(revision):
        return f"has schema revision {revision!r}, which this version of Gridtrace does not know"
    return await _foreign(db, known)


async def _foreign(db: Connection, known: Deployment | None) -> str | None:
    """The database has our tables; are the contracts in them those of this run?"""
    if not await db.fetchval(SQL["mirrors"]):
        return None
    found = {bytes(row["address"]) for row in await db.fetch(SQL["contracts"])}
    if not found or (known is not None and found & set(known.addresses.values())):
        return None
    return (
        f"holds the market of another run (contract {checksum(min(found))}); "
        "name an empty database, or the --state-dir of that run"
    )


def _is_known(revision: str) -> bool:
    try:
        return ScriptDirectory.from_config(alembic_config("postgresql://")).get_revision(revision) is not None
    except CommandError:
        return False
