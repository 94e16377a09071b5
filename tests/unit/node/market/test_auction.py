"""Corner cases of the arithmetic; the rules themselves are in tests/property and tests/conformance."""

import numpy as np
import pytest

from node.market.auction import MAX_PRICE_PER_KWH, MAX_QUANTITY_WH, Book, Side, clear, pair

EMPTY = Side.of([])


def column(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


def test_clear__no_orders_at_all__trades_nothing() -> None:
    result = clear(Book(EMPTY, EMPTY), 20_000)

    assert (result.price_per_kwh, result.price_low_per_kwh, result.price_high_per_kwh) == (None, None, None)
    assert result.matched_wh == len(result.trades.energy_wh) == len(result.buy_fills_wh) == 0


@pytest.mark.parametrize("sides", [(Side.of([(1, 5, 9, 0)]), EMPTY), (EMPTY, Side.of([(1, 5, 9, 0)]))])
def test_clear__one_side_only__fills_nothing(sides: tuple[Side, Side]) -> None:
    result = clear(Book(*sides))

    assert result.matched_wh == 0
    assert [*result.buy_fills_wh.tolist(), *result.sell_fills_wh.tolist()] == [0]


def test_clear__one_wh_against_a_billion__is_not_lost() -> None:
    result = clear(Book(Side.of([(1, 1, 100, 0)]), Side.of([(2, 1_000_000_000, 50, 0)])))

    assert (result.matched_wh, result.price_per_kwh) == (1, 50)
    assert (result.buy_fills_wh.tolist(), result.sell_fills_wh.tolist()) == ([1], [1])


def test_clear__a_billion_wh_among_small_orders__is_shared_to_the_last_wh() -> None:
    buys = Side.of([(1, 1_000_000_000, 100, 0), (2, 1, 100, 0), (3, 999_999_999, 100, 0)])
    result = clear(Book(buys, Side.of([(4, 1_000_000_000, 50, 0)])))

    # Exact shares are 500,000,000, one half and 499,999,999.5: the earlier half is rounded up.
    assert result.buy_fills_wh.tolist() == [500_000_000, 1, 499_999_999]
    assert result.trades.energy_wh.tolist() == [500_000_000, 1, 499_999_999]


def test_clear__negative_prices__sellers_pay_to_deliver() -> None:
    buys = Side.of([(1, 10, -300, 0), (2, 5, -500, 0)])
    sells = Side.of([(3, 10, -900, 0), (4, 9, -100, 0)])

    result = clear(Book(buys, sells))

    assert (result.price_per_kwh, result.price_low_per_kwh, result.price_high_per_kwh) == (-400, -500, -300)
    assert result.buy_fills_wh.tolist() == [10, 0]


def test_clear__midpoint_of_an_odd_negative_interval__is_rounded_down() -> None:
    assert clear(Book(Side.of([(1, 1, 0, 0)]), Side.of([(2, 1, -3, 0)]))).price_per_kwh == -2


def test_clear__greatest_numbers__are_exact() -> None:
    most, dear = MAX_QUANTITY_WH - 1, MAX_PRICE_PER_KWH - 1
    book = Book(
        Side.of((number, most, dear, 0) for number in range(1, 8_001)),
        Side.of((number, most, -dear, 0) for number in range(8_001, 12_001)),
    )

    result = clear(book)

    assert result.matched_wh == 4_000 * most
    assert result.price_per_kwh == dear
    assert int(result.buy_fills_wh.sum()) == int(result.trades.energy_wh.sum()) == 4_000 * most
    # Half of an odd quantity: the earlier half of the buyers has the larger half.
    assert result.buy_fills_wh.tolist() == [most // 2 + 1] * 4_000 + [most // 2] * 4_000


def test_clear__prices_too_far_apart_to_pack__are_sorted_all_the_same() -> None:
    wide = MAX_PRICE_PER_KWH - 1
    buys = Side.of([(1, MAX_QUANTITY_WH - 1, -wide, 0), (2, 3, wide, 0), (3, 4, 50, 0)])
    sells = Side.of([(4, 5, 40, 0)])

    result = clear(Book(buys, sells))

    assert result.buy_fills_wh.tolist() == [0, 3, 2]
    assert result.price_per_kwh == 50


@pytest.mark.parametrize(
    ("orders", "words"),
    [
        ([(1, 5, 9, 0), (1, 6, 9, 0)], "ascend"),
        ([(1, 0, 9, 0)], "quantity"),
        ([(1, MAX_QUANTITY_WH, 9, 0)], "quantity"),
        ([(1, 5, MAX_PRICE_PER_KWH, 0)], "limits"),
        ([(1, 5, -MAX_PRICE_PER_KWH, 0)], "limits"),
        ([(1, 5, 9, 6)], "minimum fill"),
        ([(1, 5, 9, -1)], "minimum fill"),
        ([(number, MAX_QUANTITY_WH - 1, 9, 0) for number in range(8_193)], "all quantities"),
    ],
)
def test_side__out_of_range__is_refused(orders: list[tuple[int, int, int, int]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Side.of(orders)


def test_clear__order_taken_out_first__comes_back_once_it_fits() -> None:
    # Clearing gives the large offer 7 of 10, so it goes; then the bid gets 5 of 12, so it goes, and with it the
    # last of the energy. On the way back the earlier of the two fits again, and the other does not.
    book = Book(Side.of([(3, 12, 50, 12)]), Side.of([(1, 10, 20, 10), (2, 5, 10, 5)]))

    result = clear(book)

    assert result.matched_wh == 0
    assert result.rejected == (3,)


def test_pair__fills__are_paired_by_sequence_without_empty_trades() -> None:
    trades = pair(column(0, 5, 0, 5), column(5, 0, 1, 4))

    assert list(zip(trades.buy.tolist(), trades.sell.tolist(), trades.energy_wh.tolist(), strict=True)) == [
        (1, 0, 5),
        (3, 2, 1),
        (3, 3, 4),
    ]
