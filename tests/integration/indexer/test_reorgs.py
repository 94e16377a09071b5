"""State after any history of reorgs, kills and restarts is the state of indexing the last chain from scratch."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any

import asyncpg
import pytest

from indexer import db as database
from indexer import facts, read
from indexer.calls import Caller
from indexer.chain import Chain
from indexer.db import Connection
from indexer.follower import BlockGone
from indexer.manifest import Manifest
from indexer.reads import Reads
from indexer.records import KINDS, Records
from indexer.sync import Advanced, Ahead, Halted, NothingNew, Reorg, Sync
from tests.integration.indexer.fake_affairs import Affairs, Deal, Position
from tests.integration.indexer.fake_chain import CHAIN_ID, FINAL_DEPTH, FakeChain, recorded_manifest, shipped_manifest
from tests.integration.indexer.fake_node import FakeNode

pytestmark = pytest.mark.integration

DEEP = bool(os.environ.get("GRIDTRACE_DEEP"))
"""Hundreds of rounds instead of some."""
ROUNDS = 500 if DEEP else 40
DEEPEST = 64
LATE_FINALITY = DEEPEST + 10


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    connection = await database.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
def manifest() -> Manifest:
    return shipped_manifest()


async def start(db: Connection, chain: Chain, manifest: Manifest) -> Sync:
    async with db.transaction():
        await facts.ensure(db, manifest)
    return Sync(db, chain, manifest)


async def catch_up(sync: Sync) -> None:
    while not isinstance(await sync.step(), NothingNew | Halted | Ahead):
        pass


async def dump(db: Connection) -> dict[str, list[Any]]:
    """Every row of the schema, without the times of writing and the count of reorgs."""
    tables = await db.fetch("select tablename from pg_tables where schemaname = 'blockchain' order by 1")
    hidden = "'indexed_at', 'updated_at', 'added_at', 'reorg_epoch', 'finalized_number', 'safe_number'"
    state: dict[str, list[Any]] = {}
    for (table,) in tables:
        rows = f'select to_jsonb(t) - array[{hidden}] as r from blockchain."{table}" t order by 1'
        state[table] = [row["r"] for row in await db.fetch(rows)]
    return state


async def empty(db: Connection) -> None:
    """Forgets all blocks; the contracts' names stay."""
    tables = await db.fetch(
        "select tablename from pg_tables where schemaname = 'blockchain'"
        " and tablename not in ('smart_contracts', 'sources')"
    )
    await db.execute(";".join(f'delete from blockchain."{table}"' for (table,) in tables))


async def killed_step(sync: Sync, random: Random) -> None:
    """A step that may be cut off anywhere."""
    task = asyncio.create_task(sync.step())
    await asyncio.sleep(random.random() * 0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def live(chain: FakeChain, manifest: Manifest, database_url: str, random: Random) -> tuple[int, int]:
    """A mirror's life beside a restless chain; returns how many kills and reorgs it saw."""
    kills = reorgs = 0
    db = await database.connect(database_url)
    try:
        sync = Sync(db, chain, manifest)
        for _ in range(12):
            chain.mine(random.randint(0, 12))
            if random.random() < 0.5:
                chain.reorg(random.randint(0, random.choice((3, 10, DEEPEST))))
            if random.random() < 0.3:
                await killed_step(sync, random)
                db.terminate()
                kills += 1
                db = await database.connect(database_url)
                sync = Sync(db, chain, manifest)
            for _ in range(random.randint(0, 6)):
                reorgs += isinstance(await sync.step(), Reorg)
        chain.mine(3)
        await catch_up(sync)
    finally:
        db.terminate()
    return kills, reorgs


async def check_affairs(db: Connection, affairs: Affairs) -> None:
    """The folded state is what the contracts' own rules make of the events."""
    epoch = "extract(epoch from {0})::bigint as {0}"
    times = ", ".join(epoch.format(name) for name in ("start", "paid_until", "unlock_at"))
    rows = await db.fetch(
        f"select pool_id, account, amount, {times} from blockchain.staking_positions where amount > 0"
    )
    assert {(pool, account): Position(int(amount), *at) for pool, account, amount, *at in rows} == affairs.positions
    rows = await db.fetch("select pool_id, staked, open from blockchain.staking_pools")
    staked = dict.fromkeys(affairs.pools, 0)
    for (pool, _), position in affairs.positions.items():
        staked[pool] += position.amount
    assert {pool: (amount, is_open) for pool, amount, is_open in rows} == {
        pool: (staked[pool], is_open) for pool, is_open in affairs.pools.items()
    }
    rows = await db.fetch(
        "select deal_id, payer, payee, amount, state, extract(epoch from since)::bigint, payee_share, payer_paid, "
        "payee_paid from blockchain.escrow_deals"
    )
    assert {key: Deal(*values) for key, *values in rows} == affairs.deals
    rows = await db.fetch("select code, owner, state from blockchain.certificates")
    assert {int(code): (owner, state) for code, owner, state in rows} == affairs.certificates
    rows = await db.fetch("select id, issued_g, retired_g from blockchain.carbon_vintages")
    assert {int(vintage): (issued, retired) for vintage, issued, retired in rows} == affairs.credits
    rows = await db.fetch("select proposal_id, step, in_favour from blockchain.proposals")
    assert {int(proposal): (step, weight) for proposal, step, weight in rows} == affairs.proposals


@pytest.mark.timeout(7_200 if DEEP else 300)
async def test_reorgs__random_histories__state_equals_that_of_indexing_from_scratch(
    db: Connection, database_url: str, manifest: Manifest
) -> None:
    kills = reorgs = 0
    async with db.transaction():
        await facts.ensure(db, manifest)
    for seed in range(ROUNDS):
        random = Random(seed)
        chain = FakeChain(random, manifest, LATE_FINALITY)
        killed, reorged = await live(chain, manifest, database_url, random)
        kills, reorgs = kills + killed, reorgs + reorged
        seen = await dump(db)
        await empty(db)
        await catch_up(Sync(db, chain, manifest))
        afresh = await dump(db)
        for table, rows in afresh.items():
            assert seen[table] == rows, (seed, table)
        registers = await db.fetch("select meter_id, attested_wh, issued_wh from blockchain.registers")
        expected = {(key, m.attested, m.issued) for key, m in chain.meters.items()}
        assert {tuple(row) for row in registers} == expected, seed
        await check_affairs(db, chain.affairs)
        await empty(db)
    assert kills > 20
    assert reorgs > 20


async def followed(followers: Sequence[Records | Reads]) -> None:
    """All steps that there are to be made."""
    for follower in followers:
        while await follower.step():
            pass


@pytest.mark.timeout(7_200 if DEEP else 300)
async def test_reorgs__transactions_traces_reads__equal_those_of_indexing_from_scratch(db: Connection) -> None:
    manifest, gone, reorgs = recorded_manifest(), 0, 0
    async with db.transaction():
        await facts.ensure(db, manifest)
    for seed in range(ROUNDS // 2):
        random = Random(seed)
        chain = FakeChain(random, manifest, LATE_FINALITY)
        node = FakeNode(chain)

        async def followers(chain: FakeChain = chain, node: FakeNode = node) -> list[Records | Reads]:
            reads = Reads(db, Caller(node, CHAIN_ID), manifest)
            await reads.prepare()
            return [Records(db, node, manifest), reads]

        sync, beside = Sync(db, chain, manifest), await followers()
        for _ in range(12):
            chain.mine(random.randint(0, 12))
            if random.random() < 0.5:
                chain.reorg(random.randint(0, random.choice((3, 10, DEEPEST))))
            for _ in range(random.randint(0, 6)):
                for follower in beside:
                    try:
                        await follower.step()
                    except BlockGone:
                        gone += 1
                reorgs += isinstance(await sync.step(), Reorg)
        await catch_up(sync)
        await followed(beside)
        seen = await dump(db)
        await empty(db)
        await catch_up(Sync(db, chain, manifest))
        await followed(await followers())
        afresh = await dump(db)
        for table, rows in afresh.items():
            assert seen[table] == rows, (seed, table)
        for table in (*KINDS[:3], "call_traces", "chain_intervals", "read_cash", "read_energy_token_total_supply"):
            assert afresh[table] or seed, table
        await empty(db)
    assert gone > 5
    assert reorgs > 20


async def test_step__outcomes__are_named(db: Connection, manifest: Manifest) -> None:
    chain = FakeChain(Random(1), manifest)
    sync = await start(db, chain, manifest)
    assert await sync.step() == NothingNew(2)  # the first block to index is not there yet
    chain.mine(5)
    assert isinstance(await sync.step(), Advanced)
    await catch_up(sync)
    assert await sync.step() == NothingNew(5)
    chain.reorg(2)
    outcome = await sync.step()
    assert isinstance(outcome, Reorg)
    assert outcome.ancestor == 3


async def test_step__reorg_below_finalised__halts_and_keeps_the_rows(db: Connection, manifest: Manifest) -> None:
    chain = FakeChain(Random(2), manifest)
    sync = await start(db, chain, manifest)
    chain.mine(40)
    await catch_up(sync)
    before = await dump(db)
    chain.reorg(FINAL_DEPTH + 5)
    outcome = await sync.step()
    assert isinstance(outcome, Halted)
    head = await read.head(db, CHAIN_ID)
    assert head is not None
    assert (head.state, head.number) == ("halted", 40)
    after = await dump(db)
    assert {k: v for k, v in before.items() if k != "cursors"} == {k: v for k, v in after.items() if k != "cursors"}
    assert isinstance(await sync.step(), Halted)


async def test_step__head_far_behind__is_a_sick_endpoint(db: Connection, manifest: Manifest) -> None:
    chain = FakeChain(Random(3), manifest)
    sync = await start(db, chain, manifest)
    chain.mine(600)
    await catch_up(sync)
    other = FakeChain(Random(4), manifest)
    other.mine(10)
    assert await Sync(db, other, manifest).step() == Ahead(600, 10)


async def test_write__commit_fails__nothing_is_visible(db: Connection, manifest: Manifest) -> None:
    chain = FakeChain(Random(5), manifest)
    sync = await start(db, chain, manifest)
    chain.mine(6)
    await db.execute("alter table blockchain.cursors add constraint refused check (block_number < 0) not valid")
    with pytest.raises(asyncpg.CheckViolationError):
        await sync.step()
    assert await db.fetchval("select count(*) from blockchain.blocks") == 0
