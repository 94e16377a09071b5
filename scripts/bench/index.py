"""How fast the indexer takes in history: transfers on anvil to rows and balances in PostgreSQL.

    DATABASE_URL=postgresql://… python -m scripts.bench.index --transfers 50000

In the same run and on the same data it measures the two floors under the result: fetching all logs without
looking at them, and COPY of the finished rows alone.
"""

import argparse
import asyncio
import os
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from api.devnet.chain import CHAIN_ID, Anvil
from contracts.abi import artifact
from indexer import db as database
from indexer import facts, migrate
from indexer.block import Segment
from indexer.chain import IN_FLIGHT, RpcChain
from indexer.decode import Rows, decode
from indexer.manifest import Contract, Manifest
from indexer.rpc import Call, Rpc, open_rpc
from indexer.sync import NothingNew, Sync

TOKEN = bytes.fromhex("7f" * 20)
SENDER = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
HOLDERS = 10_000
PER_BLOCK = 250
WINDOW = 20


def emitting_code(topic: bytes) -> bytes:
    """EVM code that emits Transfer for each i from calldata's first word up to its second."""
    loop, end = 3, 0
    for _ in range(2):  # the second pass knows where the end is
        code = bytes.fromhex("600035") + b"\x5b" + bytes.fromhex("8060203511") + bytes([0x15, 0x60, end, 0x57])
        code += bytes.fromhex("80600101600052")  # value: i + 1
        code += bytes.fromhex("61271081611eef0206600101")  # to: i * 7919 % 10000 + 1
        code += bytes.fromhex("6127108206600101")  # from: i % 10000 + 1
        code += b"\x7f" + topic + bytes.fromhex("60206000a3") + bytes.fromhex("600101")
        code += bytes([0x60, loop, 0x56])
        end = len(code)
        code += b"\x5b\x00"
    return code


async def make_transfers(rpc: Rpc, topic: bytes, count: int) -> int:
    """Mines the transfers, some hundred to a block; returns the head's number."""
    await rpc.call("anvil_setCode", "0x" + TOKEN.hex(), "0x" + emitting_code(topic).hex())
    starts = range(0, count, PER_BLOCK)
    for batch in (starts[at : at + 20] for at in range(0, len(starts), 20)):
        results = await rpc.batch([_transaction(i, min(i + PER_BLOCK, count)) for i in batch])
        if refused := [result for result in results if isinstance(result, Exception)]:
            raise refused[0]
    return int(await rpc.call("eth_blockNumber"), 16)


def _transaction(first: int, end: int) -> Call:
    data = "0x" + first.to_bytes(32, "big").hex() + end.to_bytes(32, "big").hex()
    transaction = {"from": SENDER, "to": "0x" + TOKEN.hex(), "data": data, "gas": hex(4_000_000)}
    # Requests of one batch run side by side: without a nonce they would take the same.
    transaction["nonce"] = hex(first // PER_BLOCK)
    return Call("eth_sendTransaction", (transaction,))


async def fetch_only(rpc: Rpc, head: int) -> float:
    """Seconds to fetch all logs in windows without decoding them."""
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def window(first: int) -> None:
        last = min(first + WINDOW - 1, head)
        criteria = {"fromBlock": hex(first), "toBlock": hex(last), "address": "0x" + TOKEN.hex()}
        async with gate:
            await rpc.batch([Call("eth_getLogs", (criteria,))])

    start = time.perf_counter()
    await asyncio.gather(*(window(first) for first in range(1, head + 1, WINDOW)))
    return time.perf_counter() - start


async def index(url: str, rpc: Rpc, manifest: Manifest) -> float:
    """Seconds from nothing to all rows, balances and indexes."""
    start = time.perf_counter()
    db = await database.connect(url)
    try:
        async with db.transaction():
            await facts.ensure(db, manifest)
        sync = Sync(db, RpcChain(rpc, manifest.addresses), manifest)
        while not isinstance(await sync.step(), NothingNew):
            pass
        return time.perf_counter() - start
    finally:
        await db.close()


async def copy_only(url: str, rpc: Rpc, manifest: Manifest, head: int) -> float:
    """Seconds to COPY the decoded rows into their table with its primary key."""
    segments = [segment async for segment in RpcChain(rpc, manifest.addresses).history(1, head)]
    whole = Segment((), tuple(log for segment in segments for log in segment.logs))
    (rows,) = decode(whole.logs, manifest.lookup()).rows
    blocks = tuple(block for segment in segments for block in segment.blocks)
    db = await database.connect(url)
    try:
        await db.execute("truncate blockchain.blocks, blockchain.fact_payment_token_transfer")
        start = time.perf_counter()
        async with db.transaction():
            for at in range(0, len(rows), 50_000):
                await facts.append(db, manifest.chain_id, _part(rows, at, at + 50_000), blocks)
        return time.perf_counter() - start
    finally:
        await db.close()


def _part(rows: Rows, first: int, end: int) -> Rows:
    return Rows(
        rows.event,
        rows.block_number[first:end],
        rows.log_index[first:end],
        rows.transaction_hash[first:end],
        rows.emitter[first:end],
        tuple(values[first:end] for values in rows.values),
    )


async def check(url: str, count: int) -> None:
    """Raises unless every transfer is there and the balances add up."""
    db = await database.connect(url)
    try:
        rows, total = await db.fetchrow("select count(*), sum(value) from blockchain.fact_payment_token_transfer") or (
            0,
            0,
        )
        balances = await db.fetchval("select sum(balance) from blockchain.token_balances")
        if (rows, total, balances) != (count, count * (count + 1) // 2, 0):
            raise SystemExit(f"wrong: {rows} rows, sum {total}, balances {balances}")
    finally:
        await db.close()


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


async def measure(server_url: str, count: int, runs: int) -> None:
    manifest = Manifest(CHAIN_ID, 1, (Contract("PaymentToken", TOKEN, artifact("PaymentToken").abi),))
    topic = manifest.tables["fact_payment_token_transfer"].topic
    with tempfile.TemporaryDirectory() as folder:
        anvil = Anvil(Path(folder) / "anvil.log")
        anvil.start()
        try:
            async with open_rpc([anvil.url], CHAIN_ID) as rpc:
                head = await make_transfers(rpc, topic, count)
                print(f"{count:,} transfers in {head:,} blocks, {HOLDERS:,} holders")
                for _ in range(runs):
                    fetch_s = await fetch_only(rpc, head)
                    async with fresh_database(server_url) as url:
                        index_s = await index(url, rpc, manifest)
                        await check(url, count)
                        copy_s = await copy_only(url, rpc, manifest, head)
                    print(
                        f"index {count / index_s:,.0f} events/s; fetch alone {count / fetch_s:,.0f} "
                        f"(ratio {fetch_s / index_s:.2f}); COPY alone {count / copy_s:,.0f} "
                        f"(ratio {copy_s / index_s:.2f})"
                    )
        finally:
            anvil.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transfers", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=3)
    options: Any = parser.parse_args(arguments)
    if not (server_url := os.environ.get("DATABASE_URL")):
        raise SystemExit("DATABASE_URL must name a PostgreSQL server on which databases may be created")
    uvloop.run(measure(server_url, options.transfers, options.runs))


if __name__ == "__main__":
    main()
