"""The plain and the compiled engine agree to the byte, whatever the book."""

import os
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.market import crossing, kernels
from node.market.auction import MAX_PRICE_PER_KWH, MAX_QUANTITY_WH, Book, Side, clear
from node.market.book import result_bytes
from tests.property.node.market.books import book_of, books, books_with_minimum_fills
from tests.property.node.market.naive import BUY, SELL, Bid

DEEP = bool(os.environ.get("GRIDTRACE_DEEP"))
pytestmark = pytest.mark.timeout(3_600 if DEEP else 180)
many = settings(max_examples=20_000 if DEEP else 1_000, deadline=None)

_EXTREMES = st.sampled_from([1, 5, 2**47, MAX_QUANTITY_WH - 1])
_FAR_APART = st.one_of(
    st.sampled_from([1 - MAX_PRICE_PER_KWH, -1, 0, 1, MAX_PRICE_PER_KWH - 1]),
    st.integers(1 - MAX_PRICE_PER_KWH, MAX_PRICE_PER_KWH - 1),
)


@st.composite
def far_books(draw: st.DrawFn) -> list[Bid]:
    """The greatest quantities there are, at prices from one end of the range to the other."""
    rows = draw(st.lists(st.tuples(st.sampled_from([BUY, SELL]), _EXTREMES, _FAR_APART), max_size=16))
    return [Bid(sequence, *row) for sequence, row in enumerate(rows, 1)]


fees = st.sampled_from([0, 1, -7, 20_000])


@many
@given(st.one_of(books(40), books_with_minimum_fills(), far_books()), fees)
def test_engines__any_book__give_the_same_bytes(orders: list[Bid], fee: int) -> None:
    book = book_of(orders)

    plain, compiled = (result_bytes(book, clear(book, fee, engine=engine)) for engine in (crossing, kernels))

    assert compiled == plain


@pytest.mark.parametrize("size", [1_000, 20_000])
@pytest.mark.parametrize("ticks", [1, 7, 4_000, 2**40])
@pytest.mark.parametrize("min_fill", [0.0, 0.001])
def test_engines__large_book__give_the_same_bytes(size: int, ticks: int, min_fill: float) -> None:
    random = np.random.default_rng(size + ticks)

    def side(first: int) -> Side:
        quantity_wh = random.integers(1, 10_001, size)
        return Side.from_columns(
            np.arange(size, dtype=np.int64) * 2 + first,
            quantity_wh,
            random.integers(-ticks, ticks, size) * 100 if ticks < 2**40 else random.integers(-ticks, ticks, size),
            np.where(random.random(size) < min_fill, quantity_wh, 0),
        )

    book = Book(side(1), side(2))

    plain, compiled = (result_bytes(book, clear(book, 200, engine=engine)) for engine in (crossing, kernels))

    assert compiled == plain


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("ticks", [1, 3, 40])
def test_engines__many_minimum_fills__give_the_same_bytes(seed: int, ticks: int) -> None:
    random = Random(seed)
    rows: list[list[tuple[int, int, int, int]]] = [[], []]
    for sequence in range(1, 401):
        quantity = random.randint(1, 50)
        min_fill = int(quantity * random.choice([0, 0.5, 1, 1]))
        rows[random.randint(0, 1)].append((sequence, quantity, random.randrange(ticks), min_fill))
    book = Book(*map(Side.of, rows))

    plain, compiled = (clear(book, engine=engine) for engine in (crossing, kernels))

    assert result_bytes(book, compiled) == result_bytes(book, plain)
    assert plain.matched_wh


@many
@given(st.lists(st.integers(0, 5), max_size=30), st.lists(st.integers(0, 2**40), max_size=30), st.randoms())
def test_pair__any_fills__are_the_same_trades(small: list[int], large: list[int], random: Random) -> None:
    # Two ways to cut the same total, with empty fills in between.
    whole = [*small, *large]
    total, cut = sum(whole), []
    while total:
        cut.append(random.randint(1, total))
        total -= cut[-1]
    one, other = np.array(whole, dtype=np.int64), np.array([0, *cut, 0], dtype=np.int64)

    plain, compiled = crossing.pair(one, other), kernels.pair(one, other)

    assert [column.tolist() for column in compiled] == [column.tolist() for column in plain]
    assert sum(plain[2].tolist()) == sum(whole)
