from dataclasses import replace
from hashlib import sha256

import pytest

from node.market import sequence
from node.market.sequence import Event, Head, follow


def chain(count: int) -> list[Event]:
    events: list[Event] = []
    head = Head()
    for number in range(count):
        events.append(follow(head, sequence.ORDER_ACCEPTED, bytes([number]) * 32, b"payload"))
        head = Head(events[-1].sequence, events[-1].hash)
    return events


def test_follow__first_event__hashes_what_the_table_says() -> None:
    event = follow(Head(), "order_accepted", b"s" * 32, b"p")

    assert (event.sequence, event.previous_hash) == (1, bytes(32))
    assert event.hash == sha256(bytes(32) + bytes(7) + b"\x01" + b"order_accepted\x00" + b"s" * 32 + b"p").digest()


def test_first_fault__honest_chain__is_none() -> None:
    events = chain(5)

    assert sequence.first_fault(events) is None
    assert sequence.first_fault(events[3:], Head(3, events[2].hash)) is None
    assert sequence.first_fault([]) is None


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda events: events[:2] + events[3:], 4),
        (lambda events: [events[1], events[0], *events[2:]], 2),
        (lambda events: [*events[:2], replace(events[2], payload=b"other"), *events[3:]], 3),
        (lambda events: [*events[:2], replace(events[2], kind=sequence.ORDER_CANCELLED), *events[3:]], 3),
        (lambda events: events[1:], 2),
        (lambda events: [*events[:2], follow(Head(2, b"\x01" * 32), "k", b"", b""), *events[3:]], 3),
    ],
    ids=["left-out", "moved", "payload", "kind", "head-cut", "re-rooted"],
)
def test_first_fault__tampered_chain__names_the_first_bad_event(change, fault) -> None:  # type: ignore[no-untyped-def]
    assert sequence.first_fault(change(chain(5))) == fault


def test_payloads__different_facts__are_different_bytes() -> None:
    assert (
        sequence.accepted_payload(1, 900, 5, b"x") == bytes.fromhex("0000000100000000000003840000000000000005") + b"x"
    )
    assert sequence.auction_subject(1, 900) != sequence.auction_subject(2, 900)
    assert sequence.auction_payload(b"a" * 32, b"b" * 32) == b"a" * 32 + b"b" * 32
    assert sequence.cancelled_payload(1) == bytes(7) + b"\x01"
