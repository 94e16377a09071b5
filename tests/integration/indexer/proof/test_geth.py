"""The same against geth: headers, receipts and traces of the reference implementation."""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_hash.auto import keccak

from indexer.block import Block, HeaderAnswer, LogAnswer
from indexer.errors import GridtraceError
from indexer.logs import Logs
from indexer.proof import event, rlp
from indexer.receipts import ReceiptVerifier, prove
from indexer.rpc import Rpc, open_rpc
from tests.integration.indexer import emitter
from tests.integration.indexer.proof import blocks

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("geth") is None, reason="no geth on the PATH"),
]

CHAIN = 1337
START_S = 30.0
ETHER = 10**18


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port: int = place.getsockname()[1]
        return port


@pytest.fixture
async def rpc(tmp_path: Path) -> AsyncIterator[Rpc]:
    """A development chain of its own."""
    port = free_port()
    options = ["--dev", "--http", "--http.port", str(port), "--http.api", "eth,debug", "--ipcdisable", "--nodiscover"]
    options += ["--datadir", str(tmp_path), "--verbosity", "1", "--port", "0", "--authrpc.port", str(free_port())]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(["geth", *options], stdout=log, stderr=log)  # noqa: ASYNC220
    try:
        async with open_rpc([f"http://127.0.0.1:{port}"], CHAIN) as rpc:
            async with asyncio.timeout(START_S):
                while True:
                    with suppress(GridtraceError):
                        await rpc.call("eth_blockNumber")
                        break
                    await asyncio.sleep(0.2)
            yield rpc
    finally:
        process.terminate()
        process.wait()


async def receipt_of(rpc: Rpc, sent: str) -> dict[str, Any]:
    async with asyncio.timeout(START_S):
        while (receipt := await rpc.call("eth_getTransactionReceipt", sent)) is None:
            await asyncio.sleep(0.05)
    found: dict[str, Any] = receipt
    return found


async def busy(rpc: Rpc) -> list[dict[str, Any]]:
    """Transactions of five types, some with logs, some that fail; gives the blocks that they are in."""
    sender = Account.from_key(blocks.KEY)
    (developer,) = await rpc.call("eth_accounts")
    funds = {"from": developer, "to": sender.address, "value": hex(100 * ETHER)}
    await receipt_of(rpc, await rpc.call("eth_sendTransaction", funds))
    code = emitter.runtime()
    creation = b"\x61" + len(code).to_bytes(2, "big") + bytes.fromhex("80600a5f395ff3") + code
    fees = {"chainId": CHAIN, "value": 0, "gas": 2_000_000, **blocks.FEES}
    signed = sender.sign_transaction({"type": 2, "nonce": 0, "data": "0x" + creation.hex(), **fees})
    await receipt_of(rpc, await rpc.call("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex()))
    made = keccak(rlp.encode([bytes.fromhex(sender.address[2:]), b""]))[12:]
    sent = []
    for number in range(24):
        topics = 0 if number % 7 == 6 else number % 4 + 1
        transaction = {
            "chainId": CHAIN,
            "nonce": number + 1,
            "to": made,
            "value": 0,
            "gas": 200_000,
            "data": blocks.call(topics, number) if topics else "0x",
            **blocks.KINDS[number % 4](number),
        }
        if number % 4 == 3:
            authority = Account.from_key(bytes(31) + bytes([number + 1]))
            transaction["authorizationList"] = [
                authority.sign_authorization({"chainId": CHAIN, "address": "0x" + "22" * 20, "nonce": 0})
            ]
        signed = sender.sign_transaction(transaction)
        sent.append(await rpc.call("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex()))
    receipts = [await receipt_of(rpc, one) for one in sent]
    numbers = sorted({receipt["blockNumber"] for receipt in receipts}, key=lambda text: int(text, 16))
    return [await rpc.call("eth_getBlockByNumber", number, True) for number in numbers]


def everything(address: bytes, topics: tuple[bytes, ...], block: int) -> bool:
    return True


async def test_check__every_block_of_geth__agrees(rpc: Rpc) -> None:
    found = await busy(rpc)
    kinds = {transaction["type"] for block in found for transaction in block["transactions"]}
    assert kinds == {"0x0", "0x1", "0x2", "0x4"}
    last = int(await rpc.call("eth_blockNumber"), 16)
    headers = [
        Block.of(await rpc.call("eth_getBlockByNumber", hex(number), False, type=HeaderAnswer))
        for number in range(last + 1)
    ]
    criteria = {"fromBlock": "0x0", "toBlock": hex(last)}
    logs = Logs.of(await rpc.call("eth_getLogs", criteria, type=tuple[LogAnswer, ...]))
    verifier = ReceiptVerifier(1)
    await verifier.check(rpc, headers, logs, everything)
    assert (verifier.verified, verifier.unverified) == (last + 1, 0)
    assert len(logs) > 15
    for log in logs:
        block_hash = headers[log.block_number].hash
        proof = await prove(rpc, CHAIN, block_hash, log.log_index)
        assert proof is not None
        shown = event.verify(event.read(event.document(proof)), block_hash)
        assert (shown.log.address, shown.log.topics, shown.log.data) == (log.address, log.topics, log.data)
