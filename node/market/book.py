"""The published order book, from which anyone can run an auction again, and the hashes that pin book and result.

Format ``GTBK`` version 1, big-endian: header magic(4) version(u16) zone(u32) delivery start(u64, Unix s)
slot length(u32, s) grid fee(i64, micro per kWh) order count(u32); then 166 bytes for each order, ascending by
sequence: sequence(u64) digest(32) trader(20) side(u8: 0 buy, 1 sell) energy(u64, Wh) limit(i64) minimum fill(u64)
time in force(u8) source(u8) expiry(u32) lane(u16) nonce(u64) signature(65). With the zone and the slot of the header
these are all fields of the EIP-712 order: the digest and the trader's signature can be checked from the book alone.

Result ``GTAR`` version 1: magic(4) version(u16) priced(u8) price, low, high(i64 each; 0 where not priced)
matched(u64) counts of filled orders, trades and rejected orders(u32 each); then filled orders (sequence u64, Wh u64)
ascending by sequence; trades (buy sequence u64, sell sequence u64, Wh u64) in order; rejected sequences (u64).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from struct import Struct
from typing import Final

import numpy as np

from contracts.typed_data import BadSignature, Domain, Order, order_digest, recover
from node.errors import Refused
from node.market.auction import AuctionResult, Book, Side, clear

BUY: Final = 0
SELL: Final = 1

_VERSION: Final = 1
_HEADER: Final = Struct(">4sHIQIqI")
_ORDER: Final = Struct(">Q32s20sBQqQBBIHQ65s")
_RESULT: Final = Struct(">4sHBqqqQIII")


class BookUnreadable(Refused):
    """The bytes are not a published order book of a known version."""

    code = "book-unreadable"


@dataclass(frozen=True, slots=True)
class BookOrder:
    """A sequenced order, as published after the gate."""

    sequence: int
    digest: bytes
    order: Order
    signature: bytes

    def to_bytes(self) -> bytes:
        """The order's 166 bytes in the book."""
        order = self.order
        return _ORDER.pack(
            self.sequence,
            self.digest,
            order.trader,
            order.side,
            order.energy_wh,
            order.limit_price_per_kwh,
            order.min_fill_wh,
            order.time_in_force,
            order.source,
            order.expiry,
            order.lane,
            order.nonce,
            self.signature,
        )


@dataclass(frozen=True, slots=True)
class PublishedBook:
    """What the bytes of a book say. Orders ascend by sequence."""

    zone: int
    delivery_start: int
    slot_s: int
    grid_fee_per_kwh: int
    orders: tuple[BookOrder, ...]

    def columns(self) -> Book:
        """The book as the auction takes it."""
        return Book(self._side(BUY), self._side(SELL))

    def _side(self, side: int) -> Side:
        return Side.of(
            (entry.sequence, entry.order.energy_wh, entry.order.limit_price_per_kwh, entry.order.min_fill_wh)
            for entry in self.orders
            if entry.order.side == side
        )


def book_bytes(
    zone: int, delivery_start: int, slot_s: int, grid_fee_per_kwh: int, orders: Iterable[BookOrder]
) -> bytes:
    """The canonical bytes of a book; the order of ``orders`` does not matter."""
    entries = [entry.to_bytes() for entry in sorted(orders, key=lambda entry: entry.sequence)]
    header = _HEADER.pack(b"GTBK", _VERSION, zone, delivery_start, slot_s, grid_fee_per_kwh, len(entries))
    return header + b"".join(entries)


def parse_book(data: bytes) -> PublishedBook:
    """Reads a published book.

    Raises:
        BookUnreadable: not a book of this version, cut short, or not in order.
    """
    if len(data) < _HEADER.size:
        raise BookUnreadable(f"a book has a header of {_HEADER.size} bytes, this has {len(data)}")
    magic, version, zone, delivery_start, slot_s, fee, count = _HEADER.unpack_from(data)
    if (magic, version) != (b"GTBK", _VERSION):
        raise BookUnreadable(f"magic {magic!r} version {version} is not a book of version {_VERSION}")
    if len(data) != _HEADER.size + count * _ORDER.size:
        raise BookUnreadable(f"{count} orders do not fit {len(data)} bytes")
    entries = _ORDER.iter_unpack(data[_HEADER.size :])
    orders = tuple(_entry(zone, delivery_start, *fields) for fields in entries)
    if any(later.sequence <= earlier.sequence for earlier, later in pairwise(orders)):
        raise BookUnreadable("orders do not ascend by sequence")
    if any(entry.order.side not in (BUY, SELL) for entry in orders):
        raise BookUnreadable("an order neither buys nor sells")
    return PublishedBook(zone, delivery_start, slot_s, fee, orders)


def _entry(
    zone: int,
    delivery_start: int,
    sequence: int,
    digest: bytes,
    trader: bytes,
    side: int,
    energy_wh: int,
    limit_price_per_kwh: int,
    min_fill_wh: int,
    time_in_force: int,
    source: int,
    expiry: int,
    lane: int,
    nonce: int,
    signature: bytes,
) -> BookOrder:
    order = Order(
        trader=trader,
        zone=zone,
        delivery_start=delivery_start,
        side=side,
        energy_wh=energy_wh,
        limit_price_per_kwh=limit_price_per_kwh,
        min_fill_wh=min_fill_wh,
        time_in_force=time_in_force,
        source=source,
        expiry=expiry,
        lane=lane,
        nonce=nonce,
    )
    return BookOrder(sequence, digest, order, signature)


def book_hash(data: bytes) -> bytes:
    """sha256 of the published bytes."""
    return sha256(data).digest()


def result_bytes(book: Book, result: AuctionResult) -> bytes:
    """The canonical bytes of what an auction decided."""
    buys, sells, trades = book.buys.sequence, book.sells.sequence, result.trades
    sequences = np.concatenate((buys, sells))
    fills_wh = np.concatenate((result.buy_fills_wh, result.sell_fills_wh))
    filled = np.flatnonzero(fills_wh)
    filled = filled[np.argsort(sequences[filled])]
    prices = (result.price_per_kwh, result.price_low_per_kwh, result.price_high_per_kwh)
    head = _RESULT.pack(
        b"GTAR",
        _VERSION,
        result.price_per_kwh is not None,
        *(price or 0 for price in prices),
        result.matched_wh,
        len(filled),
        len(trades.energy_wh),
        len(result.rejected),
    )
    fill_rows = np.column_stack((sequences[filled], fills_wh[filled]))
    trade_rows = np.column_stack((buys[trades.buy], sells[trades.sell], trades.energy_wh))
    tables = (fill_rows, trade_rows, np.array(result.rejected, dtype=np.int64))
    return head + b"".join(table.astype(">u8").tobytes() for table in tables)


def result_hash(book: Book, result: AuctionResult) -> bytes:
    """sha256 of the canonical result."""
    return sha256(result_bytes(book, result)).digest()


def verify_auction(data: bytes) -> tuple[PublishedBook, AuctionResult]:
    """Runs an auction again from nothing but its published bytes. Raises BookUnreadable."""
    published = parse_book(data)
    return published, clear(published.columns(), published.grid_fee_per_kwh)


def forged_orders(published: PublishedBook, domain: Domain) -> Sequence[int]:
    """Sequence numbers of orders whose digest or signature is not the trader's; none, in an honest book."""
    return [entry.sequence for entry in published.orders if not _is_signed(entry, domain)]


def _is_signed(entry: BookOrder, domain: Domain) -> bool:
    try:
        signer = recover(entry.digest, entry.signature)
    except BadSignature:
        return False
    return signer == entry.order.trader and order_digest(domain, entry.order) == entry.digest
