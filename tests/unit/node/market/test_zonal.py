"""Cases of the coupled auction that can be checked by hand; the rules themselves are in tests/property."""

import pytest

from node.market.area import Area
from node.market.auction import MAX_QUANTITY_WH, Book, Side
from node.market.zonal import ZonalResult, clear

EMPTY = Side.of([])
NOTHING = Book(EMPTY, EMPTY)


def buy(*orders: tuple[int, int, int, int]) -> Book:
    return Book(Side.of(orders), EMPTY)


def sell(*orders: tuple[int, int, int, int]) -> Book:
    return Book(EMPTY, Side.of(orders))


def prices(result: ZonalResult) -> list[tuple[int | None, int | None]]:
    """Sellers' and buyers' price of each zone."""
    return [(result.sells[zone].price_per_kwh, result.buys[zone].price_per_kwh) for zone in result.sells]


def flows(result: ZonalResult) -> list[tuple[int, int, int, int]]:
    return [(flow.sell_zone, flow.buy_zone, flow.energy_wh, flow.rent_per_kwh) for flow in result.flows]


def test_clear__no_orders_anywhere__trades_nothing() -> None:
    result = clear(Area((1, 2), {(1, 1): 5, (2, 2): 5, (1, 2): 9}), {1: NOTHING, 2: NOTHING})

    assert prices(result) == [(None, None), (None, None)]
    assert (result.flows, result.rejected) == ((), ())


def test_clear__zones_without_a_link__do_not_trade() -> None:
    area = Area((1, 2), {(1, 1): 0, (2, 2): 0, (2, 1): 0})

    assert clear(area, {1: sell((1, 5, 10, 0)), 2: buy((2, 5, 90, 0))}).flows == ()


def test_clear__link_with_room__prices_differ_by_the_fee() -> None:
    area = Area((1, 2), {(1, 1): 0, (2, 2): 0, (1, 2): 7})
    books = {1: sell((1, 5, 10, 0), (2, 5, 20, 0)), 2: buy((3, 8, 90, 0))}

    result = clear(area, books)

    assert prices(result) == [(20, None), (None, 27)]
    assert flows(result) == [(1, 2, 8, 0)]
    assert result.sells[1].fills_wh.tolist() == [5, 3]


def test_clear__link_used_up__the_rest_of_the_spread_is_rent() -> None:
    area = Area((1, 2), {(1, 1): 0, (2, 2): 0, (1, 2): 7}, {(1, 2): 4})
    books = {1: sell((1, 5, 10, 0)), 2: Book(Side.of([(2, 8, 90, 0)]), Side.of([(3, 6, 60, 0)]))}

    result = clear(area, books)

    # Sellers in zone 1 have 1 Wh left at 10, those in zone 2 have 2 Wh left at 60.
    assert prices(result) == [(10, None), (60, 60)]
    assert flows(result) == [(2, 2, 4, 0), (1, 2, 4, 60 - 7 - 10)]


def test_clear__same_worth_at_home_and_abroad__home_comes_first() -> None:
    area = Area((1, 2), {(1, 1): 3, (2, 2): 3, (1, 2): 3})
    books = {1: Book(Side.of([(1, 5, 50, 0)]), Side.of([(2, 6, 10, 0)])), 2: buy((3, 5, 50, 0))}

    assert flows(clear(area, books)) == [(1, 1, 5, 0), (1, 2, 1, 0)]


def test_clear__three_zones_in_a_row__do_not_pass_energy_on() -> None:
    # A link is from seller to buyer; who wants to trade over two links needs a link of its own.
    area = Area((1, 2, 3), {(z, z): 0 for z in (1, 2, 3)} | {(1, 2): 1, (2, 3): 1})

    assert clear(area, {1: sell((1, 5, 10, 0)), 2: NOTHING, 3: buy((2, 5, 90, 0))}).flows == ()


def test_clear__several_minimum_fills_short_at_once__the_latest_goes_first() -> None:
    # In each zone a bid wants all of 4 and gets the 3 that are offered there: one of them must go for the other.
    area = Area((1, 2), {(1, 1): 0, (2, 2): 0, (1, 2): 1, (2, 1): 1})
    books = {
        1: Book(Side.of([(1, 4, 50, 4)]), Side.of([(2, 3, 10, 0)])),
        2: Book(Side.of([(3, 4, 50, 4)]), Side.of([(4, 3, 10, 0)])),
    }

    result = clear(area, books)

    assert result.buys[1].fills_wh.tolist() == [4]
    assert result.buys[2].fills_wh.tolist() == [0]
    assert result.rejected == (3,)


def test_clear__without_orders__is_as_if_they_were_not_there() -> None:
    area = Area((1,), {(1, 1): 0})
    book = Book(Side.of([(1, 5, 50, 0), (2, 5, 40, 0)]), Side.of([(3, 7, 10, 0)]))

    result = clear(area, {1: book}, without=[1])

    assert result.buys[1].fills_wh.tolist() == [0, 5]
    assert prices(result) == [(10, 10)]


def test_clear__negative_prices__are_prices() -> None:
    area = Area((1, 2), {(1, 1): 0, (2, 2): 0, (1, 2): 30})
    books = {1: sell((1, 5, -50, 0)), 2: buy((2, 5, -10, 0))}

    # Anything from -50 to -40 for the seller.
    assert prices(clear(area, books)) == [(-45, None), (None, -15)]


def test_clear__greatest_numbers__are_exact() -> None:
    most, dear = MAX_QUANTITY_WH - 1, 2**47 - 1
    area = Area((1, 2), {(1, 1): dear, (2, 2): dear, (1, 2): dear}, {(1, 2): 2**61 - 1})
    books = {1: sell(*((n, most, -dear, 0) for n in range(1, 2_001))), 2: buy((9_999, most, dear, 0))}

    result = clear(area, books)

    assert flows(result) == [(1, 2, most, 0)]
    assert prices(result) == [(-dear, None), (None, 0)]
    assert sum(result.sells[1].fills_wh.tolist()) == most


def test_clear__more_energy_than_is_computed_exactly__is_refused() -> None:
    area = Area((1, 2), {(1, 1): 0, (2, 2): 0})
    books = {zone: sell(*((zone * 10_000 + n, MAX_QUANTITY_WH - 1, 1, 0) for n in range(2_100))) for zone in (1, 2)}

    with pytest.raises(ValueError, match="times the number of zones"):
        clear(area, books)
