"""Reads are whole and of one chain, or they are refused."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec
import pytest

from indexer.block import Block, LogAnswer
from indexer.chain import FALLBACK_FINAL_DEPTH, RpcChain
from indexer.errors import Disagreement, RpcRefused
from indexer.manifest import Contract, Manifest
from indexer.rpc import Call, Result
from indexer.watch import Watch
from tests.unit.indexer.logs import ADDRESS, block, event, log

T = TypeVar("T")
SAMPLE = event("Sample", ("uint256", "a", True))


class FakeNode:
    """A transport that answers from blocks and logs in memory."""

    def __init__(self, blocks: Sequence[Block], logs: Sequence[LogAnswer]) -> None:
        self.blocks = {block.number: block for block in blocks}
        self.logs = list(logs)
        self.lost: set[int] = set()
        """Blocks whose logs eth_getLogs does not give."""
        self.changed: dict[str, Any] = {}
        """Headers given instead, by number or tag."""
        self.max_range = 10_000
        self.tags = True
        self.answer_bytes = 1_000
        self.ranges: list[int] = []

    async def batch(self, calls: Sequence[Call]) -> list[Result]:
        return [self._answer(call) for call in calls]

    async def through(self, work: Callable[[Any], Awaitable[T]]) -> T:
        return await work(self)

    def others(self) -> bool:
        return False

    def _answer(self, call: Call) -> Result:
        match call.method, call.params[0]:
            case "eth_getBlockByNumber", tag:
                return self._header(tag)
            case "eth_getLogs", criteria:
                return self._logs(int(criteria["fromBlock"], 16), int(criteria["toBlock"], 16))
            case "eth_getBlockReceipts", number:
                found = [log for log in self.logs if log.block_number == number]
                return raw([{"logs": found}])
        raise AssertionError(call)

    def _header(self, tag: str) -> Result:
        if tag in self.changed:
            return raw(self.changed[tag])
        if tag in ("safe", "finalized") and not self.tags:
            return RpcRefused("eth_getBlockByNumber", -32601, "unknown tag")
        head = max(self.blocks)
        depth = {"latest": 0, "safe": 1, "finalized": 2}.get(tag)
        found = self.blocks.get(head - depth if depth is not None else int(tag, 16))
        return raw(None if found is None else answer(found))

    def _logs(self, first: int, last: int) -> Result:
        self.ranges.append(last - first + 1)
        if last - first + 1 > self.max_range:
            return RpcRefused("eth_getLogs", -32000, "range too large")
        wanted = (log for log in self.logs if first <= int(log.block_number, 16) <= last)
        return raw([log for log in wanted if int(log.block_number, 16) not in self.lost])


ABI = [{"type": "event", "name": "Sample", "inputs": [{"type": "uint256", "name": "a", "indexed": True}]}]


def watching(address: bytes = ADDRESS) -> Watch:
    return Watch(Manifest(7, 0, (Contract("Sample", address, ABI),)))


def raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def answer(of: Block) -> dict[str, Any]:
    numbers = {"number": hex(of.number), "timestamp": hex(of.timestamp), "gasUsed": "0x0", "transactions": []}
    hashes = {"hash": of.hash, "parentHash": of.parent_hash, "logsBloom": of.logs_bloom}
    texts = {name: "0x" + value.hex() for name, value in hashes.items()}
    return {**numbers, **texts, "receiptsRoot": "0x" + of.receipts_root.hex()}


def node(height: int) -> FakeNode:
    """Every third block has a log."""
    logs = [log(SAMPLE, {"a": number}, number=number) for number in range(3, height + 1, 3)]
    by_number = {int(found.block_number, 16): [found] for found in logs}
    return FakeNode([block(number, by_number.get(number, [])) for number in range(1, height + 1)], logs)


async def numbers(chain: RpcChain, first: int, last: int) -> tuple[list[int], list[int]]:
    segments = [segment async for segment in chain.history(first, last, watching())]
    blocks = [found.number for segment in segments for found in segment.blocks]
    return blocks, [found.block_number for segment in segments for found in segment.logs]


async def test_look__block_with_logs__comes_with_the_tip() -> None:
    tip, segment = await RpcChain(node(9)).look(6, watching())
    assert (tip.head.number, tip.safe, tip.finalized) == (9, 8, 7)
    assert segment is not None
    assert segment.logs.block_number.tolist() == [6]
    assert (await RpcChain(node(9)).look(10, watching()))[1] is None


async def test_look__no_finality_tags__falls_back_to_depth() -> None:
    fake = node(100)
    fake.tags = False
    tip, _ = await RpcChain(fake).look(1, watching())
    assert tip.finalized == 100 - FALLBACK_FINAL_DEPTH


async def test_history__long_range__is_whole_and_in_order() -> None:
    blocks, logs = await numbers(RpcChain(node(500)), 1, 500)
    assert blocks == list(range(1, 501))
    assert logs == list(range(3, 501, 3))


async def test_history__range_refused__is_halved_until_it_fits() -> None:
    fake = node(100)
    fake.max_range = 3
    blocks, logs = await numbers(RpcChain(fake), 1, 100)
    assert (blocks, logs) == (list(range(1, 101)), list(range(3, 101, 3)))
    assert fake.ranges[-1] <= 3, "it learns the size"


async def test_history__large_answers__narrow_the_window() -> None:
    fake = node(300)
    fake.answer_bytes = 10_000_000
    await numbers(RpcChain(fake), 1, 300)
    assert fake.ranges[0] == 20
    assert fake.ranges[-1] <= 1


@pytest.mark.parametrize("lost", [{6}, {3, 9}])
async def test_history__endpoint_loses_logs__they_are_found_in_the_receipts(lost: set[int]) -> None:
    fake = node(12)
    fake.lost = lost
    assert await numbers(RpcChain(fake), 1, 12) == (list(range(1, 13)), [3, 6, 9, 12])


async def test_look__logs_of_another_fork__are_refused() -> None:
    fake = node(9)
    fake.logs[1] = msgspec.structs.replace(fake.logs[1], block_hash="0x" + "66" * 32)
    with pytest.raises(Disagreement):
        await RpcChain(fake).look(6, watching())


async def test_history__blocks_do_not_link__is_refused() -> None:
    fake = node(9)
    fake.blocks[5] = block(5, parent_fork=1)
    with pytest.raises(Disagreement, match="block 5"):
        await numbers(RpcChain(fake), 1, 9)


async def test_history__block_missing__is_refused() -> None:
    fake = node(9)
    del fake.blocks[4]
    with pytest.raises(Disagreement, match="exist"):
        await numbers(RpcChain(fake), 1, 9)


async def test_look__one_log_of_several_lost__is_found_in_the_receipts() -> None:
    fake = node(6)
    fake.logs.append(log(SAMPLE, {"a": 6}, number=6, index=1))
    given = fake.logs.copy()

    async def lossy(calls: Sequence[Call]) -> list[Result]:
        fake.logs = given if calls[0].method == "eth_getBlockReceipts" else given[:-1]
        return [fake._answer(call) for call in calls]

    fake.batch = lossy  # type: ignore[method-assign]
    _, segment = await RpcChain(fake).look(6, watching())
    assert segment is not None
    assert segment.logs.log_index.tolist() == [0, 1]


async def test_look__log_not_in_the_receipts__is_refused() -> None:
    fake = node(6)

    async def lying(calls: Sequence[Call]) -> list[Result]:
        if calls[0].method == "eth_getBlockReceipts":
            return [raw([{"logs": []}])]
        return [fake._answer(call) for call in calls]

    fake.batch = lying  # type: ignore[method-assign]
    with pytest.raises(Disagreement, match="receipts"):
        await RpcChain(fake).look(6, watching())


async def test_look__no_receipts__takes_the_logs_as_given() -> None:
    fake = node(6)

    async def poor(calls: Sequence[Call]) -> list[Result]:
        if calls[0].method == "eth_getBlockReceipts":
            return [RpcRefused("eth_getBlockReceipts", -32601, "no such method")]
        return [fake._answer(call) for call in calls]

    fake.batch = poor  # type: ignore[method-assign]
    _, segment = await RpcChain(fake).look(6, watching())
    assert segment is not None
    assert len(segment.logs) == 1


@pytest.mark.parametrize(
    ("tag", "change", "reason"),
    [
        ("0x6", {"number": "0x7"}, "asked for"),
        ("0x6", {"hash": "0x12"}, "malformed"),
        ("0x6", {"timestamp": "0x" + "f" * 20}, "malformed"),
        ("0x6", {"number": "-0x6"}, "malformed"),
        ("finalized", {"number": "0xff"}, "final"),
        ("safe", {"number": "0xff"}, "safe"),
    ],
)
async def test_look__impossible_header__is_refused(tag: str, change: dict[str, str], reason: str) -> None:
    fake = node(9)
    fake.changed[tag] = {**answer(fake.blocks[6]), **change}
    with pytest.raises(Disagreement, match=reason):
        await RpcChain(fake).look(6, watching())


async def test_look__log_of_a_contract_not_asked_for__is_refused() -> None:
    with pytest.raises(Disagreement, match="not asked for"):
        await RpcChain(node(6)).look(6, watching(b"\x55" * 20))
