"""The uniform-price double auction of one zone and delivery slot: most welfare, then most volume.

Buyers name all-in limits, so a bid competes at its limit less the grid fee. With D(p) the energy bid at ``p`` or
more and S(p) the energy offered at ``p`` or less, V is the most energy that can trade and the equilibrium prices are
those with D(p) >= V, S(p) >= V, D(p+1) <= V and S(p-1) <= V: the interval ``[price_low, price_high]``. Its midpoint,
rounded down, is the price. Orders better than the margin are filled; a marginal price level that is not filled shares
pro rata, or by sequence where one of its orders has a minimum fill. Everything is integer: Wh and micro-currency per
kWh, and the same book gives the same result everywhere.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from node.market import crossing
from node.market.crossing import Crossing
from node.market.rationing import Int64s, price_time, pro_rata

MAX_QUANTITY_WH = 2**48
MAX_TOTAL_WH = 2**61
MAX_PRICE_PER_KWH = 2**47


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One side of a book as columns, ascending by sequence."""

    sequence: Int64s
    quantity_wh: Int64s
    limit_per_kwh: Int64s
    min_fill_wh: Int64s

    @classmethod
    def of(cls, orders: Iterable[tuple[int, int, int, int]]) -> "Side":
        """Builds a side from (sequence, quantity, limit, minimum fill) in any order.

        Raises:
            ValueError: a sequence stands twice, or a number is out of the range that is computed exactly.
        """
        table = np.array(sorted(orders), dtype=np.int64).reshape(-1, 4)
        return cls.from_columns(*np.ascontiguousarray(table.T))

    @classmethod
    def from_columns(cls, sequence: Int64s, quantity_wh: Int64s, limit_per_kwh: Int64s, min_fill_wh: Int64s) -> "Side":
        """Checks columns that are ascending by sequence. Raises ValueError as ``of`` does."""
        if len(sequence):
            if not (sequence[1:] > sequence[:-1]).all():
                raise ValueError("sequence numbers must ascend")
            if quantity_wh.min() <= 0 or quantity_wh.max() >= MAX_QUANTITY_WH:
                raise ValueError(f"quantity must be between 1 and {MAX_QUANTITY_WH - 1} Wh")
            if float(quantity_wh.sum(dtype=np.float64)) >= MAX_TOTAL_WH:
                raise ValueError(f"all quantities of a side must stay below {MAX_TOTAL_WH} Wh")
            if limit_per_kwh.min() <= -MAX_PRICE_PER_KWH or limit_per_kwh.max() >= MAX_PRICE_PER_KWH:
                raise ValueError(f"limits must stay within ±{MAX_PRICE_PER_KWH}")
            if min_fill_wh.min() < 0 or (min_fill_wh > quantity_wh).any():
                raise ValueError("minimum fill must be between 0 and the quantity")
        return cls(sequence, quantity_wh, limit_per_kwh, min_fill_wh)


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """All orders of one zone and slot."""

    buys: Side
    sells: Side


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """Who delivers how much to whom, as columns; ``buy`` and ``sell`` are positions in the book's sides."""

    buy: Int64s
    sell: Int64s
    energy_wh: Int64s


@dataclass(frozen=True, slots=True, eq=False)
class AuctionResult:
    """What an auction decided. All prices are None when nothing trades."""

    price_per_kwh: int | None
    """What sellers receive; buyers pay the grid fee on top."""
    price_low_per_kwh: int | None
    price_high_per_kwh: int | None
    matched_wh: int
    buy_fills_wh: Int64s
    """Aligned with the book's buys."""
    sell_fills_wh: Int64s
    trades: Trades
    rejected: tuple[int, ...]
    """Sequence numbers of orders left out only because their minimum fill could not be met (paradoxically rejected)."""


class Engine(Protocol):
    """The two parts of a clearing whose time grows with the book. Every engine gives the same results."""

    def cross(
        self, bid_limit_per_kwh: Int64s, bid_wh: Int64s, ask_limit_per_kwh: Int64s, ask_wh: Int64s, fee_per_kwh: int, /
    ) -> Crossing | None: ...

    def pair(self, buy_fills_wh: Int64s, sell_fills_wh: Int64s, /) -> tuple[Int64s, Int64s, Int64s]: ...


LARGE_BOOK_ORDERS: Final = 50_000
"""From here on it pays to load the compiled engine."""
MANY_MINIMUM_FILLS: Final = 1_000
"""From so many orders with a minimum on, clearing again for each that goes takes longer than loading a compiler."""


@dataclass(frozen=True, slots=True, eq=False)
class _Fills:
    crossing: Crossing | None
    buys_wh: Int64s
    sells_wh: Int64s


def clear(book: Book, fee_per_kwh: int = 0, *, engine: Engine | None = None) -> AuctionResult:
    """Clears a book; ``fee_per_kwh`` is the grid fee between any buyer and seller of the zone.

    The engine changes the time that it takes and nothing else; left out, the book's size decides.

    Raises:
        ValueError: the fee is out of the range of prices.
    """
    if abs(fee_per_kwh) >= MAX_PRICE_PER_KWH:
        raise ValueError(f"the grid fee must stay within ±{MAX_PRICE_PER_KWH}")
    engine = engine or _engine(len(book.buys.sequence) + len(book.sells.sequence))
    fills = _fill(engine, book, fee_per_kwh, (book.buys.quantity_wh, book.sells.quantity_wh))
    rejected: tuple[int, ...] = ()
    if _violator(book, fills) is not None:
        fills, rejected = _enforce_minimum_fills(engine, book, fee_per_kwh)
    found = fills.crossing
    return AuctionResult(
        price_per_kwh=None if found is None else found.price_per_kwh,
        price_low_per_kwh=None if found is None else found.low_per_kwh,
        price_high_per_kwh=None if found is None else found.high_per_kwh,
        matched_wh=0 if found is None else found.volume_wh,
        buy_fills_wh=fills.buys_wh,
        sell_fills_wh=fills.sells_wh,
        trades=Trades(*engine.pair(fills.buys_wh, fills.sells_wh)),
        rejected=rejected,
    )


def pair(buy_fills_wh: Int64s, sell_fills_wh: Int64s) -> Trades:
    """Pairs equal totals of fills by sequence: at most one trade fewer than there are filled orders."""
    return Trades(*_engine(len(buy_fills_wh) + len(sell_fills_wh)).pair(buy_fills_wh, sell_fills_wh))


def _engine(orders: int) -> Engine:
    if orders < LARGE_BOOK_ORDERS:
        return crossing
    # Here and not above: loading it takes half a second, and seconds where it must compile.
    from node.market import kernels

    return kernels


def _fill(engine: Engine, book: Book, fee_per_kwh: int, quantities: tuple[Int64s, Int64s]) -> _Fills:
    """Clears as if every order could be filled in part. A quantity of 0 takes an order out."""
    buys, sells = book.buys, book.sells
    found = engine.cross(buys.limit_per_kwh, quantities[0], sells.limit_per_kwh, quantities[1], fee_per_kwh)
    # One array for both sides: from 4 MiB on, the system gives large pages, and far fewer of them to clear.
    fills = np.empty(len(quantities[0]) + len(quantities[1]), dtype=np.int64)
    buys_wh, sells_wh = fills[: len(quantities[0])], fills[len(quantities[0]) :]
    if found is None:
        fills[:] = 0
    else:
        is_bought = buys.limit_per_kwh >= found.buy_limit_per_kwh
        is_sold = sells.limit_per_kwh <= found.sell_limit_per_kwh
        _side_fills(buys, quantities[0], is_bought, found.buy_limit_per_kwh, found.volume_wh, out=buys_wh)
        _side_fills(sells, quantities[1], is_sold, found.sell_limit_per_kwh, found.volume_wh, out=sells_wh)
    return _Fills(found, buys_wh, sells_wh)


def _side_fills(
    side: Side,
    quantity_wh: Int64s,
    is_accepted: npt.NDArray[np.bool_],
    marginal_limit_per_kwh: int,
    volume_wh: int,
    *,
    out: Int64s | None = None,
) -> Int64s:
    """Fills what is accepted, and shares the marginal level where that is more than the volume.

    A quantity of 0 takes an order out, also where the order in ``side`` has another.
    """
    fills = np.multiply(quantity_wh, is_accepted, out=out)
    excess_wh = int(fills.sum()) - volume_wh
    if excess_wh:
        at_margin = side.limit_per_kwh == marginal_limit_per_kwh
        # Where the whole side is at one price, there is nothing to gather.
        level = slice(None) if at_margin.all() else np.flatnonzero(at_margin)
        level_wh = quantity_wh[level]
        by_time = side.min_fill_wh.max() > 1 and ((side.min_fill_wh[level] > 1) & (level_wh > 0)).any()
        fills[level] = (price_time if by_time else pro_rata)(level_wh, int(level_wh.sum()) - excess_wh)
    return fills


# Orders with a minimum fill. A violator is partly filled, hence on the one marginal level that is rationed, which its
# minimum fill has put on price-time priority: there is at most one at a time, and its surplus at the price is nil.


def _violator(book: Book, fills: _Fills) -> tuple[int, int] | None:
    """Side and position of the order that is filled, but less than it accepts."""
    for side, (fill_wh, orders) in enumerate(((fills.buys_wh, book.buys), (fills.sells_wh, book.sells))):
        short = np.flatnonzero((fill_wh > 0) & (fill_wh < orders.min_fill_wh))
        if len(short):
            return side, int(short[0])
    return None


def _enforce_minimum_fills(engine: Engine, book: Book, fee_per_kwh: int) -> tuple[_Fills, tuple[int, ...]]:
    """Takes violators out one by one, then offers each of them one way back, the best and earliest first."""
    sides = (book.buys, book.sells)
    quantities = (book.buys.quantity_wh.copy(), book.sells.quantity_wh.copy())
    minimums = _minimums(engine, book, fee_per_kwh)
    out = minimums.drop()
    for side, position in out:
        quantities[side][position] = 0
    fills = _fill(engine, book, fee_per_kwh, quantities)

    def sequence(order: tuple[int, int]) -> int:
        return int(sides[order[0]].sequence[order[1]])

    def surplus(order: tuple[int, int]) -> int:
        if fills.crossing is None:
            return 0
        price, limit = fills.crossing.price_per_kwh, int(sides[order[0]].limit_per_kwh[order[1]])
        return price - limit if order[0] else limit - fee_per_kwh - price

    back = sorted(out, key=lambda order: (-surplus(order), sequence(order)))
    admitted = minimums.admit(back)
    for (side, position), is_admitted in zip(back, admitted, strict=True):
        quantities[side][position] = sides[side].quantity_wh[position] * is_admitted
    if any(admitted):
        fills = _fill(engine, book, fee_per_kwh, quantities)
    still_out = [order for order, is_admitted in zip(back, admitted, strict=True) if not is_admitted]
    return fills, tuple(sorted(sequence(order) for order in still_out if fills.crossing is None or surplus(order) > 0))


class Minimums(Protocol):
    """The orders of a book, as side (0 buys, 1 sells) and position, of which some are out."""

    def drop(self) -> list[tuple[int, int]]:
        """Takes violators out until there is none; in that order."""

    def admit(self, orders: Sequence[tuple[int, int]]) -> list[bool]:
        """Offers each order its way back, for good where nothing is violated; says which took it."""


def _minimums(engine: Engine, book: Book, fee_per_kwh: int) -> Minimums:
    sides = (book.buys, book.sells)
    if engine is crossing and sum(int((side.min_fill_wh > 1).sum()) for side in sides) < MANY_MINIMUM_FILLS:
        return _ByClearing(engine, book, fee_per_kwh)
    from node.market import minimums

    costs = (fee_per_kwh - book.buys.limit_per_kwh, book.sells.limit_per_kwh)
    columns = [(cost, side.quantity_wh, side.min_fill_wh) for cost, side in zip(costs, sides, strict=True)]
    return minimums.Minimums(columns)


class _ByClearing:
    """Clears the whole book again after each change."""

    def __init__(self, engine: Engine, book: Book, fee_per_kwh: int) -> None:
        self._engine, self._book, self._fee_per_kwh = engine, book, fee_per_kwh
        self._sides = (book.buys, book.sells)
        self._quantities = (book.buys.quantity_wh.copy(), book.sells.quantity_wh.copy())

    def _next(self) -> tuple[int, int] | None:
        return _violator(self._book, _fill(self._engine, self._book, self._fee_per_kwh, self._quantities))

    def drop(self) -> list[tuple[int, int]]:
        out: list[tuple[int, int]] = []
        while (violator := self._next()) is not None:
            out.append(violator)
            self._quantities[violator[0]][violator[1]] = 0
        return out

    def admit(self, orders: Sequence[tuple[int, int]]) -> list[bool]:
        admitted = []
        for side, position in orders:
            self._quantities[side][position] = self._sides[side].quantity_wh[position]
            admitted.append(self._next() is None)
            if not admitted[-1]:
                self._quantities[side][position] = 0
        return admitted
