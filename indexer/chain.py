"""Verified reads of the chain: headers, logs, and long stretches of both in order."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from indexer.block import Block, HeaderAnswer, LogAnswer, ReceiptAnswer, Segment, Tip
from indexer.errors import Disagreement, RpcRefused
from indexer.lineage import check_links
from indexer.rpc import Call, Result, decode
from indexer.verify import check_logs, unaccounted

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
        tip = Tip(
            head,
            _tag(safe, head.number - FALLBACK_SAFE_DEPTH),
            _tag(final, head.number - FALLBACK_FINAL_DEPTH),
        )
        block = _block(header)
        if block is None:
            return tip, None
        return tip, await self._verified([block], decode(logs, tuple[LogAnswer, ...]), every_topic=True)

    async def headers(self, numbers: Sequence[int]) -> list[Block]:
        results = await self._rpc.batch([_header(hex(number)) for number in numbers]) if numbers else []
        return [block for result in results if (block := _block(result)) is not None]

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
        logs, *headers = await self._rpc.batch(calls)
        self._adapt(last - first + 1)
        if isinstance(logs, RpcRefused) and last > first:
            middle = (first + last) // 2
            self._window = max(1, (last - first + 1) // 2)
            logger.info("window halved first=%d last=%d reason=%s", first, last, logs)
            return (await self._stretch(first, middle)).join(await self._stretch(middle + 1, last))
        blocks = [block for result in headers if (block := _block(result)) is not None]
        if len(blocks) != last - first + 1:
            raise Disagreement(f"blocks {first} to {last}: {len(blocks)} of them exist")
        return await self._verified(blocks, decode(logs, tuple[LogAnswer, ...]), every_topic=False)

    def _adapt(self, size: int) -> None:
        """Moves the window towards answers of the wanted size, at most by a factor of two."""
        fitting = size * TARGET_ANSWER_BYTES // max(self._rpc.answer_bytes, 1)
        self._window = max(1, min(fitting, 2 * size, MAX_WINDOW))

    async def _verified(self, blocks: Sequence[Block], logs: tuple[LogAnswer, ...], *, every_topic: bool) -> Segment:
        check_links(blocks)
        check_logs(blocks, logs, every_topic=every_topic)
        if doubtful := unaccounted(blocks, logs, self._addresses):
            logs = _merge(logs, await self._from_receipts(doubtful))
            check_logs(blocks, logs, every_topic=every_topic)
        return Segment(tuple(blocks), logs)

    async def _from_receipts(self, blocks: Sequence[Block]) -> list[LogAnswer]:
        """Watched logs of blocks whose bloom filter promises some although none were given."""
        results = await self._rpc.batch([Call("eth_getBlockReceipts", (hex(b.number),)) for b in blocks])
        logs = []
        for result in results:
            if isinstance(result, RpcRefused):
                logger.info("receipts unavailable, bloom filter unexplained reason=%s", result)
                continue
            receipts = decode(result, tuple[ReceiptAnswer, ...] | None) or ()
            logs += [log for receipt in receipts for log in receipt.logs if log.address in self._filter]
        if logs:
            logger.warning("logs were missing from eth_getLogs count=%d", len(logs))
        return logs

    def _logs(self, first: int, last: int) -> Call:
        criteria: dict[str, Any] = {"fromBlock": hex(first), "toBlock": hex(last), "address": self._filter}
        return Call("eth_getLogs", (criteria,))


def _merge(logs: tuple[LogAnswer, ...], found: list[LogAnswer]) -> tuple[LogAnswer, ...]:
    # Stable: logs of one block come from one of the two sources only.
    return tuple(sorted((*logs, *found), key=lambda log: int(log.block_number, 16)))


def _header(tag: str) -> Call:
    return Call("eth_getBlockByNumber", (tag, False))


def _block(result: Result) -> Block | None:
    answer: HeaderAnswer | None = decode(result, HeaderAnswer | None)
    try:
        return None if answer is None else Block.of(answer)
    except ValueError as error:
        raise Disagreement(f"a header is malformed: {error}") from error


def _tag(result: Result, fallback: int) -> int:
    """A finality tag's block number; nodes without the tag refuse it or give nothing."""
    if isinstance(result, RpcRefused):
        return max(fallback, 0)
    block = _block(result)
    return max(fallback, 0) if block is None else block.number
