"""The node: what one process opens, and the jobs that one leading node runs.

Reading order: ``jobs`` names everything that happens without anybody asking.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from contracts.addresses import Deployment
from contracts.typed_data import checksum
from indexer import read
from indexer.clock import Clock
from indexer.db import Pool, connect, open_pool, transaction
from indexer.errors import GridtraceError
from node import asset_jobs, scheduler
from node.audit import anchors
from node.audit import service as audit
from node.bus import Bus, Publisher
from node.cache import Cache
from node.config import NodeConfig
from node.market import agreement, clearing, continuous, day_ahead, depth, gate
from node.market.area import Area, areas
from node.market.days import day_of
from node.market.matching import Matcher, Step
from node.metering import collector
from node.metering.collector import Watch
from node.outbox import HttpRpc, Sender, SendPolicy
from node.participants import ChainContext
from node.scheduler import HEARTBEAT_S, HEARTBEAT_TIMEOUT_S, UNREACHABLE, Job
from node.settlement import advance as settling
from node.settlement import revise as revision
from node.settlement import service as settlement
from node.settlement.context import NotReady, SettlementContext
from node.signers.service import open_signer
from node.wallet import Signer

logger = logging.getLogger(__name__)

TICK_S: Final = 0.2
AUDIT_TICK_S: Final = 0.5
REVISION_TICK_S: Final = 2.0
ANCHOR_TICK_S: Final = 60.0
MATCH_S: Final = 5.0
"""How long one run of the matching lasts: it waits for orders by itself, and only then for its tick."""
MARKET_CHANNEL: Final = "gridtrace_market"
RESTART_S: Final = 1.0
# Our chains make blocks by themselves: only they count, so that a chain that stands still refuses nothing.
SENDING: Final = SendPolicy(refuse_after_s=None)


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
    cache: Cache
    areas: tuple[Area, ...]
    """The zones of the market, as they are cleared together."""
    matcher: Matcher
    watch: Watch = field(default_factory=Watch)
    sequence_grew: asyncio.Event = field(default_factory=asyncio.Event)
    faults: SlotFaults = field(default_factory=SlotFaults)


@asynccontextmanager
async def open_node(config: NodeConfig) -> AsyncIterator[Node]:
    """Opens everything, and gives it back when the block ends.

    Raises:
        WrongOperatorKey, WrongSignature: the key is not the configured operator's.
        SignerUnavailable, SignerRefused: of a key that another machine keeps.
    """
    indexer = config.indexer
    deployment = Deployment.load(indexer.deployment)
    signer = await asyncio.to_thread(open_signer, config.signer, config.operator, indexer.chain_id, deployment)
    bus, rpc, cache = Bus(config.redis_url), HttpRpc(indexer.rpc_urls), Cache(config.redis_url)
    try:
        async with open_pool(indexer.database_url) as pool:
            market_areas = areas(config)
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
                cache=cache,
                areas=market_areas,
                matcher=Matcher(config.market, market_areas),
            )
    finally:
        await rpc.close()
        await cache.close()
        await bus.close()


def jobs(node: Node) -> Sequence[Job]:
    """Everything that happens without anybody asking, in the order in which a slot lives."""
    matching = [Job("match_orders", TICK_S, lambda: match_orders(node))]
    return (
        Job("expire_orders", TICK_S, lambda: expire_orders(node)),
        *(matching if node.config.market.trading == "continuous" else ()),
        Job("close_gates", TICK_S, lambda: close_gates(node)),
        Job("settle_slots", TICK_S, lambda: settle_slots(node)),
        Job("follow_settlements", TICK_S, lambda: follow_settlements(node)),
        Job("revise_slots", REVISION_TICK_S, lambda: revise_slots(node)),
        Job("audit_slots", AUDIT_TICK_S, lambda: audit_slots(node)),
        Job("anchor_logs", ANCHOR_TICK_S, lambda: anchor_logs(node)),
        *asset_jobs.jobs(node),
    )


async def expire_orders(node: Node) -> None:
    """Ends every order that was good till a time that has come."""
    await gate.expire(node.pool, node.config.market, node.clock.now_s())


async def match_orders(node: Node) -> None:
    """Matches what comes to the continuous books, as soon as it comes."""
    await asyncio.to_thread(continuous.load)  # in the middle of the first order it would hold everything else up
    loop = asyncio.get_running_loop()
    until_s = loop.time() + MATCH_S
    while True:
        node.sequence_grew.clear()
        steps = await node.matcher.follow(
            node.pool, node.clock.now_s(), lambda area, start: node.faults.contained("match_orders", area, start)
        )
        await _tell_steps(node, steps)
        left_s = until_s - loop.time()
        if left_s <= 0:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left_s, TICK_S)):
                await node.sequence_grew.wait()


async def _tell_steps(node: Node, steps: Sequence[Step]) -> None:
    for step in steps:
        for channel, message in depth.news(step):
            await node.bus.publish(channel, message)


async def hear_market(node: Node) -> None:
    """Wakes the matching whenever something is added to the sequence; without it, matching waits for its tick."""
    connection = await connect(node.config.indexer.database_url)
    try:
        await connection.add_listener(MARKET_CHANNEL, lambda *_: node.sequence_grew.set())
        while True:
            await connection.execute("select 1", timeout=HEARTBEAT_TIMEOUT_S)
            await asyncio.sleep(HEARTBEAT_S)
    finally:
        connection.terminate()


async def close_gates(node: Node) -> None:
    """Clears every slot whose gate has closed."""
    # What expires at the gate does so here: a gate that adds to the sequence holds up all orders until it is closed.
    await expire_orders(node)
    async with node.pool.acquire() as db:
        head = await read.head(db, node.chain.chain_id)
        if head is None or head.state == "backfilling":
            return  # in a mirror that is still being filled nobody has money: every order would be void
        now_s = node.clock.now_s()
        due = await clearing.due_gates(db, node.config.market, node.areas, now_s)
        days = await day_ahead.due(db, node.config.market, node.areas, due, now_s)
    waiting = set()
    for area, day in days:
        waiting.add((area.name, day))
        with node.faults.contained("close_day_ahead", area.name, day):
            await _close_day_ahead(node, area, day)
            waiting.remove((area.name, day))
    for area, delivery_start in due:
        if (area.name, day_of(node.config.market, delivery_start)) in waiting:
            continue  # what the day-ahead auction leaves is not known yet
        with node.faults.contained("close_gates", area.name, delivery_start):
            await _close_gate(node, area, delivery_start)


async def _close_day_ahead(node: Node, area: Area, day: int) -> None:
    async with transaction(node.pool) as db:
        cleared = await day_ahead.clear(
            db, node.config.market, area, day, node.clock.now_s(), chain_id=node.chain.chain_id
        )
    await node.bus.publish(
        "auctions",
        {
            "zone": area.name,
            "delivery_start": day,
            "session": "day_ahead",
            "order_count": cleared.order_count,
            "matched_wh": str(cleared.matched_wh),
            "accepted_blocks": len(cleared.accepted_blocks),
        },
    )


async def _close_gate(node: Node, area: Area, delivery_start: int) -> None:
    steps: list[Step] = []
    async with transaction(node.pool) as db:
        auctions = await clearing.clear_area(
            db,
            node.config.market,
            area,
            delivery_start,
            node.clock.now_s(),
            chain_id=node.chain.chain_id,
            matched=steps.append,
        )
    await _tell_steps(node, steps)
    if node.config.market.trading == "continuous":
        await node.bus.publish("book", {"area": area.name, "delivery_start": delivery_start, "closed": True})
    for auction in auctions:
        price = auction.clearing_price_per_kwh
        await node.bus.publish(
            "auctions",
            {
                "zone": auction.zone,
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


async def revise_slots(node: Node) -> None:
    """Makes a new version of every slot that late readings change, and the last version final in its time."""
    now_s = int(node.clock.now_s())
    async with node.pool.acquire() as db:
        due = await revision.due(db, node.settlement, node.config.zones, now_s)
    for zone, delivery_start in due:
        with node.faults.contained("revise_slots", zone, delivery_start):
            async with transaction(node.pool) as db:
                revised = await revision.revise(db, node.settlement, zone, delivery_start, now_s)
            if revised is not None:
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


async def anchor_logs(node: Node) -> None:
    """Puts the last hash of the log of changes and of the market's sequence on chain, once a market day."""
    async with transaction(node.pool) as db:
        await anchors.ask(db, node.settlement, node.clock.now_s())


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
        if config.market.trading == "continuous":
            tasks.create_task(_for_ever("market news", lambda: hear_market(node)))
        tasks.create_task(
            scheduler.run(config.indexer.database_url, jobs(node), lambda db: agreement.lead_with(db, node.areas))
        )
        logger.info("node runs: zones=%s operator=%s", config.zones, checksum(config.operator))
