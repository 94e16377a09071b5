"""The published book of an area, from which anyone can run its auction again, and the hashes that pin book and result.

Format ``GTAB`` version 1, big-endian: magic(4) version(u16) delivery start(u64, Unix s) counts of zones(u16) and of
pairs(u32); zones(u32 each), ascending; pairs in the order of ``Area.pairs``: zone of the seller(u32), zone of the
buyer(u32), grid fee(i64, micro per kWh), capacity(u64, Wh; all ones: no limit). That is the head. Then, for each zone,
the length(u32) and the bytes of its own book (see ``book``).

Result ``GTAA`` version 1: magic(4) version(u16) delivery start(u64) counts of zones(u16), of flows(u32) and of
rejected orders(u32). For each zone, for its buyers and then its sellers: zone(u32) side(u8: 0 buy, 1 sell) priced(u8)
price, low, high(i64 each; 0 where not priced) matched(u64) count of filled orders(u32), and those (sequence u64, Wh
u64) ascending by sequence. For each flow: zone of the seller(u32), of the buyer(u32), energy(u64), price, fee and rent
(i64 each), count of trades(u32), and those (buy sequence u64, sell sequence u64, Wh u64) in order. Rejected
sequences(u64).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from struct import Struct
from typing import Any, Final

import numpy as np

from node.market.area import Area
from node.market.auction import Book
from node.market.book import BUY, SELL, BookUnreadable, PublishedBook, parse_book
from node.market.rationing import Int64s
from node.market.zonal import ZonalResult

AREA_MAGIC: Final = b"GTAB"

_VERSION: Final = 1
_HEAD: Final = Struct(">4sHQHI")
_ZONE: Final = Struct(">I")
_PAIR: Final = Struct(">IIqQ")
_LENGTH: Final = Struct(">I")
_NO_LIMIT: Final = 2**64 - 1
_RESULT: Final = Struct(">4sHQHII")
_SIDE: Final = Struct(">IBBqqqQI")
_FLOW: Final = Struct(">IIQqqqI")


@dataclass(frozen=True, slots=True)
class AreaBook:
    """What the bytes of an area's book say: the books stand in the order of the area's zones."""

    area: Area
    delivery_start: int
    books: tuple[PublishedBook, ...]

    def columns(self) -> dict[int, Book]:
        """The books as the auction takes them."""
        return {book.zone: book.columns() for book in self.books}


def head_bytes(area: Area, delivery_start: int) -> bytes:
    """The head of an area's book: who trades with whom, and on what terms."""
    pairs = area.pairs
    head = _HEAD.pack(AREA_MAGIC, _VERSION, delivery_start, len(area.zones), len(pairs))
    terms = (_PAIR.pack(*pair, area.fee_per_kwh[pair], area.capacity_wh.get(pair, _NO_LIMIT)) for pair in pairs)
    return head + b"".join(_ZONE.pack(zone) for zone in area.zones) + b"".join(terms)


def area_book_bytes(head: bytes, books: Iterable[bytes]) -> bytes:
    """The canonical bytes of an area's book: its head, and its zones' books in the order of the zones."""
    return head + b"".join(_LENGTH.pack(len(book)) + book for book in books)


def parse_area_book(data: bytes) -> AreaBook:
    """Reads a published book of an area.

    Raises:
        BookUnreadable: not a book of this version, cut short, too long, not in order, or not of one area and slot.
    """
    reader = _Reader(data)
    magic, version, delivery_start, zone_count, pair_count = reader.read(_HEAD)
    if (magic, version) != (AREA_MAGIC, _VERSION):
        raise BookUnreadable(f"magic {magic!r} version {version} is not an area's book of version {_VERSION}")
    zones = tuple(reader.read(_ZONE)[0] for _ in range(zone_count))
    terms = [reader.read(_PAIR) for _ in range(pair_count)]
    area = Area(
        zones,
        {(sell, buy): fee for sell, buy, fee, _ in terms},
        {(sell, buy): capacity for sell, buy, _, capacity in terms if capacity != _NO_LIMIT},
    )
    if faults := area.faults():
        raise BookUnreadable("; ".join(faults))
    if area.pairs != tuple((sell, buy) for sell, buy, _, _ in terms):
        raise BookUnreadable("pairs do not ascend by fee and zones")
    books = tuple(parse_book(reader.bytes(reader.read(_LENGTH)[0])) for _ in zones)
    if reader.left:
        raise BookUnreadable(f"{reader.left} bytes follow the last zone's book")
    if tuple(book.zone for book in books) != zones or any(book.delivery_start != delivery_start for book in books):
        raise BookUnreadable(f"the books are not those of zones {zones} in slot {delivery_start}")
    sequences = sorted(entry.sequence for book in books for entry in book.orders)
    if any(later == earlier for earlier, later in pairwise(sequences)):
        raise BookUnreadable("an order stands in the books of two zones")
    return AreaBook(area, delivery_start, books)


def area_result_bytes(delivery_start: int, books: Mapping[int, Book], result: ZonalResult) -> bytes:
    """The canonical bytes of what an area's auction decided."""
    head = _RESULT.pack(b"GTAA", _VERSION, delivery_start, len(result.buys), len(result.flows), len(result.rejected))
    parts = [head]
    for zone, book in sorted(books.items()):
        for number, side, row in ((BUY, book.buys, result.buys[zone]), (SELL, book.sells, result.sells[zone])):
            filled = np.flatnonzero(row.fills_wh)
            prices = (row.price_per_kwh, row.price_low_per_kwh, row.price_high_per_kwh)
            priced = row.price_per_kwh is not None
            terms = (zone, number, priced, *(price or 0 for price in prices), row.matched_wh, len(filled))
            parts += [_SIDE.pack(*terms), _table(side.sequence[filled], row.fills_wh[filled])]
    for flow in result.flows:
        trades = flow.trades
        count = len(trades.energy_wh)
        zones, money = (flow.sell_zone, flow.buy_zone), (flow.price_per_kwh, flow.fee_per_kwh, flow.rent_per_kwh)
        buys = books[flow.buy_zone].buys.sequence[trades.buy]
        sells = books[flow.sell_zone].sells.sequence[trades.sell]
        parts += [_FLOW.pack(*zones, flow.energy_wh, *money, count), _table(buys, sells, trades.energy_wh)]
    return b"".join([*parts, _table(np.array(result.rejected, dtype=np.int64))])


def area_result_hash(delivery_start: int, books: Mapping[int, Book], result: ZonalResult) -> bytes:
    """sha256 of the canonical result."""
    return sha256(area_result_bytes(delivery_start, books, result)).digest()


def _table(*columns: Int64s) -> bytes:
    return np.column_stack(columns).astype(">u8").tobytes()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._position

    def bytes(self, count: int) -> bytes:
        if count > self.left:
            raise BookUnreadable(f"cut short: {count} bytes expected, {self.left} are left")
        self._position += count
        return self._data[self._position - count : self._position]

    def read(self, struct: Struct) -> tuple[Any, ...]:
        return struct.unpack(self.bytes(struct.size))
