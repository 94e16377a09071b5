"""Accepted orders read a batch at a time: the same fields as one by one, and the same refusals."""

from dataclasses import replace

import pytest

from node.market.book import BookUnreadable, parse_entry
from node.market.book_events import ACCEPTED, BookEvents
from node.market.instructions import Instructions
from node.market.rows import BLOCK, CANCEL, EXPIRE, NO_TARGET, NOTHING, ORDER, UNKNOWN_TARGET
from node.market.sequence import ORDER_ACCEPTED, Event, parse_accepted
from tests.unit.node.market.events import AREA, Chain

NUMBERS = ("side", "limit_per_kwh", "energy_wh", "min_fill_wh", "display_wh", "time_in_force", "self_trade")


def accepted(chain: Chain) -> Event:
    chain.accept(energy_wh=500)
    return chain.events[-1]


def altered(event: Event, name: str, data: bytes) -> Event:
    """The event with other bytes for a field of its order."""
    assert ACCEPTED.fields is not None
    at = ACCEPTED.fields[name][1]
    return replace(event, payload=event.payload[:at] + data + event.payload[at + len(data) :])


def test_read__orders__have_the_fields_that_each_has_by_itself() -> None:
    chain = Chain()
    first = chain.accept(Instructions(display_wh=70, self_trade=2), side=1, zone=2, energy_wh=900)
    chain.accept(Instructions(post_only=True), side=0, zone=1, energy_wh=2**40, limit_price_per_kwh=-7)
    chain.accept(Instructions(replaces=first.digest), side=1, zone=2, min_fill_wh=5, time_in_force=3)
    chain.accept(Instructions(replaces=b"\x09" * 32), trader=b"\xff" * 20)
    chain.accept(Instructions(block=b"\x07" * 32))

    events = BookEvents(AREA.zones)
    rows = events.read(chain.events)

    for row, event in zip(rows, chain.events, strict=True):
        zone, start, accepted_ms, data = parse_accepted(event.payload)
        entry = parse_entry(zone, start, data)
        order, asked = entry.order, entry.instructions
        assert [row[name] for name in NUMBERS] == [
            order.side, order.limit_price_per_kwh, order.energy_wh, order.min_fill_wh, asked.display_wh,
            order.time_in_force, asked.self_trade,
        ]  # fmt: skip
        assert (row["sequence"], row["accepted_ms"], AREA.zones[row["zone"]]) == (event.sequence, accepted_ms, zone)
        assert bool(row["post_only"]) == asked.post_only
    assert rows["kind"].tolist() == [ORDER, ORDER, ORDER, ORDER, BLOCK]
    assert rows["target"].tolist() == [NO_TARGET, NO_TARGET, 0, UNKNOWN_TARGET, NO_TARGET]
    assert events.entry(0) == first
    assert (events.digests(rows["target"][2:3]), events.traders(rows["target"][2:3])) == (
        [first.digest],
        [first.order.trader],
    )
    names = ("trader", "trader_2", "trader_3")
    assert len({tuple(int(row[name]) for name in names) for row in rows}) == 2


def test_read__what_takes_orders_out__names_the_row_of_an_earlier_batch() -> None:
    chain = Chain()
    chain.accept(energy_wh=1)
    gone = chain.accept(energy_wh=2)
    events = BookEvents(AREA.zones)
    events.read(chain.events)
    seen = len(chain.events)
    chain.cancel(gone.digest)
    chain.expire(gone.digest)
    chain.cancel(b"\x01" * 32)
    chain.add("gate_closed", b"", b"")

    rows = events.read(chain.events[seen:])

    assert rows["kind"].tolist() == [CANCEL, EXPIRE, CANCEL, NOTHING]
    assert rows["target"].tolist() == [1, 1, UNKNOWN_TARGET, NO_TARGET]


def test_read__order_of_the_first_version_of_the_book__asks_for_nothing() -> None:
    chain = Chain()
    whole, short = accepted(chain), accepted(chain)
    short = replace(short, payload=short.payload[:186])
    rows = BookEvents(AREA.zones).read([whole, short])
    assert rows["energy_wh"].tolist() == [500, 500]
    assert rows["kind"].tolist() == [ORDER, ORDER]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("zone", (3).to_bytes(4, "big")),
        ("side", b"\x02"),
        ("energy_wh", bytes(8)),
        ("energy_wh", (2**48).to_bytes(8, "big")),
        ("energy_wh", (2**63 + 5).to_bytes(8, "big")),
        ("limit_per_kwh", (2**47).to_bytes(8, "big")),
        ("limit_per_kwh", (2**63).to_bytes(8, "big")),
        ("min_fill_wh", (501).to_bytes(8, "big")),
        ("min_fill_wh", b"\xff" * 8),
        ("time_in_force", b"\x04"),
        ("taken_wh", (500).to_bytes(8, "big")),
        ("flags", b"\x08"),
        ("self_trade", b"\x04"),
        ("display_wh", (501).to_bytes(8, "big")),
        ("replaces", b"\x01"),
        ("block", b"\x01"),
    ],
)
def test_read__order_that_none_can_be__is_refused(name: str, data: bytes) -> None:
    good = accepted(Chain())
    bad = altered(good, name, data)
    with pytest.raises(BookUnreadable):
        BookEvents(AREA.zones).read([good, bad])


@pytest.mark.parametrize("size", [0, 5, 187, 271, 273])
def test_read__payload_of_another_length__is_refused(size: int) -> None:
    good = accepted(Chain())
    bad = Event(2, ORDER_ACCEPTED, bytes(32), (good.payload + bytes(9))[:size], bytes(32), bytes(32))
    with pytest.raises(BookUnreadable):
        BookEvents(AREA.zones).read([good, bad])
