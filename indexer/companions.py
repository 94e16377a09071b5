"""What runs beside the mirror in the index process: kept calls, streams out, balances rechecked by samples.

Each has a connection and a client of its own, so that nothing here can hold the mirror up; each starts again after
a fault, and none ever ends the process.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import aiohttp
import asyncpg
from redis.asyncio import Redis

from indexer import executions, reconcile, streams
from indexer.config import IndexerConfig
from indexer.cursor import CHANNEL
from indexer.db import Connection, connect
from indexer.errors import GridtraceError
from indexer.manifest import Manifest
from indexer.metrics import Metrics
from indexer.reconcile import NotPossible
from indexer.rpc import open_rpc

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
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)

Work = Callable[[], Awaitable[None]]


async def run(config: IndexerConfig, manifest: Manifest, metrics: Metrics) -> None:
    """Runs them all until cancelled."""
    async with asyncio.TaskGroup() as group:
        if executions.wanted_of(manifest):
            group.create_task(_kept_up("executions", lambda: keep_executions(config, manifest), metrics))
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
    db = await connect(config.database_url)
    try:
        news = asyncio.Event()
        await db.add_listener(CHANNEL, lambda *_: news.set())
        stream = streams.Stream(db, config.chain_id, name, sink)
        await streams.follow(stream, db, config.chain_id, name, news, POLL_S)
    finally:
        db.terminate()


async def keep_executions(config: IndexerConfig, manifest: Manifest) -> None:
    """Follows the mirror with every call to its contracts."""
    db = await connect(config.database_url)
    try:
        news = asyncio.Event()
        await db.add_listener(CHANNEL, lambda *_: news.set())
        async with open_rpc(config.rpc_urls, config.chain_id) as rpc:
            await executions.follow(db, rpc, manifest, news, POLL_S)
    finally:
        db.terminate()


async def recheck(config: IndexerConfig, chain_id: int, metrics: Metrics) -> None:
    """Compares a few balances now and then."""
    db = await connect(config.database_url)
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
