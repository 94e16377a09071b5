from dataclasses import replace

import pytest

from node.settlement.split import chunks
from tests.unit.node.settlement.slot import trade

TRADES = (trade(0, "s", "b", 5), trade(1, "s", "c", 5), trade(2, "t", "c", 5), trade(3, "s", "d", 5))


def numbers(*, most: int, voids: dict[bytes, int] | None = None) -> list[list[int]]:
    return [[item.number for item in chunk] for chunk in chunks(TRADES, voids or {}, most)]


def test_chunks__all_orders_fit__is_one() -> None:
    assert numbers(most=5) == [[0, 1, 2, 3]]


def test_chunks__orders_do_not_fit__begins_another_with_the_trade_that_does_not() -> None:
    assert numbers(most=4) == [[0, 1, 2], [3]]
    assert numbers(most=2) == [[0], [1], [2], [3]]


def test_chunks__lower_fee__comes_first_whatever_its_number() -> None:
    first = replace(TRADES[3], fee_per_kwh=0)
    assert [item.number for item in chunks((*TRADES[:3], first), {}, 400)[0]] == [3, 0, 1, 2]


def test_chunks__order_void_from_a_batch_on__keeps_its_earlier_trades() -> None:
    sells = TRADES[0].sell_order
    assert numbers(most=2, voids={sells: 1}) == [[0], [2]]
    assert numbers(most=2, voids={sells: 0}) == [[2]]
    assert numbers(most=2, voids={sells: 9}) == numbers(most=2)


def test_chunks__everything_void__is_none() -> None:
    assert numbers(most=4, voids={item.sell_order: 0 for item in TRADES}) == []


def test_chunks__no_room_for_a_trade__is_refused() -> None:
    with pytest.raises(ValueError, match="a trade has two orders"):
        numbers(most=1)
