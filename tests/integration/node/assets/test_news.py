"""Who is told what happens to an asset."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from contracts.typed_data import checksum
from indexer.db import Connection, connect
from node.assets import news, registry
from node.assets.registry import NewAsset

pytestmark = pytest.mark.integration

FORMER, PRESENT, TOKEN = b"\x11" * 20, b"\x22" * 20, b"\x33" * 20


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    connection = await connect(database_url)
    yield connection
    await connection.close()


async def test_happened__sold_on_chain__tells_who_owns_it_now(db: Connection) -> None:
    users = {
        account: await db.fetchval(
            "insert into identity.users (wallet, wallet_address) values ($1, $2) returning id",
            account,
            checksum(account),
        )
        for account in (FORMER, PRESENT)
    }
    plant = NewAsset(FORMER, "hill", "Hill", "HILL", 1_000, "solar", Decimal("99.5"), None, None)
    asset_id = await registry.register(db, plant)
    assert await news.happened(db, asset_id, "status") == {users[FORMER]}
    token_id = await db.fetchval("select token_id from assets.assets where id = $1", asset_id)
    await db.execute(
        "insert into blockchain.asset_tokens (chain_id, token, asset_id, plant_id, owner, supply, name, symbol,"
        " documents_root, metadata_uri, offer_fractions, revenue, updated_block)"
        " values (31337, $1, $2, $3, $4, 1000, 'Hill', 'HILL', $3, '', 0, 0, 1)",
        TOKEN,
        token_id,
        bytes(32),
        PRESENT,
    )
    assert await news.happened(db, asset_id, "status") == {users[PRESENT]}
