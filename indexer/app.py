"""The indexer process: one writer per chain, others stand by; outages are waited out and named."""

import asyncio
import logging
from contextlib import suppress
from typing import Final

import asyncpg

from contracts.abi import artifact
from contracts.addresses import Deployment
from indexer import facts
from indexer.chain import RpcChain
from indexer.config import IndexerConfig
from indexer.cursor import SQL as CURSOR_SQL
from indexer.db import Connection, connect
from indexer.errors import Disagreement, RpcRefused, RpcUnavailable
from indexer.heads import Heads
from indexer.manifest import Contract, Manifest, check_chain
from indexer.metrics import Metrics
from indexer.rpc import open_rpc
from indexer.sync import Advanced, Ahead, Halted, NothingNew, Outcome, Reorg, Sync

logger = logging.getLogger(__name__)

COMMAND_TIMEOUT_S: Final = 120.0
STANDBY_POLL_S: Final = 0.5
RETRY_FIRST_S: Final = 0.2
RETRY_MAX_S: Final = 5.0
HALTED_POLL_S: Final = 2.0
CHAIN_FAULTS: Final = (Disagreement, RpcRefused, RpcUnavailable)
DATABASE_FAULTS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
"""Also what the database refuses: read-only after a failover, full, not yet migrated. All of it can be mended there."""


async def run(config: IndexerConfig) -> None:
    """Mirrors the configured chain until cancelled.

    Raises:
        ConfigError: the deployment is of another chain.
        WrongChain: the RPC endpoint serves another chain.
    """
    manifest = load_manifest(config)
    metrics = Metrics(config.chain_id)
    if config.metrics_port:
        metrics.serve(config.metrics_port)
    async with open_rpc(config.rpc_urls, config.chain_id) as rpc:
        heads = Heads(rpc.session, config.rpc_urls[0], config.poll_interval_s)
        listener = asyncio.create_task(heads.run())
        try:
            await keep(config.database_url, RpcChain(rpc, manifest.addresses), manifest, heads, metrics)
        finally:
            listener.cancel()
            with suppress(asyncio.CancelledError):
                await listener


def load_manifest(config: IndexerConfig) -> Manifest:
    """The deployed contracts with the ABIs of their artifacts."""
    deployment = Deployment.load(config.deployment)
    contracts = tuple(Contract(name, address, artifact(name).abi) for name, address in deployment.addresses.items())
    return check_chain(Manifest(deployment.chain_id, deployment.start_block, contracts), config.chain_id)


async def keep(database_url: str, chain: RpcChain, manifest: Manifest, heads: Heads, metrics: Metrics) -> None:
    """Reconnects to the database for as long as it takes, and mirrors whenever it is there."""
    delay_s = RETRY_FIRST_S
    while True:
        try:
            db = await connect(database_url, command_timeout_s=COMMAND_TIMEOUT_S)
            try:
                delay_s = RETRY_FIRST_S
                await _lead(db, chain, manifest, heads, metrics)
            finally:
                metrics.leader.set(0)
                db.terminate()  # gives up the lock at once, whatever the connection was doing
        except DATABASE_FAULTS as error:
            metrics.fault("database-unavailable")
            logger.warning("database unavailable retry_in_s=%.1f error=%s: %s", delay_s, type(error).__name__, error)
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, RETRY_MAX_S)


async def _lead(db: Connection, chain: RpcChain, manifest: Manifest, heads: Heads, metrics: Metrics) -> None:
    """Waits for the chain's lock, then mirrors over the connection that holds it."""
    waiting = False
    while not await db.fetchval(CURSOR_SQL["lock_chain"], manifest.chain_id):
        if not waiting:
            logger.info("standing by chain=%d: another process writes", manifest.chain_id)
        waiting = True
        await asyncio.sleep(STANDBY_POLL_S)
    metrics.leader.set(1)
    async with db.transaction():
        await facts.ensure(db, manifest)
    sync = Sync(db, chain, manifest)
    logger.info("indexing chain=%d contracts=%d", manifest.chain_id, len(manifest.contracts))
    indexed, delay_s, told = False, RETRY_FIRST_S, ""
    last: Outcome | None = None
    while True:
        try:
            outcome = await sync.step()
        except CHAIN_FAULTS as error:
            metrics.fault(error.code)
            if str(error) != told:
                logger.warning("chain unavailable code=%s error=%s", error.code, error)
            told = str(error)
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, RETRY_MAX_S)
            continue
        delay_s, told = RETRY_FIRST_S, ""
        metrics.observe(outcome)
        if not indexed and isinstance(outcome, NothingNew):
            async with db.transaction():
                await facts.index_keys(db, manifest)
            indexed = True
        if outcome != last:
            _tell(outcome)
        last = outcome
        if isinstance(outcome, NothingNew | Ahead):
            await heads.wait()
        elif isinstance(outcome, Halted):
            await asyncio.sleep(HALTED_POLL_S)


def _tell(outcome: Outcome) -> None:
    match outcome:
        case Advanced(first, last, events, head):
            logger.info("advanced first=%d last=%d events=%d head=%d", first, last, events, head)
        case Reorg(ancestor, depth):
            logger.warning("reorg ancestor=%d depth=%d", ancestor, depth)
        case Ahead(ours, theirs):
            logger.info("ahead of the endpoint ours=%d theirs=%d", ours, theirs)
        case Halted(reason):
            logger.error("halted reason=%r", reason)
