"""The packed layouts, byte by byte, and what they refuse."""

from dataclasses import replace

import pytest

from contracts import settlement_batch
from contracts.settlement_batch import Adjustment, BadBatch, BookFills, Fill, MandateFill, SettledOrder
from contracts.typed_data import Order, TradingMandate

ANNA = bytes(range(1, 21))
BEN = bytes(range(101, 121))
START = 1_800_000_000

ORDER = Order(
    trader=ANNA,
    zone=0x01020304,
    delivery_start=START,
    side=1,
    energy_wh=0x0A0B0C0D0E0F,
    limit_price_per_kwh=-2,
    min_fill_wh=7,
    time_in_force=3,
    source=4,
    expiry=0x11223344,
    lane=0x5566,
    nonce=0x010203040506,
)
FILL = Fill(order=ORDER, signature=b"r" * 32 + b"\x01" * 32 + b"\x1b", fill_wh=9, money=-1, delivered_wh=8)


def test_encode_batch__one_of_each__is_the_documented_layout() -> None:
    batch = settlement_batch.encode_batch(5, START, 2, [FILL], [Adjustment(BEN, -3)])

    header = "0000000000000005000000006b49d2000002000100000000" + "0001"
    settled = ANNA.hex() + "01010203045566010203040506000000000009ffffffffffffffff000000000008"
    terms = "0a0b0c0d0e0ffffffffffffe000000000007030411223344"
    signature = (b"r" * 32 + b"\x01" * 32).hex()
    assert batch.hex() == header + settled + terms + signature + BEN.hex() + "fffffffffffffffd"
    assert len(batch) == 26 + 141 + 28


def test_encode_batch__mandates__stand_between_orders_and_adjustments() -> None:
    fills = (MandateFill(0x7FFF, 1, 9, -1, 8), MandateFill(2, 0, 0xFFFFFFFF, 5, 0))
    batch = settlement_batch.encode_batch(
        5, START, 2, [FILL], [Adjustment(BEN, -3)], [BookFills(0x0A0B0C0D, fills), BookFills(7, ())]
    )
    assert batch[:26].hex() == "0000000000000005000000006b49d200000200010002" + "0002" + "0001"
    sections = batch[26 + 141 : -28]
    first = "ffff" + "00000009" + "ffffffffffff" + "00000008"
    second = "0004" + "ffffffff" + "000000000005" + "00000000"
    assert sections.hex() == "0a0b0c0d0002" + first + second + "000000070000"
    assert settlement_batch.decode_mandates_settled(sections[6:38]) == list(fills)


@pytest.mark.parametrize(
    "fill",
    [
        MandateFill(1 << 15, 0, 0, 0, 0),
        MandateFill(0, 2, 0, 0, 0),
        MandateFill(0, 0, 1 << 32, 0, 0),
        MandateFill(0, 0, 0, 1 << 47, 0),
        MandateFill(0, 0, 0, 0, -1),
    ],
)
def test_encode_batch__mandate_fill_does_not_fit__refuses(fill: MandateFill) -> None:
    with pytest.raises(BadBatch):
        settlement_batch.encode_batch(0, START, 0, [], [], [BookFills(1, (fill,))])


def test_mandates__round_trip() -> None:
    mandate = TradingMandate(ANNA, 1, 300_000, -250_000, 1_000, START, START + 9, 0x010203040506)
    packed = settlement_batch.encode_mandates([mandate, replace(mandate, account=BEN)])
    terms = "00000001" + "010203040506" + "6b49d200" + "6b49d209" + "000003e8" + "fffffffc2f70" + "0000000493e0"
    assert packed[:54].hex() == ANNA.hex() + terms
    assert settlement_batch.decode_mandates(packed) == [mandate, replace(mandate, account=BEN)]
    assert settlement_batch.encode_signatures([FILL.signature, FILL.signature]).hex() == FILL.signature[:64].hex() * 2


def test_encode_batch__odd_parity__sets_the_top_bit_of_s() -> None:
    odd = replace(FILL, signature=FILL.signature[:64] + b"\x1c")
    batch = settlement_batch.encode_batch(0, START, 0, [odd], [])
    assert batch[-32:] == b"\x81" + b"\x01" * 31


def test_encode_batch__empty__is_a_header() -> None:
    assert len(settlement_batch.encode_batch(0, START, 0, [], [])) == 26


@pytest.mark.parametrize(
    "fill",
    [
        replace(FILL, fill_wh=-1),
        replace(FILL, fill_wh=1 << 48),
        replace(FILL, money=1 << 63),
        replace(FILL, money=-(1 << 63) - 1),
        replace(FILL, signature=b"short"),
        replace(FILL, signature=b"r" * 64 + b"\x00"),
        replace(FILL, signature=b"\xff" * 64 + b"\x1b"),
        replace(FILL, order=replace(ORDER, trader=b"short")),
        replace(FILL, order=replace(ORDER, delivery_start=START + 900)),
        replace(FILL, order=replace(ORDER, limit_price_per_kwh=1 << 47)),
        replace(FILL, order=replace(ORDER, lane=1 << 16)),
    ],
    ids=lambda fill: "",
)
def test_encode_batch__does_not_fit__refuses(fill: Fill) -> None:
    with pytest.raises(BadBatch):
        settlement_batch.encode_batch(0, START, 0, [fill], [])


def test_encode_batch__header_out_of_range__refuses() -> None:
    with pytest.raises(BadBatch, match="sequence=-1"):
        settlement_batch.encode_batch(-1, START, 0, [], [])


def test_encode_batch__too_many_entries__refuses() -> None:
    adjustments = [Adjustment(BEN, 0)] * (settlement_batch.MAX_ENTRIES + 1)
    with pytest.raises(BadBatch, match="401 entries"):
        settlement_batch.encode_batch(0, START, 0, [], adjustments)
    fills = BookFills(1, (MandateFill(0, 0, 0, 0, 0),))
    with pytest.raises(BadBatch, match="401 entries"):
        settlement_batch.encode_batch(0, START, 0, [], adjustments[1:], [fills])


def test_decode_orders_settled__entries_of_a_batch__are_what_was_settled() -> None:
    batch = settlement_batch.encode_batch(0, START, 0, [FILL, replace(FILL, money=12)], [])
    entries = b"".join(batch[26 + 141 * i :][:53] for i in range(2))
    first = SettledOrder(ANNA, 1, 0x01020304, 0x5566, 0x010203040506, 9, -1, 8)
    assert settlement_batch.decode_orders_settled(entries) == [first, replace(first, money=12)]


def test_decode_imbalance_settled__entries_of_a_batch__are_the_adjustments() -> None:
    adjustments = [Adjustment(ANNA, -(1 << 63)), Adjustment(BEN, (1 << 63) - 1)]
    batch = settlement_batch.encode_batch(0, START, 0, [], adjustments)
    assert settlement_batch.decode_imbalance_settled(batch[26:]) == adjustments


def test_registers__round_trip() -> None:
    registers = [(1, 0), (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)]
    packed = settlement_batch.encode_registers(registers)
    assert packed[:12].hex() == "000000010000000000000000"
    assert settlement_batch.decode_registers(packed) == registers


def test_encode_registers__does_not_fit__refuses() -> None:
    with pytest.raises(BadBatch, match="register_wh=-1"):
        settlement_batch.encode_registers([(1, -1)])


def test_decode__cut_short__refuses() -> None:
    for decode in (
        settlement_batch.decode_orders_settled,
        settlement_batch.decode_imbalance_settled,
        settlement_batch.decode_registers,
        settlement_batch.decode_mandates,
        settlement_batch.decode_mandates_settled,
    ):
        with pytest.raises(BadBatch, match="whole number"):
            decode(b"\x00" * 11)
