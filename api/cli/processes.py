"""The three long-running processes: they read their configuration once and run until they are asked to end."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any


def index() -> None:
    """Mirror the chain's events into PostgreSQL, until stopped."""
    from indexer import app
    from indexer.config import IndexerConfig

    config = IndexerConfig.from_environment(os.environ)
    run_until_stopped(app.run(config))


def node() -> None:
    """Run the market: gates, auctions, meters, settlement, audit; until stopped."""
    from node import app
    from node.config import NodeConfig

    config = NodeConfig.from_environment(os.environ)
    run_until_stopped(app.run(config))


def serve() -> None:
    """Answer the API and the web page, until stopped."""
    import uvicorn

    from api.app import create_app
    from api.config import ApiConfig

    config = ApiConfig.from_environment(os.environ)
    set_up_logging()
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(config),
            host=config.host,
            port=config.port,
            loop="uvloop",
            http="httptools",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=3,
        )
    )
    server.run()


def run_until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Runs on uvloop; SIGTERM and SIGINT cancel the work, which then ends cleanly."""
    import uvloop

    set_up_logging()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_cancelled_by_signals(work))


async def _cancelled_by_signals(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        logging.getLogger(__name__).info("stopped")


def set_up_logging() -> None:
    """Lines on standard error; GRIDTRACE_LOG_LEVEL chooses how many (INFO where not set)."""
    logging.basicConfig(
        stream=sys.stderr,
        level=os.environ.get("GRIDTRACE_LOG_LEVEL", "INFO").upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    for noisy in ("httpx", "httpcore", "pymodbus", "apscheduler", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
