"""The market's side of a slot, again from nothing but its published book: signatures, auction and trades."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from contracts.typed_data import Domain
from node.audit.compare import Finding, compare
from node.market.auction import AuctionResult
from node.market.book import PublishedBook, book_hash, forged_orders, result_hash
from node.market.sequence import (
    AUCTION_CLEARED,
    ORDER_ACCEPTED,
    ORDER_CANCELLED,
    Event,
    auction_payload,
    auction_subject,
    event_hash,
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
    """An auction that was run again."""

    book: PublishedBook
    result: AuctionResult

    @property
    def orders(self) -> dict[bytes, SignedOrder]:
        """The book's orders by digest."""
        return {entry.digest: SignedOrder(entry.order, entry.signature) for entry in self.book.orders}

    def trades(self) -> list[Trade]:
        """The trades that follow, in the auction's sequence."""
        if self.result.price_per_kwh is None:
            return []
        columns = self.book.columns()
        entries = {entry.sequence: entry for entry in self.book.orders}
        pairs = zip(
            columns.buys.sequence[self.result.trades.buy].tolist(),
            columns.sells.sequence[self.result.trades.sell].tolist(),
            self.result.trades.energy_wh.tolist(),
            strict=True,
        )
        return [
            Trade(
                number=number,
                buy_order=entries[buy].digest,
                sell_order=entries[sell].digest,
                buyer=entries[buy].order.trader,
                seller=entries[sell].order.trader,
                energy_wh=energy_wh,
                price_per_kwh=self.result.price_per_kwh,
                fee_per_kwh=self.book.grid_fee_per_kwh,
            )
            for number, (buy, sell, energy_wh) in enumerate(pairs)
        ]


def auction_findings(rerun: Rerun, stored: Mapping[str, object], data: bytes) -> list[Finding]:
    """Compares the auction's row with its book and with what follows from it."""
    result, book = rerun.result, rerun.book
    expected = {
        "zone": book.zone,
        "delivery_start": book.delivery_start,
        "slot_s": book.slot_s,
        "grid_fee_per_kwh": book.grid_fee_per_kwh,
        "clearing_price_per_kwh": result.price_per_kwh,
        "price_low_per_kwh": result.price_low_per_kwh,
        "price_high_per_kwh": result.price_high_per_kwh,
        "matched_wh": result.matched_wh,
        "order_count": len(book.orders),
        "book_hash": book_hash(data),
        "result_hash": result_hash(book.columns(), result),
    }
    subject = f"slot {book.delivery_start}"
    return compare("auction", {subject: expected}, {subject: stored}, BOOK, "trading.auctions")


def order_findings(rerun: Rerun, domain: Domain, events: Iterable[Event]) -> list[Finding]:
    """Checks every order's signature, and that the sequence accepted exactly it at its place."""
    findings = [
        Finding("order", f"order {number}", "signed by its trader", "is not", "EIP-712 signature", BOOK)
        for number in forged_orders(rerun.book, domain)
    ]
    accepted = {event.sequence: event for event in events if event.kind == ORDER_ACCEPTED}
    for entry in rerun.book.orders:
        event = accepted.get(entry.sequence)
        if event is None:
            continue  # said by left_out_findings
        published = entry.to_bytes()
        subject = f"order {entry.sequence}"
        findings += compare(
            "order",
            {subject: {"digest": event.subject, "bytes": event.payload[-len(published) :]}},
            {subject: {"digest": entry.digest, "bytes": published}},
            "trading.events",
            BOOK,
        )
    return findings


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


def left_out_findings(rerun: Rerun, events: Sequence[Event]) -> list[Finding]:
    """Orders of the slot that were accepted and not cancelled, and that the book has not, or the other way round."""
    cancelled = {event.subject for event in events if event.kind == ORDER_CANCELLED}
    expected = {
        f"order {event.sequence}": {"digest": event.subject}
        for event in events
        if event.kind == ORDER_ACCEPTED and event.subject not in cancelled
    }
    actual = {f"order {entry.sequence}": {"digest": entry.digest} for entry in rerun.book.orders}
    return compare("book", expected, actual, "trading.events", BOOK)


def cleared_findings(rerun: Rerun, data: bytes, events: Iterable[Event]) -> list[Finding]:
    """The sequence holds the auction's hashes, once."""
    book = rerun.book
    subject = auction_subject(book.zone, book.delivery_start)
    payload = auction_payload(book_hash(data), result_hash(book.columns(), rerun.result))
    cleared = [event for event in events if (event.kind, event.subject) == (AUCTION_CLEARED, subject)]
    actual = {f"auction {index}": {"payload": event.payload} for index, event in enumerate(cleared)}
    return compare("sequence", {"auction 0": {"payload": payload}}, actual, BOOK, "trading.events")
