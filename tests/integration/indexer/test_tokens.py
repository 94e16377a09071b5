"""State of tokens, factories' children, and what is added later: after any history it is that of a fresh index."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from indexer import db as database
from indexer import facts
from indexer.db import Connection
from indexer.manifest import Contract, Manifest
from indexer.sync import Ahead, Halted, NothingNew, Reorg, Sync
from tests.integration.indexer.token_chain import CHAIN_ID, FINAL_DEPTH, START, TokenChain, manifest

pytestmark = pytest.mark.integration

# GRIDTRACE_DEEP=1 plays hundreds of histories.
ROUNDS = 250 if os.environ.get("GRIDTRACE_DEEP") else 6
HIDDEN = ("indexed_at", "updated_at", "added_at", "reorg_epoch", "finalized_number", "safe_number")


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    connection = await database.connect(database_url)
    yield connection
    await connection.close()


async def opened(db: Connection, chain: TokenChain, wanted: Manifest) -> Sync:
    async with db.transaction():
        await facts.ensure(db, wanted)
    return Sync(db, chain, wanted)


async def catch_up(sync: Sync) -> None:
    while not isinstance(await sync.step(), NothingNew | Halted | Ahead):
        pass


async def dump(db: Connection) -> dict[str, list[Any]]:
    """Every row of the schema, without times of writing."""
    tables = await db.fetch("select tablename from pg_tables where schemaname = 'blockchain' order by 1")
    hidden = ", ".join(f"'{name}'" for name in HIDDEN)
    state: dict[str, list[Any]] = {}
    for (table,) in tables:
        rows = f'select to_jsonb(t) - array[{hidden}] as r from blockchain."{table}" t order by 1'
        state[table] = [row["r"] for row in await db.fetch(rows)]
    return state


async def empty(db: Connection) -> None:
    tables = await db.fetch("select tablename from pg_tables where schemaname = 'blockchain'")
    await db.execute(";".join(f'delete from blockchain."{table}"' for (table,) in tables))


async def killed_step(sync: Sync, random: Random) -> None:
    task = asyncio.create_task(sync.step())
    await asyncio.sleep(random.random() * 0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def live(chain: TokenChain, manifests: list[Manifest], database_url: str, random: Random) -> tuple[int, int]:
    """A mirror's life; the manifest grows in the middle of it. Returns how many kills and reorgs it saw."""
    kills = reorgs = 0
    db = await database.connect(database_url)
    try:
        for wanted in manifests:
            sync = await opened(db, chain, wanted)
            for _ in range(6):
                chain.mine(random.randint(0, 12))
                if random.random() < 0.5:
                    chain.reorg(random.randint(1, FINAL_DEPTH - 2))
                if random.random() < 0.3:
                    await killed_step(sync, random)
                    db.terminate()
                    kills += 1
                    db = await database.connect(database_url)
                    sync = await opened(db, chain, wanted)
                for _ in range(random.randint(0, 4)):
                    reorgs += isinstance(await sync.step(), Reorg)
        chain.mine(3)
        await catch_up(sync)
    finally:
        db.terminate()
    return kills, reorgs


async def check_model(db: Connection, chain: TokenChain) -> None:
    coins, owners, units = chain.model()
    rows = await db.fetch(
        "select token, account, balance::text from blockchain.token_balances where chain_id = $1", CHAIN_ID
    )
    assert {(r["token"], r["account"]): int(r["balance"]) for r in rows} == coins
    rows = await db.fetch("select token, token_id::text, owner from blockchain.token_owners")
    assert {(r["token"], int(r["token_id"])): r["owner"] for r in rows} == owners
    rows = await db.fetch("select token, token_id::text, account, balance::text from blockchain.token_id_balances")
    assert {(r["token"], int(r["token_id"]), r["account"]): int(r["balance"]) for r in rows} == units
    supplies = await db.fetch("select token, supply::text from blockchain.token_supplies where token_id is null")
    assert sum(int(row["supply"]) for row in supplies) == sum(coins.values()) + len(owners)


@pytest.mark.parametrize("grows", [False, True], ids=["whole", "growing"])
@pytest.mark.timeout(3_600)
async def test_tokens__random_histories__equal_an_index_from_scratch(
    db: Connection, database_url: str, grows: bool
) -> None:
    kills = reorgs = 0
    for seed in range(ROUNDS):
        random = Random(seed)
        chain = TokenChain(random)
        manifests = (
            [manifest(late=False, mixed=False), manifest(mixed=False), manifest()] if grows else [manifest()] * 2
        )
        killed, reorged = await live(chain, manifests, database_url, random)
        kills, reorgs = kills + killed, reorgs + reorged
        seen = await dump(db)
        await empty(db)
        await catch_up(await opened(db, chain, manifest()))
        afresh = await dump(db)
        for table, rows in afresh.items():
            if table != "sources" or not grows:
                assert seen[table] == rows, (seed, table)
        assert all(row["next_block"] is None for row in seen["sources"]), seed
        await check_model(db, chain)
        await empty(db)
    assert kills >= ROUNDS / 2
    assert reorgs >= ROUNDS


async def test_settle__contract_left_out_and_taken_up_again__goes_on_where_it_stopped(db: Connection) -> None:
    chain = TokenChain(Random(4))
    chain.mine(20)
    await catch_up(await opened(db, chain, manifest()))
    before = await dump(db)
    without = await opened(db, chain, manifest(late=False))
    chain.mine(15)
    await catch_up(without)
    left = await dump(db)
    assert left["fact_late_transfer"] == before["fact_late_transfer"], "its rows stay"
    stopped = {row["next_block"] for row in left["sources"] if row["fact_table"].startswith("fact_late")}
    assert stopped == {21}
    await catch_up(await opened(db, chain, manifest()))
    again = await dump(db)
    await empty(db)
    await catch_up(await opened(db, chain, manifest()))
    assert again == await dump(db)


async def test_settle__orphaned_while_left_out__is_taken_out_all_the_same(db: Connection) -> None:
    chain = TokenChain(Random(5))
    chain.mine(20)
    await catch_up(await opened(db, chain, manifest()))
    without = await opened(db, chain, manifest(late=False))
    chain.reorg(8)
    chain.mine(5)
    await catch_up(without)
    await catch_up(await opened(db, chain, manifest()))
    again = await dump(db)
    await empty(db)
    await catch_up(await opened(db, chain, manifest()))
    afresh = await dump(db)
    assert {table: rows for table, rows in again.items() if table != "sources"} == {
        table: rows for table, rows in afresh.items() if table != "sources"
    }


async def test_chains__two_in_one_database__do_not_touch_each_other(db: Connection) -> None:
    random = Random(7)
    pairs = [(TokenChain(random), replace(manifest(), chain_id=number)) for number in (CHAIN_ID, CHAIN_ID + 1)]
    syncs = [await opened(db, chain, wanted) for chain, wanted in pairs]
    for _ in range(5):
        for (chain, _), sync in zip(pairs, syncs, strict=True):
            chain.mine(random.randint(3, 9))
            chain.reorg(random.randint(1, 6))
            await catch_up(sync)
    together = await dump(db)
    for chain, wanted in pairs:
        await empty(db)
        await catch_up(await opened(db, chain, wanted))
        for table, rows in (await dump(db)).items():
            assert [row for row in together[table] if row["chain_id"] == wanted.chain_id] == rows, table


async def test_latecomers__contract_that_starts_before_the_chain__brings_its_blocks(db: Connection) -> None:
    chain = TokenChain(Random(6))
    chain.mine(30)
    whole = manifest()
    short = Manifest(CHAIN_ID, 12, tuple(c for c in whole.contracts if c.name == "Coin"))
    await catch_up(await opened(db, chain, short))
    assert await db.fetchval("select min(number) from blockchain.blocks") == 12
    early = Manifest(CHAIN_ID, START, (*short.contracts, next(c for c in whole.contracts if c.name == "Collection")))
    early = Manifest(CHAIN_ID, START, tuple(_starting(c, 12 if c.name == "Coin" else START) for c in early.contracts))
    await catch_up(await opened(db, chain, early))
    assert await db.fetchval("select min(number) from blockchain.blocks") == START
    seen = await dump(db)
    await empty(db)
    await catch_up(await opened(db, chain, early))
    afresh = await dump(db)
    for table, rows in afresh.items():
        assert seen[table] == rows, table


def _starting(contract: Contract, start: int) -> Contract:
    return Contract(contract.name, contract.address, contract.abi, start)
