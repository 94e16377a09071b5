"""The sequenced log in PostgreSQL, and the locks that order what happens around a gate.

Locks are taken in one order everywhere: slot, trader, sequence. Each is held until the transaction ends.
"""

from collections.abc import Callable, Sequence, Set
from typing import Final, TypeAlias

from indexer.db import Connection, queries
from node.market.sequence import Event, Head, follow

_SQL = queries(__name__)

Entry: TypeAlias = tuple[str, bytes, bytes | Callable[[int], bytes]]
"""Kind, subject and payload of an event to come; a payload that names its own sequence number is made from it."""

_PAGE: Final = 10_000


async def lock_entries(db: Connection, slots: Set[tuple[int, int]], traders: Set[bytes]) -> None:
    """Nothing clears any of these (zone, delivery start), and nobody else changes these traders' orders, while this
    transaction lasts."""
    ordered = sorted(slots)
    zones, starts = [zone for zone, _ in ordered], [start for _, start in ordered]
    await db.execute(_SQL["lock_entries"], zones, starts, sorted(traders))


async def lock_clearing(db: Connection, zone: int, delivery_start: int) -> None:
    """Every acceptance that came before is committed, and none comes while this transaction lasts."""
    await db.execute(_SQL["lock_clearing"], zone, delivery_start)


async def lock_clearings(db: Connection, slots: Set[tuple[int, int]]) -> None:
    """The same for each of these (zone, delivery start)."""
    ordered = sorted(slots)
    await db.execute(_SQL["lock_clearings"], [zone for zone, _ in ordered], [start for _, start in ordered])


async def next_head(db: Connection) -> Head:
    """The head of the chain, which only this transaction may extend from now on."""
    await db.execute(_SQL["lock_sequence"])
    row = await db.fetchrow(_SQL["head"])
    return Head() if row is None else Head(row["sequence"], row["hash"])


async def append(db: Connection, entries: Sequence[Entry], now_s: float) -> list[Event]:
    """Adds events to the chain, in order."""
    head = await next_head(db)
    events: list[Event] = []
    for kind, subject, payload in entries:
        content = payload if isinstance(payload, bytes) else payload(head.sequence + 1)
        event = follow(head, kind, subject, content)
        events.append(event)
        head = Head(event.sequence, event.hash)
    columns = zip(*((e.sequence, e.kind, e.subject, e.payload, e.previous_hash, e.hash) for e in events), strict=True)
    await db.execute(_SQL["append"], *columns, float(now_s))
    return events


async def events(db: Connection, *, after_sequence: int = 0, limit: int = _PAGE) -> list[Event]:
    """The log, a page at a time, for whoever checks it with ``sequence.first_fault``."""
    rows = await db.fetch(_SQL["events"], after_sequence, limit)
    return [Event(*row.values()) for row in rows]
