"""The indexer outlives its servers: it waits, and goes on from what is committed."""

import asyncio
from pathlib import Path

import pytest

from api.devnet.chain import Anvil
from api.devnet.postgres import PostgresServer
from indexer import db as database
from indexer import migrate
from indexer.rpc import open_rpc
from tests.integration.indexer import emitter
from tests.integration.indexer.test_anvil import ALICE, BOB, World, configuration, indexing

pytestmark = pytest.mark.integration


async def test_run__node_restarted_from_an_older_snapshot__follows_the_new_chain(
    database_url: str, tmp_path: Path
) -> None:
    snapshot = tmp_path / "chain.json.gz"
    first = Anvil(tmp_path / "anvil.log", state=snapshot)
    await asyncio.to_thread(first.start)
    config = configuration(database_url, first.url, tmp_path)
    db = await database.connect(database_url)
    async with open_rpc([first.url], 31337) as rpc:
        world = World(rpc, config, db)
        await emitter.install(rpc, world.manifest.addresses)
        async with indexing(config):
            for _ in range(5):
                await world.deposit(ALICE, 10)
            snapshot.write_bytes(bytes.fromhex((await rpc.call("anvil_dumpState")).removeprefix("0x")))
            for _ in range(4):
                await world.deposit(ALICE, 10)
            await world.mirrored()
            await asyncio.to_thread(first.stop)
            second = Anvil(tmp_path / "anvil2.log", port=first.port, state=snapshot)
            await asyncio.to_thread(second.start)
            try:
                assert await world.cash(ALICE) == 90
                for _ in range(6):
                    await world.deposit(BOB, 1)
                head = await world.mirrored()
                assert (head.number, head.reorg_epoch) == (11, 1)
                assert (await world.cash(ALICE), await world.cash(BOB)) == (50, 6)
            finally:
                await asyncio.to_thread(second.stop)
    await db.close()


async def test_run__database_server_restarted__goes_on(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres", tmp_path / "postgres.log", settings={"fsync": "off"})
    await asyncio.to_thread(server.start)
    anvil = Anvil(tmp_path / "anvil.log")
    await asyncio.to_thread(anvil.start)
    try:
        await asyncio.to_thread(migrate.upgrade, server.url)
        config = configuration(server.url, anvil.url, tmp_path)
        db = await database.connect(server.url)
        async with open_rpc([anvil.url], 31337) as rpc:
            world = World(rpc, config, db)
            await emitter.install(rpc, world.manifest.addresses)
            async with indexing(config):
                await world.deposit(ALICE, 1)
                await world.mirrored()
                db.terminate()
                await asyncio.to_thread(server.stop)
                await world.deposit(ALICE, 1)
                await asyncio.to_thread(server.start)
                world.db = await database.connect(server.url)
                await world.deposit(ALICE, 1)
                head = await world.mirrored()
                assert (head.number, await world.cash(ALICE)) == (3, 3)
                await world.db.close()
    finally:
        await asyncio.to_thread(anvil.stop)
        await asyncio.to_thread(server.stop)
