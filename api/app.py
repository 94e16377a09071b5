"""The HTTP application: REST, streams and the web page over one set of open services."""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from fastapi import FastAPI

from api import errors, ws
from api.config import ApiConfig
from api.deps import Services
from api.limits import Envelope
from api.rest.routes import ROUTERS
from api.web import pages
from contracts.addresses import Deployment
from indexer.clock import SimulatedClock
from indexer.db import open_pool
from node.bus import Bus
from node.participants import ChainContext

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


@asynccontextmanager
async def open_services(config: ApiConfig) -> AsyncIterator[Services]:
    """Opens what the routes need, for the life of the application."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(config.node.indexer.database_url, size=20))
        bus = Bus(config.node.redis_url)
        stack.push_async_callback(bus.close)
        yield Services(
            config=config,
            pool=pool,
            bus=bus,
            clock=config.node.indexer.clock,
            real=SimulatedClock(),
            chain=chain_context(config),
        )


def create_app(config: ApiConfig) -> FastAPI:
    """The application; opens nothing until its lifespan starts."""
    # A library on the way here (py_ecc) raises the limit so far that a deeply nested body would overflow the C stack
    # and end the process.
    sys.setrecursionlimit(RECURSION_LIMIT)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(config) as services, ws.open_hub(services) as hub:
            app.state.services = services
            app.state.hub = hub
            yield

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
    )
    app.add_middleware(Envelope)
    errors.install(app, pages.error_page)
    for router in (*ROUTERS, ws.router, pages.router):
        app.include_router(router)
    pages.mount_static(app)
    return app
