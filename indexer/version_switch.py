"""Versions of the mirror side by side: each in schemas of its own, one of them served through views.

The first version is the served schema's own tables. When another is switched to, they move to the schema of the
version ``initial``, and views take their place: for whoever reads, the names stay, and one transaction changes all.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

import asyncpg

from indexer.db import Connection, queries
from indexer.errors import GridtraceError
from indexer.version_db import APPLICATION, SCHEMAS, SHARED, check, placed, schemas_of

logger = logging.getLogger(__name__)

SQL = queries(__name__)
INITIAL: Final = "initial"
LOCK_TIMEOUT: Final = "300ms"
"""Shorter than it takes the server to look for a deadlock: it is the switch that gives way, never a reader."""
TRIES: Final = 100
PAUSE_S: Final = 0.1
NEAR_BLOCKS: Final = 50
"""Behind by no more than this, it is waited for."""
MADE_BY_MANIFEST: Final = ("fact_", "read_")


class NoSuchVersion(GridtraceError):
    """There is no version of this name."""

    code = "no-such-version"


class VersionServed(GridtraceError):
    """The version is the one that is served."""

    code = "version-served"


class NotCaughtUp(GridtraceError):
    """The version is behind what is served: switching would take blocks away from readers."""

    code = "version-behind"
    retryable = True


class Busy(GridtraceError):
    """Readers or writers held the tables for too long."""

    code = "version-busy"
    retryable = True


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the mirror."""

    name: str
    is_live: bool
    blocks: dict[int, int]
    """How far it is, by chain."""


async def prepare(db: Connection, name: str) -> bool:
    """Makes a version's empty tables if there are none; whether it is the one that is served. Needs a transaction.

    Args:
        db: a connection that is not placed.
    """
    check(name)
    await db.execute(SQL["lock"])
    live = await db.fetchval(SQL["live"])
    if await db.fetchval(SQL["known"], name):
        return bool(live == name)
    for schema, own in zip(SCHEMAS, schemas_of(name), strict=True):
        await db.execute(f'create schema "{own}"')
        await _copy_structure(db, f"{schema}_{live}" if live else schema, schema, own)
    await db.execute(SQL["add"], name)
    logger.info("version made name=%s", name)
    return False


async def _copy_structure(db: Connection, source: str, served: str, own: str) -> None:
    relations = await db.fetch(SQL["relations"], source)
    tables = [row["name"] for row in relations if row["kind"] == "r" and _is_versioned(served, row["name"])]
    if served == "entities":
        tables = [table for table in tables if table == "made_by"]
    tables = [table for table in tables if not table.startswith(MADE_BY_MANIFEST)]
    for table in tables:
        await db.execute(f'create table "{own}"."{table}" (like "{source}"."{table}" including all)')
    for row in await db.fetch(SQL["foreign_keys"], source):
        if row["name"] in tables:
            target = row["definition"].replace(f"{source}.", f"{own}.")
            await db.execute(f'alter table "{own}"."{row["name"]}" add {target}')
    for row in await db.fetch(SQL["triggers"], source):
        if row["name"] in tables:
            await db.execute(row["definition"].replace(f" ON {source}.", f" ON {own}."))
    for row in relations:
        # That over all ERC-20 transfers is made with the manifest's tables.
        if row["kind"] == "v" and row["name"] != "erc20_transfers":
            definition = row["definition"].replace(f"{source}.", f"{own}.")
            await db.execute(f'create view "{own}"."{row["name"]}" with (security_invoker = true) as {definition}')


async def versions(db: Connection) -> list[Version]:
    """All of them, oldest first; none where the served tables are the mirror's own."""
    found = []
    for row in await db.fetch(SQL["all"]):
        blocks = await _blocks(db, row["name"])
        found.append(Version(row["name"], row["is_live"], {chain: number for chain, (number, _) in blocks.items()}))
    return found


async def switch(db: Connection, name: str, *, drop_old: bool = False) -> str:
    """Serves a version; returns the name of the one that was served before.

    Raises:
        NoSuchVersion, VersionServed: there is nothing to switch to.
        NotCaughtUp: a chain of it is behind, halted, or missing.
        Busy: the tables were in use for all tries.
    """
    check(name)
    for _ in range(TRIES):
        try:
            async with db.transaction():
                await db.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
                old = await _switch(db, name)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            logger.info("tables in use, trying again version=%s", name)
        except _Near as behind:
            logger.info("waiting for version=%s: %s", name, behind)
        else:
            logger.info("version served name=%s before=%s", name, old)
            if drop_old:
                await drop(db, old)
            return old
        await asyncio.sleep(PAUSE_S)
    raise Busy(f"version {name} could not be served: its tables or those served are in use all the time")


async def drop(db: Connection, name: str) -> None:
    """Removes a version that is not served.

    Raises:
        NoSuchVersion, VersionServed: it cannot be removed.
        Busy: a process writes it.
    """
    check(name)
    async with db.transaction():
        await db.execute(SQL["lock"])
        if not await db.fetchval(SQL["known"], name):
            raise NoSuchVersion(f"there is no version {name}")
        if await db.fetchval(SQL["live"]) == name:
            raise VersionServed(f"version {name} is the one that is served")
        if await db.fetchval(SQL["written"], f"{APPLICATION} {name}"):
            raise Busy(f"a process still writes version {name}: stop it first")
        for schema in schemas_of(name):
            await db.execute(f'drop schema "{schema}" cascade')
        await db.execute(SQL["remove"], name)
    logger.info("version dropped name=%s", name)


class _Near(Exception):
    """Behind by so little that it is waited for."""


async def _switch(db: Connection, name: str) -> str:
    await db.execute(SQL["lock"])
    live = await db.fetchval(SQL["live"])
    if not await db.fetchval(SQL["known"], name):
        raise NoSuchVersion(f"there is no version {name}: `gridtrace index --version-name {name}` makes it")
    if live == name:
        raise VersionServed(f"version {name} is served already")
    old = live or INITIAL
    await db.execute(f"lock table {_cursors(name)} in share row exclusive mode")
    # Whoever reads several tables begins with these: once we have them, readers wait without holding any other.
    await db.execute("lock table blockchain.cursors in access exclusive mode")
    await db.execute("lock table blockchain.blocks in access exclusive mode")
    await _check_caught_up(db, live, name)
    if live is None:
        await db.execute(SQL["add"], INITIAL)
    for served, former, own in zip(SCHEMAS, schemas_of(old), schemas_of(name), strict=True):
        await _replace(db, served, former if live is None else None, own)
    await db.execute(SQL["serve"], name)
    return str(old)


async def _replace(db: Connection, served: str, former: str | None, own: str) -> None:
    """Views over ``own`` in place of what is served; tables move to ``former``, views over tables go."""
    every = [served, own, *([former] if former else [])]
    dependents = await db.fetch(SQL["dependents"], served, every)
    grants = await db.fetch(SQL["grants"], served)
    for view in dependents:
        await db.execute(f'drop view "{view["schema"]}"."{view["name"]}"')
    relations = [row for row in await db.fetch(SQL["relations"], served) if _is_versioned(served, row["name"])]
    places = [f'"{served}"."{row["name"]}"' for row in relations]
    if places:
        await db.execute(f"lock table {', '.join(places)} in access exclusive mode")
    if former is not None:
        await db.execute(f'create schema "{former}"')
    for row in relations:
        kind = "table" if row["kind"] == "r" else "view"
        move = f'set schema "{former}"' if former is not None else None
        place = f'"{served}"."{row["name"]}"'
        await db.execute(f"alter {kind} {place} {move}" if move else f"drop view {place}")
    for row in await db.fetch(SQL["relations"], own):
        place = f'"{served}"."{row["name"]}"'
        of = f'"{own}"."{row["name"]}"'
        await db.execute(f"create view {place} with (security_invoker = true) as select * from {of}")  # noqa: S608
        await db.execute(
            f"create trigger refuse_write instead of insert or update or delete on {place} "
            "for each row execute function blockchain.refuse_write()"
        )
    present = {row["name"] for row in await db.fetch(SQL["relations"], served)}
    for grant in grants:
        if grant["name"] in present:
            await db.execute(f'grant select on "{served}"."{grant["name"]}" to {grant["grantee"]}')
    for view in dependents:
        options = f" with ({', '.join(view['options'])})" if view["options"] else ""
        await db.execute(f'create view "{view["schema"]}"."{view["name"]}"{options} as {view["definition"]}')


async def _check_caught_up(db: Connection, live: str | None, name: str) -> None:
    ours, theirs = await _blocks(db, name), await _blocks(db, live)
    for chain, (number, state) in theirs.items():
        if chain not in ours:
            raise NotCaughtUp(f"version {name} has no block of chain {chain}, of which {number} is served")
        reached, condition = ours[chain]
        if condition == "halted" and state != "halted":
            raise NotCaughtUp(f"version {name} is halted at block {reached} of chain {chain}")
        if number - reached > NEAR_BLOCKS:
            raise NotCaughtUp(f"version {name} is at block {reached} of chain {chain}, served is {number}")
        if reached < number:
            raise _Near(f"block {reached} of {number}")
    late = await db.fetch(placed("select fact_table from blockchain.sources where next_block is not null", name))
    if late:
        raise NotCaughtUp(
            f"version {name} still reads the history of {', '.join(row['fact_table'] for row in late[:5])}"
        )


async def _blocks(db: Connection, version: str | None) -> dict[int, tuple[int, str]]:
    """Last block and state by chain."""
    rows = await db.fetch(f"select chain_id, block_number, state from {_cursors(version)} where stream = 'main'")  # noqa: S608
    return {row["chain_id"]: (row["block_number"], row["state"]) for row in rows}


def _cursors(version: str | None) -> str:
    return f'"blockchain_{version}".cursors' if version else "blockchain.cursors"


def _is_versioned(schema: str, relation: str) -> bool:
    return schema != "blockchain" or relation not in SHARED
