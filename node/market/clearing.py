"""What happens when a gate closes: the auction in PostgreSQL, once for each slot, and the freeing of collateral."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from indexer.db import Connection, queries
from node.config import MarketRules
from node.market import closing, gate, ledger, sequence
from node.market.area import Area, alone, area_of
from node.market.area_auction import Cleared, clear_books, zone_bytes
from node.market.book import book_hash
from node.market.matching import Step
from node.market.orders import gate_closes_at
from node.market.refusals import GateStillOpen
from node.market.terms import agreed_areas

logger = logging.getLogger(__name__)

_SQL = queries(__name__)

CATCH_UP_SLOTS: Final = 96
"""Slots without orders are made up for this far back; slots with orders always."""


@dataclass(frozen=True, slots=True)
class Auction:
    """One row of trading.auctions: what the auction of an area came to in one zone. Prices are None where nothing
    traded.
    """

    auction_id: int
    zone: int
    area: int
    """The smallest of the zones that were cleared together."""
    delivery_start: int
    slot_s: int
    clearing_price_per_kwh: int | None
    """What the zone's sellers receive."""
    price_low_per_kwh: int | None
    price_high_per_kwh: int | None
    buy_price_per_kwh: int | None
    """What the zone's buyers pay, with grid fee and congestion rent."""
    grid_fee_per_kwh: int
    """Inside the zone."""
    order_count: int
    matched_wh: int
    """Bought in the zone."""
    sold_wh: int
    book_hash: bytes
    result_hash: bytes
    """Of all zones that were cleared together."""
    gate_closed_at: datetime
    cleared_at: datetime


async def clear(
    db: Connection, rules: MarketRules, zone: int, delivery_start: int, now_s: float, *, chain_id: int | None = None
) -> Auction:
    """Runs the auction of a zone that trades with no other, as ``clear_area`` does."""
    area = alone(zone, rules.grid_fee_per_kwh)
    (auction,) = await clear_area(db, rules, area, delivery_start, now_s, chain_id=chain_id)
    return auction


async def clear_area(
    db: Connection,
    rules: MarketRules,
    area: Area,
    delivery_start: int,
    now_s: float,
    *,
    chain_id: int | None = None,
    matched: Callable[[Step], None] | None = None,
) -> tuple[Auction, ...]:
    """Runs the auction of a slot whose gate has closed, in all zones at once; run again, it finds the first result.

    With ``chain_id``, orders that the exchange would refuse by now are cancelled first. ``matched`` is given what
    continuous trading did last, to be told after the commit.

    Raises:
        GateStillOpen: the slot still takes orders.
    """
    closed_at = gate_closes_at(rules, delivery_start)
    if now_s < closed_at:
        raise GateStillOpen(
            f"area {area.name} slot {delivery_start} takes orders until {closed_at}; now_s={int(now_s)}"
        )
    for zone in area.zones:
        await ledger.lock_clearing(db, zone, delivery_start)
    # Zones that were cleared before the area was made are not cleared again.
    waiting = area.without(auction.zone for auction in await _auctions(db, area, delivery_start))
    if waiting.zones:
        closed = await gate.close(db, rules, waiting, delivery_start, now_s)
        waiting, entries = closed.area, list(closed.entries)
        if closed.step is not None and matched is not None:
            matched(closed.step)
        if chain_id is not None:
            entries += await closing.cancel_void(db, rules, chain_id, waiting, delivery_start, now_s)
        await closing.drop_blocks(db, waiting, delivery_start)
        books = await closing.books(db, rules, waiting, delivery_start)
        await _write(db, rules, clear_books(waiting, delivery_start, books), entries, closed_at, now_s)
    return await _auctions(db, area, delivery_start)


async def due_gates(db: Connection, rules: MarketRules, areas: Sequence[Area], now_s: float) -> list[tuple[Area, int]]:
    """(area, delivery start) of every closed gate without an auction, oldest first.

    A slot without orders has an auction too, from the market's first slot on, so that every slot has a result.
    """
    last_gated = (int(now_s) + rules.gate_lead_s) // rules.slot_s * rules.slot_s
    zones = [zone for area in areas for zone in area.zones]
    rows = await db.fetch(_SQL["due"], zones, last_gated, rules.slot_s, CATCH_UP_SLOTS - 1)
    agreed = await agreed_areas(db, areas, {row["delivery_start"] for row in rows}) if rows else {}
    due: dict[tuple[int, int], Area] = {}
    for row in rows:
        area = area_of(agreed[row["delivery_start"]], row["zone"])
        assert area is not None
        due[row["delivery_start"], area.name] = area
    return [(area, delivery_start) for (delivery_start, _), area in sorted(due.items(), key=lambda item: item[0])]


async def release_locks(db: Connection, delivery_start: int, area: int) -> None:
    """Frees what the slot's orders had locked once it is over, and marks as settled the trades that did not fail.

    ``area`` is the name of the zones that were cleared together: the zone itself where it was cleared alone.
    """
    zones = [row["zone"] for row in await db.fetch(_SQL["area_zones"], area, delivery_start)]
    await db.execute(_SQL["release_orders"], zones, delivery_start)
    await db.execute(_SQL["release_trades"], zones, delivery_start)


async def _auctions(db: Connection, area: Area, delivery_start: int) -> tuple[Auction, ...]:
    rows = await db.fetch(_SQL["auctions"], area.zones, delivery_start)
    return tuple(Auction(**dict(row)) for row in rows)


async def _write(
    db: Connection,
    rules: MarketRules,
    cleared: Cleared,
    entries: Sequence[ledger.Entry],
    closed_at: int,
    now_s: float,
) -> None:
    """Everything that an auction decided, last of all in the sequence after what came before it (``entries``)."""
    area, delivery_start = cleared.area, cleared.delivery_start
    zones, hashes = area.zones, (cleared.book_hash, cleared.result_hash)
    await db.executemany(_SQL["insert_auction"], list(_auction_rows(cleared, closed_at, now_s)))
    if cleared.head is not None:
        rejected = cleared.result.rejected
        await db.execute(
            _SQL["insert_area_auction"], area.name, delivery_start, zones, cleared.head, *hashes, rejected, float(now_s)
        )
    await closing.write_outcome(db, rules, cleared, "auction", now_s)
    subject, payload = sequence.auction_subject(area.name, delivery_start), sequence.auction_payload(*hashes)
    await ledger.append(db, [*entries, (sequence.AUCTION_CLEARED, subject, payload)], now_s)
    for book in cleared.books:
        logger.info(
            "auction cleared zone=%d delivery_start=%d orders=%d matched_wh=%d price_per_kwh=%s",
            book.zone,
            delivery_start,
            len(book.orders),
            cleared.result.buys[book.zone].matched_wh,
            cleared.result.sells[book.zone].price_per_kwh,
        )


def _auction_rows(cleared: Cleared, closed_at: int, now_s: float) -> Iterable[tuple[object, ...]]:
    for book in cleared.books:
        sells, buys, data = cleared.result.sells[book.zone], cleared.result.buys[book.zone], zone_bytes(book)
        yield (
            book.zone,
            cleared.area.name,
            cleared.delivery_start,
            book.slot_s,
            closed_at,
            sells.price_per_kwh,
            sells.price_low_per_kwh,
            sells.price_high_per_kwh,
            buys.price_per_kwh,
            book.grid_fee_per_kwh,
            len(book.orders),
            buys.matched_wh,
            sells.matched_wh,
            data,
            book_hash(data),
            cleared.result_hash,
            float(now_s),
        )
