"""The continuous books in PostgreSQL: events of the sequence in, fills and order states out, each slot in one
transaction with how far it has come. See docs/adr/0014-engine-follows-the-sequence.md.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final, TypeAlias

from indexer.db import Connection, Pool, queries, transaction
from node.config import MarketRules
from node.errors import Conflict
from node.market.area import Area, area_of
from node.market.orders import gate_closes_at
from node.market.sequence import Event
from node.market.slot_book import NO_FILLS_HASH, Changes, SlotBook
from node.market.terms import agreed_areas, parse_terms, terms_bytes

_SQL = queries(__name__)

Slot: TypeAlias = tuple[int, int]
"""Name of an area, and delivery start."""
_PAGE: Final = 5_000

Contained: TypeAlias = Callable[[int, int], AbstractContextManager[None]]


class BookDiverged(Conflict):
    """The sequence does not make the trades that are stored."""

    code = "book-diverged"


@dataclass(frozen=True, slots=True)
class Step:
    """What one transaction did to one book, to be told once it is committed."""

    area: Area
    delivery_start: int
    revision: int
    """Counts the steps of the book that changed it, without gaps."""
    sequence: int
    changes: Changes


@dataclass(frozen=True, slots=True)
class Stored:
    """A book as PostgreSQL has it."""

    area: Area
    """With the terms that the book was opened with."""
    price_short_per_kwh: int
    delivery_start: int
    sequence: int
    """The last event that is matched."""
    trades: int
    fills_hash: bytes


def _not_contained(area: int, delivery_start: int) -> AbstractContextManager[None]:
    return nullcontext()


class Matcher:
    """Follows the sequence and matches. Every slot's book is kept in memory between steps, and made again from the
    sequence whenever it may not be what PostgreSQL has."""

    def __init__(self, rules: MarketRules, areas: Sequence[Area]) -> None:
        self._rules = rules
        self._configured = areas
        self._areas: dict[int, tuple[Area, ...]] = {}
        """By delivery start."""
        self._books: dict[Slot, SlotBook] = {}
        self._again: set[Slot] = set()
        """Slots whose last step failed, or was cut off."""
        self._head: int | None = None

    async def follow(self, pool: Pool, now_s: float, contained: Contained = _not_contained) -> list[Step]:
        """Matches everything that has been accepted, cancelled or expired since the last call.

        ``contained`` may keep the failure of one slot, by area and delivery start, from the others.
        """
        async with pool.acquire() as db:
            head: int = await db.fetchval(_SQL["head"])
            news = await self._news(db, head, now_s)
        self._again |= set(news)
        self._head = head
        steps: list[Step] = []
        for slot in sorted(self._again, key=lambda slot: (slot[1], slot[0])):
            with contained(*slot):
                step = await self._advance(pool, slot, news.get(slot), head)
                steps += [step] if step is not None else []
                self._again.discard(slot)
        self._forget_gated(now_s)
        return steps

    async def _news(self, db: Connection, head: int, now_s: float) -> dict[Slot, list[Event]]:
        """New events by slot; at the start, all slots that may have some."""
        if self._head is None:
            zones = [zone for area in self._configured for zone in area.zones]
            rows = await db.fetch(_SQL["open_slots"], zones, int(now_s) + self._rules.gate_lead_s)
        else:
            rows = await db.fetch(_SQL["new_events"], self._head, head) if head > self._head else []
        unknown = {row["delivery_start"] for row in rows}.difference(self._areas)
        if unknown:
            self._areas |= await agreed_areas(db, self._configured, unknown)
        news: dict[Slot, list[Event]] = {}
        for row in rows:
            area = area_of(self._areas[row["delivery_start"]], row["zone"])
            if area is not None:
                events = news.setdefault((area.name, row["delivery_start"]), [])
                if self._head is not None:
                    events.append(Event(*list(row.values())[:6]))
        return news

    async def _advance(self, pool: Pool, slot: Slot, events: Sequence[Event] | None, head: int) -> Step | None:
        name, delivery_start = slot
        (area,) = (area for area in self._areas[delivery_start] if area.name == name)
        book = self._books.pop(slot, None)
        async with transaction(pool) as db:
            stored = await lock_book(db, self._rules, area, delivery_start)
            if stored is None:
                return None
            if (
                book is None
                or events is None
                or (book.sequence, book.fills_hash) != (stored.sequence, stored.fills_hash)
            ):
                book, events = await load(db, stored, head)
            step = await write(db, book, events)
        self._books[slot] = book  # only now is it what PostgreSQL has
        return step

    def _forget_gated(self, now_s: float) -> None:
        for key in [key for key in self._books if now_s >= gate_closes_at(self._rules, key[1])]:
            del self._books[key]
        waiting = {start for _, start in self._again}
        for start in [start for start in self._areas if now_s >= gate_closes_at(self._rules, start)]:
            if start not in waiting:
                del self._areas[start]


async def lock_book(db: Connection, rules: MarketRules, area: Area, delivery_start: int) -> Stored | None:
    """How far the book is matched; None once the gate has closed on it. Holds others off.

    A book that is opened now gets the terms of ``area``, one that was opened before keeps its own.
    """
    terms = terms_bytes(area, delivery_start, rules.price_short_per_kwh)
    await db.execute(_SQL["open_book"], area.name, delivery_start, terms, NO_FILLS_HASH)
    row = await db.fetchrow(_SQL["lock_book"], area.name, delivery_start)
    assert row is not None
    if await db.fetchval(_SQL["is_closed"], area.name, delivery_start):
        return None
    agreed, price_short_per_kwh = parse_terms(row["terms"])
    return Stored(agreed, price_short_per_kwh, delivery_start, row["sequence"], row["trades"], row["fills_hash"])


async def slot_events(db: Connection, area: Area, delivery_start: int, head: int) -> list[Event]:
    """Everything that came to a slot's book up to an event, in sequence. Needs a transaction.

    Read page by page: however many there are, each page has the statement's time limit to itself.
    """
    rows = db.cursor(_SQL["slot_events"], area.zones, delivery_start, head, prefetch=_PAGE)
    return [Event(*row.values()) async for row in rows]


async def load(db: Connection, stored: Stored, head: int) -> tuple[SlotBook, list[Event]]:
    """The locked book as it is stored, made again from the sequence, and all events up to one.

    Raises:
        BookDiverged: the sequence makes other trades than are stored.
    """
    events = await slot_events(db, stored.area, stored.delivery_start, head)
    book = SlotBook(stored.area, stored.delivery_start, stored.price_short_per_kwh)
    book.apply(event for event in events if event.sequence <= stored.sequence)
    book.drain()
    made = book.sequence, book.trade_count, book.fills_hash
    if made != (stored.sequence, stored.trades, stored.fills_hash):
        raise BookDiverged(
            f"area {stored.area.name} slot {stored.delivery_start}: the sequence makes {made[1]} trades up to event "
            f"{made[0]} with the hash {made[2].hex()}, stored are {stored.trades} up to {stored.sequence} with "
            f"{stored.fills_hash.hex()}"
        )
    return book, events


async def write(db: Connection, book: SlotBook, events: Sequence[Event]) -> Step | None:
    """Matches the events that the locked book has not seen, and stores what they do; None when they do nothing."""
    before = book.sequence
    book.apply(events)
    if book.sequence == before:
        return None
    changes = book.drain()
    fills, orders = changes.fill_columns, changes.order_columns
    if fills.number:
        await db.execute(_SQL["insert_fills"], book.delivery_start, *fills)
    if orders.sequence:
        await db.execute(_SQL["update_orders"], *orders)
    moved = bool(changes.levels or fills.number)
    revision = await db.fetchval(
        _SQL["advance_book"],
        book.area.name,
        book.delivery_start,
        int(moved),
        book.sequence,
        book.trade_count,
        book.fills_hash,
    )
    return Step(book.area, book.delivery_start, revision, book.sequence, changes) if moved else None
