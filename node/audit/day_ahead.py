"""The day-ahead auction that a slot had part in, run again from its published book."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg

from contracts.typed_data import Domain
from indexer.db import Connection, queries
from node.audit import traded
from node.audit.compare import Finding, compare
from node.audit.traded import Link, Rerun
from node.config import MarketRules
from node.market import days
from node.market.area import Area
from node.market.book import BookUnreadable, parse_entry
from node.market.sequence import (
    ORDER_ACCEPTED,
    ORDER_CANCELLED,
    ORDER_EXPIRED,
    Event,
    auction_payload,
    auction_subject,
    parse_accepted,
)
from node.market.session_book import ClearedSession, rerun_session
from node.settlement.batch import SignedOrder
from node.settlement.delivery import Trade

_SQL = queries(__name__)

SESSION = "published session"


@dataclass(frozen=True, slots=True)
class DayAheadTraded:
    """What a slot's part of a session comes to, and what it leaves to the slot's own auction."""

    trades: tuple[Trade, ...]
    orders: Mapping[bytes, SignedOrder]
    own_events: Sequence[Event]
    """Those of the slot that are not of orders which the session took, or would have taken."""
    area_left: Area | None = None
    """Zones and fees of the session, with the capacity that it left; None where it had no order of the slot."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def auction_events(self) -> list[Event]:
        """Those of ``own_events`` that the slot's own auction takes: no blocks."""
        return [event for event in self.own_events if event.kind != ORDER_ACCEPTED or not _is_in_block(event)]


async def check_day_ahead(
    db: Connection,
    rules: MarketRules,
    zones: Sequence[int],
    delivery_start: int,
    events: Sequence[Event],
    domain: Domain,
) -> DayAheadTraded:
    """What was traded in a slot the day before, as anyone can find it out, and what differs."""
    stored = await db.fetchrow(_SQL["auction"], zones, delivery_start)
    if stored is None:
        return DayAheadTraded((), {}, events)
    day = stored["day"]
    try:
        session = rerun_session(stored["book"])
    except (BookUnreadable, ValueError) as error:
        where = "trading.day_ahead_auctions"
        finding = Finding("book", f"day {day}", "a readable session", str(error), where, SESSION)
        return DayAheadTraded((), {}, events, findings=[finding])
    rows = await db.fetch(_SQL["events"], auction_subject(stored["area"], day))
    links = [Link(Event(*list(row.values())[:6]), row["hash_before"]) for row in rows]
    told_at = min((link.event.sequence for link in links), default=0)
    taken = [event for event in events if _is_taken(event, stored["gate_closed_at"], told_at)]
    reruns = [Rerun(slot) for slot in session.slots if slot.delivery_start == delivery_start]
    prices = {f"zone {row['zone']}": dict(row) for row in await db.fetch(_SQL["prices"], zones, delivery_start)}
    findings = [
        *_auction_findings(session, stored, links, rules),
        *traded.link_findings(links),
        *_order_findings(reruns, events, taken),
        *compare("auction", _prices(reruns), prices, SESSION, "trading.day_ahead_prices"),
        *(finding for rerun in reruns for finding in traded.order_findings(rerun, domain, events)),
    ]
    gone = {event.subject for event in taken}
    return DayAheadTraded(
        trades=tuple(trade for rerun in reruns for trade in rerun.trades()),
        orders={digest: order for rerun in reruns for digest, order in rerun.orders.items()},
        own_events=[event for event in events if event.subject not in gone],
        area_left=reruns[0].cleared.area_left if reruns else None,
        findings=findings,
    )


def _is_taken(event: Event, gate_closed_at: int, told_at: int) -> bool:
    """Accepted before the gate, and in the sequence before the session was cleared."""
    if event.kind != ORDER_ACCEPTED or event.sequence >= told_at:
        return False
    try:
        _, _, accepted_ms, _ = parse_accepted(event.payload)
    except struct.error:
        return False
    return accepted_ms < gate_closed_at * 1_000


def _is_in_block(event: Event) -> bool:
    try:
        zone, delivery_start, _, data = parse_accepted(event.payload)
        return parse_entry(zone, delivery_start, data).instructions.block is not None
    except (BookUnreadable, struct.error):
        return False


def _auction_findings(
    session: ClearedSession, stored: asyncpg.Record, links: Sequence[Link], rules: MarketRules
) -> list[Finding]:
    """The row and the sequence say what follows from the session's book."""
    subject = f"day {stored['day']}"
    orders = sum(len(book.orders) for slot in session.slots for book in slot.books)
    matched_wh = sum(row.matched_wh for slot in session.slots for row in slot.result.buys.values())
    expected: dict[str, object] = {
        "day": session.day,
        "order_count": orders,
        "matched_wh": matched_wh,
        "accepted_blocks": list(session.accepted_blocks),
        "rejected_blocks": list(session.rejected_blocks),
        "book_hash": session.book_hash,
        "result_hash": session.result_hash,
    }
    if session.slots:
        expected["zones"] = list(session.slots[0].area.zones)
    gate_s = days.session_closes_at(rules, session.day)
    if gate_s is not None and days.day_of(rules, session.day) == session.day:
        # The market may have no sessions any more, or other days.
        expected |= {"gate_closed_at": gate_s, "ends_at": days.day_after(rules, session.day)}
    if links:
        expected["sequence"] = min(link.event.sequence for link in links)
    payload = auction_payload(session.book_hash, session.result_hash)
    told = {f"day-ahead {number}": {"payload": link.event.payload} for number, link in enumerate(links)}
    return [
        *compare("auction", {subject: expected}, {subject: dict(stored)}, SESSION, "trading.day_ahead_auctions"),
        *compare("sequence", {"day-ahead 0": {"payload": payload}}, told, SESSION, "trading.events"),
    ]


def _order_findings(reruns: Sequence[Rerun], events: Sequence[Event], taken: Sequence[Event]) -> list[Finding]:
    """The session has every order of the slot that was accepted in time and not withdrawn, and no other."""
    withdrawn = {event.subject for event in events if event.kind in (ORDER_CANCELLED, ORDER_EXPIRED)}
    expected = {
        f"order {event.sequence}": {"digest": event.subject} for event in taken if event.subject not in withdrawn
    }
    actual = {
        f"order {entry.sequence}": {"digest": entry.digest}
        for rerun in reruns
        for book in rerun.cleared.books
        for entry in book.orders
    }
    return compare("book", expected, actual, "trading.events", SESSION)


def _prices(reruns: Sequence[Rerun]) -> dict[str, dict[str, object]]:
    return {
        f"zone {zone}": {
            "sell_price_per_kwh": sells.price_per_kwh,
            "buy_price_per_kwh": rerun.cleared.result.buys[zone].price_per_kwh,
            "bought_wh": rerun.cleared.result.buys[zone].matched_wh,
            "sold_wh": sells.matched_wh,
        }
        for rerun in reruns
        for zone, sells in rerun.cleared.result.sells.items()
    }
