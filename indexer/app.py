"""The indexer process: one writer per chain, others stand by; outages are waited out and named."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, TypeAlias

import asyncpg

from contracts.addresses import Deployment
from indexer import facts, handlers, refold, shipped, state, templates, version_switch, versions
from indexer.calls import Caller
from indexer.chain import Chain, RpcChain
from indexer.config import IndexerConfig
from indexer.cursor import SQL as CURSOR_SQL
from indexer.db import Connection, connect
from indexer.errors import Disagreement, RpcRefused, RpcUnavailable
from indexer.extension import Extension, Rewinding
from indexer.heads import Heads
from indexer.manifest import Manifest, check_chain
from indexer.metrics import Metrics
from indexer.progress import Progress, terminal
from indexer.receipts import ReceiptVerifier
from indexer.rpc import Rpc, open_rpc
from indexer.sync import Advanced, Ahead, Halted, NothingNew, Outcome, Reorg, Sync
from indexer.telemetry import Telemetry

logger = logging.getLogger(__name__)

COMMAND_TIMEOUT_S: Final = 120.0
STANDBY_POLL_S: Final = 0.5
RETRY_FIRST_S: Final = 0.2
RETRY_MAX_S: Final = 5.0
HALTED_POLL_S: Final = 2.0
SUPERSEDED_POLL_S: Final = 2.0
LONGEST_REASON: Final = 500
Extensions: TypeAlias = Sequence[Extension]
CHAIN_FAULTS: Final = (Disagreement, RpcRefused, RpcUnavailable)
DATABASE_FAULTS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was cut off in the middle of a call
    OSError,
    TimeoutError,
)
"""Also what the database refuses: read-only after a failover, full, not yet migrated. All of it can be mended there."""


async def run(config: IndexerConfig) -> None:
    """Mirrors the configured chain until cancelled.

    Raises:
        ConfigError: the deployment is of another chain.
        WrongChain: the RPC endpoint serves another chain.
    """
    telemetry = Telemetry()
    async with telemetry.serving(config.metrics_port):
        await mirror(config, load_manifest(config), telemetry.chain(config.chain_id))


async def mirror(config: IndexerConfig, manifest: Manifest, metrics: Metrics, extensions: Extensions = ()) -> None:
    """Mirrors one chain until cancelled. Raises WrongChain as ``run``."""
    async with open_rpc(config.rpc_urls, config.chain_id, watch=metrics) as rpc:
        if manifest.handlers:
            extensions = (*extensions, *extensions_of(manifest, caller_of(config, rpc)))
        heads = Heads(rpc.session, config.rpc_urls[0], config.poll_interval_s)
        beside = [asyncio.create_task(heads.run()), asyncio.create_task(_beside(config, manifest, metrics))]
        try:
            chain = chain_of(config, rpc, metrics)
            await keep(config.database_url, chain, manifest, heads, metrics, extensions, config.version)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)


async def _beside(config: IndexerConfig, manifest: Manifest, metrics: Metrics) -> None:
    # Slow to import, and not needed for the first blocks.
    from indexer import companions

    await companions.run(config, manifest, metrics)


def chain_of(config: IndexerConfig, rpc: Rpc, metrics: Metrics) -> Chain:
    """The chain behind the endpoints, with the configured checks and cache."""
    verifier = ReceiptVerifier(config.verify) if config.verify else None
    chain = RpcChain(rpc, verifier=verifier, missed=metrics.missing.inc)
    if config.cache is None:
        return chain
    # Slow to import, and used by few.
    from indexer.cache import Cache, CachedChain

    return CachedChain(chain, Cache(config.cache, config.cache_bytes), config.chain_id, metrics.cached.inc)


def extensions_of(manifest: Manifest, caller: Caller | None = None) -> Extensions:
    """The manifest's handlers, if it has any; without a caller they cannot read contracts.

    Raises:
        ConfigError: there are none of that name.
    """
    return (handlers.Running(handlers.load(manifest.handlers), caller),) if manifest.handlers else ()


def remaking_of(manifest: Manifest, caller: Caller) -> Sequence[Rewinding]:
    """The manifest's handlers, for taking blocks out from below the finalised one. Raises as ``extensions_of``."""
    if not manifest.handlers:
        return ()
    loaded = handlers.load(manifest.handlers)
    return (refold.Remaking(manifest, handlers.Running(loaded, caller), loaded),)


def caller_of(config: IndexerConfig, rpc: Rpc) -> Caller:
    """What calls contracts at past blocks, with the configured cache."""
    if config.cache is None:
        return Caller(rpc, config.chain_id)
    # Slow to import, and used by few.
    from indexer.call_cache import CallCache

    return Caller(rpc, config.chain_id, CallCache(config.cache))


def load_manifest(config: IndexerConfig) -> Manifest:
    """The deployed contracts with the ABIs of their artifacts."""
    return check_chain(shipped.manifest_of(Deployment.load(config.deployment)), config.chain_id)


async def keep(
    database_url: str,
    chain: Chain,
    manifest: Manifest,
    heads: Heads,
    metrics: Metrics,
    extensions: Extensions = (),
    version: str | None = None,
) -> None:
    """Reconnects to the database for as long as it takes, and mirrors whenever it is there."""
    delay_s = RETRY_FIRST_S
    while True:
        try:
            db = await connect(database_url, command_timeout_s=COMMAND_TIMEOUT_S, version=version)
            try:
                delay_s = RETRY_FIRST_S
                await _permitted(db, manifest.chain_id, metrics, version)
                await _lead(db, chain, manifest, heads, metrics, extensions)
            finally:
                metrics.leader.set(0)
                db.terminate()  # gives up the lock at once, whatever the connection was doing
        except DATABASE_FAULTS as error:
            metrics.fault("database-unavailable")
            metrics.wait("unavailable", f"database: {type(error).__name__}: {error}")
            logger.warning("database unavailable retry_in_s=%.1f error=%s: %s", delay_s, type(error).__name__, error)
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, RETRY_MAX_S)
        except CHAIN_FAULTS as error:
            # Handlers that are run again before the first step may read contracts.
            metrics.fault(error.code)
            metrics.wait("unavailable", str(error)[:LONGEST_REASON])
            logger.warning("chain unavailable retry_in_s=%.1f code=%s error=%s", delay_s, error.code, error)
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, RETRY_MAX_S)


async def _permitted(db: Connection, chain_id: int, metrics: Metrics, version: str | None) -> None:
    """Makes the version's tables; without one, stands by for as long as a version is served."""
    if version is not None:
        async with db.transaction():
            await version_switch.prepare(db, version)
        return
    told = False
    while (served := await db.fetchval(version_switch.SQL["live"])) is not None:
        if not told:
            logger.warning("version %s is served, this process writes none chain=%d", served, chain_id)
        told = True
        metrics.wait("superseded", f"version {served} is served; say --version-name")
        await asyncio.sleep(SUPERSEDED_POLL_S)


async def _lead(
    db: Connection, chain: Chain, manifest: Manifest, heads: Heads, metrics: Metrics, extensions: Extensions
) -> None:
    """Waits for the chain's lock, then mirrors over the connection that holds it."""
    waiting = False
    while not await db.fetchval(CURSOR_SQL["lock_chain"], manifest.chain_id):
        if not waiting:
            logger.info("standing by chain=%d: another process writes", manifest.chain_id)
        waiting = True
        metrics.wait("standby")
        await asyncio.sleep(STANDBY_POLL_S)
    metrics.leader.set(1)
    async with db.transaction():
        await facts.ensure(db, manifest)
        projections = (*state.usable(manifest.tables), *templates.of(manifest))
        await versions.refold_changed(db, manifest.chain_id, projections)
        for extension in extensions:
            await extension.prepare(db, manifest)
    progress = Progress(manifest.chain_id, terminal())

    def hear(outcome: Outcome) -> None:
        metrics.observe(outcome)
        progress.hear(outcome)

    sync = Sync(db, chain, manifest, extensions, hear)
    logger.info("indexing chain=%d contracts=%d", manifest.chain_id, len(manifest.contracts))
    await _follow(db, sync, manifest, heads, metrics)


async def _follow(db: Connection, sync: Sync, manifest: Manifest, heads: Heads, metrics: Metrics) -> None:
    indexed, delay_s, told = False, RETRY_FIRST_S, ""
    last: Outcome | None = None
    while True:
        try:
            outcome = await sync.step()
        except CHAIN_FAULTS as error:
            metrics.fault(error.code)
            metrics.wait("unavailable", str(error)[:LONGEST_REASON])
            if str(error) != told:
                logger.warning("chain unavailable code=%s error=%s", error.code, error)
            told = str(error)
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, RETRY_MAX_S)
            continue
        delay_s, told = RETRY_FIRST_S, ""
        if not indexed and isinstance(outcome, NothingNew):
            async with db.transaction():
                await facts.index_keys(db, manifest)
            indexed = True
        if outcome != last:
            _tell(manifest.chain_id, outcome)
        last = outcome
        if isinstance(outcome, NothingNew | Ahead):
            await heads.wait()
        elif isinstance(outcome, Halted):
            await asyncio.sleep(HALTED_POLL_S)


def _tell(chain_id: int, outcome: Outcome) -> None:
    match outcome:
        case Advanced(first, last, events, head):
            logger.info("advanced chain=%d first=%d last=%d events=%d head=%d", chain_id, first, last, events, head)
        case Reorg(ancestor, depth):
            logger.warning("reorg chain=%d ancestor=%d depth=%d", chain_id, ancestor, depth)
        case Ahead(ours, theirs):
            logger.info("ahead of the endpoint chain=%d ours=%d theirs=%d", chain_id, ours, theirs)
        case Halted(reason):
            logger.error(
                "halted chain=%d reason=%r: `gridtrace index resolve --chain %d` drops what is replaced and goes on",
                chain_id, reason, chain_id,
            )  # fmt: skip
