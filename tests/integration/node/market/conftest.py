from collections.abc import AsyncIterator

import pytest

from indexer.db import Connection, Pool, open_pool


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, size=8) as pool:
        yield pool


@pytest.fixture
async def db(pool: Pool) -> AsyncIterator[Connection]:
    async with pool.acquire() as connection:
        yield connection
