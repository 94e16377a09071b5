"""The auction of an area, from its books to its result and the hashes that pin both.

A zone alone is cleared by ``auction`` and published as its own book (see ``book``); several are cleared together by
``zonal`` and published as an area's book (see ``area_book``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from node.market import auction, zonal
from node.market.area import Area, alone
from node.market.area_book import AREA_MAGIC, area_book_bytes, area_result_hash, head_bytes, parse_area_book
from node.market.auction import AuctionResult, Book
from node.market.book import PublishedBook, book_bytes, book_hash, parse_book, result_hash
from node.market.zonal import Flow, SideResult, ZonalResult


@dataclass(frozen=True, slots=True)
class Cleared:
    """An auction, with the bytes that it can be run again from."""

    area: Area
    delivery_start: int
    books: tuple[PublishedBook, ...]
    """In the order of the area's zones."""
    data: bytes
    """The published book."""
    result: ZonalResult
    result_hash: bytes

    @property
    def book_hash(self) -> bytes:
        """sha256 of the published bytes."""
        return book_hash(self.data)

    @property
    def area_left(self) -> Area:
        """The area, with the capacity that the trades have left."""
        left = dict(self.area.capacity_wh)
        for flow in self.result.flows:
            if (flow.sell_zone, flow.buy_zone) in left:
                left[flow.sell_zone, flow.buy_zone] -= flow.energy_wh
        return replace(self.area, capacity_wh=left)

    @property
    def head(self) -> bytes | None:
        """What the area's book has before its zones' books; a zone alone has none."""
        return head_bytes(self.area, self.delivery_start) if len(self.books) > 1 else None


def clear_books(area: Area, delivery_start: int, books: Sequence[PublishedBook]) -> Cleared:
    """Clears the books of an area, which stand in the order of its zones.

    Raises:
        ValueError: numbers out of the range that is computed exactly.
    """
    columns = {book.zone: book.columns() for book in books}
    if len(books) == 1:
        (book,) = books
        decided = auction.clear(columns[book.zone], book.grid_fee_per_kwh)
        result, hash_ = _of_one_zone(area, decided), result_hash(columns[book.zone], decided)
    else:
        result = zonal.clear(area, columns)
        hash_ = area_result_hash(delivery_start, columns, result)
    return Cleared(area, delivery_start, tuple(books), books_bytes(area, delivery_start, books), result, hash_)


def clear_columns(area: Area, books: Mapping[int, Book]) -> ZonalResult:
    """The auction alone, of books by zone."""
    if len(books) > 1:
        return zonal.clear(area, books)
    ((zone, book),) = books.items()
    return _of_one_zone(area, auction.clear(book, area.fee_per_kwh[zone, zone]))


def rerun(data: bytes) -> Cleared:
    """Runs an auction again from nothing but its published bytes, of a zone alone or of an area.

    Raises:
        BookUnreadable: the bytes are neither.
    """
    return replace(clear_books(*parse_books(data)), data=data)


def books_bytes(area: Area, delivery_start: int, books: Sequence[PublishedBook]) -> bytes:
    """What is published of the books of an area: a zone alone has its own book, several have the area's."""
    published = [zone_bytes(book) for book in books]
    return published[0] if len(books) == 1 else area_book_bytes(head_bytes(area, delivery_start), published)


def parse_books(data: bytes) -> tuple[Area, int, tuple[PublishedBook, ...]]:
    """Area, delivery start and books that published bytes say. Raises BookUnreadable."""
    if data[: len(AREA_MAGIC)] == AREA_MAGIC:
        published = parse_area_book(data)
        return published.area, published.delivery_start, published.books
    book = parse_book(data)
    return alone(book.zone, book.grid_fee_per_kwh), book.delivery_start, (book,)


def zone_bytes(book: PublishedBook) -> bytes:
    """The canonical bytes of one zone's book."""
    return book_bytes(book.zone, book.delivery_start, book.slot_s, book.grid_fee_per_kwh, book.orders)


def _of_one_zone(area: Area, decided: AuctionResult) -> ZonalResult:
    """The same in the terms of an area: buyers pay the sellers' price and the fee."""
    zone, fee = area.name, area.fee_per_kwh[area.name, area.name]
    price, low, high = decided.price_per_kwh, decided.price_low_per_kwh, decided.price_high_per_kwh

    flows: tuple[Flow, ...] = ()
    buys = SideResult(None, None, None, 0, decided.buy_fills_wh)
    if price is not None and low is not None and high is not None:
        flows = (Flow(zone, zone, decided.matched_wh, price, fee, 0, decided.trades),)
        buys = SideResult(price + fee, low + fee, high + fee, decided.matched_wh, decided.buy_fills_wh)
    return ZonalResult(
        sells={zone: SideResult(price, low, high, decided.matched_wh, decided.sell_fills_wh)},
        buys={zone: buys},
        flows=flows,
        rejected=decided.rejected,
    )
