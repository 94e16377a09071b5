"""Transactions, receipts, transfers of the chain's own coin and call traces, as far as a manifest asks for them."""

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from indexer.block import HASH_BYTES, unhex
from indexer.call_traces import MOVES_COINS, Trace
from indexer.db import Connection, queries
from indexer.errors import Disagreement, RpcRefused
from indexer.follower import BlockGone, Follower, Indexed
from indexer.manifest import INTERVAL, Manifest, Options
from indexer.record_answers import ReceiptAnswer, Row, TransactionAnswer, receipt_row, transaction_row
from indexer.record_blocks import NoTraces, Reader, Transport, Whole
from indexer.scope import Scope

__all__ = ["BlockGone", "NoTraces", "Records", "is_wanted"]

logger = logging.getLogger(__name__)

SQL = queries(__name__)
STREAM: Final = "records"
BLOCKS_AT_ONCE: Final = 32
KINDS: Final = ("transactions", "receipts", "native_transfers", "traces")


@dataclass(slots=True)
class _Rows:
    transactions: list[Row] = field(default_factory=list)
    receipts: list[Row] = field(default_factory=list)
    transfers: list[Row] = field(default_factory=list)
    traces: list[Row] = field(default_factory=list)


def is_wanted(options: Options) -> bool:
    """Whether there is anything to keep."""
    return any(getattr(options, kind) is not None for kind in KINDS)


class Records:
    """Follows one chain over one connection."""

    def __init__(self, db: Connection, rpc: Transport, manifest: Manifest) -> None:
        self.follower = Follower(db, manifest.chain_id, STREAM)
        self._db = db
        self._chain_id = manifest.chain_id
        self._manifest = manifest
        self._options = manifest.options
        self._contracts = frozenset(manifest.addresses)
        self._reader = Reader(rpc)
        self._most = BLOCKS_AT_ONCE

    async def step(self) -> int:
        """Takes the next blocks in; returns how many there were.

        Raises:
            BlockGone: a reorganisation is under way; nothing was written.
            NoTraces, Disagreement, RpcRefused, RpcUnavailable: nothing was written; a later step may succeed.
        """
        await self.follower.settle(await self._sources())
        number, blocks = await self.follower.following(self._most)
        if not blocks:
            return 0
        options = self._options
        receipts = options.receipts is not None or (options.native_transfers is not None and options.traces is None)
        try:
            found = await self._reader.read(blocks, receipts=receipts, traces=options.traces is not None)
        except RpcRefused as error:
            if len(blocks) == 1:
                raise
            self._most = max(1, len(blocks) // 2)
            logger.info("fewer blocks at once chain=%d blocks=%d reason=%s", self._chain_id, self._most, error)
            return len(blocks)
        events = await self._events(blocks)
        try:
            rows = self._rows(found, events)
        except ValueError as error:
            raise Disagreement(f"a transaction is malformed: {error}") from error
        async with self.follower.passing(number, blocks):
            await self._db.executemany(SQL["keep_transaction"], rows.transactions)
            await self._db.executemany(SQL["keep_receipt"], rows.receipts)
            await self._db.executemany(SQL["keep_transfer"], rows.transfers)
            await self._db.executemany(SQL["keep_trace"], rows.traces)
        self._most = min(2 * self._most, BLOCKS_AT_ONCE)
        return len(blocks)

    async def _sources(self) -> dict[str, int]:
        """What is kept, each with its first block. A contract's events count from when all their history is in."""
        start = self._manifest.start_block
        named: dict[str, int] = {}
        for kind in KINDS:
            scope: Scope | None = getattr(self._options, kind)
            if scope is None:
                continue
            name = f"{kind}+traces" if kind == "native_transfers" and self._options.traces else kind
            if scope.everything:
                named[f"{name}:all"] = start
            named |= {f"{name}:0x{address.hex()}": start for address in sorted(scope.addresses)}
            if scope.contracts:
                fixed = [contract for contract in self._manifest.contracts if contract.address]
                named |= {f"{name}:0x{one.address.hex()}": self._manifest.start_of(one) for one in fixed}
                named |= {f"{name}:{table}:{emitter}": first for table, emitter, first in await self._following()}
        return named

    async def _following(self) -> list[tuple[str, str, int]]:
        tables = self._manifest.tables
        rows = await self._db.fetch(SQL["sources"], self._chain_id)
        return [(t, emitter.hex(), start) for t, emitter, start in rows if t in tables]

    async def _events(self, blocks: Sequence[Indexed]) -> Mapping[int, frozenset[bytes]]:
        """By block, the transactions that the indexed events come from; none where nobody asks."""
        scopes = (self._options.transactions, self._options.receipts)
        if not any(scope is not None and scope.contracts for scope in scopes):
            return {}
        tables = [*(table for table in self._manifest.tables if table != INTERVAL.table), "undecoded_logs"]
        union = " union ".join(
            f'select block_number, transaction_hash from blockchain."{table}" '  # noqa: S608 -- names of our own tables
            "where chain_id = $1 and block_number between $2 and $3"
            for table in tables
        )
        found: dict[int, set[bytes]] = defaultdict(set)
        for number, transaction_hash in await self._db.fetch(
            union, self._chain_id, blocks[0].number, blocks[-1].number
        ):
            found[number].add(transaction_hash)
        return {number: frozenset(hashes) for number, hashes in found.items()}

    def _rows(self, blocks: Sequence[Whole], events: Mapping[int, frozenset[bytes]]) -> _Rows:
        rows, options, chain_id = _Rows(), self._options, self._chain_id
        for whole in blocks:
            block = whole.block
            hashes = events.get(block.number, frozenset())
            for at, transaction in enumerate(whole.transactions):
                if self._wants(options.transactions, transaction, hashes):
                    rows.transactions.append(transaction_row(chain_id, block.number, block.time, transaction))
                if options.receipts is not None and self._wants(options.receipts, transaction, hashes):
                    rows.receipts.append(receipt_row(chain_id, block.number, block.time, whole.receipts[at]))
            for trace in whole.traces:
                if options.traces and options.traces.concerns((trace.sender, trace.recipient), self._contracts):
                    rows.traces.append(_trace_row(chain_id, block, trace))
            if options.native_transfers:
                rows.transfers += self._transfers(whole, options.native_transfers, is_traced=options.traces is not None)
        return rows

    def _wants(self, scope: Scope | None, transaction: TransactionAnswer, hashes: frozenset[bytes]) -> bool:
        if scope is None:
            return False
        if scope.contracts and unhex(transaction.hash, HASH_BYTES) in hashes:
            return True
        return scope.concerns((transaction.sender, transaction.recipient), self._contracts)

    def _transfers(self, whole: Whole, scope: Scope, *, is_traced: bool) -> Iterator[Row]:
        block = whole.block
        moves = whole.traces if is_traced else _carried(whole.transactions, whole.receipts)
        for move in moves:
            if move.reverted or not move.value or move.recipient is None or move.kind not in MOVES_COINS:
                continue
            if scope.concerns((move.sender, move.recipient), self._contracts):
                place = (move.transaction_index, list(move.path), move.transaction_hash, block.time)
                yield (self._chain_id, block.number, *place, move.kind, move.sender, move.recipient, move.value)


def _carried(transactions: Sequence[TransactionAnswer], receipts: Sequence[ReceiptAnswer]) -> Iterator[Trace]:
    """What transactions themselves carry, as the outermost call of each."""
    for found, receipt in zip(transactions, receipts, strict=True):
        recipient = found.recipient if found.to is not None else receipt.created
        kind = "create" if found.to is None else "call"
        transaction_hash = unhex(found.hash, HASH_BYTES)
        yield Trace(
            found.index, transaction_hash, (), kind, found.sender, recipient, found.coins, 0, 0, b"", b"", None,
            receipt.has_failed,
        )  # fmt: skip


def _trace_row(chain_id: int, block: Indexed, trace: Trace) -> Row:
    error = None if trace.error is None else trace.error.replace("\0", "\\0")
    return (
        chain_id,
        block.number,
        trace.transaction_index,
        list(trace.path),
        trace.transaction_hash,
        block.time,
        trace.kind,
        trace.sender,
        trace.recipient,
        trace.value,
        trace.gas,
        trace.gas_used,
        trace.input,
        trace.output,
        error,
        trace.reverted,
    )
