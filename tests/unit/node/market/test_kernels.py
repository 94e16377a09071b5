"""When the compiled engine is loaded, where its machine code is kept, and that it is only faster."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numba import types
from numba.core.errors import TypingError

from node.market import auction, crossing, jit, kernels
from node.market.auction import LARGE_BOOK_ORDERS, MANY_MINIMUM_FILLS, Book, Side, clear
from node.market.book import result_bytes


def column(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


def book_of(orders: int) -> Book:
    random = np.random.default_rng(orders)

    def side(first: int) -> Side:
        count = orders // 2
        numbers = np.arange(count, dtype=np.int64) * 2 + first
        return Side.from_columns(
            numbers, random.integers(1, 10_001, count), random.integers(-50, 400, count), np.zeros_like(numbers)
        )

    return Book(side(1), side(2))


def python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.strip()


def test_auction__small_book__loads_no_compiler() -> None:
    code = "import sys, node.market.service, node.market.many; print('numba' in sys.modules)"
    assert python(code) == "False"


def test_clear__large_book__takes_the_compiled_engine_and_the_bytes_are_the_plain_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used: list[str] = []
    for engine in (crossing, kernels):
        name, cross = engine.__name__, engine.cross
        monkeypatch.setattr(engine, "cross", lambda *columns, n=name, c=cross: (used.append(n), c(*columns))[1])
    small, large = book_of(LARGE_BOOK_ORDERS - 2), book_of(LARGE_BOOK_ORDERS)

    clear(small), clear(large)

    assert used == [crossing.__name__, kernels.__name__]
    assert result_bytes(large, clear(large)) == result_bytes(large, clear(large, engine=crossing))


def test_kernels__nowhere_to_write__compile_for_themselves(tmp_path: Path) -> None:
    # The only place that numba may look for is one that a program is not run from.
    code = (
        "from node.market import kernels; import numpy as np; c = np.array([5]);"
        "print(kernels._cross.stats.cache_path, kernels.cross(c, c, c, c, 0).volume_wh)"
    )
    assert python(code, NUMBA_CACHE_LOCATOR_CLASSES="IPythonCacheLocator") == "None 5"


def test_kernels__read_only_code__keep_it_in_the_named_folder(tmp_path: Path) -> None:
    code = "from node.market import kernels; print(kernels._cross.stats.cache_path)"
    assert python(code, NUMBA_CACHE_DIR=str(tmp_path)).startswith(str(tmp_path))
    assert list(tmp_path.rglob("*.nbc"))


def test_compiled__another_failure_of_numba__is_not_hidden() -> None:
    with pytest.raises(TypingError):
        jit.compiled(types.int64(types.int64))(lambda value: value.unknown)


def test_clear__tens_of_thousands_of_minimum_fills__does_not_clear_again_for_each() -> None:
    count = 20_000
    assert MANY_MINIMUM_FILLS <= count < LARGE_BOOK_ORDERS
    # Each bid wants all of its 10 Wh, and 5 are on offer: all go, one after another, and none comes back.
    book = Book(Side.of((n, 10, 100, 10) for n in range(1, count + 1)), Side.of([(count + 1, 5, 50, 0)]))

    start = time.process_time()
    result = clear(book)

    assert result.rejected == tuple(range(1, count + 1))
    assert result.matched_wh == 0
    # By clearing again it takes half a minute.
    assert time.process_time() - start < 10


@pytest.mark.parametrize("engine", [crossing, kernels])
def test_cross__rows_of_a_table__are_taken_as_they_lie(engine: auction.Engine) -> None:
    # Columns of a row-major table are not contiguous, and these cannot be written to.
    table = np.array([[300, 5, 100, 4], [200, 5, 150, 9]], dtype=np.int64)
    table.setflags(write=False)

    found = engine.cross(table[:, 0], table[:, 1], table[:, 2], table[:, 3], 0)

    assert found == crossing.Crossing(10, 150, 150, 200, 150)


@pytest.mark.parametrize("engine", [crossing, kernels])
@pytest.mark.parametrize("quantities", [(column(0), column(7)), (column(7), column(0)), (column(0), column(0))])
def test_cross__one_side_taken_out__crosses_nothing(
    engine: auction.Engine, quantities: tuple[np.ndarray, np.ndarray]
) -> None:
    assert engine.cross(column(300), quantities[0], column(100), quantities[1], 0) is None


@pytest.mark.parametrize("engine", [crossing, kernels])
def test_cross__orders_taken_out__do_not_narrow_the_prices(engine: auction.Engine) -> None:
    bids, bid_wh = column(300, 150, 310), column(10, 0, 0)
    asks, ask_wh = column(100, 250, 90), column(10, 0, 0)

    assert engine.cross(bids, bid_wh, asks, ask_wh, 0) == crossing.Crossing(10, 100, 300, 300, 100)


def test_clear__fee_out_of_range__is_refused() -> None:
    with pytest.raises(ValueError, match="grid fee"):
        clear(book_of(2), auction.MAX_PRICE_PER_KWH)
