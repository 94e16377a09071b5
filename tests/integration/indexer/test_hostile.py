"""Behind an endpoint that lies, nothing wrong is stored, nothing stops for good, and each fault is named."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from api.devnet.process import free_port
from indexer import app, read, rpc
from indexer import db as database
from indexer.rpc import open_rpc
from tests.integration.conftest import AnvilChain
from tests.integration.indexer import emitter
from tests.integration.indexer.hostile import CHANGES, RAW, HostileNode, hostile_node
from tests.integration.indexer.test_anvil import ALICE, BOB, LIMIT_S, World, configuration, indexing

pytestmark = pytest.mark.integration

ABOUT: Final = {"logs": ("log", "first log", "last log"), "blocks": ("block", "null", "next block", "hash", "receipts")}
FAULTS: Final = {
    "transport": RAW,
    **{kind: tuple(fault for fault in CHANGES if fault.startswith(starts)) for kind, starts in ABOUT.items()},
    "answers": tuple(fault for fault in CHANGES if not fault.startswith(sum(ABOUT.values(), ()))),
}
COUNTED: Final = (
    "gridtrace_indexer_faults_total",
    "gridtrace_indexer_endpoint_faults_total",
    "gridtrace_indexer_missing_logs_total",
    'gridtrace_indexer_steps_total{chain="31337",outcome="Ahead"}',
)


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

    async def counted(self) -> float:
        """What the metrics say of faults, of an endpoint that is behind, and of logs left out."""
        async with httpx.AsyncClient(timeout=5) as client:
            answer = await client.get(f"http://127.0.0.1:{self.world.config.metrics_port}/metrics")
        return sum(float(line.rpartition(" ")[2]) for line in answer.text.splitlines() if line.startswith(COUNTED))

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
        config = replace(configuration(database_url, url, tmp_path), metrics_port=free_port(), reconcile_s=0.0)
        world = World(client, config, db)
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
    counted = await siege.counted()
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
    if await siege.counted() <= counted:
        wrong.append("not counted")
    return [f"{fault}: {fact}" for fact in wrong]


@pytest.mark.parametrize("kind", FAULTS)
async def test_run__each_fault_in_turn__mirror_stays_true(
    siege: Siege, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    caplog.set_level(logging.INFO, "indexer")
    wrong = []

    def messages() -> list[str]:
        said = [record.getMessage() for record in caplog.records if record.name != "indexer.heads"]
        return [text for text in said if not text.startswith("advanced")]

    async with indexing(siege.world.config):
        await emitter.mine(siege.world.rpc)
        await siege.world.mirrored()
        for rounds, fault in enumerate(FAULTS[kind], 1):
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


async def test_run__one_of_two_endpoints_has_another_chain__the_other_is_followed(
    siege: Siege, anvil: AnvilChain, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = siege.world
    world.config = replace(world.config, rpc_urls=(*world.config.rpc_urls, anvil.url))
    async with indexing(world.config):
        await emitter.mine(world.rpc, 100)
        await siege.trade()
        await world.mirrored()
        siege.node.fault = "another chain"
        await siege.trade()
        head = await world.mirrored()
    assert (head.state, head.reorg_epoch) == ("running", 0)
    assert await world.cash(ALICE) == 20
    assert "put aside" in caplog.text


@pytest.mark.parametrize("fault", ["500", "wrong chain", "null blocks", "log of another contract", "stalled"])
async def test_run__one_of_two_endpoints_is_bad__nothing_waits_for_it(
    siege: Siege, anvil: AnvilChain, fault: str
) -> None:
    world = siege.world
    world.config = replace(world.config, rpc_urls=(*world.config.rpc_urls, anvil.url))
    siege.node.fault = fault
    async with indexing(world.config):
        for _ in range(3):
            await siege.trade()
            await world.mirrored()
    assert await siege.stored() == (30, 21, (await world.mirrored()).number, 0)
