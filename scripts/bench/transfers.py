"""A chain of ERC-20 transfers for benchmarks: mined by anvil, kept on disk between runs."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp

from api.devnet.chain import CHAIN_ID, Anvil
from contracts.abi import artifact
from indexer.manifest import Contract, Manifest
from indexer.rpc import Call, Rpc, open_rpc

TOKEN: Final = bytes.fromhex("7f" * 20)
SENDER: Final = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
HOLDERS: Final = 10_000
PER_BLOCK: Final = 252
# Two transactions fit by what they use, not by their limits: so each block has one, and the base fee falls.
TRANSACTION_GAS: Final = 800_000
BLOCK_GAS: Final = 1_200_000
BATCH: Final = 100
MOST_KEPT: Final = 1_500_000
"""Events of the largest chain that is kept on disk."""
RPC_TIMEOUT_S: Final = 600.0


def manifest() -> Manifest:
    """The token from block 1 on."""
    return Manifest(CHAIN_ID, 1, (Contract("PaymentToken", TOKEN, artifact("PaymentToken").abi),))


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


@asynccontextmanager
async def chain_of(count: int) -> AsyncIterator[tuple[Anvil, int]]:
    """anvil with so many transfers, and its head; mined the first time, loaded afterwards."""
    kept = Path(tempfile.gettempdir()) / "gridtrace-bench" / f"{count}x{PER_BLOCK}.json.gz"
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "chain.json.gz"
        if kept.exists():
            shutil.copy(kept, state)
        anvil = Anvil(Path(folder) / "anvil.log", state=state)
        anvil.ready_s = RPC_TIMEOUT_S
        anvil.start()
        try:
            async with open_rpc([anvil.url], CHAIN_ID, timeout_s=RPC_TIMEOUT_S) as rpc:
                head = int(await rpc.call("eth_blockNumber"), 16)
                if head == 0:
                    head = await mine(rpc, count)
                    if count <= MOST_KEPT:
                        await _keep(rpc.session, anvil.url, kept)
            yield anvil, head
        finally:
            anvil.stop()


async def install(rpc: Rpc) -> None:
    """Puts the emitting code at the token's address."""
    (topic,) = (event.topic for event in manifest().tables.values() if event.name == "Transfer")
    await rpc.call("anvil_setCode", "0x" + TOKEN.hex(), "0x" + emitting_code(topic).hex())


async def mine(rpc: Rpc, count: int) -> int:
    """Mines the transfers, one transaction a block; returns the head's number."""
    await install(rpc)
    await rpc.call("evm_setBlockGasLimit", hex(BLOCK_GAS))
    await rpc.call("evm_setAutomine", False)
    starts = range(0, count, PER_BLOCK)
    for at in range(0, len(starts), BATCH):
        part = starts[at : at + BATCH]
        results = await rpc.batch([transaction(i, min(i + PER_BLOCK, count), i // PER_BLOCK) for i in part])
        if refused := [result for result in results if isinstance(result, Exception)]:
            raise refused[0]
        await rpc.call("anvil_mine", hex(len(part)))
    return int(await rpc.call("eth_blockNumber"), 16)


def transaction(first: int, end: int, nonce: int, gas: int = TRANSACTION_GAS) -> Call:
    """Emits transfers ``first`` to ``end``. Requests of one batch run side by side, so each has its nonce."""
    data = "0x" + first.to_bytes(32, "big").hex() + end.to_bytes(32, "big").hex()
    fields = {"from": SENDER, "to": "0x" + TOKEN.hex(), "data": data, "gas": hex(gas), "nonce": hex(nonce)}
    return Call("eth_sendTransaction", (fields,))


async def _keep(session: aiohttp.ClientSession, url: str, path: Path) -> None:
    """Writes anvil's state, as its loader wants it: packed JSON."""
    request = {"jsonrpc": "2.0", "id": 1, "method": "anvil_dumpState", "params": []}
    async with session.post(url, json=request) as response:
        answer = await response.read()
    packed = bytes.fromhex(answer[answer.index(b'"0x') + 3 : answer.rindex(b'"')].decode())
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(packed)
    part.replace(path)
