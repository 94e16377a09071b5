"""Projections that changed are folded again from the facts, and only those."""

import dataclasses
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from indexer import db as database
from indexer import facts, state, templates, versions
from indexer.db import Connection
from indexer.manifest import Manifest
from indexer.state import Projection
from indexer.sync import Ahead, Halted, NothingNew, Sync
from tests.integration.indexer.fake_chain import CHAIN_ID, FakeChain, shipped_manifest

pytestmark = pytest.mark.integration

TABLES = ("account_balances", "token_balances", "settled_orders", "registers", "attested_registers", "exchange_totals")


@pytest.fixture
def manifest() -> Manifest:
    return shipped_manifest()


@pytest.fixture
def projections(manifest: Manifest) -> tuple[Projection, ...]:
    return (*state.usable(manifest.tables), *templates.of(manifest))


@pytest.fixture
async def db(database_url: str, manifest: Manifest) -> AsyncIterator[Connection]:
    """A mirror of a busy little chain."""
    connection = await database.connect(database_url)
    async with connection.transaction():
        await facts.ensure(connection, manifest)
    chain = FakeChain(Random(11), manifest)
    chain.mine(120)
    sync = Sync(connection, chain, manifest)
    while not isinstance(await sync.step(), NothingNew | Ahead | Halted):
        pass
    yield connection
    await connection.close()


async def dump(db: Connection) -> dict[str, list[Any]]:
    return {
        table: [row["r"] for row in await db.fetch(f"select to_jsonb(t) r from blockchain.{table} t order by 1")]
        for table in TABLES
    }


async def refolded(db: Connection, projections: tuple[Projection, ...]) -> list[str]:
    async with db.transaction():
        return await versions.refold_changed(db, CHAIN_ID, projections)


async def test_refold_changed__all_of_them__give_what_was_there(
    db: Connection, projections: tuple[Projection, ...]
) -> None:
    before = await dump(db)
    assert all(before[table] for table in ("account_balances", "token_balances", "registers", "exchange_totals"))
    assert await refolded(db, projections) == [projection.name for projection in projections]
    assert await dump(db) == before
    assert await refolded(db, projections) == []


async def test_refold_changed__damaged_state_of_a_changed_one__is_made_right(
    db: Connection, projections: tuple[Projection, ...]
) -> None:
    await refolded(db, projections)
    before = await dump(db)
    await db.execute("update blockchain.account_balances set cash = cash + 1")
    await db.execute("update blockchain.registers set attested_wh = 0")
    changed = tuple(
        dataclasses.replace(p, fold=p.fold + " ") if p.name == "account_balances" else p for p in projections
    )
    assert await refolded(db, changed) == ["account_balances"]
    found = await dump(db)
    assert found["account_balances"] == before["account_balances"]
    assert found["registers"] != before["registers"]


async def test_refold_changed__one_that_others_read__takes_them_along(
    db: Connection, projections: tuple[Projection, ...]
) -> None:
    await refolded(db, projections)
    before = await dump(db)
    changed = tuple(
        dataclasses.replace(p, fold=p.fold + " ") if p.name == "attested_registers" else p for p in projections
    )
    assert await refolded(db, changed) == ["attested_registers", "registers"]
    assert await dump(db) == before


async def test_refold_changed__before_the_first_block__only_notes_the_versions(
    database_url: str, projections: tuple[Projection, ...]
) -> None:
    db = await database.connect(database_url)
    try:
        assert await refolded(db, projections) == []
        assert await db.fetchval("select count(*) from blockchain.projection_versions") == len(projections)
    finally:
        await db.close()
