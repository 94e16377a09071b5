"""The three long-running processes: they read their configuration once and run until they are asked to end."""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Coroutine
from typing import Any, Final

from indexer.errors import ConfigError

logger = logging.getLogger(__name__)

BACKLOG: Final = 2_048
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0


def node() -> None:
    """Run the market: gates, auctions, meters, settlement, audit; until stopped."""
    from node import app
    from node.config import NodeConfig

    config = NodeConfig.from_environment(os.environ)
    run_until_stopped(_with_database(config.indexer.database_url, app.run(config)))


def serve() -> None:
    """Answer the API and the web page, until stopped."""
    import uvicorn

    from api.app import create_app
    from api.bounded_http import BoundedHttp, SettledServer
    from api.config import ApiConfig

    config = ApiConfig.from_environment(os.environ)
    set_up_logging()
    place = bound(config.host, config.port)
    asyncio.run(database_answers(config.node.indexer.database_url))
    server = SettledServer(
        uvicorn.Config(
            create_app(config),
            host=config.host,
            port=config.port,
            loop="uvloop",
            http=BoundedHttp,
            log_config=None,
            access_log=False,
            ws_per_message_deflate=False,  # one message to a thousand listeners would be packed a thousand times
            timeout_graceful_shutdown=3,
        )
    )
    server.run(sockets=[place])


def bound(host: str, port: int) -> socket.socket:
    """A socket on the API's address; raises ConfigError where it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    place = socket.socket(family)
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        place.bind((host, port))
        place.listen(BACKLOG)
    except OSError as error:
        place.close()
        raise ConfigError([f"GRIDTRACE_HOST and GRIDTRACE_PORT: {host}:{port}: {error.strerror}"]) from error
    return place


async def database_answers(url: str) -> None:
    """Returns once a connection is taken: processes may be started in any order."""
    import asyncpg

    from indexer.db import connect

    pause_s = FIRST_PAUSE_S
    while True:
        try:
            connection = await connect(url)
        except (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError) as error:
            logger.warning("database unavailable retry_in_s=%.1f error=%s: %s", pause_s, type(error).__name__, error)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        else:
            await connection.close()
            return


async def _with_database(url: str, work: Coroutine[Any, Any, None]) -> None:
    try:
        await database_answers(url)
    except BaseException:
        work.close()
        raise
    await work


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
