from collections.abc import AsyncIterator

import pytest

from indexer.db import Connection, open_pool
from tests.integration.node.settlement import village


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    """A database with the village in it, inside one transaction: savepoints stand for the node's transactions."""
    async with open_pool(database_url, size=1) as pool, pool.acquire() as connection, connection.transaction():
        await village.found(connection)
        yield connection
