"""Reads and streams of the API: ``python -m scripts.bench.api [--seconds N] [--listeners N] [--json]``.

One API process over PostgreSQL and Redis, clients in processes of their own. The book of a slot (400 limits) and a
balance at 500 requests a second; a page of 100 blocks as fast as answers come, beside a plain FastAPI and asyncpg
program and beside JSON made by PostgreSQL (PostgREST's way) over the same rows; and listeners to one book.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from api.client import Client
from api.devnet.postgres import PostgresServer
from api.devnet.process import free_port, importable, listens
from api.devnet.redis import RedisServer
from contracts.addresses import Deployment
from contracts.typed_data import address_of, checksum
from indexer import migrate
from indexer.db import connect, queries
from node.bus import Bus
from scripts.bench import intake
from scripts.bench.api_load import Asking, Listening, ask, listen

SQL = queries("scripts.bench.api")
KEY: Final = bytes(31) + b"\x01"
BLOCKS: Final = 20_000
DELIVERY_START: Final = intake.MARKET_TIME + 1_800
STARTING_S: Final = 60.0
LISTENING_PROCESSES: Final = 2


async def _fill(database_url: str) -> None:
    db = await connect(database_url, command_timeout_s=600)
    await db.execute(SQL["orders"], address_of(KEY), float(DELIVERY_START))
    await db.execute(SQL["blocks"], intake.CHAIN_ID, BLOCKS, float(intake.MARKET_TIME - BLOCKS))
    await db.execute(SQL["cursor"], intake.CHAIN_ID)
    await db.close()


@contextmanager
def _program(arguments: Sequence[str], variables: dict[str, str], port: int) -> Iterator[None]:
    program = subprocess.Popen([sys.executable, "-m", *arguments], env=variables)
    try:
        end = time.monotonic() + STARTING_S
        while not listens("127.0.0.1", port):
            if program.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{arguments[0]} does not start")
            time.sleep(0.1)
        time.sleep(1)
        yield
    finally:
        program.terminate()
        program.wait(10)


async def _token(url: str) -> str:
    async with Client(url, KEY) as client:
        return (await client.sign_in()).session_token


def _told(latencies: Sequence[float], seconds: float) -> dict[str, float]:
    cuts = statistics.quantiles(latencies, n=100)
    return {"per_s": len(latencies) / seconds, "p50_ms": cuts[49], "p99_ms": cuts[98], "most_ms": max(latencies)}


async def _publish(redis_url: str, messages: int, per_second: float) -> None:
    bus = Bus(redis_url)
    for revision in range(1, messages + 1):
        change = {
            "area": 1,
            "delivery_start": DELIVERY_START,
            "revision": revision,
            "levels": [[1, "buy", 100_000, 500]],
        }
        await bus.publish("book", {**change, "sent_at": time.time()})
        await asyncio.sleep(1 / per_second)
    await bus.close()


def fan_out(url: str, redis_url: str, listeners: int, messages: int) -> dict[str, Any]:
    """Delay of each message to each listener."""
    context = get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(LISTENING_PROCESSES, context) as pool:
        ready = manager.Semaphore(0)
        share = Listening(url.replace("http", "ws") + "/v1/ws", listeners // LISTENING_PROCESSES, messages, 300.0)
        running = [pool.submit(listen, share, ready) for _ in range(LISTENING_PROCESSES)]
        for _ in running:
            ready.acquire()
        asyncio.run(_publish(redis_url, messages, 10.0))
        delays = [delay for run in running for delay in run.result()]
    return {"listeners": share.listeners * LISTENING_PROCESSES, **_told(delays, messages / 10.0)}


def measure(folder: Path, server: PostgresServer, redis_url: str, options: argparse.Namespace) -> dict[str, Any]:
    """Everything in one run."""
    database_url = asyncio.run(server.ensure("bench_api"))
    migrate.upgrade(database_url)
    asyncio.run(_fill(database_url))
    port, naive_port = free_port(), free_port()
    variables = intake.environment(folder, database_url, redis_url, port, 256) | {"GRIDTRACE_TRADING": "continuous"}
    contracts = {"SettlementExchange": intake.EXCHANGE, "PaymentToken": b"\xd0" * 20}
    Deployment(intake.CHAIN_ID, 1, contracts).dump(folder / "deployment.json")
    url, naive = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{naive_port}"
    variables["GRIDTRACE_PUBLIC_URL"] = url
    start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(DELIVERY_START))
    rows: dict[str, Any] = {"cores": os.cpu_count(), "load_average": os.getloadavg()[0]}
    with (
        _program(("api.cli.main", "serve"), variables, port),
        _program(
            ("scripts.bench.api_naive", str(naive_port)),
            importable(os.environ) | {"DATABASE_URL": database_url},
            naive_port,
        ),
        ProcessPoolExecutor(1, get_context("spawn")) as pool,
    ):
        mine = {"Authorization": f"Bearer {asyncio.run(_token(url))}"}
        reads = {
            "book": (f"{url}/v1/markets/1/book?delivery_start={start}", {}),
            "balances": (f"{url}/v1/balances/{checksum(address_of(KEY))}", mine),
        }
        for name, (path, headers) in reads.items():
            asking = Asking(path, headers, options.rate, options.seconds, 64)
            rows[name] = _told(pool.submit(ask, asking).result(), options.seconds)
        compared = {
            "ours": f"{url}/v1/ledger/blocks?limit=100",
            "plain": f"{naive}/rows?limit=100",
            "postgrest_like": f"{naive}/json?limit=100",
        }
        for name, path in compared.items():
            rows[name] = _told(pool.submit(ask, Asking(path, {}, 0, options.seconds, 8)).result(), options.seconds)
        for name in ("plain", "postgrest_like"):
            rows[name]["ours_over_it"] = rows["ours"]["per_s"] / rows[name]["per_s"]
        rows["fan_out"] = fan_out(url, redis_url, options.listeners, int(options.seconds * 10))
    return rows


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="length of each run")
    parser.add_argument("--rate", type=float, default=500, help="reads a second")
    parser.add_argument("--listeners", type=int, default=1_000)
    parser.add_argument("--json", action="store_true", help="machine-readable")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gridtrace-bench-") as name:
        folder = Path(name)
        server = PostgresServer(folder / "postgres", folder / "postgres.log", settings={"shared_buffers": "256MB"})
        redis = RedisServer(folder / "redis", folder / "redis.log")
        try:
            server.start()
            redis.start()
            rows = measure(folder, server, redis.url, options)
        finally:
            redis.stop()
            server.stop()
    if options.json:
        print(json.dumps(rows))
        return
    print(f"{rows.pop('cores')} cores, load {rows.pop('load_average'):.1f}")
    for name, row in rows.items():
        told = ", ".join(f"{key} {value:,.1f}" for key, value in row.items())
        print(f"{name:15} {told}")


if __name__ == "__main__":
    main()
