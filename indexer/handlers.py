"""Python handlers: functions that are called with whole batches of events, inside the cursor's transaction.

A handler reads columns of a batch, loads the entities that it needs with one query, and saves them with one
statement. What it keeps survives reorganisations exactly, as long as it keeps it in its entities alone: those of a
block that is orphaned are put back as they were before it. ``docs/handlers.md`` has an example.
"""

import hashlib
import importlib
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from indexer.batch import Batch, Part, of_rows
from indexer.context import Asking, Context
from indexer.db import Connection
from indexer.decode import Decoded
from indexer.entities import BigInt, Entity, EntityError, Key
from indexer.errors import ConfigError, Disagreement, GridtraceError, RpcRefused, RpcUnavailable
from indexer.event import Event
from indexer.logs import Segment
from indexer.manifest import Manifest
from indexer.session import Known, Session

__all__ = ["Batch", "BigInt", "Context", "Entities", "HandlerFailed", "Handlers", "Running", "load"]

T = TypeVar("T")
R = TypeVar("R", bound=type)
F = TypeVar("F", bound=Callable[..., Awaitable[None] | None])

DIGEST_CHARACTERS: Final = 32


class HandlerFailed(GridtraceError):
    """A handler raised, or asked for what it may not have; nothing of its batch was written."""

    code = "handler-failed"


class Entities(Protocol):
    """What a handler may do with its entities."""

    async def load(self, record: type[T], keys: Iterable[Key]) -> dict[Key, T]:
        """All of the keys, by one query; those that are not there yet with their fields' defaults."""
        ...

    def save(self, records: Iterable[Any]) -> None:
        """Writes them when the batch ends."""
        ...

    def delete(self, record: type[Any], keys: Iterable[Key]) -> None:
        """Removes them when the batch ends."""
        ...


Function = Callable[..., Awaitable[None] | None]
"""Takes a batch and entities, and a context where it reads contracts."""


@dataclass(slots=True)
class Handler:
    """One function and the events that it is called for."""

    function: Function
    events: tuple[str, ...]
    """``Contract.Event``."""
    by_block: bool = False
    """Whether it is called for each block by itself, in history, too."""
    owned: set[type] = field(default_factory=set)
    """Its entities: what two handlers wrote would depend on where batches end."""

    @property
    def name(self) -> str:
        return getattr(self.function, "__qualname__", repr(self.function))

    @property
    def reads(self) -> bool:
        """Whether it takes a context."""
        return len(inspect.signature(self.function).parameters) > 2


class Handlers:
    """The handlers of a module, and their entities."""

    def __init__(self) -> None:
        self.entities: dict[type, Entity] = {}
        self.all: list[Handler] = []

    def entity(self, *keys: str) -> Callable[[R], R]:
        """Declares a dataclass to be an entity with these key fields, which come first.

        Raises:
            EntityError: it cannot be one.
        """

        def declare(record: R) -> R:
            entity = Entity(record, keys)
            if any(known.table == entity.table for known in self.entities.values()):
                raise EntityError(f"two entities have the table {entity.table}")
            self.entities[record] = entity
            return record

        return declare

    def on(self, *events: str, by_block: bool = False) -> Callable[[F], F]:
        """Calls a function for events named ``Contract.Event``: all of them in chain order, together.

        ``Chain.Interval`` is every block whose number is a multiple of the manifest's ``block_interval``. A function
        with a third parameter gets a ``Context``, by which it reads contracts.

        Args:
            by_block: the events of one block at a time.
        """

        def declare(function: F) -> F:
            self.all.append(Handler(function, events, by_block))
            return function

        return declare

    @property
    def digest(self) -> str:
        """Changes whenever the source of a handler's module does."""
        sources = {inspect.getsourcefile(inspect.unwrap(handler.function)) for handler in self.all}
        whole = hashlib.sha256()
        for path in sorted(str(source) for source in sources):
            whole.update(Path(path).read_bytes() if Path(path).is_file() else path.encode())
        return whole.hexdigest()[:DIGEST_CHARACTERS]


def load(name: str) -> Handlers:
    """The handlers named ``module.path:name``.

    Raises:
        ConfigError: there is no such thing.
    """
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute or "handlers")
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError([f"handlers {name!r}: {error}"]) from error
    if not isinstance(found, Handlers):
        raise ConfigError([f"handlers {name!r} is {type(found).__name__}, not Handlers"])
    return found


class Running:
    """Handlers that take part in the indexer's transactions."""

    def __init__(self, handlers: Handlers, asking: Asking | None = None) -> None:
        """
        Args:
            asking: what answers the handlers' reads of contracts.
        """
        self._handlers = handlers
        self._asking = asking
        self._manifest: Manifest | None = None
        self._tables: dict[str, list[Handler]] = {}
        self._names: dict[str, set[str]] = {}
        self._known: Known = {}
        self._pruned = -1

    def bind(self, manifest: Manifest) -> Mapping[str, Event]:
        """Finds the handlers' events among those of the manifest; gives the fact tables they come from.

        Raises:
            ConfigError: an event is not indexed.
        """
        self._manifest = manifest
        named: dict[str, list[Event]] = {}
        for event in manifest.tables.values():
            named.setdefault(f"{event.contract}.{event.name}", []).append(event)
        faults = [
            f"handler {handler.name}: {name} is not an event of the manifest"
            for handler in self._handlers.all
            for name in handler.events
            if name not in named
        ]
        if faults:
            raise ConfigError(faults)
        self._tables, self._names = {}, {}
        bound: dict[str, Event] = {}
        for handler in self._handlers.all:
            for event in (event for name in dict.fromkeys(handler.events) for event in named[name]):
                self._tables.setdefault(event.table, []).append(handler)
                names = self._names.setdefault(handler.name, set())
                names.update(name for argument in event.arguments for name in (argument.name, argument.column))
                bound[event.table] = event
        return bound

    async def prepare(self, db: Connection, manifest: Manifest) -> None:
        """Makes the entities' tables; what a changed handler left is made again from the facts."""
        from indexer import refold  # it runs handlers, and so needs this module

        self.forget()
        bound = self.bind(manifest)
        for entity in self._handlers.entities.values():
            await db.execute(entity.statements.ddl)
        await refold.handlers_if_changed(db, manifest, self, self._handlers, bound)

    async def advance(self, db: Connection, chain_id: int, segment: Segment, decoded: Decoded, finalized: int) -> None:
        """Calls the handlers, and writes what they saved."""
        rows = [part for part in decoded.rows if part.event.table in self._tables]
        if rows:
            blocks = {block.number: (block.timestamp, block.hash) for block in segment.blocks}

            async def parts(first: int, last: int) -> list[Part]:
                return [part for group in rows if (part := of_rows(group, first, last)) is not None]

            await self.run(db, chain_id, segment.first.number, segment.last.number, finalized, parts, blocks)
        if finalized > self._pruned:
            for entity in self._handlers.entities.values():
                await entity.prune(db, chain_id, finalized)
            self._pruned = finalized

    async def run(
        self,
        db: Connection,
        chain_id: int,
        first: int,
        last: int,
        finalized: int,
        parts: Callable[[int, int], Awaitable[list[Part]]],
        blocks: Mapping[int, tuple[int, bytes]],
    ) -> None:
        """Final blocks at once; others one by one, so that each of them can be taken out again.

        Args:
            parts: the events in a range of blocks.
            blocks: time in Unix seconds and hash, by number.

        Raises:
            HandlerFailed: a handler did.
        """
        times = {number: time_s for number, (time_s, _) in blocks.items()}
        hashes = {number: block_hash for number, (_, block_hash) in blocks.items()}
        for is_final in (True, False):
            sessions: dict[str, Session] = {}
            for start, stop in stretches(first, last, finalized):
                if (stop <= finalized) is not is_final:
                    continue
                found = await parts(start, stop)
                for handler in self._handlers.all if found else ():
                    own = [part for part in found if handler in self._tables.get(part.event.table, ())]
                    if own:
                        session = sessions.setdefault(
                            handler.name, Session(db, chain_id, self._handlers, handler, self._known, is_final=is_final)
                        )
                        for single in _numbers(own) if handler.by_block and start < stop else (None,):
                            if single is not None:
                                found_there = await parts(single, single)
                                own = [p for p in found_there if handler in self._tables.get(p.event.table, ())]
                            batch = Batch(own, times, self._names.get(handler.name, ()))
                            only = single if single is not None else start if start == stop else None
                            context = self._context(handler, hashes, finalized, only)
                            await self._called(handler, batch, session, stop, context)
            for session in sessions.values():
                await session.flush()

    def _context(
        self, handler: Handler, hashes: Mapping[int, bytes], finalized: int, block: int | None
    ) -> Context | None:
        if not handler.reads:
            return None
        if self._asking is None or self._manifest is None:
            raise HandlerFailed(f"{handler.name} reads contracts, and there is no chain to ask")
        return Context(self._asking, self._manifest, hashes, finalized, block)

    @staticmethod
    async def _called(handler: Handler, batch: Batch, session: Session, block: int, context: Context | None) -> None:
        try:
            working = handler.function(batch, session, *(() if context is None else (context,)))
            if working is not None:
                await working
            session.end(block)
        except Exception as error:
            if type(error).__module__.startswith("asyncpg") or isinstance(error, OSError):
                raise  # the database is away, or full: no fault of the handler's
            if isinstance(error, Disagreement | RpcRefused | RpcUnavailable):
                raise  # nor is it that the chain does not answer
            told = error if isinstance(error, EntityError) else f"{type(error).__name__}: {error}"
            raise HandlerFailed(f"{handler.name} up to block {block}: {told}") from error

    async def rewind(self, db: Connection, chain_id: int, first: int) -> None:
        """Puts every entity back as it was before block ``first``."""
        self.forget()
        for entity in self._handlers.entities.values():
            await entity.restore(db, chain_id, first)

    def forget(self) -> None:
        """Rows are read again: those in memory may never have been committed."""
        self._known = {}
        self._pruned = -1


def _numbers(parts: Iterable[Part]) -> list[int]:
    """The blocks that there are events of, in order."""
    return sorted({int(number) for part in parts for number in part.block_number})


def stretches(first: int, last: int, finalized: int) -> list[tuple[int, int]]:
    """Blocks ``first`` to ``last``: those up to ``finalized`` in one stretch, every later one by itself."""
    final = [(first, min(last, finalized))] if first <= finalized else []
    return final + [(number, number) for number in range(max(first, finalized + 1), last + 1)]
