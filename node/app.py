"""The node: what one process opens, and the jobs that one leading node runs.

Reading order: ``jobs`` names everything that happens without anybody asking.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final

from contracts.addresses import Deployment
from contracts.typed_data import checksum
from indexer import read
from indexer.clock import Clock
from indexer.db import Pool, open_pool, transaction
from indexer.errors import GridtraceError
from node import scheduler
from node.audit import service as audit
from node.bus import Bus, Publisher
from node.config import NodeConfig
from node.errors import Refused
from node.market import clearing
from node.metering import collector
from node.metering.collector import Watch
from node.outbox import HttpRpc, Sender, SendPolicy
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
# Our chains make blocks by themselves: only they count, so that a chain that stands still refuses nothing.
SENDING: Final = SendPolicy(refuse_after_s=None)


class WrongOperatorKey(Refused):
    """The operator's key file belongs to another account than the configured operator."""

    code = "wrong-operator-key"


class SlotFaults:
    """Keeps what is wrong with one slot from the others, and tells each distinct fault once."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, int, int], str] = {}

    @contextmanager
    def contained(self, job: str, zone: int, delivery_start: int) -> Iterator[None]:
        """The next tick tries the slot again. A service that is away concerns all slots: that passes through."""
        slot = job, zone, delivery_start
        try:
            yield
        except Exception as error:
            # A call that takes too long, or a value that PostgreSQL cannot hold, may be this slot's alone.
            if isinstance(error, UNREACHABLE) and not isinstance(error, TimeoutError | ValueError):
                raise
            fault = f"{type(error).__name__}: {error}"
            if self._told.get(slot) != fault:
                self._told[slot] = fault
                log = logger.warning if isinstance(error, GridtraceError) and error.retryable else logger.exception
                log("job=%s zone=%d delivery_start=%d failed, next tick tries again: %s", *slot, fault)
        else:
            if self._told.pop(slot, None):
                logger.info("job=%s zone=%d delivery_start=%d works again", *slot)


@dataclass(frozen=True, slots=True)
class Node:
    """What every part of the node is given."""

    config: NodeConfig
    pool: Pool
    bus: Publisher
    clock: Clock
    chain: ChainContext
    settlement: SettlementContext
    signer: Signer
    rpc: HttpRpc
    watch: Watch = field(default_factory=Watch)
    faults: SlotFaults = field(default_factory=SlotFaults)


@asynccontextmanager
async def open_node(config: NodeConfig) -> AsyncIterator[Node]:
    """Opens everything, and gives it back when the block ends.

    Raises:
        WrongOperatorKey: the key file is not the configured operator's.
    """
    indexer = config.indexer
    signer = KeyFileSigner.open(config.operator_key_file, config.operator_key_password_file, chain_id=indexer.chain_id)
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
        head = await read.head(db, node.chain.chain_id)
        if head is None or head.state == "backfilling":
            return  # in a mirror that is still being filled nobody has money: every order would be void
        due = await clearing.due_gates(db, node.config.market, node.config.zones, node.clock.now_s())
    for zone, delivery_start in due:
        with node.faults.contained("close_gates", zone, delivery_start):
            await _close_gate(node, zone, delivery_start)


async def _close_gate(node: Node, zone: int, delivery_start: int) -> None:
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
    since_s = node.watch.since_s
    reading_since_s = now_s if since_s is None else int(since_s)
    async with node.pool.acquire() as db:
        due = await settlement.due(db, node.config.zones, now_s)
    for zone, delivery_start in due:
        with node.faults.contained("settle_slots", zone, delivery_start):
            async with transaction(node.pool) as db:
                outcome = await settlement.compute(
                    db, node.settlement, zone, delivery_start, now_s, reading_since_s=reading_since_s
                )
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
        with node.faults.contained("audit_slots", zone, delivery_start):
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
        sender = Sender(node.pool, node.rpc, node.signer, node.chain.chain_id, SENDING)
        tasks.create_task(_for_ever("outbox", sender.run))
        tasks.create_task(
            _for_ever("meters", lambda: collector.run(node.pool, config, node.bus, node.clock, node.watch))
        )
        tasks.create_task(scheduler.run(config.indexer.database_url, jobs(node)))
        logger.info("node runs: zones=%s operator=%s", config.zones, checksum(config.operator))
