"""scripts/verify_auction.py, which shares no code with the product, comes to the same bytes."""

from hypothesis import given
from hypothesis import strategies as st

from scripts import verify_auction
from tests.property.node.market.books import books, books_with_minimum_fills, bytes_of
from tests.property.node.market.naive import Bid
from tests.property.node.market.test_auction import many, pytestmark

__all__ = ["pytestmark"]


@many
@given(st.one_of(books(), books_with_minimum_fills()), st.integers(-20, 20))
def test_stranger__any_book__comes_to_the_same_bytes(orders: list[Bid], fee: int) -> None:
    rows = [
        {
            "sequence": order.sequence,
            "side": order.side,
            "left_wh": order.quantity,
            "least_wh": order.min_fill,
            "limit": order.limit,
        }
        for order in orders
    ]

    crossing, fills, rejected = verify_auction.clear(rows, fee)
    trades = verify_auction.pair(rows, fills)

    assert verify_auction.result_bytes(crossing, fills, trades, rejected) == bytes_of(orders, fee)
