"""The JSON-RPC side of a chain in memory: whole blocks, receipts, traces, and contracts that answer by the block."""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from indexer.block import Block
from indexer.errors import RpcRefused
from indexer.event import snake
from indexer.rpc import Call, Result
from tests.integration.indexer.fake_chain import ACCOUNTS, FakeChain


class FakeNode:
    """Answers for whatever the chain is at the moment."""

    def __init__(self, chain: FakeChain, *, pruned_below: int = 0, refused: Sequence[str] = ()) -> None:
        self.chain = chain
        self.pruned_below = pruned_below
        self.refused = set(refused)
        self.asked: list[Call] = []

    async def batch(self, calls: Sequence[Call]) -> list[Result]:
        self.asked += calls
        return [self._answer(call) for call in calls]

    def _answer(self, call: Call) -> Result:
        if call.method in self.refused:
            return RpcRefused(call.method, -32601, "the method does not exist")
        found = getattr(self, snake(call.method))(*call.params)
        return found if isinstance(found, RpcRefused) else msgspec.Raw(msgspec.json.encode(found))

    def _block(self, place: str) -> Block | None:
        blocks = self.chain.blocks
        if len(place) < 66:
            number = int(place, 16)
            return blocks[number] if number < len(blocks) else None
        return next((block for block in blocks if "0x" + block.hash.hex() == place), None)

    def eth_get_block_by_hash(self, place: str, whole: bool) -> Any:
        block = self._block(place)
        return block and {"hash": place, "transactions": [_sent(block, at) for at in range(block.transaction_count)]}

    def eth_get_block_receipts(self, place: str) -> Any:
        block = self._block(place)
        return block and [_receipt(block, at) for at in range(block.transaction_count)]

    def eth_get_transaction_receipt(self, transaction: str) -> Any:
        for block in self.chain.blocks:
            for at in range(block.transaction_count):
                if _hash(block, at) == transaction:
                    return _receipt(block, at)
        return None

    def debug_trace_block_by_hash(self, place: str, tracer: Any) -> Any:
        block = self._block(place)
        return block and [_traced(block, at) for at in range(block.transaction_count)]

    def eth_get_balance(self, account: str, pin: Any) -> Any:
        return self._state(pin) or "0x0"

    def eth_get_code(self, account: str, pin: Any) -> Any:
        return self._state(pin) or "0x"

    def eth_call(self, request: Any, pin: Any) -> Any:
        if refused := self._state(pin):
            return refused
        word = hashlib.sha256((request["to"] + request["data"] + pin["blockHash"]).encode()).digest()
        return (
            RpcRefused("eth_call", 3, "execution reverted")
            if word[0] < 40
            else "0x" + bytes(16).hex() + word[16:].hex()
        )

    def _state(self, pin: Any) -> RpcRefused | None:
        block = self._block(pin["blockHash"])
        if block is None or block.number < self.pruned_below:
            return RpcRefused("eth_call", -32000, "missing trie node")
        return None


def _hash(block: Block, at: int) -> str:
    return "0x" + (block.hash[:31] + bytes([at])).hex()


def _parties(block: Block, at: int) -> tuple[str, str]:
    first, second = block.hash[at] % len(ACCOUNTS), block.hash[at + 1] % 40
    return "0x" + ACCOUNTS[first].hex(), "0x" + bytes([second] * 20).hex()


def _sent(block: Block, at: int) -> dict[str, Any]:
    sender, recipient = _parties(block, at)
    return {
        "hash": _hash(block, at), "transactionIndex": hex(at), "from": sender, "to": recipient, "input": "0x1234",
        "value": hex(block.hash[at + 2] % 3), "nonce": hex(at), "gas": "0x5208", "type": "0x2", "gasPrice": "0x7",
        "maxFeePerGas": "0x9", "maxPriorityFeePerGas": "0x1",
    }  # fmt: skip


def _receipt(block: Block, at: int) -> dict[str, Any]:
    return {
        "blockHash": "0x" + block.hash.hex(), "transactionHash": _hash(block, at), "transactionIndex": hex(at),
        "gasUsed": "0x5208", "cumulativeGasUsed": hex(21_000 * (at + 1)), "logs": [], "effectiveGasPrice": "0x7",
        "status": hex(block.hash[at + 3] % 4 > 0),
    }  # fmt: skip


def _traced(block: Block, at: int) -> dict[str, Any]:
    sender, recipient = _parties(block, at)
    call = {"gas": "0x10", "gasUsed": "0x8", "input": "0x", "output": "0x"}
    inner = {"type": "CALL", "from": recipient, "to": sender, "value": hex(block.hash[at + 4] % 2), **call}
    failed = {} if block.hash[at + 3] % 4 else {"error": "execution reverted"}
    outer = {"type": "CALL", "from": sender, "to": recipient, "value": hex(block.hash[at + 2] % 3), **call, **failed}
    return {"txHash": _hash(block, at), "result": {**outer, "calls": [inner]}}
