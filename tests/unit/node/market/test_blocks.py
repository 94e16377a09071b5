"""Which of several equal blocks is chosen: worked out by hand."""

from node.market.area import alone
from node.market.auction import Book, Side
from node.market.blocks import Block, clear_session

NOBODY = Side.of([])
AREA = alone(1, 0)


def side(*orders: tuple[int, int, int]) -> Side:
    """Sequence, Wh and limit of each."""
    return Side.of((sequence, energy_wh, limit, 0) for sequence, energy_wh, limit in sorted(orders))


FIRST, SECOND = (1, 9), (2, 3)
HOPELESS = (4, 5)
"""The cheapest, but nobody buys what it sells in the later slot."""
BOOKS = {
    0: {1: Book(side((10, 500, 300)), side(*((n, 200, 100) for n in (*FIRST, *SECOND)), (4, 400, 90)))},
    900: {1: Book(NOBODY, side((5, 400, 90)))},
}


def test_clear_session__equal_blocks_that_were_all_taken_out__the_earliest_comes_back() -> None:
    """Both give way to the hopeless one, which then goes too. There is room for one, and a block is its first order."""
    result = clear_session(AREA, BOOKS, [Block(SECOND), Block(HOPELESS), Block(FIRST)])

    assert result.accepted == (2,)
    assert result.slots[0].sells[1].matched_wh == 400
    assert not result.slots[900].sells[1].fills_wh.any()
