"""The continuous trading of a slot, matched again from the sequence, and what differs from what was published."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from contracts.typed_data import Domain
from node.audit.compare import Finding, compare
from node.market.book import BookOrder, PublishedBook, forged_orders
from node.market.sequence import (
    GATE_CLOSED,
    ORDER_ACCEPTED,
    ORDER_CANCELLED,
    ORDER_EXPIRED,
    Event,
    auction_subject,
    gate_payload,
)
from node.market.slot_log import LogUnreadable, Rematched, SlotLog, log_hash, parse_log, rematch_events
from node.settlement.batch import SignedOrder
from node.settlement.delivery import Trade

LOG = "published slot log"
_BOOK_EVENTS = (ORDER_ACCEPTED, ORDER_CANCELLED, ORDER_EXPIRED)


@dataclass(frozen=True, slots=True)
class Continuous:
    """What was traded before the gate closed, as it follows from the sequence."""

    done: Rematched
    entries: Mapping[int, BookOrder]
    """Every order that traded, by sequence."""

    @property
    def trades(self) -> list[Trade]:
        """In order of execution."""
        return [
            Trade(
                number=fill.number,
                buy_order=fill.buy.digest,
                sell_order=fill.sell.digest,
                buyer=fill.buy.order.trader,
                seller=fill.sell.order.trader,
                energy_wh=fill.energy_wh,
                price_per_kwh=fill.price_per_kwh,
                fee_per_kwh=fill.fee_per_kwh,
            )
            for fill in self.done.changes.fills
        ]

    @property
    def orders(self) -> dict[bytes, SignedOrder]:
        """Every order that traded, by digest."""
        return {entry.digest: SignedOrder(entry.order, entry.signature) for entry in self.entries.values()}

    @property
    def waiting(self) -> dict[int, int]:
        """Sequence of every order that was left for the auction, and Wh that were taken of it."""
        return {order.sequence: order.taken_wh for order in self.done.changes.orders if order.status == "open"}


def check_log(
    data: bytes, area: int, delivery_start: int, events: Sequence[Event], domain: Domain
) -> tuple[Continuous | None, list[Finding]]:
    """Matches the slot's events again, and compares the published log and the gate's event; None where unreadable."""
    subject = f"area {area} slot {delivery_start}"
    closed = [
        event for event in events if (event.kind, event.subject) == (GATE_CLOSED, auction_subject(area, delivery_start))
    ]
    until = closed[0].sequence if closed else 0
    before = tuple(
        sorted(
            (event for event in events if event.kind in _BOOK_EVENTS and event.sequence < until),
            key=lambda event: event.sequence,
        )
    )
    try:
        published = parse_log(data)
        log = SlotLog(published.area, delivery_start, published.price_short_per_kwh, before)
        done = rematch_events(log)
    except LogUnreadable as error:
        return None, [Finding("log", subject, "a readable log", str(error), "trading.slot_logs", LOG)]
    findings = compare(
        "log", {subject: {"bytes": log.to_bytes()}}, {subject: {"bytes": data}}, "trading.events", "trading.slot_logs"
    )
    payload = gate_payload(log_hash(log.to_bytes()), done.replay_hash)
    actual = {f"gate {index}": {"payload": event.payload} for index, event in enumerate(closed)}
    findings += compare("sequence", {"gate 0": {"payload": payload}}, actual, LOG, "trading.events")
    entries = {entry.sequence: entry for fill in done.changes.fills for entry in (fill.buy, fill.sell)}
    return Continuous(done, entries), findings + _forged(entries.values(), domain)


def _forged(entries: Iterable[BookOrder], domain: Domain) -> list[Finding]:
    findings = []
    for entry in entries:
        book = PublishedBook(entry.order.zone, entry.order.delivery_start, 0, 0, (entry,))
        findings += [
            Finding("order", f"order {number}", "signed by its trader", "is not", "EIP-712 signature", LOG)
            for number in forged_orders(book, domain)
        ]
    return findings
