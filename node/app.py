"""The node: what one process opens, and the jobs that one leading node runs.

Reading order: ``jobs`` names everything that happens without anybody asking.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from contracts.addresses import Deployment
from contracts.typed_data import checksum
from indexer.clock import Clock
from indexer.db import Pool, open_pool, transaction
from node import scheduler
from node.audit import service as audit
from node.bus import Bus
from node.config import NodeConfig
from node.errors import Refused
from node.market import clearing
from node.metering import collector
from node.outbox import HttpRpc, Sender
from node.participants import ChainContext
from node.scheduler import UNREACHABLE, Job
from node.settlement import advance as settling
from node.settlement import service as settlement
from node.settlement.context import NotReady, SettlementContext
from node.wallet import KeyFileSigner, Signer

logger = logging.getLogger(__name__)

TICK_S: Final = 0.2
AUDIT_TICK_S: Final = 0.5
RESTART_S: Final = 1.0


class WrongOperatorKey(Refused):
    """The operator's key file belongs to another account than the configured operator."""

    code = "wrong-operator-key"


@dataclass(frozen=True, slots=True)
class Node:
    """What every part of the node is given."""

    config: NodeConfig
    pool: Pool
    bus: Bus
    clock: Clock
    chain: ChainContext
    settlement: SettlementContext
    signer: Signer
    rpc: HttpRpc


@asynccontextmanager
async def open_node(config: NodeConfig) -> AsyncIterator[Node]:
    """Opens everything, and gives it back when the block ends.

    Raises:
        WrongOperatorKey: the key file is not the configured operator's.
    """
    indexer = config.indexer
    signer = KeyFileSigner.open(
        config.operator_key_file, config.operator_key_password_file, chain_id=indexer.chain_id
    )
    if signer.address != config.operator:
        raise WrongOperatorKey(
            f"{config.operator_key_file} is the key of {checksum(signer.address)}, "
            f"the operator is {checksum(config.operator)}"
        )
    deployment = Deployment.load(indexer.deployment)
    bus, rpc = Bus(config.redis_url), HttpRpc(indexer.rpc_urls)
    try:
        async with open_pool(indexer.database_url) as pool:
            yield Node(
                config=config,
                pool=pool,
                bus=bus,
                clock=indexer.clock,
                chain=ChainContext(indexer.chain_id, deployment, config.operator),
                settlement=SettlementContext(
                    rules=config.market,
                    chain_id=indexer.chain_id,
                    deployment=deployment,
                    operator=config.operator,
                    grid_account=config.grid_account,
                    salt_secret=config.readings_salt_file.read_bytes(),
                ),
                signer=signer,
                rpc=rpc,
            )
    finally:
        await rpc.close()
        await bus.close()


def jobs(node: Node) -> Sequence[Job]:
    """Everything that happens without anybody asking, in the order in which a slot lives."""
    return (
        Job("close_gates", TICK_S, lambda: close_gates(node)),
        Job("settle_slots", TICK_S, lambda: settle_slots(node)),
        Job("follow_settlements", TICK_S, lambda: follow_settlements(node)),
        Job("audit_slots", AUDIT_TICK_S, lambda: audit_slots(node)),
    )


async def close_gates(node: Node) -> None:
    """Clears every slot whose gate has closed."""
    async with node.pool.acquire() as db:
        due = await clearing.due_gates(db, node.config.market, node.config.zones, node.clock.now_s())
    for zone, delivery_start in due:
        async with transaction(node.pool) as db:
            auction = await clearing.clear(
                db, node.config.market, zone, delivery_start, node.clock.now_s(), chain_id=node.chain.chain_id
            )
        price = auction.clearing_price_per_kwh
        await node.bus.publish(
            "auctions",
            {
                "zone": zone,
                "delivery_start": delivery_start,
                "order_count": auction.order_count,
                "matched_wh": str(auction.matched_wh),
                "clearing_price_per_kwh": None if price is None else str(price),
            },
        )


async def settle_slots(node: Node) -> None:
    """Settles every ended slot whose meters have been read, and asks for its attestation."""
    now_s = int(node.clock.now_s())
    async with node.pool.acquire() as db:
        due = await settlement.due(db, node.config.zones, now_s)
    for zone, delivery_start in due:
        async with transaction(node.pool) as db:
            outcome = await settlement.compute(db, node.settlement, zone, delivery_start, now_s)
        if not isinstance(outcome, NotReady):
            await _tell_settlement(node, zone, delivery_start, "computed")


async def follow_settlements(node: Node) -> None:
    """Moves open settlements on: attested, submitted, settled; and back where a reorganisation took them."""
    async with transaction(node.pool) as db:
        changes = await settling.advance(db, node.settlement)
    for change in changes:
        await _tell_settlement(node, change.zone, change.delivery_start, change.state)


async def _tell_settlement(node: Node, zone: int, delivery_start: int, state: str) -> None:
    await node.bus.publish("settlements", {"zone": zone, "delivery_start": delivery_start, "state": state})


async def audit_slots(node: Node) -> None:
    """Recomputes every settled slot that has not been audited since it settled."""
    async with node.pool.acquire() as db:
        due = await audit.due(db, node.settlement)
    for zone, delivery_start in due:
        async with transaction(node.pool) as db:
            findings = await audit.check_and_store(db, node.rpc, node.settlement, zone, delivery_start)
        await node.bus.publish(
            "audit", {"zone": zone, "delivery_start": delivery_start, "differences": len(findings)}
        )


async def _for_ever(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Runs a service again when an outside fault ends it; a fault of ours ends the process."""
    while True:
        try:
            await run()
        except UNREACHABLE as error:
            logger.warning("service=%s ended, starting again: %s: %s", name, type(error).__name__, error)
        await asyncio.sleep(RESTART_S)


async def run(config: NodeConfig) -> None:
    """The node process: meters, jobs and the outbox, until cancelled."""
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # it warns of every tick that a long run swallows
    async with open_node(config) as node, asyncio.TaskGroup() as tasks:
        sender = Sender(node.pool, node.rpc, node.signer, node.chain.chain_id)
        tasks.create_task(_for_ever("outbox", sender.run))
        tasks.create_task(
            _for_ever("meters", lambda: collector.run(node.pool, config, node.bus, node.clock))
        )
        tasks.create_task(scheduler.run(config.indexer.database_url, jobs(node)))
        logger.info("node runs: zones=%s operator=%s", config.zones, checksum(config.operator))
