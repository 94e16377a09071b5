"""The HTTP application: REST, streams and the web page over one set of open services."""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final

from fastapi import FastAPI

from api import document, errors, ws
from api.config import ApiConfig
from api.deps import Services
from api.etag import Tagged
from api.express import Express
from api.intake import Intake
from api.limits import Envelope
from api.quota import Limited, Quota
from api.recent import Recent
from api.rest.routes import ROUTERS
from api.web import pages
from api.web.routes import PAGES
from contracts.addresses import Deployment
from indexer.clock import SimulatedClock
from indexer.db import Connection, Pool, open_pool
from node.assets.papers import Shelves
from node.bus import Bus
from node.cache import Cache
from node.documents.blocks import FolderBlocks
from node.documents.kubo import KuboBlocks
from node.exports.worker import Worker
from node.market import service
from node.market.area import areas
from node.market.book import BookOrder
from node.metering.push import open_push
from node.outbox import HttpRpc
from node.participants import ChainContext
from node.sealing import Box
from node.webhooks.sender import Deliveries

RECURSION_LIMIT: Final = 1_000
DESCRIPTION: Final = """
Energy that was metered, traded and settled on chain. Energy is whole Wh, prices micro-currency per kWh, money
cash units of the payment token (6 decimals) or exact nano-currency, each named by its field; all of them are decimal
strings. Every error is a problem document (RFC 9457) with a `code` from `GET /v1/errors`.
"""


def chain_context(config: ApiConfig) -> ChainContext:
    """The deployed contracts, and who sends to them. The API holds no key."""
    node = config.node
    return ChainContext(node.indexer.chain_id, Deployment.load(node.indexer.deployment), node.operator)


def papers_of(config: ApiConfig) -> Shelves | None:
    """Where papers are kept: a folder, which a Kubo node relieves of what anyone may read; or nowhere."""
    if config.documents_dir is None:
        return None
    folder = FolderBlocks(config.documents_dir)
    return Shelves(folder if config.ipfs_api_url is None else KuboBlocks(config.ipfs_api_url), folder)


def cursor_secret(config: ApiConfig, box: Box | None) -> bytes:
    """From the sealing key; where there is none, from the database's address, which has a password or is local."""
    if box is not None:
        return box.derived("cursors")
    return hashlib.sha256(b"gridtrace/cursors/" + config.node.indexer.database_url.encode()).digest()


@asynccontextmanager
async def open_services(config: ApiConfig) -> AsyncIterator[Services]:
    """Opens what the routes need, for the life of the application."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            open_pool(config.node.indexer.database_url, size=12, ready=4, keeps_sessions=False)
        )
        bus = Bus(config.node.redis_url)
        stack.push_async_callback(bus.close)
        cache = Cache(config.node.redis_url)
        stack.push_async_callback(cache.close)
        rpc = HttpRpc(config.node.indexer.rpc_urls)
        stack.push_async_callback(rpc.close)
        box = None if config.sealing_key_file is None else Box.open(config.sealing_key_file)
        blocks = papers_of(config)
        if blocks is not None:
            stack.push_async_callback(blocks.close)
        yield Services(
            config=config,
            pool=pool,
            bus=bus,
            cache=cache,
            clock=config.node.indexer.clock,
            real=SimulatedClock(),
            chain=chain_context(config),
            areas=areas(config.node),
            intake=await stack.enter_async_context(open_intake(config, pool)),
            rpc=rpc,
            exports=await stack.enter_async_context(open_exports(config)),
            cursor_secret=cursor_secret(config, box),
            blocks=blocks,
            box=box,
        )


@asynccontextmanager
async def open_exports(config: ApiConfig) -> AsyncIterator[Worker | None]:
    """Writes files that are asked for until the block ends; None where there is no folder for them."""
    if config.exports_dir is None:
        yield None
        return
    worker = Worker(config.node.indexer.database_url, config.exports_dir, config.node.indexer.clock)
    async with running(worker.run(), "exports"):
        yield worker


@asynccontextmanager
async def open_webhooks(services: Services) -> AsyncIterator[None]:
    """Sends webhooks until the block ends, where there is a key for their secrets."""
    if services.box is None:
        yield
        return
    config = services.config
    sending = Deliveries(config.node.indexer.database_url, services.box, config.webhook_hosts)
    async with running(sending.run(), "webhooks"):
        yield


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Something goes on until the block ends."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def open_intake(config: ApiConfig, pool: Pool) -> AsyncIterator[Intake]:
    """Takes orders until the block ends."""

    async def accept(db: Connection, entries: Sequence[BookOrder], now_s: float) -> list[service.Answer]:
        return await service.accept_signed(db, config.node.market, config.node.indexer.chain_id, entries, now_s)

    intake = Intake(pool, accept, most=config.intake_batch)
    async with running(intake.run(), "order intake"):
        yield intake


def create_app(config: ApiConfig) -> FastAPI:
    """The application; opens nothing until its lifespan starts."""
    # A library on the way here (py_ecc) raises the limit so far that a deeply nested body would overflow the C stack
    # and end the process.
    sys.setrecursionlimit(RECURSION_LIMIT)
    quota = Quota(config.node.redis_url, config.rate_limit)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_services(config) as services,
            ws.open_hub(services) as hub,
            open_webhooks(services),
            open_push(services.pool, config.node, services.clock) as push,
        ):
            app.state.services = services
            app.state.hub = hub
            app.state.push = push
            try:
                yield
            finally:
                await quota.close()

    app = FastAPI(
        title="Gridtrace",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        responses=errors.RESPONSES,
        separate_input_output_schemas=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # asks for providers at every request
    )
    app.add_middleware(Express)
    app.add_middleware(Tagged)
    app.add_middleware(Recent)
    app.add_middleware(Limited, quota=quota)
    app.add_middleware(Envelope)
    errors.install(app, pages.error_page)
    for router in (*ROUTERS, ws.router, *PAGES):
        app.include_router(router)
    document.describe(app, (*ROUTERS, ws.router))
    pages.mount_static(app)
    return app
