"""Connections that write one version of the mirror: its tables stand in a schema of their own.

Statements name the served schema. What is not shared between versions is looked for in the version's schema instead:
the text of each statement is changed once, where it is sent.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import asyncpg

from indexer.db import set_up
from indexer.errors import ConfigError

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,30}")
APPLICATION: Final = "gridtrace version"
"""Begins the name of every version's connections: a version that is written is not dropped."""
SCHEMAS: Final = ("blockchain", "entities")
SHARED: Final = (
    "evm_address", "evm_hash", "take_followers_back", "refuse_write", "versions", "streams", "stream_blocks",
    "balance_checks", "balance_differences",
)  # fmt: skip
"""What all versions have together."""
IS_LIVE: Final = "select is_live from blockchain.versions where name = $1"
_PLACES: Final = re.compile(rf'\b(entities\b|blockchain(?!\."?(?:{"|".join(SHARED)})\b))\.')
_LITERALS: Final = re.compile(r"(?<== )'blockchain'")
_LOCKS: Final = re.compile(r"(hashtextextended\('gridtrace\.)")
_NOTICES: Final = re.compile(r"pg_notify\(\$1,")


def check(name: str) -> str:
    """Raises ConfigError for a name that no schema can have."""
    if not NAME.fullmatch(name):
        raise ConfigError([f"version {name!r} must be lower-case letters, digits and _, and start with a letter"])
    return name


@lru_cache(maxsize=4_096)
def placed(statement: str, version: str) -> str:
    """The statement over a version's own tables, with its own locks; its notices are heard only while it is served."""
    text = _PLACES.sub(rf"\1_{version}.", statement)
    text = _LITERALS.sub(f"'blockchain_{version}'", text)
    text = _LOCKS.sub(rf"\1{version}.", text)
    served = f"exists (select from blockchain.versions where name = '{version}' and is_live)"
    return _NOTICES.sub(f"pg_notify($1 || case when {served} then '' else '_{version}' end,", text)


class VersionConnection(asyncpg.Connection):
    """A connection whose statements are placed."""

    version: str = ""

    def _placed(self, statement: str) -> str:
        return placed(statement, self.version) if self.version else statement

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        return await super().execute(self._placed(query), *args, timeout=timeout)

    async def executemany(self, command: str, args: Any, *, timeout: float | None = None) -> None:
        await super().executemany(self._placed(command), args, timeout=timeout)

    async def fetch(self, query: str, *args: Any, timeout: float | None = None, record_class: Any = None) -> Any:
        return await super().fetch(self._placed(query), *args, timeout=timeout, record_class=record_class)

    async def fetchrow(self, query: str, *args: Any, timeout: float | None = None, record_class: Any = None) -> Any:
        return await super().fetchrow(self._placed(query), *args, timeout=timeout, record_class=record_class)

    async def fetchval(self, query: str, *args: Any, column: int = 0, timeout: float | None = None) -> Any:
        return await super().fetchval(self._placed(query), *args, column=column, timeout=timeout)

    async def copy_to_table(self, table_name: str, *, schema_name: str | None = None, **options: Any) -> str:
        schema = f"{schema_name}_{self.version}" if self.version and schema_name in SCHEMAS else schema_name
        return str(await super().copy_to_table(table_name, schema_name=schema, **options))

    async def add_listener(self, channel: str, callback: Callable[..., Any]) -> None:
        await super().add_listener(channel, callback)
        await super().add_listener(f"{channel}_{self.version}", callback)


async def connect(database_url: str, version: str, command_timeout_s: float) -> VersionConnection:
    """A connection to a version's tables, which need not be there yet."""
    connection: VersionConnection = await asyncpg.connect(
        database_url,
        command_timeout=command_timeout_s,
        timeout=10,
        connection_class=VersionConnection,
        server_settings={"application_name": f"{APPLICATION} {version}"},
    )
    await set_up(connection)
    connection.version = version
    return connection


def schemas_of(version: str) -> Sequence[str]:
    """The schemas of a version's tables, as the served ones in order."""
    return [f"{schema}_{version}" for schema in SCHEMAS]
