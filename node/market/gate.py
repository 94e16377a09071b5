"""The end of a slot's time on the book: orders that expire, and what its closing gate does before the auction."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from indexer.db import Connection, Pool, queries, transaction
from node.config import MarketRules
from node.market import ledger, matching, sequence
from node.market.area import Area
from node.market.orders import gate_closes_at
from node.market.slot_log import SlotLog, log_hash

logger = logging.getLogger(__name__)

_SQL = queries(__name__)


@dataclass(frozen=True, slots=True)
class Closed:
    """A slot that takes no more orders."""

    area: Area
    """With the capacity that is left for the auction."""
    entries: tuple[ledger.Entry, ...] = ()
    """What the caller adds to the sequence when all else is done: only one transaction at a time can."""
    step: matching.Step | None = None
    """What was matched last, to be told after the commit."""


async def expire(pool: Pool, rules: MarketRules, now_s: float) -> int:
    """Puts the expiry of every order that was good till a time that has come into the sequence; says of how many."""
    async with transaction(pool) as db:
        rows = await db.fetch(_SQL["due_expiries"], int(now_s))
        if not rows:
            return 0
        slots = {(row["zone"], row["delivery_start"]) for row in rows}
        await ledger.lock_entries(db, slots, {row["trader"] for row in rows})
        locked = {row["digest"] for row in rows}
        # What was cancelled or cleared while we waited is not there any more.
        again = await db.fetch(_SQL["due_expiries"], int(now_s))
        return await _expire(db, rules, [row["digest"] for row in again if row["digest"] in locked], now_s)


async def expire_before(
    db: Connection, rules: MarketRules, area: Area, starts: Sequence[int], until_s: int, now_s: float
) -> None:
    """Ends the orders of slots that are good till a time, up to this one.

    The caller holds the slots' locks: nobody else can change these orders, and their traders are not locked.
    """
    rows = await db.fetch(_SQL["due_in_slots"], until_s, area.zones, starts)
    await _expire(db, rules, [row["digest"] for row in rows], now_s)


async def close(db: Connection, rules: MarketRules, area: Area, delivery_start: int, now_s: float) -> Closed:
    """Ends continuous trading in a slot whose gate has closed and whose locks the caller holds.

    Every event before the gate is matched, and the slot's log is published. Orders that are good till a time before the
    gate expire, whichever way is traded.

    Raises:
        BookDiverged: the sequence does not make the trades that are stored.
    """
    await expire_before(db, rules, area, [delivery_start], gate_closes_at(rules, delivery_start), now_s)
    if rules.trading == "auction" and not await db.fetchval(_SQL["was_continuous"], area.zones, delivery_start):
        return Closed(area)
    stored = await matching.lock_book(db, rules, area, delivery_start)
    if stored is None:
        return Closed(area)
    head: int = await db.fetchval(_SQL["head"])
    book, events = await matching.load(db, stored, head)
    step = await matching.write(db, book, events)
    await db.execute(_SQL["hide"], book.area.zones, delivery_start)
    data = SlotLog(book.area, delivery_start, stored.price_short_per_kwh, tuple(events)).to_bytes()
    hashes = log_hash(data), book.hash()
    await db.execute(_SQL["insert_log"], area.name, delivery_start, data, *hashes)
    subject = sequence.auction_subject(area.name, delivery_start)
    logger.info(
        "gate closed area=%d delivery_start=%d events=%d trades=%d waiting=%d",
        area.name,
        delivery_start,
        len(events),
        book.trade_count,
        len(book.state()),
    )
    left = book.room_left()
    entry = sequence.GATE_CLOSED, subject, sequence.gate_payload(*hashes)
    return Closed(left.without(set(left.zones).difference(area.zones)), (entry,), step)


async def _expire(db: Connection, rules: MarketRules, digests: Sequence[bytes], now_s: float) -> int:
    if digests:
        payload = sequence.cancelled_payload(int(now_s * 1_000))
        await ledger.append(db, [(sequence.ORDER_EXPIRED, digest, payload) for digest in digests], now_s)
        if rules.trading == "auction":
            await db.execute(_SQL["expire"], digests)
    return len(digests)
