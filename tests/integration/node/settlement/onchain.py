"""A node on real contracts: deployed on a chain, sent to by the outbox, mirrored by the indexer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from contracts.addresses import Deployment
from contracts.typed_data import Domain
from indexer import app, read
from indexer.clock import SimulatedClock
from indexer.config import IndexerConfig
from indexer.db import Pool, open_pool, transaction
from node.audit.chain import ChainReader
from node.deploy import Parameters, deploy
from node.outbox import HttpRpc, Sender
from node.participants import ChainContext
from node.settlement.advance import advance
from node.settlement.context import SettlementContext
from node.settlement.service import compute
from node.wallet import KeyFileSigner
from tests.integration.node.settlement.village import CHAIN_ID, CONTEXT, SLOT_S, ZONE, account_of, key_of

DEPLOYER, OPERATOR, GRID_NUMBER = 1_001, 1_002, 90


class Node:
    """What a node process would hold."""

    def __init__(self, pool: Pool, deployment: Deployment, rpc: HttpRpc) -> None:
        self.pool = pool
        self.chain = ChainContext(CHAIN_ID, deployment, account_of(OPERATOR))
        self.ctx: SettlementContext = replace(CONTEXT, deployment=deployment, operator=account_of(OPERATOR))
        self.rpc = rpc

    @property
    def domain(self) -> Domain:
        return self.chain.domain

    @property
    def reader(self) -> ChainReader:
        return ChainReader(self.rpc, self.chain.deployment.address("SettlementExchange"))


@asynccontextmanager
async def running(database_url: str, anvil: Any, tmp_path: Path) -> AsyncIterator[Node]:
    for number in (DEPLOYER, OPERATOR):
        anvil.rpc("anvil_setBalance", ["0x" + account_of(number).hex(), hex(10**20)])
    path = tmp_path / "deployment.json"
    # The slots of these tests are long past, and a meter's baseline must lie within the correction window.
    parameters = Parameters.of_devnet(correction_window_s=10 * 365 * 86_400)
    deployment = await deploy(anvil.url, CHAIN_ID, key_of(DEPLOYER), account_of(OPERATOR), path, parameters=parameters)
    config = IndexerConfig(
        database_url=database_url,
        rpc_urls=(anvil.url,),
        chain_id=CHAIN_ID,
        deployment=path,
        clock=SimulatedClock(),
        poll_interval_s=0.1,
        metrics_port=None,
    )
    rpc = HttpRpc([anvil.url])
    async with open_pool(database_url, size=6) as pool:
        sender = Sender(pool, rpc, KeyFileSigner(key_of(OPERATOR), chain_id=CHAIN_ID), CHAIN_ID)
        tasks = [asyncio.create_task(sender.run()), asyncio.create_task(app.run(config))]
        yield Node(pool, deployment, rpc)
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    await rpc.close()


async def mirrored(node: Node) -> None:
    """Returns once everything in the outbox is mined and indexed."""
    for _ in range(600):
        async with node.pool.acquire() as db:
            failed = await db.fetch("select kind, error from wallet.outbox where state = 'failed'")
            assert not failed, [dict(row) for row in failed]
            open_, last = await db.fetchrow(  # type: ignore[misc]
                "select count(*) filter (where state not in ('mined', 'final')), max(block_number) from wallet.outbox"
            )
            head = await read.head(db, CHAIN_ID)
            if not open_ and head is not None and head.number >= last:
                return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{open_} transactions are still open")


async def settle(node: Node, slot: int) -> None:
    """Computes the slot and brings it on chain."""
    async with transaction(node.pool) as db:
        assert isinstance(await compute(db, node.ctx, ZONE, slot, slot + SLOT_S), int)
    states: list[str] = []
    while "settled" not in states:
        await mirrored(node)
        async with transaction(node.pool) as db:
            changes = await advance(db, node.ctx)
        assert changes, states
        states += [change.state for change in changes]
    assert states == ["submitted", "settled"]
