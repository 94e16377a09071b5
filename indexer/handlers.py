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
from indexer.db import Connection
from indexer.decode import Decoded
from indexer.entities import Before, BigInt, Entity, EntityError, Key
from indexer.errors import ConfigError, GridtraceError
from indexer.event import Event
from indexer.logs import Segment
from indexer.manifest import Manifest

__all__ = ["Batch", "BigInt", "Entities", "HandlerFailed", "Handlers", "Running", "load"]

T = TypeVar("T")
R = TypeVar("R", bound=type)

DIGEST_CHARACTERS: Final = 32
MOST_KNOWN: Final = 30_000
"""Rows of one entity that are kept in memory from one batch to the next."""


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


Function = Callable[[Batch, Entities], Awaitable[None] | None]


@dataclass(slots=True)
class Handler:
    """One function and the events that it is called for."""

    function: Function
    events: tuple[str, ...]
    """``Contract.Event``."""
    owned: set[type] = field(default_factory=set)
    """Its entities: what two handlers wrote would depend on where batches end."""

    @property
    def name(self) -> str:
        return getattr(self.function, "__qualname__", repr(self.function))


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

    def on(self, *events: str) -> Callable[[Function], Function]:
        """Calls a function for events named ``Contract.Event``: all of them in chain order, together."""

        def declare(function: Function) -> Function:
            self.all.append(Handler(function, events))
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


_UNKNOWN: Final = object()
Known = dict[type, dict[Key, tuple[Any, ...]]]
"""Rows of entities by key."""


class Session:
    """The entities that one handler works on until they are written."""

    def __init__(
        self, db: Connection, chain_id: int, handlers: Handlers, handler: Handler, known: "Known", *, is_final: bool
    ) -> None:
        """
        Args:
            known: rows as they stand in the transaction, kept from one batch to the next.
        """
        self._db = db
        self._known = known
        self._chain_id = chain_id
        self._handlers = handlers
        self._handler = handler
        self._is_final = is_final
        self._works: dict[type, _Work] = {}

    async def load(self, record: type[T], keys: Iterable[Key]) -> dict[Key, T]:
        """As the port says; whoever loads the same again gets the same objects."""
        work = self._work(record)
        wanted = set(keys)
        if missing := wanted - work.loaded.keys():
            rows = self._known.setdefault(record, {})
            strange = [key for key in missing if key not in rows]
            found = await work.entity.fetch(self._db, self._chain_id, strange) if strange else {}
            entity = work.entity
            for key in missing:
                values = rows.get(key) or (entity.values(found[key]) if key in found else None)
                work.loaded[key] = entity.new(key) if values is None else entity.record(*values)
                if not self._is_final:
                    work.before.setdefault(key, values)
        return {key: work.loaded[key] for key in wanted}

    def save(self, records: Iterable[Any]) -> None:
        """As the port says."""
        for record in records:
            work = self._work(type(record))
            key = work.entity.key_of(record)
            work.saved[key] = work.loaded[key] = record
            work.gone.pop(key, None)
            work.touched[key] = None

    def delete(self, record: type[Any], keys: Iterable[Key]) -> None:
        """As the port says."""
        work = self._work(record)
        for key in keys:
            work.gone[key] = None
            work.saved.pop(key, None)
            work.loaded[key] = work.entity.new(key)
            work.touched[key] = None

    def end(self, block: int) -> None:
        """Notes what the block changed, and how that was before it."""
        for work in self._works.values():
            for key in work.touched if not self._is_final else ():
                work.entries.append((block, key, work.before.get(key, _UNKNOWN)))
                work.before[key] = None if key in work.gone else work.entity.values(work.saved[key])
            work.touched = {}

    async def flush(self) -> None:
        """Writes what was saved and deleted."""
        for work in self._works.values():
            if work.entries:
                await work.entity.journal(self._db, self._chain_id, await self._entries(work))
            if work.saved or work.gone:
                saved, gone = list(work.saved.values()), list(work.gone)
                await work.entity.write(self._db, self._chain_id, saved, gone)
            self._remember(work)

    def _remember(self, work: "_Work") -> None:
        rows = self._known.setdefault(work.type, {})
        if len(rows) + len(work.saved) > MOST_KNOWN:
            rows.clear()
        if len(work.saved) <= MOST_KNOWN:
            rows.update((key, work.entity.values(record)) for key, record in work.saved.items())
        for key in work.gone:
            rows.pop(key, None)

    async def _entries(self, work: "_Work") -> list[Before]:
        """The journal; of what was saved without having been loaded, the database knows how it was."""
        unknown = [key for _, key, before in work.entries if before is _UNKNOWN]
        found = await work.entity.fetch(self._db, self._chain_id, unknown) if unknown else {}
        values = {key: work.entity.values(record) for key, record in found.items()}
        return [
            Before(block, key, values.get(key) if before is _UNKNOWN else before) for block, key, before in work.entries
        ]

    def _work(self, record: type) -> "_Work":
        work = self._works.get(record)
        if work is None:
            work = self._works[record] = _Work(record, self._entity(record))
        return work

    def _entity(self, record: type) -> Entity:
        entity = self._handlers.entities.get(record)
        if entity is None:
            raise EntityError(f"{record.__name__} is no entity: declare it with @handlers.entity(…)")
        other = next((h for h in self._handlers.all if record in h.owned and h is not self._handler), None)
        if other is not None:
            raise EntityError(
                f"{record.__name__} belongs to {other.name}: make one handler of both, for all of their events, so "
                "that it gets them in chain order"
            )
        self._handler.owned.add(record)
        return entity


@dataclass(slots=True)
class _Work:
    """One entity's records in a session."""

    type: type
    entity: Entity
    loaded: dict[Key, Any] = field(default_factory=dict)
    saved: dict[Key, Any] = field(default_factory=dict)
    gone: dict[Key, None] = field(default_factory=dict)
    touched: dict[Key, None] = field(default_factory=dict)
    """Since the last block ended."""
    before: dict[Key, Any] = field(default_factory=dict)
    """Values as of the last block that ended; None where there was no row."""
    entries: list[tuple[int, Key, Any]] = field(default_factory=list)


class Running:
    """Handlers that take part in the indexer's transactions."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._tables: dict[str, list[Handler]] = {}
        self._names: dict[str, set[str]] = {}
        self._known: Known = {}
        self._pruned = -1

    def bind(self, manifest: Manifest) -> Mapping[str, Event]:
        """Finds the handlers' events among those of the manifest; gives the fact tables they come from.

        Raises:
            ConfigError: an event is not indexed.
        """
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
            times = {block.number: block.timestamp for block in segment.blocks}

            async def parts(first: int, last: int) -> list[Part]:
                return [part for group in rows if (part := of_rows(group, first, last)) is not None]

            await self.run(db, chain_id, segment.first.number, segment.last.number, finalized, parts, times)
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
        times: Mapping[int, int],
    ) -> None:
        """Final blocks at once; others one by one, so that each of them can be taken out again.

        Args:
            parts: the events in a range of blocks.
            times: Unix seconds by block number.

        Raises:
            HandlerFailed: a handler did.
        """
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
                        batch = Batch(own, times, self._names.get(handler.name, ()))
                        await self._called(handler, batch, session, stop)
            for session in sessions.values():
                await session.flush()

    @staticmethod
    async def _called(handler: Handler, batch: Batch, session: Session, block: int) -> None:
        try:
            working = handler.function(batch, session)
            if working is not None:
                await working
            session.end(block)
        except Exception as error:
            if type(error).__module__.startswith("asyncpg") or isinstance(error, OSError):
                raise  # the database is away, or full: no fault of the handler's
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


def stretches(first: int, last: int, finalized: int) -> list[tuple[int, int]]:
    """Blocks ``first`` to ``last``: those up to ``finalized`` in one stretch, every later one by itself."""
    final = [(first, min(last, finalized))] if first <= finalized else []
    return final + [(number, number) for number in range(max(first, finalized + 1), last + 1)]
