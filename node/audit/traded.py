"""The market's side of a slot, again from nothing but its published book: signatures, auction and trades."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from contracts.typed_data import Domain
from node.audit.compare import Finding, compare
from node.market.area import Area
from node.market.area_auction import Cleared, zone_bytes
from node.market.book import BookOrder, BookUnreadable, PublishedBook, book_hash, forged_orders, parse_entry
from node.market.sequence import (
    AUCTION_CLEARED,
    ORDER_ACCEPTED,
    ORDER_CANCELLED,
    ORDER_EXPIRED,
    Event,
    auction_payload,
    auction_subject,
    event_hash,
    parse_accepted,
)
from node.settlement.batch import SignedOrder
from node.settlement.delivery import Trade

BOOK = "published book"


@dataclass(frozen=True, slots=True)
class Link:
    """An event of the sequence, and the hash that the event before it has."""

    event: Event
    hash_before: bytes


@dataclass(frozen=True, slots=True)
class Rerun:
    """An auction that was run again, of all zones that were cleared together."""

    cleared: Cleared

    @property
    def orders(self) -> dict[bytes, SignedOrder]:
        """The books' orders by digest."""
        return {entry.digest: SignedOrder(entry.order, entry.signature) for entry in self._entries()}

    def trades(self, first_number: int = 0) -> list[Trade]:
        """The trades that follow, in the auction's sequence."""
        entries = {entry.sequence: entry for entry in self._entries()}
        sides = {book.zone: book.columns() for book in self.cleared.books}
        numbers = count(first_number)
        return [
            Trade(
                number=next(numbers),
                buy_order=entries[buy].digest,
                sell_order=entries[sell].digest,
                buyer=entries[buy].order.trader,
                seller=entries[sell].order.trader,
                energy_wh=energy_wh,
                price_per_kwh=flow.price_per_kwh,
                fee_per_kwh=flow.fee_per_kwh,
                rent_per_kwh=flow.rent_per_kwh,
            )
            for flow in self.cleared.result.flows
            for buy, sell, energy_wh in zip(
                sides[flow.buy_zone].buys.sequence[flow.trades.buy].tolist(),
                sides[flow.sell_zone].sells.sequence[flow.trades.sell].tolist(),
                flow.trades.energy_wh.tolist(),
                strict=True,
            )
        ]

    @property
    def clearing_prices(self) -> tuple[int | None, ...]:
        """What the sellers of each zone received."""
        return tuple(row.price_per_kwh for row in self.cleared.result.sells.values())

    def _entries(self) -> Iterable[BookOrder]:
        return (entry for book in self.cleared.books for entry in book.orders)


def auction_findings(
    rerun: Rerun, stored: Mapping[int, Mapping[str, object]], area: Mapping[str, object] | None, gate_s: int
) -> list[Finding]:
    """Compares the rows of the zones, and that of their area if they are several, with what follows from the books.

    ``gate_s`` is when the gate closed by the rules (Unix seconds).
    """
    cleared, start = rerun.cleared, rerun.cleared.delivery_start
    place = "slot {1}" if area is None else "zone {0} slot {1}"
    expected = {place.format(book.zone, start): _zone_fields(cleared, book, gate_s) for book in cleared.books}
    actual = {place.format(zone, start): row for zone, row in stored.items()}
    findings = compare("auction", expected, actual, BOOK, "trading.auctions")
    if area is not None:
        together: dict[str, object] = {
            "zones": list(cleared.area.zones),
            "book_hash": cleared.book_hash,
            "result_hash": cleared.result_hash,
            "rejected": list(cleared.result.rejected),
        }
        subject = f"area {cleared.area.name} slot {start}"
        findings += compare("auction", {subject: together}, {subject: area}, BOOK, "trading.area_auctions")
    return findings


def line_findings(left: Area, used: Area, delivery_start: int, source: str, place: str) -> list[Finding]:
    """A market has, of the zones that are in it, the fees and capacities that the one before it left."""
    left = left.without(set(left.zones).difference(used.zones))
    return compare("auction", _lines(left, delivery_start), _lines(used, delivery_start), source, place)


def _lines(area: Area, delivery_start: int) -> dict[str, dict[str, object]]:
    return {
        f"line from zone {sell} to zone {buy} slot {delivery_start}": {
            "fee_per_kwh": fee,
            "capacity_wh": area.capacity_wh.get((sell, buy)),
        }
        for (sell, buy), fee in area.fee_per_kwh.items()
    }


def _zone_fields(cleared: Cleared, book: PublishedBook, gate_s: int) -> dict[str, object]:
    sells, buys = cleared.result.sells[book.zone], cleared.result.buys[book.zone]
    return {
        "area": cleared.area.name,
        "delivery_start": book.delivery_start,
        "gate_closed_at": gate_s,
        "slot_s": book.slot_s,
        "grid_fee_per_kwh": cleared.area.fee_per_kwh[book.zone, book.zone],
        "clearing_price_per_kwh": sells.price_per_kwh,
        "price_low_per_kwh": sells.price_low_per_kwh,
        "price_high_per_kwh": sells.price_high_per_kwh,
        "buy_price_per_kwh": buys.price_per_kwh,
        "matched_wh": buys.matched_wh,
        "sold_wh": sells.matched_wh,
        "order_count": len(book.orders),
        "book_hash": book_hash(cleared.data) if len(cleared.books) == 1 else book_hash(zone_bytes(book)),
        "result_hash": cleared.result_hash,
    }


def order_findings(rerun: Rerun, domain: Domain, events: Iterable[Event]) -> list[Finding]:
    """Checks every order's signature, and that the sequence accepted exactly it at its place."""
    findings = [
        Finding("order", f"order {number}", "signed by its trader", "is not", "EIP-712 signature", BOOK)
        for book in rerun.cleared.books
        for number in forged_orders(book, domain)
    ]
    accepted = {event.sequence: event for event in events if event.kind == ORDER_ACCEPTED}
    for entry in (entry for book in rerun.cleared.books for entry in book.orders):
        event = accepted.get(entry.sequence)
        if event is None:
            continue  # said by left_out_findings
        subject = f"order {entry.sequence}"
        findings += compare(
            "order",
            {subject: {"digest": event.subject, "bytes": _as_accepted(event)}},
            {subject: {"digest": entry.digest, "bytes": replace(entry, taken_wh=0).to_bytes()}},
            "trading.events",
            BOOK,
        )
    return findings


def _as_accepted(event: Event) -> bytes | None:
    """The order's bytes as the book would have them, whichever version it was accepted in; None if unreadable."""
    try:
        zone, delivery_start, _, data = parse_accepted(event.payload)
        return parse_entry(zone, delivery_start, data).to_bytes()
    except (BookUnreadable, struct.error):
        return None


def link_findings(links: Iterable[Link]) -> list[Finding]:
    """Checks that every event's hash is that of what it says and of the event before."""
    findings = []
    for link in links:
        event = link.event
        hash_ = event_hash(link.hash_before, event.sequence, event.kind, event.subject, event.payload)
        subject = f"event {event.sequence}"
        findings += compare(
            "sequence",
            {subject: {"previous_hash": link.hash_before, "hash": hash_}},
            {subject: {"previous_hash": event.previous_hash, "hash": event.hash}},
            "hash chain",
            "trading.events",
        )
    return findings


def left_out_findings(rerun: Rerun, events: Sequence[Event], waiting: Mapping[int, int] | None = None) -> list[Finding]:
    """Orders that were accepted and not cancelled, and that the book has not, or the other way round.

    ``waiting`` says which of them continuous trading left (by sequence), and Wh that it took of each.
    """
    cancelled = {event.subject for event in events if event.kind in (ORDER_CANCELLED, ORDER_EXPIRED)}
    expected = {
        f"order {event.sequence}": {
            "digest": event.subject,
            "taken_wh": 0 if waiting is None else waiting[event.sequence],
        }
        for event in events
        if event.kind == ORDER_ACCEPTED
        and event.subject not in cancelled
        and (waiting is None or event.sequence in waiting)
    }
    actual = {
        f"order {entry.sequence}": {"digest": entry.digest, "taken_wh": entry.taken_wh}
        for book in rerun.cleared.books
        for entry in book.orders
    }
    return compare("book", expected, actual, "trading.events", BOOK)


def cleared_findings(rerun: Rerun, events: Iterable[Event]) -> list[Finding]:
    """The sequence holds the auction's hashes, once, under the area's name."""
    cleared = rerun.cleared
    subject = auction_subject(cleared.area.name, cleared.delivery_start)
    payload = auction_payload(cleared.book_hash, cleared.result_hash)
    told = [event for event in events if (event.kind, event.subject) == (AUCTION_CLEARED, subject)]
    actual = {f"auction {index}": {"payload": event.payload} for index, event in enumerate(told)}
    return compare("sequence", {"auction 0": {"payload": payload}}, actual, BOOK, "trading.events")
