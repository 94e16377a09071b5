"""Verified reads of the chain: headers, logs, and long stretches of both in order."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeVar

import numpy as np

from indexer.block import Block, HeaderAnswer, ReceiptAnswer, Tip
from indexer.errors import Disagreement, RpcRefused, RpcUnavailable
from indexer.limits import Kind, understand
from indexer.lineage import check_links
from indexer.logs import Logs, Segment, merge
from indexer.receipts import ReceiptVerifier
from indexer.rpc import Call, Result, decode
from indexer.verify import Expected, check_logs, check_same, unaccounted
from indexer.watch import Watch
from indexer.window import Window
from indexer.wire import Page, read_logs

logger = logging.getLogger(__name__)

T = TypeVar("T")

IN_FLIGHT: Final = 3
STALE_BLOCKS: Final = 5
"""Where there are other endpoints, one further behind than this is not believed."""
MOST_CHANCE: Final = 0.01
"""A silent contract is asked after only where the bloom filter does not name it by mere accident: on busy chains
the filters are full."""
# What a node without finality tags is taken to have: two epochs of 32 blocks, as after the merge.
FALLBACK_SAFE_DEPTH: Final = 32
FALLBACK_FINAL_DEPTH: Final = 64


class Chain(Protocol):
    """What the indexer needs of a chain."""

    async def look(self, number: int, watch: Watch) -> tuple[Tip, Segment | None]:
        """Where the chain stands, and block ``number`` with its logs if there is one."""
        ...

    async def headers(self, numbers: Sequence[int]) -> list[Block]:
        """Headers of the numbers that exist."""
        ...

    async def vouch(self, number: int, block_hash: bytes) -> bool:
        """Whether any endpoint has this block. Those that have another one are not asked for a while."""
        ...

    def history(self, first: int, last: int, watch: Watch) -> AsyncGenerator[Segment, None]:
        """Blocks ``first`` to ``last`` with their logs, in segments, in order.

        Raises:
            Disagreement: the endpoint contradicts itself, or the chain moved underneath.
        """
        ...


class Node(Protocol):
    """One endpoint."""

    answer_bytes: int
    """Size of its last answer."""

    async def batch(self, calls: Sequence[Call]) -> list[Result]: ...


class Transport(Protocol):
    """What is needed of the JSON-RPC client."""

    async def through(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Does a piece of work at one endpoint; if that one fails or contradicts itself, at another."""
        ...

    def others(self) -> bool:
        """Whether there is more than one endpoint."""
        ...


@dataclass(frozen=True, slots=True)
class Stretch:
    """Blocks and the logs that were asked for when ``watch.version`` was ``version``."""

    blocks: tuple[Block, ...]
    logs: Logs
    version: int

    @staticmethod
    def joined(parts: "Sequence[Stretch]") -> "Stretch":
        blocks = tuple(block for part in parts for block in part.blocks)
        return Stretch(blocks, Logs.concat([part.logs for part in parts]), min(part.version for part in parts))


class RpcChain:
    """A chain behind JSON-RPC endpoints."""

    def __init__(
        self,
        rpc: Transport,
        *,
        verifier: ReceiptVerifier | None = None,
        missed: Callable[[int], None] = lambda logs: None,
    ) -> None:
        """
        Args:
            missed: hears how many logs the endpoints had left out.
        """
        self._rpc = rpc
        self._verifier = verifier
        self._missed = missed
        self._window = Window()
        self._highest = 0
        self._wants_receipts = False
        self._without_receipts = False

    async def look(self, number: int, watch: Watch) -> tuple[Tip, Segment | None]:
        return await self._rpc.through(lambda node: self._look(node, number, watch))

    async def _look(self, node: Node, number: int, watch: Watch) -> tuple[Tip, Segment | None]:
        version = watch.version
        tags = [_header("latest"), _header("safe"), _header("finalized"), _header(hex(number)), *self._receipts(number)]
        results = await node.batch([*tags, *_logs(number, number, watch.criteria())])
        latest, safe, final, header, *receipts = results[: len(tags)]
        logs = results[len(tags) :]
        head = _block(latest)
        if head is None:
            raise Disagreement("the endpoint has no latest block")
        self._check_fresh(head.number)
        tip = Tip(head, _tag(safe, head, FALLBACK_SAFE_DEPTH), _tag(final, head, FALLBACK_FINAL_DEPTH))
        block = _block(header, number)
        if block is None:
            return tip, None
        given = {number: receipts[0]} if receipts else {}
        stretch = await self._verified(node, (block,), logs, watch, version, at_head=True, receipts=given)
        return tip, await self._completed(node, stretch, watch, at_head=True)

    def _check_fresh(self, head: int) -> None:
        """Where all endpoints are behind what was seen, the chain has gone back."""
        highest, self._highest = self._highest, max(head, self._highest)
        if head + STALE_BLOCKS < highest and self._rpc.others():
            # Believed the next time: after every other endpoint was asked.
            self._highest = head
            raise Disagreement(f"stale: its head is {head}, another's was {highest}")

    async def headers(self, numbers: Sequence[int]) -> list[Block]:
        return await self._rpc.through(lambda node: self._headers(node, numbers))

    async def _headers(self, node: Node, numbers: Sequence[int]) -> list[Block]:
        results = await node.batch([_header(hex(number)) for number in numbers]) if numbers else []
        return _blocks(results, numbers)

    async def vouch(self, number: int, block_hash: bytes) -> bool:
        async def check(node: Node) -> bool:
            blocks = await self._headers(node, [number])
            if [block.hash for block in blocks] != [block_hash]:
                raise Disagreement(f"another chain: its block {number} is not 0x{block_hash.hex()}")
            return True

        try:
            return await self._rpc.through(check)
        except Disagreement:
            return False

    async def history(self, first: int, last: int, watch: Watch) -> AsyncGenerator[Segment, None]:
        tasks: deque[asyncio.Task[Stretch]] = deque()
        following = first
        try:
            while following <= last or tasks:
                while following <= last and len(tasks) < IN_FLIGHT:
                    end = min(following + self._window.blocks - 1, last)
                    tasks.append(asyncio.create_task(self._stretch(following, end, watch)))
                    following = end + 1
                yield await self._finished(await tasks.popleft(), watch)
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task

    async def _finished(self, stretch: Stretch, watch: Watch) -> Segment:
        """In order: what a stretch makes known is asked for in the ones after it."""
        return await self._rpc.through(lambda node: self._completed(node, stretch, watch, at_head=False))

    async def _stretch(self, first: int, last: int, watch: Watch) -> Stretch:
        """One window; halved for as long as endpoints refuse its size."""
        blocks = last - first + 1
        try:
            found = await self._rpc.through(lambda node: self._window_of(node, first, last, watch))
        except RpcUnavailable:
            self._window.failed(blocks)
            raise
        if isinstance(found, Stretch):
            return found
        limit = understand(found.rpc_code, found.rpc_message, found.data)
        self._window.refused(blocks, limit.blocks if limit.kind is Kind.RANGE else None)
        size = min(self._window.blocks, blocks - 1)
        logger.info("window refused first=%d last=%d next=%d reason=%s", first, last, size, found)
        parts = [
            await self._stretch(start, min(start + size - 1, last), watch) for start in range(first, last + 1, size)
        ]
        return Stretch.joined(parts)

    async def _window_of(self, node: Node, first: int, last: int, watch: Watch) -> Stretch | RpcRefused:
        """A refusal of the range is handed back, as long as a smaller one could be asked for."""
        version, criteria = watch.version, watch.criteria()
        calls = [_header(hex(number)) for number in range(first, last + 1)]
        results = await node.batch([*_logs(first, last, criteria), *calls])
        logs, headers = results[: len(criteria)], results[len(criteria) :]
        refusal = next((result for result in results if isinstance(result, RpcRefused)), None)
        if refusal is not None and last > first:
            return refusal
        self._window.answered(last - first + 1, node.answer_bytes)
        blocks = tuple(_blocks(headers, range(first, last + 1)))
        if len(blocks) != last - first + 1:
            raise Disagreement(f"blocks {first} to {last}: {len(blocks)} of them exist")
        return await self._verified(node, blocks, logs, watch, version, at_head=False)

    async def _verified(
        self,
        node: Node,
        blocks: tuple[Block, ...],
        answers: Sequence[Result],
        watch: Watch,
        version: int,
        *,
        at_head: bool,
        receipts: Mapping[int, Result] = MappingProxyType({}),
    ) -> Stretch:
        """The blocks with all their watched logs.

        At the head, every block that may have some is compared with its receipts; further back, where that would
        cost a request per block, those in which a contract is silent although the bloom filter names it.
        """
        check_links(blocks)
        logs = merge([check_logs(blocks, read_logs(_raw(answer)), every_topic=at_head) for answer in answers])
        # No logs given: every block that may have any is doubtful.
        accounted, chance = (Logs.empty(), 1.0) if at_head else (logs, MOST_CHANCE)
        doubtful = unaccounted(blocks, accounted, _expected(watch), most_chance=chance)
        if at_head:
            self._wants_receipts = bool(doubtful)
        if doubtful:
            whole = _complete(logs, await self._from_receipts(node, doubtful, watch, receipts))
            self._missed(len(whole) - len(logs))
            logs = whole
        return Stretch(blocks, logs, version)

    async def _completed(self, node: Node, stretch: Stretch, watch: Watch, *, at_head: bool) -> Segment:
        """The segment, with the logs of contracts that it makes known itself."""
        blocks, logs, version = stretch.blocks, stretch.logs, stretch.version
        while True:
            while watch.discover(logs):
                pass
            if version == watch.version:
                break
            asked, version = version, watch.version
            criteria = watch.criteria(asked)
            answers = await node.batch(_logs(blocks[0].number, blocks[-1].number, criteria))
            pages = [check_logs(blocks, read_logs(_raw(answer)), every_topic=at_head) for answer in answers]
            logs = merge([logs, *pages])
        if self._verifier is not None:
            await self._verifier.check(node, blocks, logs, watch.wants)
        return Segment(blocks, watch.sift(logs))

    def _receipts(self, number: int) -> list[Call]:
        """Asked for together with a block at the head, where the block before had watched logs."""
        return [_receipts_of(number)] if self._wants_receipts and not self._without_receipts else []

    async def _from_receipts(
        self, node: Node, blocks: Sequence[Block], watch: Watch, given: Mapping[int, Result]
    ) -> dict[int, Logs]:
        """Watched logs by block, as far as the endpoint gives receipts."""
        missing = [block.number for block in blocks if block.number not in given]
        fetched = await node.batch([_receipts_of(number) for number in missing]) if missing else []
        by_number = {**given, **dict(zip(missing, fetched, strict=True))}
        results = [by_number[block.number] for block in blocks]
        found = {}
        for block, result in zip(blocks, results, strict=True):
            receipts = None if isinstance(result, RpcRefused) else decode(result, tuple[ReceiptAnswer, ...] | None)
            if receipts is None:
                self._tell_no_receipts(block, result)
                continue
            found[block.number] = Logs.concat([_watched(block, read_logs(r.logs), watch) for r in receipts])
        return found

    def _tell_no_receipts(self, block: Block, result: Result) -> None:
        if not self._without_receipts:
            reason = result if isinstance(result, RpcRefused) else "null"
            logger.warning("no receipts, logs are taken as given block=%d reason=%.200s", block.number, reason)
        self._without_receipts = True


def _logs(first: int, last: int, criteria: Sequence[Mapping[str, Any]]) -> list[Call]:
    stretch = {"fromBlock": hex(first), "toBlock": hex(last)}
    return [Call("eth_getLogs", ({**stretch, **one},)) for one in criteria]


def _expected(watch: Watch) -> list[Expected]:
    expected: list[Expected] = []
    for address in watch.addresses():
        emitter = watch.directory.get(address)
        chosen = (
            ()
            if emitter is None or emitter.schema.keeps_unknown or emitter.schema.anonymous
            else (tuple(emitter.schema.signed))
        )
        expected.append((address, chosen))
    return expected


def _raw(answer: Result) -> Any:
    if isinstance(answer, RpcRefused):
        raise answer
    return answer


def _watched(block: Block, page: Page, watch: Watch) -> Logs:
    """Of a receipt's logs the watched ones."""
    if (page.block_hash != np.frombuffer(block.hash, dtype=np.uint8)).any():
        raise Disagreement(f"the receipts of block {block.number} are of another block")
    return watch.sift(page.logs.take(watch.directory.find(page.logs.address) >= 0))


def _complete(logs: Logs, whole: Mapping[int, Logs]) -> Logs:
    """The logs, with those of some blocks replaced by what their receipts have."""
    parts = []
    for number, found in whole.items():
        given = logs.take(logs.block_number == number)
        check_same(given, found)
        if missing := len(found) - len(given):
            logger.warning("logs were missing from eth_getLogs block=%d count=%d", number, missing)
            parts.append(found)
    return merge([logs, *parts]) if parts else logs


def _receipts_of(number: int) -> Call:
    return Call("eth_getBlockReceipts", (hex(number),))


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
