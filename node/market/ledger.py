"""The sequenced log in PostgreSQL, and the locks that order what happens around a gate.

Locks are taken in one order everywhere: slot, trader, sequence. Each is held until the transaction ends.
"""

from collections.abc import Callable, Sequence, Set
from typing import Final, TypeAlias

from indexer.db import Connection, queries
from node.market.sequence import Event, Head, follow

_SQL = queries(__name__)

Entry: TypeAlias = tuple[str, bytes, bytes]
"""Kind, subject and payload of an event to come."""

_PAGE: Final = 10_000


async def lock_entry(db: Connection, zone: int, delivery_start: int, trader: bytes) -> None:
    """Nothing clears the slot, and nobody else changes the trader's orders, while this transaction lasts."""
    await db.execute(_SQL["lock_entry"], zone, delivery_start, trader)


async def lock_slots(db: Connection, slots: Set[tuple[int, int]]) -> None:
    """Nothing clears any of these (zone, delivery start) while this transaction lasts."""
    ordered = sorted(slots)
    await db.execute(_SQL["lock_slots"], [zone for zone, _ in ordered], [start for _, start in ordered])


async def lock_traders(db: Connection, traders: Set[bytes]) -> None:
    """Nobody else changes these traders' orders while this transaction lasts."""
    await db.execute(_SQL["lock_traders"], sorted(traders))


async def lock_clearing(db: Connection, zone: int, delivery_start: int) -> None:
    """Every acceptance that came before is committed, and none comes while this transaction lasts."""
    await db.execute(_SQL["lock_clearing"], zone, delivery_start)


async def next_head(db: Connection) -> Head:
    """The head of the chain, which only this transaction may extend from now on."""
    await db.execute(_SQL["lock_sequence"])
    row = await db.fetchrow(_SQL["head"])
    return Head() if row is None else Head(row["sequence"], row["hash"])


async def append(db: Connection, entries: Sequence[Entry], now_s: float) -> list[Event]:
    """Adds events to the chain, in order."""
    return await _append(db, await next_head(db), entries, now_s)


async def append_one(db: Connection, kind: str, subject: bytes, payload: Callable[[int], bytes], now_s: float) -> Event:
    """Adds one event whose payload names its own sequence number."""
    head = await next_head(db)
    (event,) = await _append(db, head, [(kind, subject, payload(head.sequence + 1))], now_s)
    return event


async def _append(db: Connection, head: Head, entries: Sequence[Entry], now_s: float) -> list[Event]:
    events: list[Event] = []
    for entry in entries:
        event = follow(head, *entry)
        events.append(event)
        head = Head(event.sequence, event.hash)
    columns = zip(*((e.sequence, e.kind, e.subject, e.payload, e.previous_hash, e.hash) for e in events), strict=True)
    await db.execute(_SQL["append"], *columns, float(now_s))
    return events


async def events(db: Connection, *, after_sequence: int = 0, limit: int = _PAGE) -> list[Event]:
    """The log, a page at a time, for whoever checks it with ``sequence.first_fault``."""
    rows = await db.fetch(_SQL["events"], after_sequence, limit)
    return [Event(*row.values()) for row in rows]
