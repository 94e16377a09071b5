import pytest

from node.market.instructions import Instructions
from node.market.sequence import ORDER_ACCEPTED
from node.market.slot_log import LogUnreadable, SlotLog, log_hash, parse_log, rematch
from tests.unit.node.market.events import AREA, Chain
from tests.unit.node.market.orders import RULES, SLOT


def chain_of_trades() -> Chain:
    chain = Chain()
    chain.accept(Instructions(display_wh=100), side=1, energy_wh=500, limit_price_per_kwh=90_000, trader=b"\x01" * 20)
    chain.add(ORDER_ACCEPTED, b"\x05" * 32, b"an order of another slot")
    gone = chain.accept(side=1, energy_wh=500, limit_price_per_kwh=80_000, trader=b"\x01" * 20)
    chain.cancel(gone.digest)
    chain.accept(side=0, energy_wh=250, limit_price_per_kwh=200_000, trader=b"\x02" * 20)
    return chain


EVENTS = tuple(event for event in chain_of_trades().events if event.sequence != 2)
LOG = SlotLog(AREA, SLOT, RULES.price_short_per_kwh, EVENTS)
DATA = LOG.to_bytes()
FIRST_EVENT = 28 + 2 * 4 + 4 * 16 + 4


def test_parse_log__published_bytes__give_every_field_back() -> None:
    assert parse_log(DATA) == LOG
    assert parse_log(DATA).to_bytes() == DATA
    assert len(log_hash(DATA)) == 32
    empty = SlotLog(AREA, SLOT, 0, ())
    assert parse_log(empty.to_bytes()) == empty


def test_rematch__published_bytes__make_the_trades_again() -> None:
    done = rematch(DATA)

    assert [(fill.energy_wh, fill.price_per_kwh, fill.number) for fill in done.changes.fills] == [
        (100, 90_000, 0),
        (100, 90_000, 1),
        (50, 90_000, 2),
    ]
    assert done.replay_hash == rematch(DATA).replay_hash
    assert {order.sequence for order in done.changes.orders if order.status == "open"} == {1}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        DATA[:20],
        DATA[:-1],
        DATA + b"\x00",
        b"GTBK" + DATA[4:],
        DATA[:5] + b"\x02" + DATA[6:],
        DATA[:9] + b"\x02" + DATA[10:],
        DATA[:FIRST_EVENT + 8] + b"\x09" + DATA[FIRST_EVENT + 9 :],
        DATA[:FIRST_EVENT + 9] + b"\xff" + DATA[FIRST_EVENT + 10 :],
        DATA[:-3] + b"\x01\x02\x03",
    ],
    ids=[
        "empty", "no header", "cut", "longer", "magic", "version", "area", "kind of event", "hash", "payload",
    ],
)  # fmt: skip
def test_parse_log__changed_bytes__are_refused(data: bytes) -> None:
    with pytest.raises(LogUnreadable):
        parse_log(data)


@pytest.mark.parametrize("events", [EVENTS[::-1], (EVENTS[0], EVENTS[0])], ids=["out of order", "twice"])
def test_parse_log__events_that_do_not_ascend__are_refused(events: tuple[object, ...]) -> None:
    with pytest.raises(LogUnreadable, match="does not follow"):
        parse_log(SlotLog(AREA, SLOT, 0, events).to_bytes())  # type: ignore[arg-type]


def test_rematch__accepted_bytes_that_are_no_order__are_refused() -> None:
    chain = Chain()
    chain.add(ORDER_ACCEPTED, b"\x05" * 32, b"no order")
    with pytest.raises(LogUnreadable, match="cannot be read"):
        rematch(SlotLog(AREA, SLOT, 0, tuple(chain.events)).to_bytes())
