"""For tests of handlers and projections: events without a chain.

``Kit`` mirrors a chain that is made up block by block into a real database, through the very code that mirrors real
ones; ``MemoryEntities`` runs one handler without a database. ``docs/handlers.md`` shows both.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, TypeVar

from eth_abi.abi import encode
from eth_hash.auto import keccak

from indexer import facts
from indexer.batch import Batch, of_rows
from indexer.block import Block, LogAnswer, Tip
from indexer.context import Asking
from indexer.db import Connection, connect
from indexer.decode import decode
from indexer.entities import EntityError, Key
from indexer.event import Event
from indexer.handlers import Handlers, Running
from indexer.logs import Logs, Segment
from indexer.manifest import Manifest
from indexer.sync import Ahead, Halted, NothingNew, Outcome, Sync
from indexer.verify import bloom_mask
from indexer.watch import Watch

T = TypeVar("T")

GENESIS_TIME_S: Final = 1_750_000_000
BLOCK_S: Final = 12
FINAL_DEPTH: Final = 12
BLOOM_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class Emitted:
    """One event: ``emitted("PaymentToken.Transfer", {"from": …, "to": …, "value": 5})``."""

    name: str
    """``Contract.Event``."""
    arguments: dict[str, Any]
    """By their names in the ABI; addresses are 20 bytes or text."""
    emitter: bytes | None = None
    """The contract's address where several have the name."""


def emitted(name: str, arguments: dict[str, Any], *, emitter: bytes | None = None) -> Emitted:
    return Emitted(name, arguments, emitter)


class MadeChain:
    """A chain in memory that implements the indexer's port."""

    def __init__(self, manifest: Manifest) -> None:
        self._events: dict[str, tuple[bytes, Event]] = {}
        for contract in manifest.contracts:
            for event in contract.events:
                self._events.setdefault(f"{contract.name}.{event.name}", (contract.address, event))
        self._seeds = count()
        self._blocks: list[Block] = []
        self._logs: list[tuple[LogAnswer, ...]] = []
        for _ in range(manifest.start_block):
            self.add(())

    @property
    def height(self) -> int:
        return len(self._blocks) - 1

    def add(self, events: Sequence[Emitted]) -> int:
        """A block with these events; returns its number."""
        number = len(self._blocks)
        parent = self._blocks[-1].hash if self._blocks else bytes(32)
        block_hash = keccak(f"{number} {next(self._seeds)}".encode())
        logs = tuple(self._log(event, number, block_hash, at) for at, event in enumerate(events))
        bloom = 0
        for log in logs:
            for text in (log.address, *log.topics):
                bloom |= bloom_mask(bytes.fromhex(text[2:]))
        time_s = GENESIS_TIME_S + BLOCK_S * number
        self._blocks.append(
            Block(number, block_hash, parent, time_s, bloom.to_bytes(BLOOM_BYTES, "big"), bytes(32), len(logs))
        )
        self._logs.append(logs)
        return number

    def drop(self, depth: int) -> None:
        """Takes the last blocks away."""
        del self._blocks[len(self._blocks) - depth :]
        del self._logs[len(self._logs) - depth :]

    async def look(self, number: int, watch: Watch) -> tuple[Tip, Segment | None]:
        """As the port says."""
        final = max(0, self.height - FINAL_DEPTH)
        return Tip(self._blocks[-1], final, final), self.segment(number, number) if number <= self.height else None

    async def headers(self, numbers: Sequence[int]) -> list[Block]:
        """As the port says."""
        return [self._blocks[number] for number in numbers if 0 <= number <= self.height]

    async def vouch(self, number: int, block_hash: bytes) -> bool:
        """As the port says."""
        return 0 <= number <= self.height and self._blocks[number].hash == block_hash

    async def history(self, first: int, last: int, watch: Watch) -> AsyncGenerator[Segment, None]:
        """As the port says."""
        yield self.segment(first, last)

    def segment(self, first: int, last: int) -> Segment:
        logs = [log for block in self._logs[first : last + 1] for log in block]
        return Segment(tuple(self._blocks[first : last + 1]), Logs.of(logs))

    def _log(self, made: Emitted, number: int, block_hash: bytes, index: int) -> LogAnswer:
        """Raises KeyError for an event that the manifest has not, or an argument that is missing."""
        address, event = self._events[made.name]
        topics = [] if event.anonymous else [event.topic]
        topics += [encode([a.abi_type], [_value(made.arguments[a.name])]) for a in event.indexed]
        plain = event.plain
        return LogAnswer(
            address="0x" + (made.emitter or address).hex(),
            topics=tuple("0x" + topic.hex() for topic in topics),
            data="0x" + encode([a.abi_type for a in plain], [_value(made.arguments[a.name]) for a in plain]).hex(),
            block_number=hex(number),
            block_hash="0x" + block_hash.hex(),
            transaction_hash="0x" + keccak(block_hash + bytes([index % 256, index // 256])).hex(),
            log_index=hex(index),
        )


class Kit:
    """A made-up chain and its mirror. Open with ``open_kit``."""

    def __init__(
        self, db: Connection, manifest: Manifest, handlers: Handlers | None, asking: Asking | None = None
    ) -> None:
        self.db = db
        self.chain = MadeChain(manifest)
        self._manifest = manifest
        self._running = (Running(handlers, asking),) if handlers else ()
        self._sync = Sync(db, self.chain, manifest, self._running)

    async def prepare(self) -> None:
        """Makes the tables, as the index process does when it starts."""
        async with self.db.transaction():
            await facts.ensure(self.db, self._manifest)
            for extension in self._running:
                await extension.prepare(self.db, self._manifest)

    async def block(self, *events: Emitted) -> int:
        """One block with these events, mirrored; returns its number."""
        number = self.chain.add(events)
        await self.follow()
        return number

    async def reorg(self, depth: int, *blocks: Sequence[Emitted]) -> None:
        """Replaces the last blocks by others: these, and as many empty ones as it takes."""
        self.chain.drop(depth)
        for events in blocks:
            self.chain.add(events)
        for _ in range(depth - len(blocks)):
            self.chain.add(())
        await self.follow()

    async def follow(self) -> Outcome:
        """Mirrors what there is."""
        while not isinstance(outcome := await self._sync.step(), NothingNew | Ahead | Halted):
            pass
        return outcome

    async def rows(self, sql: str, *arguments: Any) -> list[dict[str, Any]]:
        """What a query gives."""
        return [dict(row) for row in await self.db.fetch(sql, *arguments)]

    async def check_rewinds(self, blocks: Iterable[Sequence[Emitted]], *tables: str) -> None:
        """Mirrors the blocks one by one, then takes them back to every height that is not final.

        Raises:
            AssertionError: a table (``schema.name``) is not what it was at that height.
        """
        seen = {self.chain.height: await self._dump(tables)}
        for events in blocks:
            number = await self.block(*events)
            seen[number] = await self._dump(tables)
        top = self.chain.height
        for height in sorted((number for number in seen if number > top - FINAL_DEPTH), reverse=True):
            await self.reorg(self.chain.height - height)
            found = await self._dump(tables)
            for table in tables:
                if found[table] != seen[height][table]:
                    raise AssertionError(f"{table} taken back to block {height} is not what it was there")
            self.chain.drop(self.chain.height - height)
            self.chain.add(())
            await self.follow()

    async def _dump(self, tables: Iterable[str]) -> dict[str, list[Any]]:
        found = {}
        for table in tables:
            schema, _, name = table.rpartition(".")
            rows = f'select to_jsonb(t) as r from "{schema or "entities"}"."{name}" t order by 1'  # noqa: S608
            found[table] = [row["r"] for row in await self.db.fetch(rows)]
        return found


@asynccontextmanager
async def open_kit(
    database_url: str, manifest: Manifest, handlers: Handlers | None = None, asking: Asking | None = None
) -> AsyncIterator[Kit]:
    """A kit on a migrated database that nobody else uses; ``asking`` answers the handlers' reads of contracts."""
    db = await connect(database_url)
    try:
        kit = Kit(db, manifest, handlers, asking)
        await kit.prepare()
        yield kit
    finally:
        await db.close()


def batch_of(manifest: Manifest, *events: Emitted) -> Batch:
    """The events as one batch, each in a block of its own."""
    chain = MadeChain(manifest)
    first = chain.height + 1
    for event in events:
        chain.add([event])
    segment = chain.segment(first, chain.height)
    rows = decode(segment.logs, manifest.lookup()).rows
    parts = [part for group in rows if (part := of_rows(group, first, chain.height)) is not None]
    return Batch(parts, {block.number: block.timestamp for block in segment.blocks})


class MemoryEntities:
    """Entities of a handler without a database; ``rows`` has what was saved."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self.rows: dict[type, dict[Key, Any]] = {record: {} for record in handlers.entities}

    async def load(self, record: type[T], keys: Iterable[Key]) -> dict[Key, T]:
        """As the port says."""
        entity, rows = self._handlers.entities[record], self._rows(record)
        return {
            key: entity.record(*entity.values(rows[key])) if key in rows else entity.new(key)
            for key in dict.fromkeys(keys)
        }

    def save(self, records: Iterable[Any]) -> None:
        """As the port says."""
        for record in records:
            rows = self._rows(type(record))
            rows[self._handlers.entities[type(record)].key_of(record)] = record

    def delete(self, record: type[Any], keys: Iterable[Key]) -> None:
        """As the port says."""
        for key in keys:
            self._rows(record).pop(key, None)

    def _rows(self, record: type) -> dict[Key, Any]:
        if record not in self.rows:
            raise EntityError(f"{record.__name__} is no entity")
        return self.rows[record]


def _value(value: Any) -> Any:
    return "0x" + value.hex() if isinstance(value, bytes) and len(value) == 20 else value
