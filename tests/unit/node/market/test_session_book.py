from dataclasses import replace

import pytest

from node.market.area import Area, alone
from node.market.blocks import Block
from node.market.book import BookOrder, BookUnreadable, PublishedBook
from node.market.days import day_of
from node.market.instructions import Instructions
from node.market.session_book import blocks_of, clear_day, rerun_session
from tests.unit.node.market.orders import RULES, SLOT, entry

DAY = day_of(RULES, SLOT)
NEXT = SLOT + 900
AREA = Area((1, 2), {(1, 1): 20_000, (2, 2): 20_000, (2, 1): 30_000})


def member(block: bytes, sequence: int, start: int = SLOT, side: int = 1, limit: int = 100_000) -> BookOrder:
    """An order in a block; the default sells a kWh."""
    order = entry(sequence, delivery_start=start, side=side, limit_price_per_kwh=limit)
    return replace(order, instructions=Instructions(block=block))


def bid(sequence: int, start: int = SLOT) -> BookOrder:
    return entry(sequence, delivery_start=start, limit_price_per_kwh=270_000)


def book(*orders: BookOrder, start: int = SLOT, zone: int = 1) -> PublishedBook:
    return PublishedBook(zone, start, 900, 20_000, orders)


FAMILY = b"\x0a" * 16
PARENT, CHILD, OTHER = FAMILY + bytes(16), FAMILY + b"\1" * 16, b"\x0b" * 32
BOOKS = {
    SLOT: (book(bid(1), member(PARENT, 3)),),
    NEXT: (book(bid(2, NEXT), member(PARENT, 4, NEXT), member(OTHER, 5, NEXT, limit=300_000), start=NEXT),),
}


def test_clear_day__blocks__are_named_by_their_first_order() -> None:
    cleared = clear_day(alone(1, 20_000), DAY, BOOKS)

    assert (cleared.accepted_blocks, cleared.rejected_blocks) == ((3,), ())
    assert [slot.delivery_start for slot in cleared.slots] == [SLOT, NEXT]
    assert [slot.result.buys[1].matched_wh for slot in cleared.slots] == [1_000, 1_000]


def test_rerun_session__published_bytes__give_the_same_result() -> None:
    for area, books in (
        (alone(1, 20_000), BOOKS),
        (AREA, {start: (*slot, book(start=start, zone=2)) for start, slot in BOOKS.items()}),
        (alone(1, 20_000), {}),
    ):
        before = clear_day(area, DAY, books)
        after = rerun_session(before.data)

        assert (after.day, after.book_hash, after.result_hash) == (DAY, before.book_hash, before.result_hash)
        assert after.accepted_blocks == before.accepted_blocks
        assert [slot.result_hash for slot in after.slots] == [slot.result_hash for slot in before.slots]


def test_clear_day__golden_hashes__do_not_change() -> None:
    cleared = clear_day(alone(1, 20_000), DAY, BOOKS)

    assert cleared.book_hash.hex() == "9c757680c383c92fbb2f57799fd141f5f35346ad7f8dd89b7479e704655dde8a"
    assert cleared.result_hash.hex() == "9f7f6a1839d41f7384aef3d79d2d0e6a55391bd0918ab9737face7b739288b9d"


def test_blocks_of__families__link_children_to_the_parent_of_the_same_trader() -> None:
    orders = (member(CHILD, 3), member(PARENT, 4), member(OTHER, 5), member(CHILD, 6), bid(7))

    assert blocks_of([book(*orders)]) == [Block((3, 6), 1), Block((4,)), Block((5,))]


def test_blocks_of__another_trader__is_no_parent_and_in_no_block_of_others() -> None:
    stranger = replace(member(PARENT, 4), order=replace(member(PARENT, 4).order, trader=b"\x42" * 20))

    assert blocks_of([book(member(CHILD, 3), stranger)]) == [Block((3,)), Block((4,))]


def test_rerun_session__every_cut_and_every_tail__is_refused() -> None:
    data = clear_day(alone(1, 20_000), DAY, BOOKS).data
    for length in range(len(data)):
        with pytest.raises(BookUnreadable):
            rerun_session(data[:length])
    with pytest.raises(BookUnreadable, match="follow"):
        rerun_session(data + b"\0")


def test_rerun_session__not_one_session__is_refused() -> None:
    first = clear_day(alone(1, 20_000), DAY, {SLOT: BOOKS[SLOT]}).data
    second = clear_day(alone(1, 20_000), DAY, {NEXT: BOOKS[NEXT]}).data
    elsewhere = clear_day(alone(1, 5), DAY, {NEXT: (replace(BOOKS[NEXT][0], grid_fee_per_kwh=5),)}).data
    head = len(first) - len(first[18:])
    two = first[: head - 4] + (2).to_bytes(4, "big")
    for data, words in (
        (b"XXXX" + first[4:], "magic"),
        (two + second[head:] + first[head:], "ascend"),
        (two + first[head:] + first[head:], "ascend"),
        (two + first[head:] + elsewhere[head:], "one area"),
        (first[:head] + (NEXT).to_bytes(8, "big") + first[head + 8 :], "another slot"),
    ):
        with pytest.raises(BookUnreadable, match=words):
            rerun_session(data)
