"""When the orders of a slot came, and when they expired, as the sequence says."""

import struct
from collections.abc import Iterator, Sequence

from node.audit.compare import Finding
from node.market.book import BookUnreadable, parse_entry
from node.market.sequence import (
    AUCTION_CLEARED,
    GATE_CLOSED,
    ORDER_ACCEPTED,
    ORDER_EXPIRED,
    Event,
    parse_accepted,
    parse_time,
)


def time_findings(events: Sequence[Event], gate_s: int) -> list[Finding]:
    """Orders came before the gate (Unix seconds), in the sequence too; those that expired did so in their time."""
    accepted = [event for event in events if event.kind == ORDER_ACCEPTED]
    closed = min((event.sequence for event in events if event.kind in (GATE_CLOSED, AUCTION_CLEARED)), default=None)
    findings = [finding for event in accepted for finding in _late(event, gate_s, closed)]
    orders = {event.subject: event for event in accepted}
    for event in events:
        if event.kind == ORDER_EXPIRED and event.subject in orders:
            findings += _too_early(event, orders[event.subject])
    return findings


def _late(event: Event, gate_s: int, closed: int | None) -> Iterator[Finding]:
    accepted_ms = _accepted_ms(event)
    if accepted_ms is not None and accepted_ms >= gate_s * 1_000:
        yield _finding(event, "accepted_ms", f"before {gate_s * 1_000}", accepted_ms)
    if closed is not None and event.sequence > closed:
        yield _finding(event, "sequence", f"before {closed}, when the gate had closed", event.sequence)


def _too_early(event: Event, accepted: Event) -> Iterator[Finding]:
    good_till_s, expired_ms = _good_till_s(accepted), _expired_ms(event)
    if not good_till_s:
        yield _finding(accepted, "expired_ms", "never: it is good till the gate", expired_ms)
    elif expired_ms is None or expired_ms < good_till_s * 1_000:
        yield _finding(accepted, "expired_ms", f"from {good_till_s * 1_000} on", expired_ms)


def _finding(event: Event, field: str, expected: str, actual: int | None) -> Finding:
    subject = f"order {event.sequence} {field}"
    return Finding("order", subject, expected, str(actual), "market rules and signed order", "trading.events")


# What cannot be read is said by whoever compares orders and hashes.


def _accepted_ms(event: Event) -> int | None:
    try:
        return parse_accepted(event.payload)[2]
    except struct.error:
        return None


def _good_till_s(accepted: Event) -> int:
    try:
        zone, delivery_start, _, data = parse_accepted(accepted.payload)
        return parse_entry(zone, delivery_start, data).instructions.good_till
    except (BookUnreadable, struct.error):
        return 0


def _expired_ms(event: Event) -> int | None:
    try:
        return parse_time(event.payload)
    except struct.error:
        return None
