"""What runs beside the mirror in the index process: calls are kept, balances rechecked, whatever happens."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from indexer import app, companions
from indexer import db as database
from indexer.db import Connection
from indexer.rpc import open_rpc
from indexer.telemetry import Telemetry
from tests.integration.conftest import AnvilChain
from tests.integration.indexer import emitter
from tests.integration.indexer.test_anvil import World, configuration, indexing

pytestmark = pytest.mark.integration

ALICE = bytes.fromhex("aa" * 20)
LIMIT_S = 30.0


async def until(what: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not await what():
            await asyncio.sleep(0.05)


async def test_run__index_process__keeps_calls_and_rechecks_balances(
    database_url: str, anvil: AnvilChain, tmp_path: Path
) -> None:
    db = await database.connect(database_url)
    config = replace(configuration(database_url, anvil.url, tmp_path), reconcile_s=0.1)
    try:
        async with open_rpc([anvil.url], 31337) as rpc:
            world = World(rpc, config, db)
            await emitter.install(rpc, world.manifest.addresses)
            await emitter.mine(rpc)
            async with indexing(config):
                await world.deposit(ALICE, 5)
                await world.mirrored()
                await until(lambda: _kept(db, 1))
                # The emitter answers no call: that is told, and is not taken for agreement.
                await until(lambda: _checked(db, "impossible"))
                ended = "select count(pg_terminate_backend(pid)) from pg_stat_activity where pid <> pg_backend_pid()"
                await db.fetchval(ended + " and datname = current_database()")
                await world.deposit(ALICE, 6)
                await world.mirrored()
                await until(lambda: _kept(db, 2))
        row = await db.fetchrow("select * from blockchain.contract_executions order by block_number desc limit 1")
        assert row is not None
        assert (row["status"], row["caller_address"], row["function_name"]) == ("success", emitter.SENDER, None)
    finally:
        await db.close()


async def _kept(db: Connection, count: int) -> bool:
    return bool(await db.fetchval("select count(*) >= $1 from blockchain.contract_executions", count))


async def _checked(db: Connection, outcome: str) -> bool:
    return bool(await db.fetchval("select count(*) > 0 from blockchain.balance_checks where outcome = $1", outcome))


async def test_run__nothing_wanted__ends_at_once(database_url: str, anvil: AnvilChain, tmp_path: Path) -> None:
    config = configuration(database_url, anvil.url, tmp_path)
    manifest = replace(app.load_manifest(config), contracts=())
    await companions.run(config, manifest, Telemetry().chain(31337))


async def test_ended__task_that_runs__is_gone(database_url: str) -> None:
    task = asyncio.create_task(asyncio.sleep(60))
    await companions.ended(task)
    assert task.cancelled()
    with suppress(asyncio.CancelledError):
        await companions.ended(task)
