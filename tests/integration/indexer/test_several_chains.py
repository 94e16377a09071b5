"""Several chains in one process and one database: a bad one neither stops nor touches the others."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from api.devnet.process import free_port
from indexer import app, chains, read
from indexer import db as database
from indexer.chains import ChainToIndex
from indexer.manifest import Manifest
from indexer.rpc import open_rpc
from tests.integration.conftest import AnvilChain
from tests.integration.indexer import emitter
from tests.integration.indexer.test_anvil import ALICE, LIMIT_S, World, configuration

pytestmark = pytest.mark.integration


@asynccontextmanager
async def indexing(*configured: ChainToIndex) -> AsyncIterator[None]:
    task = asyncio.create_task(chains.run(configured))
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def answer(port: int, path: str) -> tuple[int, str]:
    async with httpx.AsyncClient(timeout=5) as client:
        response = await client.get(f"http://127.0.0.1:{port}{path}")
    return response.status_code, response.text


async def test_run__one_chain_is_bad__the_other_goes_on(
    database_url: str, anvil: AnvilChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "RETRY_FIRST_S", 0.01)
    port = free_port()
    config = replace(configuration(database_url, anvil.url, tmp_path), metrics_port=port, reconcile_s=0.0)
    manifest = app.load_manifest(config)
    good = ChainToIndex(config, manifest)
    away = ChainToIndex(replace(config, chain_id=5, rpc_urls=("http://127.0.0.1:9",)), of_chain(manifest, 5))
    wrong = ChainToIndex(replace(config, chain_id=6), of_chain(manifest, 6))
    db = await database.connect(database_url)
    async with open_rpc([anvil.url], anvil.chain_id) as rpc, indexing(away, wrong, good):
        world = World(rpc, config, db)
        await emitter.install(rpc, manifest.addresses)
        await world.deposit(ALICE, 3)
        await world.mirrored()
        assert await world.cash(ALICE) == 3
        assert await read.head(db, 5) is None
        async with asyncio.timeout(LIMIT_S):
            while "wrong-chain" not in (await answer(port, "/ready"))[1]:
                await asyncio.sleep(0.05)
        status, text = await answer(port, "/ready")
        states = {key: value["ready"] for key, value in json.loads(text)["chains"].items()}
        assert (status, states) == (503, {"5": False, "6": False, "31337": True})
        assert (await answer(port, "/health"))[0] == 200
        _, series = await answer(port, "/metrics")
        assert 'gridtrace_indexer_events_total{chain="31337"} 1.0' in series
        assert 'gridtrace_indexer_events_total{chain="5"} 0.0' in series
    await db.close()


def of_chain(manifest: Manifest, chain_id: int) -> Manifest:
    return replace(manifest, chain_id=chain_id)
