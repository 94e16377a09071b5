"""Whole blocks from a node: transactions, receipts and traces that agree with each other, many blocks at a time."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from indexer.block import HASH_BYTES, unhex
from indexer.call_traces import TRACER, FlatTrace, Trace, Traced, of_flat, of_tracer
from indexer.errors import Disagreement, GridtraceError, RpcRefused
from indexer.follower import BlockGone, Indexed
from indexer.record_answers import BlockAnswer, ReceiptAnswer, TransactionAnswer
from indexer.rpc import Call, Result, decode

T = TypeVar("T")

BY_TRACER: Final = "debug_traceBlockByHash"
BY_BLOCK: Final = "trace_block"
NO_METHOD: Final = (-32_601, -32_004)
"""Source: https://www.jsonrpc.org/specification, https://eips.ethereum.org/EIPS/eip-1474"""


DEEPEST: Final = 10_000
"""Of Python's recursion: contracts may call each other 1,024 deep, and each call is an object in a list."""


class Transport(Protocol):
    """What is needed of the JSON-RPC client."""

    async def batch(self, calls: Sequence[Call]) -> list[Result]: ...


class NoTraces(GridtraceError):
    """The node offers neither debug_traceBlockByHash with callTracer nor trace_block."""

    code = "traces-refused"
    retryable = True


@dataclass(frozen=True, slots=True)
class Whole:
    """A block with as much of it as was asked for."""

    block: Indexed
    transactions: tuple[TransactionAnswer, ...] = ()
    receipts: tuple[ReceiptAnswer, ...] = ()
    traces: tuple[Trace, ...] = ()


class Reader:
    """Asks for whole blocks in the ways that the node offers, and remembers which it does not."""

    def __init__(self, rpc: Transport) -> None:
        self._rpc = rpc
        self._has_block_receipts = True
        self._tracing = BY_TRACER

    async def read(self, blocks: Sequence[Indexed], *, receipts: bool, traces: bool) -> list[Whole]:
        """The blocks, in order.

        Raises:
            BlockGone: the chain has no such block any more.
            Disagreement: the answers contradict each other.
            NoTraces: traces are asked for, and refused.
            RpcRefused: the node refuses all of it, or as much at once.
            RpcUnavailable: as the transport.
        """
        busy = [block for block in blocks if block.transaction_count]
        if not busy:
            return [Whole(block) for block in blocks]
        try:
            bodies = await self._bodies(busy)
            outcomes = await self._receipts(busy, bodies) if receipts else [()] * len(busy)
            calls = await self._traces(busy, bodies) if traces else [()] * len(busy)
        except ValueError as error:
            raise Disagreement(f"a block is malformed: {error}") from error
        found = {
            block.number: Whole(block, body.transactions, outcome, traced)
            for block, body, outcome, traced in zip(busy, bodies, outcomes, calls, strict=True)
        }
        return [found.get(block.number) or Whole(block) for block in blocks]

    async def _bodies(self, blocks: Sequence[Indexed]) -> list[BlockAnswer]:
        answers = await self._rpc.batch([Call("eth_getBlockByHash", (_hex(block.hash), True)) for block in blocks])
        bodies = []
        for block, answer in zip(blocks, answers, strict=True):
            body: BlockAnswer = _there(decode(answer, BlockAnswer | None))
            if unhex(body.hash, HASH_BYTES) != block.hash:
                raise Disagreement(f"block {_hex(block.hash)} was asked for, {body.hash[:80]} came")
            if len(body.transactions) != block.transaction_count:
                raise Disagreement(
                    f"block {block.number} has {block.transaction_count} transactions, {len(body.transactions)} came"
                )
            if any(transaction.index != at for at, transaction in enumerate(body.transactions)):
                raise Disagreement(f"the transactions of block {block.number} are out of order")
            bodies.append(body)
        return bodies

    async def _receipts(
        self, blocks: Sequence[Indexed], bodies: Sequence[BlockAnswer]
    ) -> list[tuple[ReceiptAnswer, ...]]:
        """Of whole blocks; one by one where the node does not give them so."""
        found: list[tuple[ReceiptAnswer, ...]] = []
        if self._has_block_receipts:
            answers = await self._rpc.batch([Call("eth_getBlockReceipts", (hex(block.number),)) for block in blocks])
            refusal = _refusal(answers)
            if refusal is not None:
                _check_size(blocks, refusal)
                self._has_block_receipts = False
            else:
                found = [_there(decode(answer, tuple[ReceiptAnswer, ...] | None)) for answer in answers]
        if not found:
            hashes = [transaction.hash for body in bodies for transaction in body.transactions]
            answers = await self._rpc.batch([Call("eth_getTransactionReceipt", (one,)) for one in hashes])
            singly = iter([_there(decode(answer, ReceiptAnswer | None)) for answer in answers])
            found = [tuple(next(singly) for _ in body.transactions) for body in bodies]
        for block, body, receipts in zip(blocks, bodies, found, strict=True):
            if any(unhex(receipt.block_hash, HASH_BYTES) != block.hash for receipt in receipts):
                raise BlockGone
            if [one.transaction_hash.lower() for one in receipts] != [one.hash.lower() for one in body.transactions]:
                raise Disagreement(f"the receipts of block {block.number} are not those of its transactions")
        return found

    async def _traces(self, blocks: Sequence[Indexed], bodies: Sequence[BlockAnswer]) -> list[tuple[Trace, ...]]:
        allow_deep()
        refused: dict[str, RpcRefused] = {}
        for method in dict.fromkeys((self._tracing, BY_TRACER, BY_BLOCK)):
            answers = await self._rpc.batch([_tracing(method, block) for block in blocks])
            refusal = _refusal(answers)
            if refusal is None:
                self._tracing = method
                return [_traced(method, *one) for one in zip(answers, blocks, bodies, strict=True)]
            _check_size(blocks, refusal)
            refused[method] = refusal
        # What is refused may be a block that is gone since it was read.
        await self._bodies(blocks)
        told = "; ".join(f"{method}: {refusal.rpc_message[:200]}" for method, refusal in refused.items())
        raise NoTraces(f"the node traces blocks in neither way: {told}")


def allow_deep() -> None:
    """Lets the deepest trees of calls be read, by the whole process; safe to repeat."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), DEEPEST))


def _refusal(answers: Sequence[Result]) -> RpcRefused | None:
    return next((answer for answer in answers if isinstance(answer, RpcRefused)), None)


def _check_size(blocks: Sequence[Indexed], refusal: RpcRefused) -> None:
    """Raises the refusal where it may be one of the size: only of one block it is one of the method."""
    if len(blocks) > 1 and refusal.rpc_code not in NO_METHOD:
        raise refusal


def _tracing(method: str, block: Indexed) -> Call:
    return Call(method, (_hex(block.hash), TRACER) if method == BY_TRACER else (hex(block.number),))


def _traced(method: str, answer: Result, block: Indexed, body: BlockAnswer) -> tuple[Trace, ...]:
    if method == BY_TRACER:
        traced: tuple[Traced, ...] = _there(decode(answer, tuple[Traced, ...] | None))
        return tuple(of_tracer(traced, [unhex(one.hash, HASH_BYTES) for one in body.transactions]))
    flat: tuple[FlatTrace, ...] = _there(decode(answer, tuple[FlatTrace, ...] | None))
    if any(unhex(one.block_hash, HASH_BYTES) != block.hash for one in flat):
        raise BlockGone
    return tuple(of_flat(flat, block.hash))


def _there(answer: T | None) -> T:
    if answer is None:
        raise BlockGone
    return answer


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
