"""Order intake end to end: ``python -m scripts.bench.intake [--seconds N] [--rate N] [--json]``.

PostgreSQL with fsync and synchronous commit, Redis, one API process, client processes on kept-alive connections: HTTP,
checks, durable sequencing, acknowledgement. First with one order a transaction, then with gathered orders, each as fast
as answers come; then 50 in a request; then gathered at a steady rate, where the latency is measured. Signing is done
before the clock starts.
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
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from api.devnet.postgres import PostgresServer
from api.devnet.process import free_port, importable, listens
from api.devnet.redis import RedisServer
from contracts.addresses import Deployment
from contracts.typed_data import address_of, checksum, recover, sign
from indexer import migrate
from indexer.db import connect, queries
from scripts.bench.intake_load import ORDERS_A_SLOT, Load, Measured, send

SQL = queries("scripts.bench.intake")
CHAIN_ID: Final = 31_337
EXCHANGE: Final = b"\xe0" * 20
MARKET_TIME: Final = 1_800_000_000
SLOTS: Final = tuple(MARKET_TIME + 900 * number for number in range(1, 5))
CLIENTS: Final = 2
CONNECTIONS: Final = 64
CHECKS: Final = 2_000
WARMING: Final = 10
"""The first tenth of the answers is not timed: statements are planned in it, and pools filled."""
TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


def environment(folder: Path, database_url: str, redis_url: str, port: int, batch: int) -> dict[str, str]:
    """What the API process reads."""
    Deployment(CHAIN_ID, 1, {"SettlementExchange": EXCHANGE}).dump(folder / "deployment.json")
    account = checksum(address_of(bytes(31) + b"\x01"))
    return importable(os.environ) | {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "RPC_URL": "http://127.0.0.1:1",
        "GRIDTRACE_CHAIN_ID": str(CHAIN_ID),
        "GRIDTRACE_DEPLOYMENT": str(folder / "deployment.json"),
        "GRIDTRACE_OPERATOR": account,
        "GRIDTRACE_GRID_ACCOUNT": account,
        "GRIDTRACE_OPERATOR_KEY_FILE": "/nowhere",
        "GRIDTRACE_GATEWAY_KEY_FILE": "/nowhere",
        "GRIDTRACE_READINGS_SALT_FILE": "/nowhere",
        "GRIDTRACE_CLOCK": f"{time.time()!r}:{MARKET_TIME}:1",
        "GRIDTRACE_PORT": str(port),
        "GRIDTRACE_INTAKE_BATCH": str(batch),
        "GRIDTRACE_RATE_LIMIT": "100000000",
        "GRIDTRACE_LOG_LEVEL": "WARNING",
    }


async def _enrol(database_url: str, traders: int) -> None:
    db = await connect(database_url)
    accounts = [address_of(number.to_bytes(32, "big")) for number in range(1, traders + 1)]
    for statement in ("participants", "balances", "mandates"):
        await db.execute(SQL[statement], CHAIN_ID, accounts, float(MARKET_TIME + 10_000_000))
    await db.execute(SQL["meters"], accounts)
    await db.close()


@contextmanager
def _api(variables: Mapping[str, str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    api = subprocess.Popen([sys.executable, "-m", "api.cli.main", "serve"], env=dict(variables))
    try:
        end = time.monotonic() + 30
        while not listens("127.0.0.1", port):
            if api.poll() is not None or time.monotonic() > end:
                raise SystemExit("the API does not start")
            time.sleep(0.1)
        time.sleep(1)  # its pool opens, its hub connects
        yield api
    finally:
        api.terminate()
        api.wait(10)


def cpu_s(pid: int) -> float:
    """Processor seconds of a process and of its children, dead or alive."""
    total, parents = 0, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(") ")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = (int(fields[1]), fields)
    for number, (parent, fields) in parents.items():
        if number == pid:
            total += sum(map(int, fields[11:15]))
        elif parent == pid:
            total += sum(map(int, fields[11:13]))
    return total / TICKS_A_SECOND


def signature_check_us() -> float:
    """Processor time of one recovered signature, here and now: what else runs on the machine shows in it."""
    digest, key = bytes(31) + b"\x07", bytes(31) + b"\x01"
    signature = sign(digest, key)
    begun = time.process_time()
    for _ in range(CHECKS):
        recover(digest, signature)
    return (time.process_time() - begun) / CHECKS * 1e6


def measure(
    folder: Path,
    server: PostgresServer,
    redis_url: str,
    *,
    batch: int,
    orders: int,
    per_second: float,
    per_request: int = 1,
) -> dict[str, Any]:
    """One run on a database of its own: what the clients saw, and what it cost."""
    per_client = orders // CLIENTS
    traders = -(-per_client // (ORDERS_A_SLOT * len(SLOTS))) * 4
    url = asyncio.run(server.ensure(f"bench_{time.monotonic_ns()}"))
    migrate.upgrade(url)
    asyncio.run(_enrol(url, traders * CLIENTS))
    port = free_port()
    variables = environment(folder, url, redis_url, port, batch)
    with _api(variables, port) as api, ProcessPoolExecutor(CLIENTS, get_context("spawn")) as pool:
        start_at = time.time() + 3 + per_client / 4_000  # signing takes its time
        loads = [
            Load(
                "127.0.0.1", port, EXCHANGE, CHAIN_ID, 1 + client * traders, traders, SLOTS, per_client,
                max(1, CONNECTIONS // per_request * 8) if per_request > 1 else CONNECTIONS,
                per_second / CLIENTS, per_request, start_at,
            )
            for client in range(CLIENTS)
        ]  # fmt: skip
        running = [pool.submit(send, load) for load in loads]
        time.sleep(max(0.0, start_at - time.time()))
        postgres = server.process.pid if server.process else 0
        before = cpu_s(api.pid), cpu_s(postgres)
        seen = [run.result() for run in running]
        after = cpu_s(api.pid), cpu_s(postgres)
    stored = asyncio.run(_stored(url))
    return _row(seen, batch, per_second, per_request, stored, after[0] - before[0], after[1] - before[1])


async def _stored(database_url: str) -> int:
    db = await connect(database_url)
    try:
        return int(await db.fetchval(SQL["stored"]))
    finally:
        await db.close()


def _row(
    seen: Sequence[Measured],
    batch: int,
    per_second: float,
    per_request: int,
    stored: int,
    api_s: float,
    postgres_s: float,
) -> dict[str, Any]:
    statuses = sum((part.statuses for part in seen), Counter[int]())
    latencies = [latency for part in seen for latency in part.latencies_ms[len(part.latencies_ms) // WARMING :]]
    cuts = statistics.quantiles(latencies, n=1_000)
    acknowledged = statuses[201] + statuses[200] * per_request
    if stored != acknowledged:
        raise SystemExit(f"{acknowledged} orders acknowledged, {stored} stored")
    wall_s = max(part.last_s for part in seen) - min(part.first_s for part in seen)
    return {
        "most_a_transaction": batch,
        "offered_per_s": per_second or None,
        "orders_a_request": per_request,
        "orders": stored,
        "statuses": dict(statuses),
        "orders_per_s": stored / wall_s,
        "p50_ms": cuts[499],
        "p99_ms": cuts[989],
        "api_cpu_us": api_s / stored * 1e6,
        "postgres_cpu_us": postgres_s / stored * 1e6,
        "client_cpu_us": sum(part.cpu_s for part in seen) / stored * 1e6,
        "signature_check_us": signature_check_us(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="length of a run, about")
    parser.add_argument("--rate", type=float, default=2_000, help="orders a second in the steady run")
    parser.add_argument("--batch", type=int, default=256, help="most orders in a transaction")
    parser.add_argument("--only", choices=("single", "gathered", "batches", "steady"), help="one of the runs")
    parser.add_argument("--json", action="store_true", help="machine-readable")
    options = parser.parse_args()
    count = int(options.seconds * options.rate)
    runs = {
        "single": {"batch": 1, "orders": count // 8, "per_second": 0.0},
        "gathered": {"batch": options.batch, "orders": count, "per_second": 0.0},
        "batches": {"batch": options.batch, "orders": count, "per_second": 0.0, "per_request": 50},
        "steady": {"batch": options.batch, "orders": count, "per_second": options.rate},
    }
    rows = {}
    with tempfile.TemporaryDirectory(prefix="gridtrace-bench-") as name:
        folder = Path(name)
        server = PostgresServer(folder / "postgres", folder / "postgres.log", settings={"shared_buffers": "256MB"})
        redis = RedisServer(folder / "redis", folder / "redis.log")
        try:
            server.start()
            redis.start()
            for kind in [options.only] if options.only else list(runs):
                rows[kind] = measure(folder, server, redis.url, **runs[kind])
                if not options.json:
                    print(_line(kind, rows[kind]), flush=True)
        finally:
            redis.stop()
            server.stop()
    if options.json:
        print(json.dumps(rows))


def _line(kind: str, row: Mapping[str, Any]) -> str:
    return (
        f"{kind:9} {row['orders_per_s']:7.0f} orders/s, p50 {row['p50_ms']:6.1f} ms, p99 {row['p99_ms']:6.1f} ms;"
        f" CPU an order: API {row['api_cpu_us']:4.0f} us, PostgreSQL {row['postgres_cpu_us']:4.0f} us,"
        f" clients {row['client_cpu_us']:3.0f} us, one signature check {row['signature_check_us']:.0f} us;"
        f" {row['statuses']}, load {row['load_average']:.1f}"
    )


if __name__ == "__main__":
    main()
