"""Python handlers: after any history of reorganisations and kills they have what one pass over the chain gives."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from indexer import db as database
from indexer import facts
from indexer.db import Connection
from indexer.errors import ConfigError
from indexer.handlers import Batch, Entities, HandlerFailed, Handlers, Running, load
from indexer.manifest import Manifest
from indexer.sync import Ahead, Halted, NothingNew, Reorg, Sync
from tests.integration.indexer.fake_chain import CHAIN_ID, FINAL_DEPTH, FakeChain, shipped_manifest
from tests.integration.indexer.sample_handlers import handlers

pytestmark = pytest.mark.integration

ROUNDS = 12


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    connection = await database.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
def manifest() -> Manifest:
    return shipped_manifest()


async def start(db: Connection, chain: FakeChain, manifest: Manifest, wanted: Handlers = handlers) -> Sync:
    running = Running(wanted)
    async with db.transaction():
        await facts.ensure(db, manifest)
        await running.prepare(db, manifest)
    return Sync(db, chain, manifest, (running,))


async def catch_up(sync: Sync) -> None:
    while not isinstance(await sync.step(), NothingNew | Halted | Ahead):
        pass


async def dump(db: Connection) -> dict[str, list[Any]]:
    return {
        table: [row["r"] for row in await db.fetch(f'select to_jsonb(t) r from entities."{table}" t order by 1')]
        for table in ("holder", "depositor")
    }


async def forget(db: Connection) -> None:
    tables = await db.fetch(
        "select schemaname, tablename from pg_tables where (schemaname = 'blockchain' and tablename not in "
        "('smart_contracts', 'sources')) or (schemaname = 'entities' and tablename <> 'made_by')"
    )
    await db.execute(";".join(f'delete from {schema}."{table}"' for schema, table in tables))


async def test_handlers__random_histories__have_what_one_pass_gives(
    db: Connection, database_url: str, manifest: Manifest
) -> None:
    reorgs = kills = 0
    for seed in range(ROUNDS):
        random = Random(seed)
        chain = FakeChain(random, manifest)
        connection = await database.connect(database_url)
        sync = await start(connection, chain, manifest)
        for _ in range(12):
            chain.mine(random.randint(0, 12))
            if random.random() < 0.6:
                chain.reorg(random.randint(1, FINAL_DEPTH - 2))
            if random.random() < 0.3:
                task = asyncio.create_task(sync.step())
                await asyncio.sleep(random.random() * 0.01)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                connection.terminate()
                connection = await database.connect(database_url)
                sync = await start(connection, chain, manifest)
                kills += 1
            for _ in range(random.randint(0, 6)):
                reorgs += isinstance(await sync.step(), Reorg)
        await catch_up(sync)
        seen = await dump(db)
        await forget(db)
        await catch_up(await start(connection, chain, manifest))
        assert await dump(db) == seen, seed
        assert len(seen["holder"]) > 5
        await forget(db)
        connection.terminate()
    assert reorgs > 10
    assert kills > 20


async def test_prepare__changed_handlers__run_again_over_the_facts(db: Connection, manifest: Manifest) -> None:
    chain = FakeChain(Random(3), manifest)
    chain.mine(80)
    await catch_up(await start(db, chain, manifest))
    seen = await dump(db)
    await db.execute("update entities.made_by set digest = 'another'; delete from entities.holder where balance > 0")
    sync = await start(db, chain, manifest)
    assert await dump(db) == seen
    chain.reorg(FINAL_DEPTH - 2)
    await catch_up(sync)
    reorged = await dump(db)
    await forget(db)
    await catch_up(await start(db, chain, manifest))
    assert await dump(db) == reorged != seen


async def test_prepare__unchanged_handlers__leave_everything(db: Connection, manifest: Manifest) -> None:
    chain = FakeChain(Random(3), manifest)
    chain.mine(40)
    await catch_up(await start(db, chain, manifest))
    await db.execute("delete from entities.holder")
    await start(db, chain, manifest)
    assert (await dump(db))["holder"] == []


async def test_advance__journal__is_forgotten_with_finality(db: Connection, manifest: Manifest) -> None:
    chain = FakeChain(Random(5), manifest)
    sync = await start(db, chain, manifest)
    for _ in range(60):
        chain.mine(1)
        await catch_up(sync)
    oldest = await db.fetchval("select min(block_number) from entities.holder_journal where chain_id = $1", CHAIN_ID)
    assert oldest > chain.height - FINAL_DEPTH


def failing(error: Exception) -> Handlers:
    broken = Handlers()

    @broken.on("PaymentToken.Transfer")
    def fail(batch: Batch, entities: Entities) -> None:
        raise error

    return broken


async def test_advance__handler_that_raises__is_named_and_nothing_is_written(
    db: Connection, manifest: Manifest
) -> None:
    chain = FakeChain(Random(5), manifest)
    chain.mine(40)
    sync = await start(db, chain, manifest, failing(ZeroDivisionError("oops")))
    with pytest.raises(HandlerFailed, match=r"fail up to block \d+: ZeroDivisionError: oops"):
        await catch_up(sync)
    assert await db.fetchval("select count(*) from blockchain.blocks") == 0


async def test_advance__entity_of_two_handlers__is_refused(db: Connection, manifest: Manifest) -> None:
    shared = Handlers()

    @shared.entity("account")
    @dataclass
    class Shared:
        account: bytes
        total: int = 0

    @shared.on("PaymentToken.Transfer")
    async def one(batch: Batch, entities: Entities) -> None:
        entities.save((await entities.load(Shared, batch["to"])).values())

    @shared.on("EnergyToken.Transfer")
    async def other(batch: Batch, entities: Entities) -> None:
        await entities.load(Shared, batch["to"])

    chain = FakeChain(Random(6), manifest)
    chain.mine(60)
    sync = await start(db, chain, manifest, shared)
    with pytest.raises(HandlerFailed, match="belongs to"):
        await catch_up(sync)


async def test_prepare__event_that_is_not_indexed__is_a_fault_of_the_configuration(
    db: Connection, manifest: Manifest
) -> None:
    wrong = Handlers()
    wrong.on("PaymentToken.Nothing")(lambda batch, entities: None)
    with pytest.raises(ConfigError, match=r"PaymentToken\.Nothing is not an event"):
        Running(wrong).bind(manifest)


def test_load__by_name__finds_them_or_says_why_not() -> None:
    assert load("tests.integration.indexer.sample_handlers:handlers") is handlers
    for name in ("tests.integration.indexer.sample_handlers:Holder", "no.such.module", "indexer.handlers:none", ""):
        with pytest.raises(ConfigError, match="handlers"):
            load(name)
