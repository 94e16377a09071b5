"""What indexing cannot be faster than, and what it should be much faster than; measured on the same chain."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg
from web3 import AsyncHTTPProvider, AsyncWeb3

from indexer import db as database
from indexer import facts
from indexer.chain import IN_FLIGHT, RpcChain
from indexer.copy import HEADER, TRAILER, encode_rows
from indexer.decode import decode
from indexer.manifest import Manifest
from indexer.rpc import Rpc
from indexer.watch import Watch
from scripts.bench.transfers import PER_BLOCK, TOKEN

WINDOW: Final = 12
"""Blocks an answer: about two megabytes."""
NAIVE_BLOCKS: Final = 40
PART: Final = 50_000


async def download(url: str, head: int) -> float:
    """Seconds to fetch all logs in windows without looking at them."""
    import aiohttp

    gate = asyncio.Semaphore(IN_FLIGHT)

    async def window(session: aiohttp.ClientSession, first: int) -> None:
        last = min(first + WINDOW - 1, head)
        criteria = {"fromBlock": hex(first), "toBlock": hex(last), "address": "0x" + TOKEN.hex()}
        call = {"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [criteria]}
        async with gate, session.post(url, json=call) as response:
            await response.read()

    async with aiohttp.ClientSession() as session:
        start = time.perf_counter()
        await asyncio.gather(*(window(session, first) for first in range(1, head + 1, WINDOW)))
        return time.perf_counter() - start


async def bare_copy(url: str, rpc: Rpc, to_index: Manifest, head: int) -> float:
    """Seconds to COPY the finished rows into their table with its primary key."""
    watch = Watch(to_index)
    packed: list[bytes] = []
    columns: tuple[str, ...] = ()
    async for segment in RpcChain(rpc).history(1, head, watch):
        times = {block.number: block.timestamp for block in segment.blocks}
        for rows in decode(segment.logs, watch.directory).rows:
            columns = rows.event.columns
            time_s = [times[number] for number in rows.block_number.tolist()]
            packed.append(encode_rows(facts._fields(to_index.chain_id, rows, time_s)))

    async def stream(part: list[bytes]) -> AsyncIterator[bytes]:
        yield HEADER
        for rows in part:
            yield rows
        yield TRAILER

    db = await database.connect(url)
    try:
        await db.execute("truncate blockchain.fact_payment_token_transfer")
        each = max(1, len(packed) * PART // (head * PER_BLOCK))
        start = time.perf_counter()
        for at in range(0, len(packed), each):
            await db.copy_to_table(
                "fact_payment_token_transfer",
                schema_name="blockchain",
                columns=columns,
                format="binary",
                source=stream(packed[at : at + each]),
            )
        return time.perf_counter() - start
    finally:
        await db.close()


async def naive(server_url: str, rpc_url: str) -> float:
    """Events a second of what one would write first: web3.py, a row at a time; over the chain's first blocks."""
    web3 = AsyncWeb3(AsyncHTTPProvider(rpc_url))
    db = await asyncpg.connect(server_url)
    await db.execute(
        "create temporary table naive (block bigint, log_index bigint, transaction bytea, sender bytea,"
        " recipient bytea, value numeric, primary key (block, log_index))"
    )
    token = AsyncWeb3.to_checksum_address(TOKEN)
    start, events = time.perf_counter(), 0
    for number in range(1, NAIVE_BLOCKS + 1):
        logs: list[Any] = list(await web3.eth.get_logs({"fromBlock": number, "toBlock": number, "address": token}))
        rows = [
            (
                log["blockNumber"],
                log["logIndex"],
                bytes(log["transactionHash"]),
                bytes(log["topics"][1][12:]),
                bytes(log["topics"][2][12:]),
                int.from_bytes(log["data"], "big"),
            )
            for log in logs
        ]
        await db.executemany("insert into naive values ($1, $2, $3, $4, $5, $6)", rows)
        events += len(rows)
    spent_s = time.perf_counter() - start
    await db.close()
    await web3.provider.disconnect()
    return events / spent_s
