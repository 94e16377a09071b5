"""A chain replaced below its finalised block stops, says why, and goes on once that was resolved."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest

from indexer import db as database
from indexer import facts, read
from indexer.db import Connection
from indexer.handlers import Running
from indexer.refold import Remaking
from indexer.resolve import BadAncestor, NotHalted, resolve
from indexer.sync import Halted, NothingNew, Sync
from tests.integration.indexer.fake_chain import CHAIN_ID, FINAL_DEPTH, FakeChain, shipped_manifest
from tests.integration.indexer.sample_handlers import handlers
from tests.integration.indexer.test_reorgs import catch_up, dump, empty

pytestmark = pytest.mark.integration

MANIFEST = shipped_manifest()
HEIGHT = 60
DEPTH = FINAL_DEPTH + 20


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    connection = await database.connect(database_url)
    async with connection.transaction():
        await facts.ensure(connection, MANIFEST)
    yield connection
    await connection.close()


async def halted(db: Connection) -> tuple[FakeChain, Sync]:
    """A chain that was replaced too deeply, and its mirror."""
    chain = FakeChain(Random(11), MANIFEST)
    chain.mine(HEIGHT)
    sync = Sync(db, chain, MANIFEST)
    await catch_up(sync)
    chain.reorg(DEPTH)
    chain.mine(5)
    assert isinstance(await sync.step(), Halted)
    return chain, sync


@pytest.mark.parametrize("block", [None, HEIGHT - DEPTH, 20, 2])
async def test_resolve__halted_chain__goes_on_as_if_indexed_afresh(db: Connection, block: int | None) -> None:
    chain, sync = await halted(db)
    resolved = await resolve(db, chain, MANIFEST, block)
    assert resolved.after.number == (HEIGHT - DEPTH if block is None else block)
    assert resolved.blocks == HEIGHT - resolved.after.number
    await catch_up(sync)  # the process that was halted, with what it still has in memory
    assert isinstance(await sync.step(), NothingNew)
    head = await read.head(db, CHAIN_ID)
    assert head is not None
    assert (head.state, head.state_reason, head.reorg_epoch) == ("running", None, 1)
    seen = await dump(db)
    await empty(db)
    await catch_up(Sync(db, chain, MANIFEST))
    assert seen == await dump(db)


@pytest.mark.parametrize("block", [HEIGHT - DEPTH + 1, HEIGHT, HEIGHT + 1, 1])
async def test_resolve__block_not_shared__is_refused_and_nothing_is_lost(db: Connection, block: int) -> None:
    chain, _ = await halted(db)
    before = await dump(db)
    with pytest.raises(BadAncestor):
        await resolve(db, chain, MANIFEST, block)
    assert await dump(db) == before


async def entities(db: Connection) -> list[object]:
    """All that the handlers keep, without how it was before."""
    return [
        [row[0] for row in await db.fetch(f"select to_jsonb(t) from entities.{table} t order by 1")]
        for table in ("holder", "depositor")
    ]


@pytest.mark.parametrize("block", [None, 20])
async def test_resolve__chain_with_handlers__has_the_entities_of_indexing_afresh(
    db: Connection, block: int | None
) -> None:
    running = Running(handlers)
    async with db.transaction():
        await running.prepare(db, MANIFEST)
    chain = FakeChain(Random(11), MANIFEST)
    chain.mine(HEIGHT)
    sync = Sync(db, chain, MANIFEST, (running,))
    await catch_up(sync)
    chain.reorg(DEPTH)
    chain.mine(5)
    assert isinstance(await sync.step(), Halted)
    await resolve(db, chain, MANIFEST, block, (Remaking(MANIFEST, Running(handlers), handlers),))
    await catch_up(sync)
    seen = await entities(db)
    await empty(db)
    await db.execute("truncate entities.made_by, entities.holder, entities.depositor")
    await db.execute("truncate entities.holder_journal, entities.depositor_journal")
    afresh = Running(handlers)
    async with db.transaction():
        await afresh.prepare(db, MANIFEST)
    await catch_up(Sync(db, chain, MANIFEST, (afresh,)))
    assert seen == await entities(db)
    assert all(seen)


async def test_resolve__running_chain__is_refused(db: Connection) -> None:
    chain = FakeChain(Random(12), MANIFEST)
    with pytest.raises(NotHalted, match="not indexed"):
        await resolve(db, chain, MANIFEST)
    chain.mine(20)
    await catch_up(Sync(db, chain, MANIFEST))
    with pytest.raises(NotHalted, match="running"):
        await resolve(db, chain, MANIFEST)


async def test_resolve__chain_comes_back_meanwhile__one_of_both_wins(db: Connection, database_url: str) -> None:
    chain, sync = await halted(db)
    other = await database.connect(database_url)
    try:
        await asyncio.gather(resolve(other, chain, MANIFEST), sync.step())
    finally:
        await other.close()
    await catch_up(sync)
    head = await read.head(db, CHAIN_ID)
    assert head is not None
    assert (head.number, head.state) == (chain.height, "running")
