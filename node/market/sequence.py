"""The market's sequence: one hash chain of everything accepted; nothing can be slipped in, left out or moved."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from struct import Struct
from typing import Final

GENESIS_HASH: Final = bytes(32)
FIRST_SEQUENCE: Final = 1

ORDER_ACCEPTED: Final = "order_accepted"
ORDER_CANCELLED: Final = "order_cancelled"
ORDER_EXPIRED: Final = "order_expired"
GATE_CLOSED: Final = "gate_closed"
AUCTION_CLEARED: Final = "auction_cleared"
DAY_AHEAD_CLEARED: Final = "day_ahead_cleared"

_ACCEPTED: Final = Struct(">IQQ")
_SLOT: Final = Struct(">IQ")
_TIME: Final = Struct(">Q")


@dataclass(frozen=True, slots=True)
class Event:
    """One link. ``subject`` is the order's digest or the auction's slot; ``payload`` what was accepted."""

    sequence: int
    kind: str
    subject: bytes
    payload: bytes
    previous_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The last link, to which the next is added."""

    sequence: int = FIRST_SEQUENCE - 1
    hash: bytes = GENESIS_HASH


def follow(head: Head, kind: str, subject: bytes, payload: bytes) -> Event:
    """The event that comes after ``head``."""
    sequence = head.sequence + 1
    link = event_hash(head.hash, sequence, kind, subject, payload)
    return Event(sequence, kind, subject, payload, head.hash, link)


def event_hash(previous_hash: bytes, sequence: int, kind: str, subject: bytes, payload: bytes) -> bytes:
    """sha256(previous hash, sequence as 8 bytes big-endian, kind, a zero byte, subject, payload)."""
    return sha256(previous_hash + _TIME.pack(sequence) + kind.encode() + b"\0" + subject + payload).digest()


def first_fault(events: Iterable[Event], head: Head | None = None) -> int | None:
    """Sequence number of the first event that does not follow from the one before it; None when all do."""
    head = head or Head()
    for event in events:
        if follow(head, event.kind, event.subject, event.payload) != event:
            return event.sequence
        head = Head(event.sequence, event.hash)
    return None


def accepted_payload(zone: int, delivery_start: int, accepted_ms: int, order: bytes) -> bytes:
    """What an acceptance commits to: the slot, when (Unix ms), and the order's bytes as the book publishes them."""
    return _ACCEPTED.pack(zone, delivery_start, accepted_ms) + order


def parse_accepted(payload: bytes) -> tuple[int, int, int, bytes]:
    """Zone, delivery start, acceptance (Unix ms) and the order's bytes of an acceptance."""
    return *_ACCEPTED.unpack_from(payload), payload[_ACCEPTED.size :]


def cancelled_payload(cancelled_ms: int) -> bytes:
    """What a cancellation or an expiry commits to, beside the order's digest: when (Unix ms)."""
    return _TIME.pack(cancelled_ms)


def parse_time(payload: bytes) -> int:
    """When (Unix ms) a cancellation or an expiry was."""
    return int(_TIME.unpack(payload)[0])


def auction_subject(zone: int, delivery_start: int) -> bytes:
    """Names one auction, or one gate: of the zone or area in the slot."""
    return _SLOT.pack(zone, delivery_start)


def gate_payload(log_hash: bytes, replay_hash: bytes) -> bytes:
    """What the end of continuous trading commits to: the slot's published log, and what follows from it."""
    return log_hash + replay_hash


def auction_payload(book_hash: bytes, result_hash: bytes) -> bytes:
    """What an auction commits to."""
    return book_hash + result_hash
