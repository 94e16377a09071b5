"""The entities that one handler works on, from loading to the statement that writes them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from indexer.db import Connection
from indexer.entities import Before, Entity, EntityError, Key

if TYPE_CHECKING:
    from indexer.handlers import Handler, Handlers

T = TypeVar("T")

MOST_KNOWN: Final = 30_000
"""Rows of one entity that are kept in memory from one batch to the next."""
_UNKNOWN: Final = object()
Known = dict[type, dict[Key, tuple[Any, ...]]]
"""Rows of entities by key."""


class Session:
    """The entities that one handler works on until they are written."""

    def __init__(
        self, db: Connection, chain_id: int, handlers: "Handlers", handler: "Handler", known: "Known", *, is_final: bool
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
