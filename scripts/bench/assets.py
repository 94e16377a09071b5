"""How long assets take to ask for: ``python -m scripts.bench.assets [--json] [--assets N]``.

Fills a database of its own on DATABASE_URL's server, asks, and drops it. The baseline in the same run is the same
question without its index (nearest), and one key a round trip (cache).
"""

import argparse
import asyncio
import json
import os
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from redis.asyncio import Redis

from contracts.abi import ARTIFACTS, artifact
from indexer import facts
from indexer.db import connect
from indexer.manifest import Contract, Manifest
from indexer.migrate import upgrade
from node.assets import investing, registry
from node.cache import Cache

CHAIN_ID = 31_337
POSITIONS = 1_000
CACHED = 20_000
RUNS = 20


async def fill(db: Any, assets: int) -> bytes:
    """Plants all over the land, and one account that holds a thousand of them with a history."""
    await db.execute(
        "insert into assets.assets (owner, plant_id, name, symbol, supply, status, location_lat, location_lon)"
        " select decode(lpad(to_hex(n % 5000), 40, '0'), 'hex'), 'plant-' || n, 'Plant ' || n, 'SUN', 1000, 'active',"
        " 40 + random() * 20, -5 + random() * 30 from generate_series(1, $1::integer) n",
        assets,
    )
    holder = b"\xab" * 20
    await db.execute(
        "insert into blockchain.asset_tokens select $1, decode(lpad(to_hex(a.token_id), 40, '0'), 'hex'), a.token_id,"
        " $3, a.owner, 1000, a.name, 'SUN', $3, '', 2000000, 10, now() + interval '1 day', 0, 1"
        " from assets.assets a order by a.token_id limit $2::integer",
        CHAIN_ID,
        POSITIONS,
        bytes(32),
    )
    for number in range(12):  # a year of monthly deposits, a purchase before each
        await db.execute(
            "insert into blockchain.fact_asset_token_transfer"
            ' (chain_id, block_number, log_index, transaction_hash, block_time, emitter, "from", "to", value)'
            " select $1, $2, asset_id, $3, now(), token, owner, $4, 5 from blockchain.asset_tokens",
            CHAIN_ID,
            2 * number + 1,
            bytes(32),
            holder,
        )
        await db.execute(
            "insert into blockchain.fact_asset_token_revenue_deposited (chain_id, block_number, log_index,"
            " transaction_hash, block_time, emitter, depositor, distribution_id, amount, revenue_per_fraction)"
            " select $1, $2, asset_id, $3, now(), token, owner, $3, 1000, $4::numeric from blockchain.asset_tokens",
            CHAIN_ID,
            2 * number + 2,
            bytes(32),
            (number + 1) * 2**60,
        )
    await db.execute(
        "insert into blockchain.asset_purchases select $1, 1, asset_id, $2, now(), token, $3, owner, 60,"
        " 2000000, 120000000 from blockchain.asset_tokens",
        CHAIN_ID,
        bytes(32),
        holder,
    )
    await db.execute("analyze")
    return holder


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    """Median milliseconds."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        await work()
        times.append((time.perf_counter() - start) * 1_000)
    return statistics.median(times)


async def measure(database_url: str, redis_url: str, assets: int) -> dict[str, float]:
    db, cache, plain = await connect(database_url, command_timeout_s=600), Cache(redis_url), Redis.from_url(redis_url)
    contracts = tuple(Contract(name, bytes([n]) * 20, artifact(name).abi) for n, name in enumerate(ARTIFACTS))
    manifest = Manifest(chain_id=CHAIN_ID, start_block=0, contracts=contracts)
    await facts.ensure(db, manifest)
    await facts.index_keys(db, manifest)
    holder = await fill(db, assets)
    place = registry.Place(Decimal("47.37"), Decimal("8.54"))
    found: dict[str, float] = {"assets": assets}
    found["nearest_ms"] = await timed(lambda: registry.nearest(db, CHAIN_ID, place, 5_000, 20))
    async with db.transaction():
        await db.execute("set local enable_indexscan = off; set local enable_bitmapscan = off")
        start = time.perf_counter()
        await registry.nearest(db, CHAIN_ID, place, 5_000, 20)
        found["nearest_without_index_ms"] = (time.perf_counter() - start) * 1_000
    positions = await investing.portfolio(db, CHAIN_ID, holder)
    assert len(positions) == POSITIONS
    assert all(position.claimable == sum(5 * n for n in range(1, 13)) for position in positions)
    found["portfolio_1000_ms"] = await timed(lambda: investing.portfolio(db, CHAIN_ID, holder))
    await db.execute("delete from assets.assets where token_id > $1", CACHED)
    start = time.perf_counter()
    keys = await cache.rebuild(db, CHAIN_ID)
    found["cache_keys_per_s"] = keys / (time.perf_counter() - start)
    start = time.perf_counter()
    for number in range(2_000):
        await plain.set(f"gridtrace:bench:{number}", b"{}")
    found["one_key_a_trip_per_s"] = 2_000 / (time.perf_counter() - start)
    await plain.flushdb()
    await plain.aclose()
    await cache.close()
    await db.close()
    return found


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.add_argument("--assets", type=int, default=1_000_000)
    options = parser.parse_args()
    server, redis_url = os.environ["DATABASE_URL"], os.environ["REDIS_URL"]
    name = f"bench_assets_{secrets.token_hex(4)}"
    admin = await asyncpg.connect(server)
    await admin.execute(f"create database {name}")
    url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    try:
        await asyncio.to_thread(upgrade, url)
        found = await measure(url, redis_url, options.assets)
    finally:
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()
    if options.json:
        print(json.dumps({name: round(value, 2) for name, value in found.items()}))
        return
    print(
        f"nearest of {options.assets:,} assets within 5 km: {found['nearest_ms']:.2f} ms"
        f" ({found['nearest_without_index_ms'] / found['nearest_ms']:.0f} times faster than without the index)"
    )
    print(f"portfolio of 1,000 positions with a year of revenue: {found['portfolio_1000_ms']:.1f} ms")
    print(
        f"cache rebuild: {found['cache_keys_per_s']:,.0f} keys/s"
        f" ({found['cache_keys_per_s'] / found['one_key_a_trip_per_s']:.1f} times one key a round trip)"
    )


if __name__ == "__main__":
    asyncio.run(main())
