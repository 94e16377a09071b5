"""Behind an endpoint that lies, nothing wrong is stored, nothing stops for good, and each fault is named."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from indexer import app, read, rpc
from indexer import db as database
from indexer.rpc import open_rpc
from tests.integration.conftest import AnvilChain
from tests.integration.indexer import emitter
from tests.integration.indexer.hostile import CHANGES, RAW, HostileNode, hostile_node
from tests.integration.indexer.test_anvil import ALICE, BOB, LIMIT_S, World, configuration, indexing

pytestmark = pytest.mark.integration


@dataclass
class Siege:
    """An indexer whose only endpoint may be spoiled."""

    world: World
    node: HostileNode

    async def trade(self) -> None:
        """A block with several logs of several contracts, the same event twice among them."""
        await self.world.rpc.call("evm_setAutomine", False)
        for account, cash in ((ALICE, 5), (ALICE, 5), (BOB, 7)):
            await self.send("settlement_exchange_deposited", account="0x" + account.hex(), cash=cash, energy_wh=1)
        accounts = {"from": "0x" + ALICE.hex(), "to": "0x" + BOB.hex()}
        await self.send("payment_token_transfer", **accounts, value=3)
        await self.world.rpc.call("evm_setAutomine", True)
        await emitter.mine(self.world.rpc)

    async def send(self, name: str, **values: Any) -> None:
        address, event = self.world.events[name]
        transaction = {"from": emitter.SENDER, "to": "0x" + address.hex(), "data": emitter.calldata(event, values)}
        await self.world.rpc.call("eth_sendTransaction", {**transaction, "gas": hex(1_000_000)})

    async def stored(self) -> tuple[int, int, int, int]:
        """Cash of both, blocks, and logs of no known event."""
        blocks = await self.world.db.fetchval("select count(*) from blockchain.blocks")
        strays = await self.world.db.fetchval("select count(*) from blockchain.undecoded_logs")
        return await self.world.cash(ALICE), await self.world.cash(BOB), blocks, strays


@pytest.fixture
async def siege(
    database_url: str, anvil: AnvilChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Siege]:
    monkeypatch.setattr(rpc, "FIRST_DELAY_S", 0.001)
    monkeypatch.setattr(rpc, "MAX_ANSWER_BYTES", 1_000_000)
    monkeypatch.setattr(app, "RETRY_FIRST_S", 0.01)
    monkeypatch.setattr(app, "RETRY_MAX_S", 0.05)
    monkeypatch.setattr(app, "HALTED_POLL_S", 0.05)
    db = await database.connect(database_url)
    async with hostile_node(anvil.url) as (node, url), open_rpc([anvil.url], 31337) as client:
        world = World(client, configuration(database_url, url, tmp_path), db)
        await emitter.install(client, world.manifest.addresses)
        yield Siege(world, node)
    await db.close()


async def spoiled(node: HostileNode) -> None:
    """Returns once the fault has been met, so that the indexer has had to look at it."""
    met = node.spoiled
    async with asyncio.timeout(LIMIT_S):
        while node.spoiled == met:
            await asyncio.sleep(0.01)


async def judged(siege: Siege, fault: str, rounds: int, messages: Callable[[], list[str]]) -> list[str]:
    """Indexes two blocks under a fault, then without; returns what went wrong."""
    siege.node.fault = fault
    await siege.trade()
    wrong = []
    try:
        await spoiled(siege.node)
    except TimeoutError:
        wrong.append("never met")
    await asyncio.sleep(0.1)
    siege.node.fault = ""
    head = await siege.world.mirrored()
    if (stored := await siege.stored()) != (10 * rounds, 7 * rounds, head.number, 0):
        wrong.append(f"stored {stored} after {rounds} rounds and {head.number} blocks")
    if head.reorg_epoch or head.state != "running":
        wrong.append(f"epoch {head.reorg_epoch}, {head.state}")
    if not any(len(message) < 1_000 for message in messages()):
        wrong.append("not named")
    return [f"{fault}: {fact}" for fact in wrong]


async def test_run__each_fault_in_turn__mirror_stays_true(siege: Siege, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "indexer")
    wrong = []

    def messages() -> list[str]:
        said = [record.getMessage() for record in caplog.records if record.name != "indexer.heads"]
        return [text for text in said if not text.startswith("advanced")]

    async with indexing(siege.world.config):
        await emitter.mine(siege.world.rpc)
        await siege.world.mirrored()
        for rounds, fault in enumerate((*RAW, *CHANGES), 1):
            caplog.clear()
            wrong += await judged(siege, fault, rounds, messages)
    assert wrong == []


async def test_run__chain_replaced_and_back__goes_on_by_itself(siege: Siege) -> None:
    world = siege.world
    async with indexing(world.config):
        await emitter.mine(world.rpc, 100)
        await siege.trade()
        before = await world.mirrored()
        siege.node.fault = "another chain"
        async with asyncio.timeout(LIMIT_S):
            while (head := await read.head(world.db, 31337)) and head.state != "halted":
                await asyncio.sleep(0.02)
        siege.node.fault = ""
        await siege.trade()
        after = await world.mirrored()
    assert (after.state, after.state_reason, after.reorg_epoch) == ("running", None, before.reorg_epoch)
    assert await world.cash(ALICE) == 20
