"""Every transaction sent to the contracts that ask for it: function, arguments, outcome, gas, and why it was refused.

A follower of its own, behind the mirror's cursor and on a connection of its own: it never holds the log path up.
Rows go with their blocks in a reorganisation, and so does the follower's cursor, in the reorganisation's own
transaction. Calls from contract to contract are no transactions: they are not here.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from indexer.block import HASH_BYTES, quantity, unhex
from indexer.db import Connection, queries
from indexer.errors import Disagreement, RpcRefused
from indexer.executions_abi import Abi, reason, storable
from indexer.follower import BlockGone
from indexer.manifest import Contract, Manifest
from indexer.rpc import Call, Result, decode

__all__ = ["BlockGone", "Executions", "follow", "wanted_of"]

logger = logging.getLogger(__name__)

SQL = queries(__name__)

BLOCKS_AT_ONCE: Final = 20
ADDRESS: Final = 20
LARGEST_WORD: Final = (1 << 256) - 1
TRACER: Final[dict[str, Any]] = {"tracer": "callTracer", "tracerConfig": {"onlyTopCall": True}, "timeout": "5s"}


class Transport(Protocol):
    """What is needed of the JSON-RPC client."""

    async def batch(self, calls: Sequence[Call]) -> list[Result]: ...


class TransactionAnswer(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The part of a transaction that is kept; hexadecimal text throughout."""

    hash: str
    transaction_index: str
    from_: str = msgspec.field(name="from")
    to: str | None
    input: str
    value: str
    nonce: str
    gas: str


class BlockAnswer(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A block with its transactions whole."""

    hash: str
    transactions: tuple[TransactionAnswer, ...]


class OutcomeAnswer(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The part of a receipt that is kept."""

    block_hash: str
    transaction_hash: str
    gas_used: str
    status: str = "0x1"
    effective_gas_price: str = "0x0"


class TraceAnswer(msgspec.Struct, frozen=True, gc=False):
    """What the outermost call returned."""

    output: str = "0x"
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a transaction failed."""

    reason: str | None
    data: bytes | None
    source: str | None


@dataclass(frozen=True, slots=True)
class _Indexed:
    """A block of the mirror."""

    number: int
    hash: bytes
    transaction_count: int
    parent_hash: bytes
    time: int


@dataclass(frozen=True, slots=True)
class _Found:
    """A call to one of our contracts, in its block."""

    block: _Indexed
    transaction: TransactionAnswer
    contract: bytes


class Executions:
    """Follows one chain over one connection."""

    def __init__(self, db: Connection, rpc: Transport, manifest: Manifest) -> None:
        self._db = db
        self._rpc = rpc
        self._chain_id = manifest.chain_id
        wanted = wanted_of(manifest)
        self._starts = {contract.address: manifest.start_of(contract) for contract in wanted}
        self._abis = {contract.address: Abi(contract.abi) for contract in wanted}
        self._errors = [Abi(contract.abi) for contract in manifest.contracts]

    async def prepare(self) -> None:
        """The cursor stands before the first block that is still to be looked at."""
        async with self._db.transaction():
            known = {row["contract"] for row in await self._db.fetch(SQL["sources"], self._chain_id)}
            new = self._starts.keys() - known
            if new:
                start = min(self._starts[address] for address in new)
                await self._db.execute(SQL["begin"], self._chain_id, start - 1)
            for address in new:
                await self._db.execute(SQL["add_source"], self._chain_id, address)
            await self._db.execute(SQL["remove_sources"], self._chain_id, list(self._starts))

    async def step(self) -> int:
        """Takes the next blocks in; returns how many there were.

        Raises:
            BlockGone: a reorganisation is under way; nothing was written.
            Disagreement, RpcRefused, RpcUnavailable: nothing was written; a later step may succeed.
        """
        number = await self._db.fetchval(SQL["cursor"], self._chain_id)
        if number is None:
            return 0
        rows = await self._db.fetch(SQL["following"], self._chain_id, number, BLOCKS_AT_ONCE)
        blocks = [_Indexed(**row) for row in rows]
        if not blocks:
            return 0
        kept = await self._executions(blocks)
        async with self._db.transaction():
            held = await self._db.fetch(SQL["hold"], self._chain_id, blocks[0].number, blocks[-1].number)
            if [row["hash"] for row in held] != [block.hash for block in blocks]:
                raise BlockGone
            last = blocks[-1]
            moved = await self._db.execute(SQL["move"], self._chain_id, number, last.number, last.hash)
            if moved != "UPDATE 1":
                raise BlockGone
            await self._db.executemany(SQL["keep"], kept)
        return len(blocks)

    async def _executions(self, blocks: Sequence[_Indexed]) -> list[tuple[Any, ...]]:
        """The rows of all calls in these blocks."""
        busy = [block for block in blocks if block.transaction_count]
        calls = [Call("eth_getBlockByHash", ("0x" + block.hash.hex(), True)) for block in busy]
        answers = await self._rpc.batch(calls) if calls else []
        found: list[_Found] = []
        for block, answer in zip(busy, answers, strict=True):
            whole: BlockAnswer | None = decode(answer, BlockAnswer | None)
            if whole is None:
                raise BlockGone
            found += self._ours(block, whole)
        outcomes = await self._outcomes(found)
        failed = [call for call, outcome in zip(found, outcomes, strict=True) if outcome.status == "0x0"]
        refusals = dict(zip((call.transaction.hash for call in failed), await self._refusals(failed), strict=True))
        try:
            return [self._row(*pair, refusals) for pair in zip(found, outcomes, strict=True)]
        except ValueError as error:
            raise Disagreement(f"a transaction is malformed: {error}") from error

    def _ours(self, block: _Indexed, answer: BlockAnswer) -> list[_Found]:
        if answer.hash.lower() != "0x" + block.hash.hex():
            raise Disagreement(f"block 0x{block.hash.hex()} was asked for, {answer.hash[:80]} came")
        if len(answer.transactions) != block.transaction_count:
            raise Disagreement(
                f"block {block.number} has {block.transaction_count} transactions, {len(answer.transactions)} came"
            )
        found = []
        for transaction in answer.transactions:
            if transaction.to is None:
                continue
            try:
                target = unhex(transaction.to, ADDRESS)
            except ValueError as error:
                raise Disagreement(f"a transaction is malformed: {error}") from error
            if target in self._abis and block.number >= self._starts[target]:
                found.append(_Found(block, transaction, target))
        return found

    async def _outcomes(self, calls: Sequence[_Found]) -> list[OutcomeAnswer]:
        if not calls:
            return []
        answers = await self._rpc.batch([Call("eth_getTransactionReceipt", (c.transaction.hash,)) for c in calls])
        outcomes = []
        for call, answer in zip(calls, answers, strict=True):
            outcome: OutcomeAnswer | None = decode(answer, OutcomeAnswer | None)
            if outcome is None or outcome.block_hash.lower() != "0x" + call.block.hash.hex():
                raise BlockGone
            if outcome.transaction_hash.lower() != call.transaction.hash.lower():
                raise Disagreement(f"the receipt of {call.transaction.hash} was asked for, another came")
            outcomes.append(outcome)
        return outcomes

    async def _refusals(self, calls: Sequence[_Found]) -> list[Refusal]:
        """What each failed transaction returned, by its trace; by a replay where the node does not trace."""
        if not calls:
            return []
        traces = await self._rpc.batch([Call("debug_traceTransaction", (c.transaction.hash, TRACER)) for c in calls])
        untraced = [call for call, trace in zip(calls, traces, strict=True) if isinstance(trace, RpcRefused)]
        replays = await self._rpc.batch([_replay(call) for call in untraced]) if untraced else []
        replayed = {c.transaction.hash: self._replayed(answer) for c, answer in zip(untraced, replays, strict=True)}
        return [
            replayed[call.transaction.hash] if isinstance(trace, RpcRefused) else self._traced(call, trace)
            for call, trace in zip(calls, traces, strict=True)
        ]

    def _traced(self, call: _Found, answer: Result) -> Refusal:
        trace: TraceAnswer = decode(answer, TraceAnswer)
        data = _returned(trace.output)
        told = reason(data, [self._abis[call.contract], *self._errors]) or storable(trace.error or "") or None
        return Refusal(told, data, "trace")

    def _replayed(self, answer: Result) -> Refusal:
        """On the state before the block: an earlier transaction of the block may have made the difference."""
        if not isinstance(answer, RpcRefused):
            return Refusal(None, None, None)
        data = _returned(answer.data)
        return Refusal(reason(data, self._errors) or storable(answer.rpc_message), data, "replay")

    def _row(self, call: _Found, outcome: OutcomeAnswer, refusals: Mapping[str, Refusal]) -> tuple[Any, ...]:
        transaction, block = call.transaction, call.block
        calldata = unhex(transaction.input)
        called = self._abis[call.contract].called(calldata)
        refusal = refusals.get(transaction.hash, Refusal(None, None, None))
        return (
            self._chain_id,
            block.number,
            quantity(transaction.transaction_index),
            unhex(transaction.hash, HASH_BYTES),
            call.contract,
            unhex(transaction.from_, ADDRESS),
            calldata[:4],
            called.name,
            called.arguments,
            calldata,
            quantity(transaction.value, LARGEST_WORD),
            quantity(transaction.nonce),
            "success" if quantity(outcome.status, 1) else "reverted",
            quantity(transaction.gas),
            quantity(outcome.gas_used),
            quantity(outcome.effective_gas_price, LARGEST_WORD),
            refusal.reason,
            refusal.data,
            refusal.source,
            block.time,
        )


def wanted_of(manifest: Manifest) -> list[Contract]:
    """The contracts whose calls are kept: those that ask for it and whose addresses are known beforehand."""
    return [contract for contract in manifest.contracts if contract.executions and contract.factory is None]


async def follow(db: Connection, rpc: Transport, manifest: Manifest, news: asyncio.Event, poll_s: float) -> None:
    """Keeps up with the mirror until cancelled; ``news`` is set when it has moved."""
    executions = Executions(db, rpc, manifest)
    while not await db.fetchval(SQL["lock"], manifest.chain_id):  # noqa: ASYNC110 -- a lock is waited for, no event
        await asyncio.sleep(poll_s)
    await executions.prepare()
    while True:
        news.clear()
        try:
            done = await executions.step()
        except BlockGone:
            done = 0
        if done < BLOCKS_AT_ONCE:
            try:
                async with asyncio.timeout(poll_s):
                    await news.wait()
            except TimeoutError:
                continue


def _replay(call: _Found) -> Call:
    transaction = call.transaction
    request = {
        "from": transaction.from_,
        "to": transaction.to,
        "data": transaction.input,
        "value": transaction.value,
        "gas": transaction.gas,
    }
    return Call("eth_call", (request, {"blockHash": "0x" + call.block.parent_hash.hex()}))


def _returned(data: Any) -> bytes:
    """The bytes in an error's data, wherever nodes put them; none where it has none."""
    if isinstance(data, dict):
        data = data.get("data")
    try:
        return unhex(data) if isinstance(data, str) else b""
    except ValueError:
        return b""
