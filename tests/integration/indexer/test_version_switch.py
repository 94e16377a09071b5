"""Versions of the mirror side by side: built beside the served one, switched to without anyone noticing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Any

import asyncpg
import pytest

from indexer import app, export, facts, read, version_switch
from indexer import db as database
from indexer.config import IndexerConfig
from indexer.db import Connection
from indexer.errors import ConfigError
from indexer.metrics import Metrics
from indexer.sync import NothingNew, Sync
from indexer.telemetry import Telemetry
from indexer.version_db import SHARED, placed
from indexer.version_switch import INITIAL, NoSuchVersion, NotCaughtUp, VersionServed, switch, versions
from tests.integration.indexer.fake_chain import CHAIN_ID, FakeChain, shipped_manifest
from tests.integration.indexer.test_anvil import ALICE, BOB, World, world

__all__ = ["world"]

pytestmark = pytest.mark.integration

MANIFEST = shipped_manifest()
LIMIT_S = 60.0
DEPOSITED = "select count(*) from blockchain.fact_settlement_exchange_deposited"


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    connection = await database.connect(database_url)
    yield connection
    await connection.close()


async def mirrored(database_url: str, chain: FakeChain, version: str | None = None) -> None:
    """One version brought up to the chain's head."""
    db = await database.connect(database_url, version=version)
    try:
        async with db.transaction():
            if version is not None:
                await version_switch.prepare(db, version)
            await facts.ensure(db, MANIFEST)
        sync = Sync(db, chain, MANIFEST)
        while not isinstance(await sync.step(), NothingNew):
            pass
    finally:
        db.terminate()


async def rows(db: Connection, schema: str) -> dict[str, list[Any]]:
    """Every row of a version, without times of writing."""
    tables = await db.fetch(
        "select table_name from information_schema.tables where table_schema = $1 and table_name <> all ($2)",
        schema, list(SHARED),
    )  # fmt: skip
    hidden = "array['indexed_at', 'updated_at', 'added_at', 'made_at']"
    return {
        name: [r[0] for r in await db.fetch(f'select to_jsonb(t) - {hidden} from "{schema}"."{name}" t order by 1')]
        for (name,) in tables
    }


async def test_switch__version_beside__has_the_same_rows_and_is_served(database_url: str, db: Connection) -> None:
    chain = FakeChain(Random(3), MANIFEST)
    chain.mine(40)
    await mirrored(database_url, chain)
    chain.reorg(4)
    await mirrored(database_url, chain)
    await mirrored(database_url, chain, "v2")
    served, beside = await rows(db, "blockchain"), await rows(db, "blockchain_v2")
    assert served.keys() == beside.keys()
    cursors = [{k: v for k, v in one.pop("cursors")[0].items() if k != "reorg_epoch"} for one in (served, beside)]
    assert cursors[0] == cursors[1]
    assert served == beside
    order = await export.columns_of(db, "fact_settlement_exchange_deposited")
    assert order[1] == ["chain_id", "block_number", "log_index"]
    assert await switch(db, "v2") == INITIAL
    # What is exported keeps its order, though views have no key of their own.
    assert await export.columns_of(db, "fact_settlement_exchange_deposited") == order
    again = await rows(db, "blockchain")
    again.pop("cursors")
    assert again == beside
    assert [(v.name, v.is_live) for v in await versions(db)] == [("v2", True), (INITIAL, False)]
    chain.reorg(3)
    chain.mine(5)
    await mirrored(database_url, chain, "v2")
    head = await read.head(db, CHAIN_ID)
    assert head is not None
    assert head.number == chain.height
    await mirrored(database_url, chain, "v3")
    assert await switch(db, "v3", drop_old=True) == "v2"
    assert {v.name: v.is_live for v in await versions(db)} == {INITIAL: False, "v3": True}
    assert await db.fetchval("select to_regnamespace('blockchain_v2')") is None
    assert await read.head(db, CHAIN_ID) == replace(head, reorg_epoch=0)


async def test_switch__view_of_another_schema__reads_the_new_version(database_url: str, db: Connection) -> None:
    chain = FakeChain(Random(3), MANIFEST)
    chain.mine(40)
    await mirrored(database_url, chain)
    await db.execute("create schema reports; create role reading")
    try:
        await db.execute(
            "create view reports.holders with (security_invoker = true) as "
            "select token, count(*) as holders from blockchain.token_balances group by token"
        )
        await db.execute("grant select on blockchain.token_balances to reading")
        before = await db.fetch("select * from reports.holders order by 1")
        await mirrored(database_url, chain, "v2")
        await switch(db, "v2", drop_old=True)
        assert await db.fetch("select * from reports.holders order by 1") == before
        assert before
        options = await db.fetchval("select reloptions from pg_class where relname = 'holders'")
        assert options == ["security_invoker=true"]
        assert await db.fetchval("select has_table_privilege('reading', 'blockchain.token_balances', 'select')")
        assert [(v.name, v.is_live) for v in await versions(db)] == [("v2", True)]
    finally:
        await db.execute("drop owned by reading; drop role reading")


async def test_switch__what_cannot_be__is_refused_and_changes_nothing(database_url: str, db: Connection) -> None:
    chain = FakeChain(Random(3), MANIFEST)
    chain.mine(20)
    await mirrored(database_url, chain, "v2")
    chain.mine(100)
    await mirrored(database_url, chain)
    with pytest.raises(NoSuchVersion, match="no version v3"):
        await switch(db, "v3")
    with pytest.raises(NotCaughtUp, match=f"at block 20 of chain {CHAIN_ID}, served is 120"):
        await switch(db, "v2")
    assert await db.fetchval("select relkind::text from pg_class where oid = 'blockchain.blocks'::regclass") == "r"
    await mirrored(database_url, chain, "v2")
    await switch(db, "v2")
    with pytest.raises(VersionServed):
        await switch(db, "v2")
    with pytest.raises(VersionServed):
        await version_switch.drop(db, "v2")
    with pytest.raises(ConfigError, match="V 3"):
        await switch(db, "V 3")


async def test_switch__writer_of_the_old_tables__is_stopped_by_name(database_url: str, db: Connection) -> None:
    chain = FakeChain(Random(3), MANIFEST)
    chain.mine(20)
    await mirrored(database_url, chain)
    old = await database.connect(database_url)
    sync = Sync(old, chain, MANIFEST)
    await sync.step()
    await mirrored(database_url, chain, "v2")
    await switch(db, "v2")
    for change, count in ((chain.mine, 1), (chain.reorg, 3)):
        change(count)
        with pytest.raises(asyncpg.PostgresError, match="another version of the mirror is served"):
            await sync.step()
    head = await read.head(db, CHAIN_ID)
    assert head is not None
    assert head.number == 20
    await old.close()


@asynccontextmanager
async def indexing(config: IndexerConfig) -> AsyncIterator[Metrics]:
    metrics = Telemetry().chain(config.chain_id)
    task = asyncio.create_task(app.mirror(config, app.load_manifest(config), metrics))
    try:
        yield metrics
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def reading(database_url: str, seen: list[tuple[int, int]], stop: asyncio.Event) -> None:
    """What a reader sees, over one connection with its prepared statements."""
    db = await database.connect(database_url)
    try:
        while not stop.is_set():
            async with db.transaction(isolation="repeatable_read", readonly=True):
                head = await read.head(db, 31337)
                assert head is not None
                seen.append((head.number, await db.fetchval(DEPOSITED)))
            await db.fetchval("select count(*) from blockchain.token_holders")
            await asyncio.sleep(0)
    finally:
        await db.close()


@pytest.mark.timeout(180)
async def test_switch__busy_readers_and_writers__see_no_error_and_no_gap(database_url: str, world: World) -> None:
    seen: list[list[tuple[int, int]]] = [[], []]
    stop = asyncio.Event()
    beside = replace(world.config, version="v2")
    async with asyncio.timeout(LIMIT_S), indexing(world.config) as old:
        for number in range(10):
            await world.deposit(ALICE, number)
        await world.mirrored()
        readers = [asyncio.create_task(reading(database_url, one, stop)) for one in seen]
        async with indexing(beside):
            while not any(v.blocks.get(31337, -1) >= seen[0][-1][0] for v in await versions(world.db) if seen[0]):
                await asyncio.sleep(0.02)
            for number in range(5):
                await world.deposit(ALICE, number)
            assert await switch(world.db, "v2") == INITIAL
            for number in range(20):
                await world.deposit(BOB, number)
            head = await world.mirrored()
            while old.state != "superseded":
                await asyncio.sleep(0.02)
            while any(one[-1][0] < head.number for one in seen):
                await asyncio.sleep(0.02)
            stop.set()
            await asyncio.gather(*readers)
            for one in seen:
                assert one == sorted(one)  # neither blocks nor events ever went back
                assert one[-1] == (head.number, 35)
            notes = await database.connect(database_url)
            heard: asyncio.Queue[str] = asyncio.Queue()
            await notes.add_listener("gridtrace_block", lambda *told: heard.put_nowait(str(told[-1])))
            await world.deposit(BOB, 99)
            assert '"events": 1' in await heard.get()
            await notes.close()
            await version_switch.drop(world.db, INITIAL)
            await world.deposit(BOB, 100)
            await world.mirrored()
            with pytest.raises(VersionServed):
                await version_switch.drop(world.db, "v2")


def test_placed__statements__mean_the_versions_tables() -> None:
    def of(text: str) -> str:
        return placed(text, "v2")

    assert of("select * from blockchain.blocks b") == "select * from blockchain_v2.blocks b"
    assert of('delete from blockchain."fact_x"') == 'delete from blockchain_v2."fact_x"'
    assert of("from entities.streams") == "from entities_v2.streams"
    assert of("x blockchain.evm_address") == "x blockchain.evm_address"
    assert of("into blockchain.streams (") == "into blockchain.streams ("
    assert of("from blockchain.streams_of_mine") == "from blockchain_v2.streams_of_mine"
    assert of("where n.nspname = 'blockchain' and") == "where n.nspname = 'blockchain_v2' and"
    assert of("to_regclass(format('blockchain.%I', x))") == "to_regclass(format('blockchain_v2.%I', x))"
    assert "else '_v2' end, $2)" in of("select pg_notify($1, $2)")
    assert of("lock(hashtextextended('gridtrace.indexer', $1))") == "lock(hashtextextended('gridtrace.v2.indexer', $1))"
