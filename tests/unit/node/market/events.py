"""A slot's events, chained, for the tests of its book and log."""

from typing import Any

from node.market.area import Area
from node.market.book import BookOrder
from node.market.instructions import NO_INSTRUCTIONS, Instructions
from node.market.sequence import (
    ORDER_ACCEPTED,
    ORDER_CANCELLED,
    ORDER_EXPIRED,
    Event,
    Head,
    accepted_payload,
    cancelled_payload,
    follow,
)
from tests.unit.node.market.orders import SLOT, entry

AREA = Area((1, 2), {(1, 1): 20_000, (2, 2): 20_000, (1, 2): 45_000}, {(1, 2): 500})


class Chain:
    """Adds events to a market's sequence."""

    def __init__(self) -> None:
        self.head = Head()
        self.events: list[Event] = []

    def add(self, kind: str, subject: bytes, payload: bytes) -> Event:
        event = follow(self.head, kind, subject, payload)
        self.head = Head(event.sequence, event.hash)
        self.events.append(event)
        return event

    def accept(self, asking: Instructions = NO_INSTRUCTIONS, **fields: Any) -> BookOrder:
        number = self.head.sequence + 1
        signed = entry(number, **fields)
        order = BookOrder(number, signed.digest, signed.order, signed.signature, asking)
        payload = accepted_payload(signed.order.zone, SLOT, 1_000 * number, order.to_bytes())
        self.add(ORDER_ACCEPTED, signed.digest, payload)
        return order

    def cancel(self, digest: bytes) -> None:
        self.add(ORDER_CANCELLED, digest, cancelled_payload(5))

    def expire(self, digest: bytes) -> None:
        self.add(ORDER_EXPIRED, digest, cancelled_payload(5))
