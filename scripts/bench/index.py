"""How fast the indexer takes in a chain: transfers on anvil to rows and balances in PostgreSQL.

    DATABASE_URL=postgresql://… python -m scripts.bench.index [--transfers 610000] [--runs 3] [--cache] [--naive]
    DATABASE_URL=postgresql://… python -m scripts.bench.index --series 0.5,1,2,5 --json out.json --plot out.svg
    DATABASE_URL=postgresql://… python -m scripts.bench.index --head

The time is that of a process: from its start until all rows are visible. In the same run and on the same chain the
two limits are measured that it cannot pass: fetching all logs without looking at them, and COPY of the finished rows.
Chains of up to 1.5 million events are kept in the temporary folder for the next run; anvil needs some 2.5 GB of
memory for a million events.
"""

import argparse
import asyncio
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from indexer import db as database
from indexer import migrate
from indexer.rpc import open_rpc
from scripts.bench import index_limits
from scripts.bench.index_head import head_latency
from scripts.bench.index_plot import plot
from scripts.bench.transfers import HOLDERS, chain_of, manifest


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement."""

    events: int
    blocks: int
    seconds: float
    imports_s: float
    cpu_s: float
    peak_mb: float

    @property
    def events_per_s(self) -> float:
        return self.events / self.seconds

    def __str__(self) -> str:
        return (
            f"{self.events_per_s:,.0f} events/s ({self.seconds:.2f} s of which imports {self.imports_s:.2f}; "
            f"CPU {self.cpu_s:.2f} s), peak {self.peak_mb:.0f} MB"
        )


async def index(url: str, rpc_url: str, events: int, head: int, cache: Path | None = None) -> Run:
    """From the start of a process to the cursor at the head, as another connection sees it."""
    command = ["--database", url, "--rpc", rpc_url, "--until", str(head)]
    start = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "scripts.bench.index_once", *command, *(["--cache", str(cache)] if cache else []),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    line = await process.stdout.readline()
    seconds = time.perf_counter() - start
    if await process.wait() or not line:
        raise SystemExit("the indexer failed")
    await check(url, events)
    return Run(events, head, seconds, **json.loads(line))


async def check(url: str, count: int) -> None:
    """Raises unless every transfer is there, and every balance is what arithmetic says."""
    expected: dict[int, int] = {}
    for i in range(count):
        sender, recipient = i % HOLDERS + 1, i * 7919 % HOLDERS + 1
        expected[sender] = expected.get(sender, 0) - i - 1
        expected[recipient] = expected.get(recipient, 0) + i + 1
    db = await database.connect(url)
    try:
        row = await db.fetchrow("select count(*), sum(value) from blockchain.fact_payment_token_transfer")
        found = {
            int.from_bytes(account, "big"): int(balance)
            for account, balance in await db.fetch("select account, balance from blockchain.token_balances")
        }
    finally:
        await db.close()
    if row is None or tuple(row) != (count, count * (count + 1) // 2) or found != expected:
        raise SystemExit(f"wrong: {row}, {sum(found.get(key) != value for key, value in expected.items())} balances")


@asynccontextmanager
async def fresh_database(server_url: str) -> AsyncIterator[str]:
    """A migrated database for one measurement."""
    name = f"bench_index_{secrets.token_hex(4)}"
    server = await asyncpg.connect(server_url)
    await server.execute(f"create database {name}")
    url = server_url.rpartition("/")[0] + "/" + name
    try:
        await asyncio.to_thread(migrate.upgrade, url)
        yield url
    finally:
        await server.execute(f"drop database {name} with (force)")
        await server.close()


async def compare(server_url: str, count: int, runs: int, *, cached: bool, naive: bool) -> list[dict[str, Any]]:
    """Runs with their limits."""
    found = []
    async with chain_of(count) as (anvil, head), open_rpc([anvil.url], manifest().chain_id) as rpc:
        print(f"{count:,} transfers in {head:,} blocks, {HOLDERS:,} accounts")
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(runs):
                fetch_s = await index_limits.download(anvil.url, head)
                async with fresh_database(server_url) as url:
                    run = await index(url, anvil.url, count, head)
                    copy_s = await index_limits.bare_copy(url, rpc, manifest(), head)
                limit_s = max(fetch_s, copy_s)
                print(
                    f"{run}; {limit_s / run.seconds:.2f} of the limit "
                    f"(raw download {count / fetch_s:,.0f}, bare COPY {count / copy_s:,.0f} events/s)"
                )
                found.append({**asdict(run), "download_s": fetch_s, "copy_s": copy_s})
            for _ in range(1 + runs if cached else 0):
                async with fresh_database(server_url) as url:
                    again = await index(url, anvil.url, count, head, Path(folder))
                print(f"with the cache on disk: {again}")
                found.append({**asdict(again), "cache": True})
        if naive:
            rate = await index_limits.naive(server_url, anvil.url)
            print(
                f"naive (web3.py and a row at a time) on the first {index_limits.NAIVE_BLOCKS} blocks: {rate:,.0f} "
                f"events/s, for all of them {count / rate:,.0f} s by extrapolation"
            )
            found.append({"naive_events_per_s": rate})
    return found


async def series(server_url: str, counts: Sequence[int]) -> list[dict[str, Any]]:
    """One run for each count: time grows with events, memory does not."""
    found = []
    for count in counts:
        async with chain_of(count) as (anvil, head), fresh_database(server_url) as url:
            run = await index(url, anvil.url, count, head)
        print(f"{count:>10,} events: {run}")
        found.append(asdict(run))
    return found


async def heads(server_url: str) -> list[dict[str, Any]]:
    """Latency at the head, and whether it keeps up."""
    found = []
    for per_block, every_s, blocks, socket in ((50, 0.2, 100, True), (50, 0.2, 100, False), (2_000, 0.25, 60, True)):
        async with fresh_database(server_url) as url:
            result = await head_latency(url, per_block, every_s, blocks, socket=socket)
        way = "WebSocket" if socket else "HTTP and newHeads"
        print(
            f"{per_block} events every {result.every_ms} ms over {way}: mined to visible "
            f"p50 {result.p50_ms} ms, p99 {result.p99_ms} ms; {result.behind} blocks behind at the end"
        )
        found.append({**asdict(result), "socket": socket})
    return found


async def measure(server_url: str, options: Any) -> list[dict[str, Any]]:
    if options.head:
        return await heads(server_url)
    if options.series:
        return await series(server_url, [round(float(part) * 1_000_000) for part in options.series.split(",")])
    return await compare(server_url, options.transfers, options.runs, cached=options.cache, naive=options.naive)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transfers", type=int, default=610_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cache", action="store_true", help="index again from the cache on disk")
    parser.add_argument("--naive", action="store_true", help="compare with what one would write first")
    parser.add_argument("--series", help="millions of events, separated by commas")
    parser.add_argument("--head", action="store_true", help="latency at the head")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--plot", type=Path, help="write the series as SVG there")
    options = parser.parse_args(arguments)
    if not (server_url := os.environ.get("DATABASE_URL")):
        raise SystemExit("DATABASE_URL must name a PostgreSQL server on which databases may be created")
    found = uvloop.run(measure(server_url, options))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    if options.plot:
        options.plot.write_text(plot([(run["events"], run["seconds"], run["peak_mb"]) for run in found]))


if __name__ == "__main__":
    main()
