"""Verified reads of the chain: headers, logs, and long stretches of both in order."""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from indexer.block import Block, HeaderAnswer, LogAnswer, ReceiptAnswer, Segment, Tip
from indexer.errors import Disagreement, RpcRefused, RpcUnavailable
from indexer.lineage import check_links
from indexer.rpc import Call, Result, decode
from indexer.verify import check_logs, check_same, unaccounted

logger = logging.getLogger(__name__)

TARGET_ANSWER_BYTES: Final = 2_000_000
IN_FLIGHT: Final = 3
FIRST_WINDOW: Final = 20
MAX_WINDOW: Final = 200
# What a node without finality tags is taken to have: two epochs of 32 blocks, as after the merge.
FALLBACK_SAFE_DEPTH: Final = 32
FALLBACK_FINAL_DEPTH: Final = 64


class Chain(Protocol):
    """What the indexer needs of a chain."""

    async def look(self, number: int) -> tuple[Tip, Segment | None]:
        """Where the chain stands, and block ``number`` with its logs if there is one."""
        ...

    async def headers(self, numbers: Sequence[int]) -> list[Block]:
        """Headers of the numbers that exist."""
        ...

    def history(self, first: int, last: int) -> AsyncGenerator[Segment, None]:
        """Blocks ``first`` to ``last`` with their logs, in segments, in order.

        Raises:
            Disagreement: the endpoint contradicts itself, or the chain moved underneath.
        """
        ...


class Transport(Protocol):
    """What is needed of the JSON-RPC client."""

    answer_bytes: int

    async def batch(self, calls: Sequence[Call]) -> list[Result]: ...


class RpcChain:
    """A chain behind JSON-RPC endpoints."""

    def __init__(self, rpc: Transport, addresses: Sequence[bytes]) -> None:
        self._rpc = rpc
        self._addresses = tuple(addresses)
        self._filter = ["0x" + address.hex() for address in addresses]
        self._window = FIRST_WINDOW
        self._without_receipts = False

    async def look(self, number: int) -> tuple[Tip, Segment | None]:
        latest, safe, final, header, logs = await self._rpc.batch(
            [
                _header("latest"),
                _header("safe"),
                _header("finalized"),
                _header(hex(number)),
                self._logs(number, number),
            ]
        )
        head = _block(latest)
        if head is None:
            raise Disagreement("the endpoint has no latest block")
        tip = Tip(head, _tag(safe, head, FALLBACK_SAFE_DEPTH), _tag(final, head, FALLBACK_FINAL_DEPTH))
        block = _block(header, number)
        if block is None:
            return tip, None
        return tip, await self._verified([block], decode(logs, tuple[LogAnswer, ...]), at_head=True)

    async def headers(self, numbers: Sequence[int]) -> list[Block]:
        results = await self._rpc.batch([_header(hex(number)) for number in numbers]) if numbers else []
        return _blocks(results, numbers)

    async def history(self, first: int, last: int) -> AsyncGenerator[Segment, None]:
        tasks: deque[asyncio.Task[Segment]] = deque()
        following = first
        try:
            while following <= last or tasks:
                while following <= last and len(tasks) < IN_FLIGHT:
                    end = min(following + self._window - 1, last)
                    tasks.append(asyncio.create_task(self._stretch(following, end)))
                    following = end + 1
                yield await tasks.popleft()
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task

    async def _stretch(self, first: int, last: int) -> Segment:
        """One window; halved for as long as the endpoint refuses its size."""
        calls = [self._logs(first, last), *(_header(hex(number)) for number in range(first, last + 1))]
        try:
            logs, *headers = await self._rpc.batch(calls)
        except RpcUnavailable:
            # Perhaps too much was asked at once: less the next time.
            self._window = max(1, (last - first + 1) // 2)
            raise
        self._adapt(last - first + 1)
        if isinstance(logs, RpcRefused) and last > first:
            middle = (first + last) // 2
            self._window = max(1, (last - first + 1) // 2)
            logger.info("window halved first=%d last=%d reason=%s", first, last, logs)
            return (await self._stretch(first, middle)).join(await self._stretch(middle + 1, last))
        blocks = _blocks(headers, range(first, last + 1))
        if len(blocks) != last - first + 1:
            raise Disagreement(f"blocks {first} to {last}: {len(blocks)} of them exist")
        return await self._verified(blocks, decode(logs, tuple[LogAnswer, ...]), at_head=False)

    def _adapt(self, size: int) -> None:
        """Moves the window towards answers of the wanted size, at most by a factor of two."""
        fitting = size * TARGET_ANSWER_BYTES // max(self._rpc.answer_bytes, 1)
        self._window = max(1, min(fitting, 2 * size, MAX_WINDOW))

    async def _verified(self, blocks: Sequence[Block], logs: tuple[LogAnswer, ...], *, at_head: bool) -> Segment:
        """The blocks with all their watched logs.

        At the head, every block that may have some is compared with its receipts; further back, where that would
        cost a request per block, those in which a contract is silent although the bloom filter names it.
        """
        try:
            check_links(blocks)
            self._check(blocks, logs, at_head)
            # No logs given: every block that may have any is doubtful.
            if doubtful := unaccounted(blocks, () if at_head else logs, self._addresses):
                logs = _complete(logs, await self._from_receipts(doubtful))
                self._check(blocks, logs, at_head)
        except ValueError as error:
            raise Disagreement(f"a log is malformed: {error}") from error
        return Segment(tuple(blocks), logs)

    def _check(self, blocks: Sequence[Block], logs: Sequence[LogAnswer], at_head: bool) -> None:
        check_logs(blocks, logs, every_topic=at_head)
        if foreign := {log.address.lower() for log in logs}.difference(self._filter):
            raise Disagreement(f"a log is of {min(foreign)[:80]}, which was not asked for")

    async def _from_receipts(self, blocks: Sequence[Block]) -> dict[int, list[LogAnswer]]:
        """Watched logs by block, as far as the endpoint gives receipts."""
        results = await self._rpc.batch([Call("eth_getBlockReceipts", (hex(b.number),)) for b in blocks])
        found = {}
        for block, result in zip(blocks, results, strict=True):
            receipts = None if isinstance(result, RpcRefused) else decode(result, tuple[ReceiptAnswer, ...] | None)
            if receipts is None:
                self._tell_no_receipts(block, result)
                continue
            found[block.number] = [
                log for receipt in receipts for log in receipt.logs if log.address.lower() in self._filter
            ]
        return found

    def _tell_no_receipts(self, block: Block, result: Result) -> None:
        if not self._without_receipts:
            reason = result if isinstance(result, RpcRefused) else "null"
            logger.warning("no receipts, logs are taken as given block=%d reason=%.200s", block.number, reason)
        self._without_receipts = True

    def _logs(self, first: int, last: int) -> Call:
        criteria: dict[str, Any] = {"fromBlock": hex(first), "toBlock": hex(last), "address": self._filter}
        return Call("eth_getLogs", (criteria,))


def _complete(logs: tuple[LogAnswer, ...], whole: Mapping[int, Sequence[LogAnswer]]) -> tuple[LogAnswer, ...]:
    """The logs, with those of some blocks replaced by what their receipts have."""
    given: dict[int, list[LogAnswer]] = defaultdict(list)
    for log in logs:
        given[int(log.block_number, 16)].append(log)
    for number, found in whole.items():
        check_same(given[number], found)
        if missing := len(found) - len(given[number]):
            logger.warning("logs were missing from eth_getLogs block=%d count=%d", number, missing)
        given[number] = list(found)
    return tuple(log for number in sorted(given) for log in given[number])


def _header(tag: str) -> Call:
    return Call("eth_getBlockByNumber", (tag, False))


def _blocks(results: Sequence[Result], numbers: Sequence[int]) -> list[Block]:
    """Those that exist."""
    found = (_block(result, number) for result, number in zip(results, numbers, strict=True))
    return [block for block in found if block is not None]


def _block(result: Result, number: int | None = None) -> Block | None:
    """The block of a header, which must have the ``number`` that was asked for."""
    answer: HeaderAnswer | None = decode(result, HeaderAnswer | None)
    try:
        block = None if answer is None else Block.of(answer)
    except ValueError as error:
        raise Disagreement(f"a header is malformed: {error}") from error
    if block is not None and number not in (None, block.number):
        raise Disagreement(f"block {number} was asked for, block {block.number} came")
    return block


def _tag(result: Result, head: Block, depth: int) -> int:
    """A finality tag's block number; nodes without the tag refuse it or give nothing."""
    block = None if isinstance(result, RpcRefused) else _block(result)
    if block is None:
        return max(head.number - depth, 0)
    if block.number > head.number:
        raise Disagreement(f"block {block.number} is said to be final or safe, the head is {head.number}")
    return block.number
