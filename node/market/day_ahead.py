"""The day-ahead auction: all slots of a day, cleared at once the day before, with blocks.

Orders for a day that were accepted before its gate are cleared together and are done with: what is not matched does not
wait for the slot's own auction. Later orders are for that one, on the terms that the session left: its zones and fees,
and what it did not sell of the lines.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from indexer.db import Connection, queries
from node.config import MarketRules
from node.market import closing, days, gate, ledger, sequence
from node.market.area import Area
from node.market.area_auction import Cleared
from node.market.refusals import GateStillOpen
from node.market.session_book import ClearedSession, clear_day
from node.market.terms import terms_bytes

logger = logging.getLogger(__name__)

_SQL = queries(__name__)


@dataclass(frozen=True, slots=True)
class DayAhead:
    """One row of trading.day_ahead_auctions. Blocks are named by the least of their orders' sequence numbers."""

    area: int
    day: int
    """When it begins, Unix seconds."""
    zones: tuple[int, ...]
    order_count: int
    matched_wh: int
    accepted_blocks: tuple[int, ...]
    rejected_blocks: tuple[int, ...]
    """Left out though they would gain at the published prices."""
    book_hash: bytes
    result_hash: bytes
    gate_closed_at: datetime
    cleared_at: datetime


async def clear(
    db: Connection, rules: MarketRules, area: Area, day: int, now_s: float, *, chain_id: int | None = None
) -> DayAhead:
    """Runs the auction of a day whose gate has closed; run again, it finds the first result.

    With ``chain_id``, orders that the exchange would refuse by now are cancelled first.

    Raises:
        GateStillOpen: the day still takes orders.
    """
    closed_at = days.session_closes_at(rules, day)
    if closed_at is None or now_s < closed_at:
        raise GateStillOpen(f"area {area.name} day {day} takes orders until {closed_at}; now_s={int(now_s)}")
    starts = days.slots_of(rules, day)
    await ledger.lock_clearings(db, {(zone, start) for zone in area.zones for start in starts})
    if (cleared := await _stored(db, area, day)) is not None:
        return cleared
    books, entries = {}, list[ledger.Entry]()
    used = await _with_orders(db, area, starts, closed_at)
    await gate.expire_before(db, rules, area, used, closed_at, now_s)
    for start in used:
        if chain_id is not None:
            entries += await closing.cancel_void(db, rules, chain_id, area, start, now_s, before_s=closed_at)
        slot = await closing.books(db, rules, area, start, before_s=closed_at)
        if any(book.orders for book in slot):
            books[start] = slot
    await _write(db, rules, area, clear_day(area, day, books), entries, closed_at, now_s)
    stored = await _stored(db, area, day)
    assert stored is not None
    return stored


async def due(
    db: Connection, rules: MarketRules, areas: Sequence[Area], slots: Iterable[tuple[Area, int]], now_s: float
) -> list[tuple[Area, int]]:
    """(area, day) of every closed day-ahead gate without an auction, oldest first: of the next day, and of those that
    ``slots``, which are to be cleared, belong to.
    """
    last = days.last_session(rules, now_s)
    if last is None:
        return []
    wanted = {(days.day_of(rules, start), area.name): area for area, start in slots}
    wanted |= {(last, area.name): area for area in areas}
    rows = await db.fetch(_SQL["cleared_days"], sorted({day for day, _ in wanted}))
    done = {(row["day"], zone) for row in rows for zone in row["zones"]}
    return [
        (area, day)
        for (day, _), area in sorted(wanted.items(), key=lambda item: item[0])
        if not any((day, zone) in done for zone in area.zones)
    ]


async def _stored(db: Connection, area: Area, day: int) -> DayAhead | None:
    row = await db.fetchrow(_SQL["day_ahead"], area.zones, day)
    if row is None:
        return None
    lists = {name: tuple(row[name]) for name in ("zones", "accepted_blocks", "rejected_blocks")}
    return DayAhead(**{**dict(row), **lists})


async def _with_orders(db: Connection, area: Area, starts: range, closed_at: int) -> list[int]:
    rows = await db.fetch(_SQL["with_orders"], area.zones, starts.start, starts.stop, closed_at)
    return [row["delivery_start"] for row in rows]


async def _write(
    db: Connection,
    rules: MarketRules,
    area: Area,
    cleared: ClearedSession,
    entries: Sequence[ledger.Entry],
    closed_at: int,
    now_s: float,
) -> None:
    hashes = cleared.book_hash, cleared.result_hash
    order_count = sum(len(book.orders) for slot in cleared.slots for book in slot.books)
    matched_wh = sum(row.matched_wh for slot in cleared.slots for row in slot.result.buys.values())
    await db.executemany(_SQL["insert_prices"], list(_prices(area, cleared)))
    await db.executemany(_SQL["insert_terms"], [_terms(rules, slot) for slot in cleared.slots])
    for slot in cleared.slots:
        await closing.write_outcome(db, rules, slot, "day_ahead", now_s)
    subject, payload = sequence.auction_subject(area.name, cleared.day), sequence.auction_payload(*hashes)
    events = await ledger.append(db, [*entries, (sequence.DAY_AHEAD_CLEARED, subject, payload)], now_s)
    await db.execute(
        _SQL["insert_day_ahead"],
        area.name,
        cleared.day,
        days.day_after(rules, cleared.day),
        area.zones,
        closed_at,
        order_count,
        matched_wh,
        cleared.accepted_blocks,
        cleared.rejected_blocks,
        cleared.data,
        *hashes,
        float(now_s),
        events[-1].sequence,
    )
    logger.info(
        "day-ahead cleared area=%d day=%d orders=%d matched_wh=%d blocks=%d",
        area.name,
        cleared.day,
        order_count,
        matched_wh,
        len(cleared.accepted_blocks),
    )


def _terms(rules: MarketRules, slot: Cleared) -> tuple[object, ...]:
    start, trades = slot.delivery_start, sum(len(flow.trades.energy_wh) for flow in slot.result.flows)
    left = terms_bytes(slot.area_left, start, rules.price_short_per_kwh)
    return slot.area.name, start, slot.area.zones, trades, left


def _prices(area: Area, cleared: ClearedSession) -> Iterable[tuple[object, ...]]:
    for slot in cleared.slots:
        for zone in area.zones:
            sells, buys = slot.result.sells[zone], slot.result.buys[zone]
            yield (
                zone,
                slot.delivery_start,
                area.name,
                sells.price_per_kwh,
                buys.price_per_kwh,
                buys.matched_wh,
                sells.matched_wh,
            )
