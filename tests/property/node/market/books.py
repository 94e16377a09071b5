"""Random books, and what the product makes of them."""

from dataclasses import replace

from hypothesis import strategies as st

from contracts.typed_data import Order
from node.market.auction import AuctionResult, Book, Side, clear
from node.market.book import BookOrder, result_bytes
from tests.property.node.market.naive import BUY, SELL, Bid

# Few distinct prices and quantities, so that ties, overlaps and gaps are the rule and not the exception.
_TIGHT = st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 12), st.integers(-4, 6))
_WIDE = st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 10**9), st.integers(-300, 300))
_HUGE = st.tuples(st.sampled_from([BUY, SELL]), st.sampled_from([1, 10**9, 2**47]), st.integers(-1, 2))


def _numbered(rows: list[tuple[int, int, int]], gaps: list[int]) -> list[Bid]:
    sequences = [sum(gaps[: position + 1]) for position in range(len(rows))]
    return [Bid(sequence, *row) for sequence, row in zip(sequences, rows, strict=False)]


def books(max_size: int = 13) -> st.SearchStrategy[list[Bid]]:
    """Divisible orders, ascending by sequence."""
    gaps = st.lists(st.integers(1, 3), min_size=max_size, max_size=max_size)
    rows = st.one_of(*(st.lists(row, max_size=max_size) for row in (_TIGHT, _WIDE, _HUGE)))
    return st.builds(_numbered, rows, gaps)


@st.composite
def crossing_books(draw: st.DrawFn) -> list[Bid]:
    """Books in which something trades."""
    return draw(books().filter(lambda orders: bool(run(orders).matched_wh)))


@st.composite
def books_with_minimum_fills(draw: st.DrawFn) -> list[Bid]:
    orders = draw(st.one_of(st.just(_TIGHT), st.just(_WIDE)).flatmap(lambda row: st.lists(row, max_size=10)))
    share = st.sampled_from([0.0, 0.0, 0.0, 0.4, 1.0])
    return [
        Bid(sequence, side, quantity, limit, int(quantity * draw(share)))
        for sequence, (side, quantity, limit) in enumerate(orders, 1)
    ]


def book_of(orders: list[Bid]) -> Book:
    def side(wanted: int) -> Side:
        return Side.of((o.sequence, o.quantity, o.limit, o.min_fill) for o in orders if o.side == wanted)

    return Book(side(BUY), side(SELL))


def book_order(order: Bid, owner: int) -> BookOrder:
    """The order as it would be published, without a signature."""
    signed = Order(
        trader=owner.to_bytes(20, "big"),
        zone=1,
        delivery_start=900,
        side=order.side,
        energy_wh=order.quantity,
        limit_price_per_kwh=order.limit,
        min_fill_wh=order.min_fill,
        time_in_force=0,
        source=0,
        expiry=0,
        lane=0,
        nonce=order.sequence,
    )
    return BookOrder(order.sequence, order.sequence.to_bytes(32, "big"), signed, bytes(65))


def run(orders: list[Bid], fee: int = 0) -> AuctionResult:
    return clear(book_of(orders), fee)


def fills_of(orders: list[Bid], result: AuctionResult) -> dict[int, int]:
    book = book_of(orders)
    buys = zip(book.buys.sequence.tolist(), result.buy_fills_wh.tolist(), strict=True)
    sells = zip(book.sells.sequence.tolist(), result.sell_fills_wh.tolist(), strict=True)
    return dict(buys) | dict(sells)


def trades_of(orders: list[Bid], result: AuctionResult) -> list[tuple[int, int, int]]:
    book, trades = book_of(orders), result.trades
    buys, sells = book.buys.sequence[trades.buy].tolist(), book.sells.sequence[trades.sell].tolist()
    return list(zip(buys, sells, trades.energy_wh.tolist(), strict=True))


def bytes_of(orders: list[Bid], fee: int = 0) -> bytes:
    return result_bytes(book_of(orders), run(orders, fee))


def shifted(orders: list[Bid], by: int) -> list[Bid]:
    return [replace(order, limit=order.limit + by) for order in orders]
