"""A factory with very many children: found by its events, watched from their creation on.

    DATABASE_URL=postgresql://… python -m scripts.bench.children [--children 100000]

A factory on anvil makes the contracts (real ones: CREATE), each of which emits an event when it is made and whenever
it is called; a stranger emits the same event and is to be left out. Measured is the process that indexes all of it,
then a second one that starts with all children known and indexes calls to some of them.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import uvloop
from eth_hash.auto import keccak

from api.devnet.chain import CHAIN_ID, Anvil
from indexer import db as database
from indexer.chain import RpcChain
from indexer.manifest import Contract, Factory, Manifest
from indexer.rpc import Call, Rpc, open_rpc
from scripts.bench.index import fresh_database
from scripts.bench.index_once import once
from scripts.bench.transfers import RPC_TIMEOUT_S, SENDER

FACTORY: Final = b"\xfa" * 20
POKER: Final = b"\xfb" * 20
STRANGER: Final = b"\xfc" * 20
PER_BLOCK: Final = 200
POKED: Final = 2_000
GAS: Final = 16_000_000
"""A transaction may not ask for more (EIP-7825)."""
MADE: Final = keccak(b"Made(address)")
PING: Final = keccak(b"Ping(uint256)")


def _event(name: str, kind: str, argument: str) -> dict[str, Any]:
    return {"type": "event", "name": name, "inputs": [{"type": kind, "name": argument, "indexed": False}]}


def manifest() -> Manifest:
    """The factory and all that it makes."""
    factory = Contract("Nest", FACTORY, [_event("Made", "address", "child")])
    child = Contract("Bird", b"", [_event("Ping", "uint256", "value")], factory=Factory("Nest", "Made", "child"))
    return Manifest(CHAIN_ID, 1, (factory, child))


def ping(value: int) -> bytes:
    """Code that emits Ping(value)."""
    return bytes([0x60, value]) + bytes.fromhex("6000527f") + PING + bytes.fromhex("60206000a1")


def child_code() -> bytes:
    """What makes a child: emits Ping(1), and leaves code that emits Ping(2) when it is called."""
    body = ping(2) + b"\x00"
    head = ping(1)
    start = len(head) + 12
    return head + bytes([0x60, len(body), 0x60, start, 0x60, 0, 0x39, 0x60, len(body), 0x60, 0, 0xF3]) + body


def factory_code() -> bytes:
    """Makes as many children as calldata's first word says; tells of each."""
    child, at, loop, end = child_code(), 0, 0, 0
    for _ in range(2):  # the second pass knows where the parts are
        code = bytes([0x60, len(child), 0x60, at, 0x60, 0x40, 0x39]) + bytes.fromhex("600035")
        loop = len(code)
        code += bytes([0x5B, 0x80, 0x15, 0x60, end, 0x57, 0x60, len(child)]) + bytes.fromhex("60406000f0600052")
        code += b"\x7f" + MADE + bytes.fromhex("60206000a1") + bytes.fromhex("60019003") + bytes([0x60, loop, 0x56])
        end = len(code)
        code += b"\x5b\x00"
        at = len(code)
    return code + child


def poker_code() -> bytes:
    """Calls every address in its calldata, one a word."""
    loop, end = 2, 0
    for _ in range(2):
        code = bytes.fromhex("6000") + bytes([0x5B]) + bytes.fromhex("80361115") + bytes([0x60, end, 0x57])
        code += bytes.fromhex("60006000600060006000") + bytes.fromhex("85355af150") + bytes.fromhex("602001")
        code += bytes([0x60, loop, 0x56])
        end = len(code)
        code += b"\x5b\x00"
    return code


async def mine(rpc: Rpc, children: int) -> int:
    """Makes the children; returns the head's number."""
    for address, code in ((FACTORY, factory_code()), (POKER, poker_code()), (STRANGER, ping(9) + b"\x00")):
        await rpc.call("anvil_setCode", "0x" + address.hex(), "0x" + code.hex())
    await rpc.call("anvil_setBalance", SENDER, hex(10**30))
    await rpc.call("evm_setBlockGasLimit", hex(GAS))
    await rpc.call("evm_setAutomine", False)
    counts = [min(PER_BLOCK, children - at) for at in range(0, children, PER_BLOCK)]
    for nonce, count in enumerate(counts):
        await send(rpc, FACTORY, count.to_bytes(32, "big"), nonce)
    await send(rpc, STRANGER, b"", len(counts))
    return int(await rpc.call("eth_blockNumber"), 16)


async def send(rpc: Rpc, to: bytes, data: bytes, nonce: int) -> None:
    fields = {"from": SENDER, "to": "0x" + to.hex(), "data": "0x" + data.hex(), "gas": hex(GAS), "nonce": hex(nonce)}
    for result in await rpc.batch([Call("eth_sendTransaction", (fields,))]):
        if isinstance(result, Exception):
            raise result
    await rpc.call("anvil_mine", "0x1")


async def poke(rpc: Rpc, url: str, nonce: int) -> int:
    """Calls some of the children; returns the head's number."""
    db = await database.connect(url)
    some = await db.fetch("select child from blockchain.fact_nest_made order by md5(child) limit $1", POKED)
    await db.close()
    for at in range(0, len(some), PER_BLOCK):
        words = b"".join(row["child"].rjust(32, b"\0") for row in some[at : at + PER_BLOCK])
        await send(rpc, POKER, words, nonce + at // PER_BLOCK)
    return int(await rpc.call("eth_blockNumber"), 16)


async def check(url: str, children: int, pings: int) -> None:
    """Raises unless every child and every event of one is there, and nothing of the stranger."""
    db = await database.connect(url)
    made = await db.fetchval("select count(distinct child) from blockchain.fact_nest_made")
    row = await db.fetchrow("select count(*), count(*) filter (where value = 9) from blockchain.fact_bird_ping")
    undecoded = await db.fetchval("select count(*) from blockchain.undecoded_logs")
    await db.close()
    if (made, tuple(row or ()), undecoded) != (children, (pings, 0), 0):
        raise SystemExit(f"wrong: {made} children, events {row}, {undecoded} undecoded")


async def measured(url: str, rpc_url: str, until: int) -> None:
    async with open_rpc([rpc_url], CHAIN_ID) as rpc:
        await once(url, RpcChain(rpc), manifest(), until)


async def run(url: str, rpc_url: str, until: int) -> tuple[float, str]:
    """A process of its own; its seconds and what it says."""
    start = asyncio.get_running_loop().time()
    command = ["--database", url, "--rpc", rpc_url, "--until", str(until)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "scripts.bench.children", *command, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise SystemExit("the indexer failed")
    return asyncio.get_running_loop().time() - start, out.decode().strip()


async def compare(server_url: str, children: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        anvil = Anvil(Path(folder) / "anvil.log")
        anvil.start()
        try:
            async with (
                open_rpc([anvil.url], CHAIN_ID, timeout_s=RPC_TIMEOUT_S) as rpc,
                fresh_database(server_url) as url,
            ):
                head = await mine(rpc, children)
                seconds, told = await run(url, anvil.url, head)
                await check(url, children, children)
                print(f"{children:,} children, {2 * children:,} events in {head} blocks: {seconds:.1f} s, {told}")
                nonce = -(-children // PER_BLOCK) + 1
                head = await poke(rpc, url, nonce)
                seconds, told = await run(url, anvil.url, head)
                await check(url, children, children + min(POKED, children))
                print(f"started again, {min(POKED, children):,} of them called: {seconds:.1f} s, {told}")
        finally:
            anvil.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--children", type=int, default=100_000)
    parser.add_argument("--database", help=argparse.SUPPRESS)
    parser.add_argument("--rpc", help=argparse.SUPPRESS)
    parser.add_argument("--until", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.until is not None:
        uvloop.run(measured(options.database, options.rpc, options.until))
        return
    if not (server_url := os.environ.get("DATABASE_URL")):
        raise SystemExit("DATABASE_URL must name a PostgreSQL server on which databases may be created")
    uvloop.run(compare(server_url, options.children))


if __name__ == "__main__":
    main()
