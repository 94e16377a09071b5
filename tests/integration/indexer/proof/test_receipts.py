"""Receipts roots, proofs and verification against a real node, and against one that lies."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
import pytest

from indexer.block import Block, HeaderAnswer, LogAnswer
from indexer.errors import RpcRefused
from indexer.logs import Logs
from indexer.proof import event
from indexer.proof.errors import ReceiptsDisagree
from indexer.receipts import ReceiptVerifier, prove
from indexer.rpc import Call, Result, Rpc, open_rpc
from tests.integration.conftest import AnvilChain
from tests.integration.indexer.proof import blocks

pytestmark = pytest.mark.integration

TRANSACTIONS = 150
Change = Callable[[str, Any], Any]


@pytest.fixture
async def rpc(anvil: AnvilChain) -> AsyncIterator[Rpc]:
    async with open_rpc([anvil.url], anvil.chain_id) as rpc:
        yield rpc


class Lying:
    """A transport whose answers are changed on the way; a change to an exception refuses."""

    def __init__(self, rpc: Rpc, change: Change) -> None:
        self.rpc, self.change = rpc, change

    async def batch(self, calls: Sequence[Call]) -> list[Result]:
        results = await self.rpc.batch(calls)
        return [self._changed(call, result) for call, result in zip(calls, results, strict=True)]

    def _changed(self, call: Call, result: Result) -> Result:
        if isinstance(result, RpcRefused):
            return result
        changed = self.change(call.method, json.loads(bytes(result)))
        return changed if isinstance(changed, RpcRefused) else msgspec.Raw(json.dumps(changed).encode())


async def seen(rpc: Rpc, block: dict[str, Any]) -> tuple[list[Block], Logs]:
    """The block and its logs, as the indexer takes them."""
    header = await rpc.call("eth_getBlockByHash", block["hash"], False, type=HeaderAnswer)
    answers = await rpc.call("eth_getLogs", {"blockHash": block["hash"]}, type=tuple[LogAnswer, ...])
    return [Block.of(header)], Logs.of(answers)


def everything(address: bytes, topics: tuple[bytes, ...], block: int) -> bool:
    return True


def first_watched(address: bytes, topics: tuple[bytes, ...], block: int) -> bool:
    return address == blocks.EMITTERS[0]


async def test_check__block_of_all_transaction_types__agrees(rpc: Rpc) -> None:
    block = await blocks.mined(rpc, TRANSACTIONS, with_blob=True)
    assert {transaction["type"] for transaction in block["transactions"]} == {"0x0", "0x1", "0x2", "0x3", "0x4"}
    headers, logs = await seen(rpc, block)
    for wanted in (everything, first_watched):
        verifier = ReceiptVerifier(1)
        await verifier.check(rpc, headers, logs, wanted)
        assert (verifier.verified, verifier.unverified) == (1, 0)
    assert len(logs) > TRANSACTIONS / 2


async def test_prove__every_log_of_a_block__is_verified_offline(rpc: Rpc) -> None:
    block = await blocks.mined(rpc, TRANSACTIONS)
    block_hash = bytes.fromhex(block["hash"][2:])
    _, logs = await seen(rpc, block)
    for log in logs:
        found = await prove(rpc, 31337, block_hash, log.log_index)
        assert found is not None
        shown = event.verify(event.read(event.document(found)), block_hash)
        assert (shown.log.address, shown.log.topics, shown.log.data) == (log.address, log.topics, log.data)
        assert (shown.transaction_index, shown.succeeded) == (log.transaction_index, True)
    assert await prove(rpc, 31337, block_hash, len(logs)) is None
    assert await prove(rpc, 31337, bytes(32), 0) is None


async def test_check__empty_block_and_genesis__agree(rpc: Rpc) -> None:
    genesis = await rpc.call("eth_getBlockByNumber", "0x0", False, type=HeaderAnswer)
    await blocks.mined(rpc, 0)
    empty = await rpc.call("eth_getBlockByNumber", "0x1", False, type=HeaderAnswer)
    verifier = ReceiptVerifier(1)
    await verifier.check(rpc, [Block.of(genesis), Block.of(empty)], Logs.empty(), everything)
    assert verifier.verified == 2


def without_a_log(method: str, answer: Any) -> Any:
    if method == "eth_getBlockReceipts":
        answer[3]["logs"] = answer[3]["logs"][:-1]
    return answer


def without_a_receipt(method: str, answer: Any) -> Any:
    return answer[:-1] if method == "eth_getBlockReceipts" else answer


def with_another_status(method: str, answer: Any) -> Any:
    if method == "eth_getBlockReceipts":
        answer[6]["status"] = "0x1"
    return answer


def with_other_data(method: str, answer: Any) -> Any:
    if method == "eth_getBlockReceipts":
        answer[2]["logs"][0]["data"] += "00"
    return answer


def with_moved_log_indexes(method: str, answer: Any) -> Any:
    if method == "eth_getBlockReceipts":
        answer[2]["logs"][0]["logIndex"] = "0x7"
    return answer


def with_another_root(method: str, answer: Any) -> Any:
    if method == "eth_getBlockByHash":
        answer["receiptsRoot"] = "0x" + "11" * 32
    return answer


def gone(method: str, answer: Any) -> Any:
    return None


def garbage(method: str, answer: Any) -> Any:
    if method == "eth_getBlockReceipts":
        answer[0]["cumulativeGasUsed"] = "much"
    return answer


@pytest.mark.parametrize(
    "change",
    [without_a_log, without_a_receipt, with_another_status, with_other_data, with_moved_log_indexes, gone, garbage],
)
async def test_check__endpoint_that_lies__is_caught(rpc: Rpc, change: Change) -> None:
    headers, logs = await seen(rpc, await blocks.mined(rpc, 30))
    with pytest.raises(ReceiptsDisagree):
        await ReceiptVerifier(1).check(Lying(rpc, change), headers, logs, everything)


async def test_check__header_that_is_not_the_hash__counts_as_not_verified(rpc: Rpc) -> None:
    headers, logs = await seen(rpc, await blocks.mined(rpc, 30))
    verifier = ReceiptVerifier(1)
    await verifier.check(Lying(rpc, with_another_root), headers, logs, everything)
    assert (verifier.verified, verifier.unverified) == (0, 1)


async def test_check__logs_that_were_lost__are_found_with_the_bloom_filter_set(rpc: Rpc) -> None:
    headers, logs = await seen(rpc, await blocks.mined(rpc, 30))
    kept = logs.take(logs.log_index != 5)
    with pytest.raises(ReceiptsDisagree, match="1 logs of its receipts were not given"):
        await ReceiptVerifier(1).check(rpc, headers, kept, everything)


async def test_check__node_without_block_receipts__takes_them_one_by_one(rpc: Rpc) -> None:
    def refuse(method: str, answer: Any) -> Any:
        return RpcRefused(method, -32601, "no such method") if method == "eth_getBlockReceipts" else answer

    headers, logs = await seen(rpc, await blocks.mined(rpc, 30))
    verifier = ReceiptVerifier(1)
    await verifier.check(Lying(rpc, refuse), headers, logs, everything)
    assert (verifier.verified, verifier.unverified) == (1, 0)


async def test_check__node_without_any_receipts__counts_as_not_verified(rpc: Rpc) -> None:
    def refuse(method: str, answer: Any) -> Any:
        return answer if method == "eth_getBlockByHash" else RpcRefused(method, -32601, "no such method")

    headers, logs = await seen(rpc, await blocks.mined(rpc, 30))
    verifier = ReceiptVerifier(1)
    await verifier.check(Lying(rpc, refuse), headers, logs, everything)
    assert (verifier.verified, verifier.unverified) == (0, 1)


def test_chosen__one_in_ten__are_the_same_ones_every_time() -> None:
    made = [Block(n, n.to_bytes(4, "big") * 8, bytes(32), 0, bytes(256), bytes(32)) for n in range(1_000)]
    hashed = ReceiptVerifier(10).chosen(made)
    assert hashed == ReceiptVerifier(10).chosen(made)
    assert 50 < len(hashed) < 200
    assert ReceiptVerifier(0).chosen(made) == []
    assert ReceiptVerifier(1).chosen(made) == made
