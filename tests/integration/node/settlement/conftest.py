from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from indexer.db import Connection, open_pool
from tests.integration.node.settlement import onchain, village


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    """A database with the village in it, inside one transaction: savepoints stand for the node's transactions."""
    async with open_pool(database_url, size=1) as pool, pool.acquire() as connection, connection.transaction():
        await village.found(connection)
        yield connection


@pytest.fixture
async def node(database_url: str, anvil: Any, tmp_path: Path) -> AsyncIterator[onchain.Node]:
    """A node on freshly deployed contracts, with its indexer and its outbox running."""
    async with onchain.running(database_url, anvil, tmp_path) as node:
        yield node
