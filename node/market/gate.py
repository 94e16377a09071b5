"""The end of a slot's time on the book: orders that expire, and what its closing gate does before the auction."""

import logging

from indexer.db import Connection, Pool, queries, transaction
from node.config import MarketRules
from node.market import ledger, matching, sequence
from node.market.area import Area
from node.market.orders import gate_closes_at
from node.market.slot_log import SlotLog, log_hash

logger = logging.getLogger(__name__)

_SQL = queries(__name__)


async def expire(pool: Pool, rules: MarketRules, now_s: float) -> int:
    """Puts the expiry of every order that was good till a time that has come into the sequence; says of how many."""
    async with transaction(pool) as db:
        return await _expire(db, rules, now_s, int(now_s), None, None)


async def expire_before(
    db: Connection, rules: MarketRules, area: Area, delivery_start: int, until_s: int, now_s: float
) -> None:
    """Ends a slot's orders that are good till a time, up to this one. The caller holds the slot's locks."""
    while await _expire(db, rules, now_s, until_s, area, delivery_start):
        pass


async def close(db: Connection, rules: MarketRules, area: Area, delivery_start: int, now_s: float) -> Area:
    """Ends continuous trading in a slot whose gate has closed and whose locks the caller holds.

    Every event before the gate is matched, the slot's log is published, and its hash committed to in the sequence.
    Orders that are good till a time before the gate expire, whichever way is traded.

    Returns the area with the capacity that is left for the auction.

    Raises:
        BookDiverged: the sequence does not make the trades that are stored.
    """
    await expire_before(db, rules, area, delivery_start, gate_closes_at(rules, delivery_start), now_s)
    if rules.trading == "auction" and not await db.fetchval(_SQL["was_continuous"], area.zones, delivery_start):
        return area
    if await matching.lock_book(db, area, delivery_start) is None:
        return area
    head: int = await db.fetchval(_SQL["head"])
    book, events = await matching.load(db, rules, area, delivery_start, head)
    await matching.write(db, book, events)
    await db.execute(_SQL["hide"], area.zones, delivery_start)
    data = SlotLog(area, delivery_start, rules.price_short_per_kwh, tuple(events)).to_bytes()
    hashes = log_hash(data), book.hash()
    await db.execute(_SQL["insert_log"], area.name, delivery_start, data, *hashes)
    subject = sequence.auction_subject(area.name, delivery_start)
    await ledger.append(db, [(sequence.GATE_CLOSED, subject, sequence.gate_payload(*hashes))], now_s)
    logger.info(
        "gate closed area=%d delivery_start=%d events=%d trades=%d waiting=%d",
        area.name,
        delivery_start,
        len(events),
        book.trade_count,
        len(book.state()),
    )
    return book.room_left()


async def _expire(
    db: Connection, rules: MarketRules, now_s: float, until_s: int, area: Area | None, delivery_start: int | None
) -> int:
    zones = None if area is None else list(area.zones)
    arguments = until_s, zones, delivery_start
    rows = await db.fetch(_SQL["due_expiries"], *arguments)
    if not rows:
        return 0
    slots = {(row["zone"], row["delivery_start"]) for row in rows}
    await ledger.lock_entries(db, slots, {row["trader"] for row in rows})
    locked = {row["digest"] for row in rows}
    # What was cancelled or cleared while we waited is not there any more.
    digests = [row["digest"] for row in await db.fetch(_SQL["due_expiries"], *arguments) if row["digest"] in locked]
    if digests:
        payload = sequence.cancelled_payload(int(now_s * 1_000))
        await ledger.append(db, [(sequence.ORDER_EXPIRED, digest, payload) for digest in digests], now_s)
        if rules.trading == "auction":
            await db.execute(_SQL["expire"], digests)
    return len(digests)
