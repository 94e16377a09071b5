from dataclasses import replace

import pytest

from node.market.area import Area, alone
from node.market.area_auction import Cleared, clear_books, rerun, zone_bytes
from node.market.area_book import area_book_bytes, head_bytes, parse_area_book
from node.market.book import BookUnreadable, PublishedBook, book_bytes, book_hash, result_hash, verify_auction
from tests.unit.node.market.orders import SLOT, entry

AREA = Area((1, 2), {(1, 1): 20_000, (2, 2): 20_000, (2, 1): 30_000}, {(2, 1): 600})
FIRST = PublishedBook(
    1, SLOT, 900, 20_000, (entry(3, limit_price_per_kwh=270_000), entry(5, side=1, limit_price_per_kwh=200_000))
)
SECOND = PublishedBook(2, SLOT, 900, 20_000, (entry(4, zone=2, side=1, energy_wh=5_000, limit_price_per_kwh=90_000),))


def cleared() -> Cleared:
    return clear_books(AREA, SLOT, (FIRST, SECOND))


def test_rerun__area__gives_the_same_result_from_its_bytes() -> None:
    before = cleared()
    after = rerun(before.data)

    assert (after.area, after.delivery_start, after.books) == (AREA, SLOT, (FIRST, SECOND))
    assert (after.book_hash, after.result_hash) == (before.book_hash, before.result_hash)
    assert [(flow.sell_zone, flow.buy_zone, flow.energy_wh, flow.rent_per_kwh) for flow in after.result.flows] == [
        (1, 1, 400, 0),
        (2, 1, 600, 100_000),
    ]


def test_rerun__one_zone__is_its_auction_with_its_hashes() -> None:
    data = zone_bytes(FIRST)
    book, result = verify_auction(data)

    again = rerun(data)

    assert again == replace(clear_books(alone(1, 20_000), SLOT, (FIRST,)), result=again.result)
    assert (again.book_hash, again.result_hash) == (book_hash(data), result_hash(book.columns(), result))
    assert again.head is None
    assert again.result.sells[1].price_per_kwh == result.price_per_kwh
    assert again.result.buys[1].price_per_kwh == (result.price_per_kwh or 0) + 20_000


def test_area_book__golden_bytes__do_not_change() -> None:
    # Anyone who kept a published book must be able to read it for ever.
    assert cleared().book_hash.hex() == "aabd13cc4a1eff3c49f2f13072acc17a58500653b6b45e5722b1bf715e0c5ff9"
    assert cleared().result_hash.hex() == "d53cda0c145df8ef3d38bc8545a446a72455f1a3f54b290f273912642a42e1e5"
    assert head_bytes(AREA, SLOT).hex() == (
        "47544142" "0001" "00000000684ee374" "0002" "00000003"
        "00000001" "00000002"
        "00000001" "00000001" "0000000000004e20" "ffffffffffffffff"
        "00000002" "00000002" "0000000000004e20" "ffffffffffffffff"
        "00000002" "00000001" "0000000000007530" "0000000000000258"
    )  # fmt: skip


@pytest.mark.parametrize("field", ["fee", "capacity"])
def test_result_hash__other_terms__is_another(field: str) -> None:
    fees, capacities = dict(AREA.fee_per_kwh), dict(AREA.capacity_wh)
    if field == "fee":
        fees[2, 1] += 1
    else:
        capacities[2, 1] += 1
    other = clear_books(Area((1, 2), fees, capacities), SLOT, (FIRST, SECOND))

    assert other.result_hash != cleared().result_hash
    assert other.book_hash != cleared().book_hash


def test_parse__every_cut_and_every_tail__is_refused() -> None:
    data = cleared().data
    for length in range(len(data)):
        with pytest.raises(BookUnreadable):
            parse_area_book(data[:length])
    with pytest.raises(BookUnreadable, match="follow"):
        parse_area_book(data + b"\0")


def books_bytes(area: Area, *books: PublishedBook) -> bytes:
    return area_book_bytes(head_bytes(area, SLOT), [zone_bytes(book) for book in books])


def test_parse__not_one_area_and_slot__is_refused() -> None:
    later = replace(SECOND, delivery_start=SLOT + 900, orders=())
    twice = replace(SECOND, orders=(replace(SECOND.orders[0], sequence=3),))
    for data, words in (
        (b"XXXX" + cleared().data[4:], "magic"),
        (books_bytes(AREA, SECOND, FIRST), "are not those of zones"),
        (books_bytes(AREA, FIRST, later), "are not those of zones"),
        (books_bytes(AREA, FIRST, twice), "two zones"),
        (books_bytes(Area((1, 2), {(1, 1): 5}), FIRST, SECOND), "no fee"),
        (books_bytes(Area((2, 1), AREA.fee_per_kwh), SECOND, FIRST), "ascend"),
    ):
        with pytest.raises(BookUnreadable, match=words):
            parse_area_book(data)


def test_parse__pairs_in_another_order__is_refused() -> None:
    head = head_bytes(AREA, SLOT)
    pairs = [head[-72:-48], head[-48:-24], head[-24:]]
    swapped = head[:-72] + pairs[2] + pairs[1] + pairs[0]

    with pytest.raises(BookUnreadable, match="pairs do not ascend"):
        parse_area_book(area_book_bytes(swapped, [zone_bytes(FIRST), zone_bytes(SECOND)]))


def test_zone_bytes__book__is_what_the_zone_publishes() -> None:
    assert zone_bytes(FIRST) == book_bytes(1, SLOT, 900, 20_000, FIRST.orders)
