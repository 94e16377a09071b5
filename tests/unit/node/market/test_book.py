from dataclasses import replace
from hashlib import sha256

import pytest

from node.market import book
from node.market.auction import Book, Side, clear
from node.market.instructions import Instructions, SelfTrade
from tests.unit.node.market.orders import DOMAIN, SLOT, entry

ENTRIES = [
    entry(1, side=0, energy_wh=1_000, limit_price_per_kwh=270_000),
    entry(4, side=1, energy_wh=600, limit_price_per_kwh=-100),
    entry(2, side=1, energy_wh=2**48 - 1, limit_price_per_kwh=150_000, min_fill_wh=5, source=2, time_in_force=1),
]
DATA = book.book_bytes(1, SLOT, 900, 20_000, ENTRIES)


def test_book_bytes__any_order_of_entries__are_the_same_and_fixed_width() -> None:
    assert book.book_bytes(1, SLOT, 900, 20_000, reversed(ENTRIES)) == DATA
    assert len(DATA) == 34 + 3 * 252
    assert DATA[:6] == b"GTBK\x00\x02"
    assert book.book_hash(DATA) == sha256(DATA).digest()


def test_parse_book__published_bytes__give_every_field_back() -> None:
    published = book.parse_book(DATA)

    assert (published.zone, published.delivery_start, published.slot_s) == (1, SLOT, 900)
    assert published.grid_fee_per_kwh == 20_000
    assert published.orders == tuple(sorted(ENTRIES, key=lambda entry: entry.sequence))
    assert book.parse_book(book.book_bytes(1, SLOT, 900, -5, [])).orders == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        DATA[:33],
        DATA[:-1],
        DATA + b"\x00",
        b"XXXX" + DATA[4:],
        DATA[:4] + b"\x00\x03" + DATA[6:],
        DATA[:34] + DATA[286:538] + DATA[34:286] + DATA[538:],
        DATA[:94] + b"\x07" + DATA[95:],
        DATA[:200] + (1_000).to_bytes(8, "big") + DATA[208:],
        DATA[:208] + b"\x08" + DATA[209:],
        DATA[:209] + b"\x04" + DATA[210:],
    ],
    ids=[
        "empty",
        "no-header",
        "cut",
        "longer",
        "magic",
        "version",
        "unordered",
        "side",
        "nothing-left",
        "unknown-flag",
        "unknown-self-trade-mode",
    ],
)
def test_parse_book__not_a_book__is_refused(data: bytes) -> None:
    with pytest.raises(book.BookUnreadable):
        book.parse_book(data)


def test_parse_book__instructions_and_taken_energy__come_back() -> None:
    asked = Instructions(True, 10, SelfTrade.DECREMENT, SLOT - 400, replaces=b"\x01" * 32, block=bytes(32))
    changed = replace(ENTRIES[0], instructions=asked, taken_wh=400)

    (read,) = book.parse_book(book.book_bytes(1, SLOT, 900, 20_000, [changed])).orders

    assert read == changed
    assert read.left_wh == 600


def test_parse_book__version_1__is_read_without_instructions() -> None:
    signed = b"".join(DATA[34 + index * 252 :][:166] for index in range(3))

    published = book.parse_book(DATA[:4] + b"\x00\x01" + DATA[6:34] + signed)

    assert published == book.parse_book(DATA)
    assert {entry.instructions for entry in published.orders} == {Instructions()}


def test_columns__order_that_traded_before__has_the_rest_and_no_minimum() -> None:
    traded = replace(ENTRIES[2], taken_wh=7)

    sells = book.PublishedBook(1, SLOT, 900, 0, (traded,)).columns().sells

    assert (sells.quantity_wh.tolist(), sells.min_fill_wh.tolist()) == ([2**48 - 8], [0])


def test_forged_orders__honest_book__has_none() -> None:
    assert book.forged_orders(book.parse_book(DATA), DOMAIN) == []


def test_forged_orders__changed_field_digest_or_signature__is_found() -> None:
    honest = book.parse_book(DATA)
    first, second, third = honest.orders
    forged = replace(
        honest,
        orders=(
            replace(first, order=replace(first.order, limit_price_per_kwh=999_900)),
            replace(second, digest=bytes(32)),
            replace(third, signature=bytes(65)),
        ),
    )

    assert book.forged_orders(forged, DOMAIN) == [1, 2, 4]
    assert book.forged_orders(replace(honest, zone=1), replace(DOMAIN, chain_id=1)) == [1, 2, 4]


def test_verify_auction__published_bytes__give_the_result_of_the_node() -> None:
    columns = book.parse_book(DATA).columns()
    result = clear(columns, 20_000)

    published, again = book.verify_auction(DATA)

    assert book.result_bytes(published.columns(), again) == book.result_bytes(columns, result)
    assert (again.price_per_kwh, again.matched_wh) == (150_000, 1_000)


def test_result_bytes__known_result__are_these() -> None:
    columns = Book(Side.of([(7, 10, 300, 0)]), Side.of([(3, 4, -100, 0), (9, 6, 100, 0)]))
    result = clear(columns)

    numbers = [200, 100, 300, 10]
    counts = [3, 2, 0]
    rows = [3, 4, 7, 10, 9, 6, 7, 3, 4, 7, 9, 6]
    assert book.result_bytes(columns, result) == b"GTAR\x00\x01\x01" + b"".join(
        [number.to_bytes(8, "big") for number in numbers]
        + [count.to_bytes(4, "big") for count in counts]
        + [row.to_bytes(8, "big") for row in rows]
    )
    assert book.result_hash(columns, result) == sha256(book.result_bytes(columns, result)).digest()


def test_result_bytes__price_of_zero__is_not_no_price() -> None:
    def hashed(limit: int) -> bytes:
        columns = Book(Side.of([(1, 1, 0, 0)]), Side.of([(2, 1, limit, 0)]))
        return book.result_bytes(columns, clear(columns))

    assert hashed(0)[6] == 1
    assert hashed(1)[6] == 0
