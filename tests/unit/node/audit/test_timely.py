"""Orders that came late or left early, in a sequence whose hashes all fit."""

import pytest

from node.audit.timely import time_findings
from node.market.book import BookOrder
from node.market.instructions import Instructions
from node.market.sequence import (
    GATE_CLOSED,
    ORDER_ACCEPTED,
    ORDER_EXPIRED,
    Event,
    Head,
    accepted_payload,
    auction_subject,
    cancelled_payload,
    follow,
)
from tests.unit.node.market.orders import GATE, entry

UNTIL = GATE - 60


def chain(*entries: tuple[str, bytes, bytes]) -> list[Event]:
    events: list[Event] = []
    for one in entries:
        last = events[-1] if events else None
        events.append(follow(Head(last.sequence, last.hash) if last else Head(), *one))
    return events


def accepted(sequence: int, at_ms: int, good_till: int = 0) -> tuple[str, bytes, bytes]:
    one = entry(sequence)
    order = one.order
    data = BookOrder(sequence, one.digest, order, one.signature, Instructions(good_till=good_till)).to_bytes()
    return ORDER_ACCEPTED, one.digest, accepted_payload(order.zone, order.delivery_start, at_ms, data)


def expired(sequence: int, at_ms: int) -> tuple[str, bytes, bytes]:
    return ORDER_EXPIRED, entry(sequence).digest, cancelled_payload(at_ms)


def closed() -> tuple[str, bytes, bytes]:
    return GATE_CLOSED, auction_subject(1, entry(1).order.delivery_start), bytes(64)


def found(*entries: tuple[str, bytes, bytes]) -> list[str]:
    return [finding.subject for finding in time_findings(chain(*entries), GATE)]


def test_time_findings__everything_in_its_time__is_none() -> None:
    assert found(accepted(1, GATE * 1_000 - 1), accepted(2, 0, UNTIL), expired(2, UNTIL * 1_000), closed()) == []


@pytest.mark.parametrize(
    ("entries", "name"),
    [
        ([accepted(1, GATE * 1_000)], "order 1 accepted_ms"),
        ([closed(), accepted(2, 0)], "order 2 sequence"),
        ([accepted(1, 0, UNTIL), expired(1, UNTIL * 1_000 - 1)], "order 1 expired_ms"),
        ([accepted(1, 0), expired(1, GATE * 1_000)], "order 1 expired_ms"),
    ],
)
def test_time_findings__late_or_early__is_named(entries: list[tuple[str, bytes, bytes]], name: str) -> None:
    assert found(*entries) == [name]
