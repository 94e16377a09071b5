"""Makes any contract event happen on anvil: code that emits what it is sent, put at the contract's address."""

import asyncio
from collections.abc import Sequence
from typing import Any

from eth_abi.abi import encode

from indexer.event import Event
from indexer.rpc import Rpc

SENDER = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"


def runtime() -> bytes:
    """Code for calldata of: count of topics (32 bytes), four topics (32 bytes each), data."""
    branches = dict.fromkeys(range(1, 5), 0)
    for _ in range(2):  # the second pass knows where the branches start
        code = bytes.fromhex("60a036038060a0600037")  # calldata from 0xa0 to memory, its size stays
        for count, target in branches.items():
            code += bytes.fromhex("600035") + bytes([0x60, count, 0x14, 0x60, target, 0x57])
        code += bytes.fromhex("60006000fd")
        for count in branches:
            branches[count] = len(code)
            code += b"\x5b"
            for topic in range(count, 0, -1):  # below size: LOG takes offset, size, topics
                code += bytes([0x60, 0x20 * topic, 0x35])
            code += bytes([0x80 + count, 0x60, 0x00, 0xA0 + count, 0x00])  # DUP size, offset 0, LOG, STOP
    return code


async def install(rpc: Rpc, addresses: Sequence[bytes]) -> None:
    """Puts the emitter at the addresses."""
    for address in addresses:
        await rpc.call("anvil_setCode", "0x" + address.hex(), "0x" + runtime().hex())


def calldata(event: Event, values: dict[str, Any]) -> str:
    """What makes the emitter emit the event; values by column."""
    topics = [event.topic] + [encode([a.abi_type], [values[a.column]]) for a in event.indexed]
    plain = event.plain
    data = encode([a.abi_type for a in plain], [values[a.column] for a in plain])
    return raw_calldata(topics, data)


def raw_calldata(topics: Sequence[bytes], data: bytes) -> str:
    words = [*topics, *([bytes(32)] * (4 - len(topics)))]
    return "0x" + (len(topics).to_bytes(32, "big") + b"".join(words) + data).hex()


async def send(rpc: Rpc, address: bytes, data: str) -> str:
    """Sends a transaction from an unlocked account and waits until it is mined."""
    transaction = {"from": SENDER, "to": "0x" + address.hex(), "data": data, "gas": hex(1_000_000)}
    sent = str(await rpc.call("eth_sendTransaction", transaction))
    async with asyncio.timeout(10):
        while await rpc.call("eth_getTransactionReceipt", sent) is None:
            await asyncio.sleep(0.005)
    return sent


async def mine(rpc: Rpc, blocks: int = 1) -> None:
    await rpc.call("anvil_mine", hex(blocks))
