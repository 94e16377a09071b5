"""What runs beside the mirror in the index process: kept calls, streams out, balances rechecked by samples.

Each has a connection and a client of its own, so that nothing here can hold the mirror up; each starts again after
a fault, and none ever ends the process.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import aiohttp
import asyncpg
from redis.asyncio import Redis

from indexer import executions, reads, reconcile, records, streams
from indexer.call_cache import CallCache
from indexer.calls import Caller
from indexer.config import IndexerConfig
from indexer.cursor import CHANNEL
from indexer.db import Connection, connect
from indexer.errors import GridtraceError
from indexer.follower import follow
from indexer.manifest import Manifest
from indexer.metrics import Metrics
from indexer.reconcile import NotPossible
from indexer.rpc import Rpc, open_rpc
from indexer.version_db import IS_LIVE

logger = logging.getLogger(__name__)

POLL_S: Final = 2.0
"""How long a notice of a new block may be missing."""
SAMPLE_SIZE: Final = 20
RETRY_FIRST_S: Final = 1.0
RETRY_MAX_S: Final = 30.0
SHOWN: Final = 5
FAULTS: Final = (
    GridtraceError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was cut off in the middle of a call
    OSError,
    TimeoutError,
)

Work = Callable[[], Awaitable[None]]


async def run(config: IndexerConfig, manifest: Manifest, metrics: Metrics) -> None:
    """Runs them all until cancelled."""
    async with asyncio.TaskGroup() as group:
        if executions.wanted_of(manifest):
            group.create_task(_kept_up("executions", lambda: keep_executions(config, manifest), metrics))
        if records.is_wanted(manifest.options):
            group.create_task(_kept_up("records", lambda: keep_records(config, manifest), metrics))
        if manifest.reads:
            group.create_task(_kept_up("reads", lambda: keep_reads(config, manifest), metrics))
        if redis_url := config.stream_redis_url:
            group.create_task(_kept_up("redis stream", lambda: deliver_to_redis(config, redis_url), metrics))
        if webhook_url := config.webhook_url:
            group.create_task(_kept_up("webhook", lambda: deliver_to_webhook(config, webhook_url), metrics))
        if config.reconcile_s > 0:
            group.create_task(_kept_up("reconcile", lambda: recheck(config, manifest.chain_id, metrics), metrics))


async def deliver_to_redis(config: IndexerConfig, url: str) -> None:
    """Streams every block's events to Redis."""
    client: Redis = Redis.from_url(url)
    try:
        await _deliver(config, "redis", streams.RedisSink(client))
    finally:
        await client.aclose()


async def deliver_to_webhook(config: IndexerConfig, url: str) -> None:
    """Streams every block's events to an HTTP receiver."""
    async with aiohttp.ClientSession() as session:
        await _deliver(config, "webhook", streams.WebhookSink(session, url, config.webhook_secret.encode()))


async def _deliver(config: IndexerConfig, name: str, sink: streams.Sink) -> None:
    db = await connect(config.database_url, version=config.version)
    try:
        # A version that is not served has nobody to tell.
        while not await _is_served(db, config):  # noqa: ASYNC110 -- a row is no event
            await asyncio.sleep(POLL_S)
        news = asyncio.Event()
        await db.add_listener(CHANNEL, lambda *_: news.set())
        stream = streams.Stream(db, config.chain_id, name, sink)
        delivering = asyncio.create_task(streams.follow(stream, db, config.chain_id, name, news, POLL_S))
        try:
            await _until_not_served(config, delivering)
        finally:
            await ended(delivering)
    finally:
        db.terminate()


async def _is_served(db: Connection, config: IndexerConfig) -> bool:
    return config.version is None or bool(await db.fetchval(IS_LIVE, config.version))


async def _until_not_served(config: IndexerConfig, delivering: "asyncio.Task[None]") -> None:
    """Returns when another version is served; raises what ends the delivery."""
    if config.version is None:
        await delivering
        return
    own = await connect(config.database_url)
    try:
        while await _is_served(own, config):
            done, _ = await asyncio.wait({delivering}, timeout=POLL_S)
            if done:
                await delivering
    finally:
        own.terminate()


async def keep_executions(config: IndexerConfig, manifest: Manifest) -> None:
    """Follows the mirror with every call to its contracts."""
    async with _following(config) as (db, rpc, news):
        await executions.follow(db, rpc, manifest, news, POLL_S)


async def keep_records(config: IndexerConfig, manifest: Manifest) -> None:
    """Follows the mirror with transactions, receipts, transfers of coins and traces."""
    async with _following(config) as (db, rpc, news):
        keeper = records.Records(db, rpc, manifest)
        await follow(keeper.follower, keeper.step, news, POLL_S)


async def keep_reads(config: IndexerConfig, manifest: Manifest) -> None:
    """Follows the mirror with what contracts return."""
    async with _following(config) as (db, rpc, news):
        caller = Caller(rpc, config.chain_id, CallCache(config.cache) if config.cache else None)
        keeper = reads.Reads(db, caller, manifest)
        await keeper.follower.lead(POLL_S)
        await keeper.prepare()
        await follow(keeper.follower, keeper.step, news, POLL_S)


@asynccontextmanager
async def _following(config: IndexerConfig) -> AsyncIterator[tuple[Connection, Rpc, asyncio.Event]]:
    """A connection, a client, and the news of every block."""
    db = await connect(config.database_url, version=config.version)
    try:
        news = asyncio.Event()
        await db.add_listener(CHANNEL, lambda *_: news.set())
        async with open_rpc(config.rpc_urls, config.chain_id) as rpc:
            yield db, rpc, news
    finally:
        db.terminate()


async def recheck(config: IndexerConfig, chain_id: int, metrics: Metrics) -> None:
    """Compares a few balances now and then."""
    db = await connect(config.database_url, version=config.version)
    try:
        async with open_rpc(config.rpc_urls, chain_id) as rpc:
            told = ""
            while True:
                await asyncio.sleep(config.reconcile_s)
                if metrics.state != "running":
                    # While history is read, the node and the database have better things to do.
                    continue
                try:
                    await _sample(db, rpc, chain_id, metrics)
                except NotPossible as error:
                    metrics.fault(error.code)
                    if str(error) != told:
                        logger.info("balances not compared chain=%d reason=%s", chain_id, error)
                    told = str(error)
    finally:
        db.terminate()


async def _sample(db: Connection, rpc: reconcile.Transport, chain_id: int, metrics: Metrics) -> None:
    async with db.transaction(isolation="repeatable_read", readonly=True):
        report = await reconcile.sample(db, rpc, chain_id, SAMPLE_SIZE)
    if not report.compared and not report.unanswered:
        return
    async with db.transaction():
        await reconcile.store(db, chain_id, report)
    metrics.compared.inc(report.compared)
    metrics.differences.inc(report.different)
    for found in report.differences[:SHOWN]:
        logger.error(
            "balance difference chain=%d contract=0x%s account=%s quantity=%s mirrored=%d on_chain=%d block=%d",
            chain_id,
            found.contract.hex(),
            "total" if found.account is None else "0x" + found.account.hex(),
            found.quantity,
            found.mirrored,
            found.on_chain,
            found.block_number,
        )


async def _kept_up(name: str, work: Work, metrics: Metrics) -> None:
    """Starts again after every fault, later each time, and names it."""
    delay_s, loop = RETRY_FIRST_S, asyncio.get_running_loop()
    while True:
        started_s = loop.time()
        try:
            await work()
        except FAULTS as error:
            code = error.code if isinstance(error, GridtraceError) else "database-unavailable"
            metrics.fault(code)
            logger.warning("%s stopped retry_in_s=%.0f code=%s error=%s", name, delay_s, code, error)
        except Exception:
            metrics.fault("failed")
            logger.exception("%s failed retry_in_s=%.0f", name, delay_s)
        if loop.time() - started_s > RETRY_MAX_S:
            delay_s = RETRY_FIRST_S
        await asyncio.sleep(delay_s)
        delay_s = min(2 * delay_s, RETRY_MAX_S)


async def ended(task: "asyncio.Task[Any]") -> None:
    """Cancels a task and waits until it has gone."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
