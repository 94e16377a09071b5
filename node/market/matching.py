"""The continuous books in PostgreSQL: events of the sequence in, fills and order states out, each slot in one
transaction with how far it has come. See docs/adr/0014-engine-follows-the-sequence.md.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeAlias

from indexer.db import Connection, Pool, queries, transaction
from node.config import MarketRules
from node.errors import Conflict
from node.market.area import Area
from node.market.orders import gate_closes_at
from node.market.sequence import Event
from node.market.slot_book import Changes, Fill, SlotBook

_SQL = queries(__name__)

Slot: TypeAlias = tuple[int, int]
"""Name of an area, and delivery start."""
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


def _not_contained(area: int, delivery_start: int) -> AbstractContextManager[None]:
    return nullcontext()


class Matcher:
    """Follows the sequence and matches. Every slot's book is kept in memory between steps, and made again from the
    sequence whenever it may not be what PostgreSQL has."""

    def __init__(self, rules: MarketRules, areas: Sequence[Area]) -> None:
        self._rules = rules
        self._areas = {area.name: area for area in areas}
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
        news: dict[Slot, list[Event]] = {}
        zones = {zone: area.name for area in self._areas.values() for zone in area.zones}
        if self._head is None:
            last_gated = int(now_s) + self._rules.gate_lead_s
            rows = await db.fetch(_SQL["open_slots"], list(zones), last_gated)
            return {(zones[row["zone"]], row["delivery_start"]): [] for row in rows}
        if head > self._head:
            for row in await db.fetch(_SQL["new_events"], self._head, head):
                if row["zone"] in zones:
                    slot = zones[row["zone"]], row["delivery_start"]
                    news.setdefault(slot, []).append(Event(*list(row.values())[:6]))
        return news

    async def _advance(self, pool: Pool, slot: Slot, events: Sequence[Event] | None, head: int) -> Step | None:
        area, delivery_start = self._areas[slot[0]], slot[1]
        book = self._books.pop(slot, None)
        async with transaction(pool) as db:
            stored = await lock_book(db, area, delivery_start)
            if stored is None:
                return None
            if book is None or events is None or book.sequence != stored:
                book, events = await load(db, self._rules, area, delivery_start, head)
            step = await write(db, book, events)
        self._books[slot] = book  # only now is it what PostgreSQL has
        return step

    def _forget_gated(self, now_s: float) -> None:
        for key in [key for key in self._books if now_s >= gate_closes_at(self._rules, key[1])]:
            del self._books[key]


async def lock_book(db: Connection, area: Area, delivery_start: int) -> int | None:
    """The event up to which the book is matched; None once the gate has closed on it. Holds others off."""
    await db.execute(_SQL["open_book"], area.name, delivery_start)
    row = await db.fetchrow(_SQL["lock_book"], area.name, delivery_start)
    assert row is not None
    if await db.fetchval(_SQL["is_closed"], area.name, delivery_start):
        return None
    return int(row["sequence"])


async def slot_events(db: Connection, area: Area, delivery_start: int, head: int) -> list[Event]:
    """Everything that came to a slot's book up to an event, in sequence."""
    rows = await db.fetch(_SQL["slot_events"], area.zones, delivery_start, head)
    return [Event(*row.values()) for row in rows]


async def load(
    db: Connection, rules: MarketRules, area: Area, delivery_start: int, head: int
) -> tuple[SlotBook, list[Event]]:
    """The locked book as it is stored, made again from the sequence, and the events that it has not seen.

    Raises:
        BookDiverged: the sequence makes another number of trades than are stored.
    """
    row = await db.fetchrow(_SQL["lock_book"], area.name, delivery_start)
    assert row is not None
    events = await slot_events(db, area, delivery_start, head)
    book = SlotBook(area, delivery_start, rules.price_short_per_kwh)
    book.apply(event for event in events if event.sequence <= row["sequence"])
    book.drain()
    if (book.sequence, book.trade_count) != (row["sequence"], row["trades"]):
        raise BookDiverged(
            f"area {area.name} slot {delivery_start}: the sequence makes {book.trade_count} trades up to event "
            f"{book.sequence}, stored are {row['trades']} up to {row['sequence']}"
        )
    return book, events


async def write(db: Connection, book: SlotBook, events: Sequence[Event]) -> Step | None:
    """Matches the events that the locked book has not seen, and stores what they do; None when they do nothing."""
    before = book.sequence
    book.apply(events)
    if book.sequence == before:
        return None
    changes = book.drain()
    if changes.fills:
        await db.execute(_SQL["insert_fills"], book.delivery_start, *_columns(changes.fills))
    orders = changes.orders
    if orders:
        await db.execute(
            _SQL["update_orders"],
            *([getattr(order, name) for order in orders] for name in type(orders[0]).__slots__),
        )
    moved = bool(changes.levels or changes.fills)
    revision = await db.fetchval(
        _SQL["advance_book"], book.area.name, book.delivery_start, int(moved), book.sequence, book.trade_count
    )
    return Step(book.area, book.delivery_start, revision, book.sequence, changes) if moved else None


def _columns(fills: Sequence[Fill]) -> list[list[object]]:
    rows = [
        (
            fill.number,
            fill.buy.order.zone,
            fill.sell.order.zone,
            fill.buy.digest,
            fill.sell.digest,
            fill.buy.order.trader,
            fill.sell.order.trader,
            fill.energy_wh,
            fill.price_per_kwh,
            fill.fee_per_kwh,
            fill.sequence,
            fill.executed_ms,
        )
        for fill in fills
    ]
    return [list(column) for column in zip(*rows, strict=True)]
