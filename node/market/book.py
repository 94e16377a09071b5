"""The published order book, from which anyone can run an auction again, and the hashes that pin book and result.

Format ``GTBK`` version 2, big-endian: header magic(4) version(u16) zone(u32) delivery start(u64, Unix s)
slot length(u32, s) grid fee(i64, micro per kWh) order count(u32); then 252 bytes for each order, ascending by
sequence: sequence(u64) digest(32) trader(20) side(u8: 0 buy, 1 sell) energy(u64, Wh) limit(i64) minimum fill(u64)
time in force(u8) source(u8) expiry(u32) lane(u16) nonce(u64) signature(65) taken(u64, Wh: what is not left of it for
the auction) instructions(78). With the zone and the slot of the header these are all fields of the EIP-712 order: the
digest and the trader's signature can be checked from the book alone. Version 1 has 166 bytes for each order: neither
what is taken nor instructions.

Result ``GTAR`` version 1: magic(4) version(u16) priced(u8) price, low, high(i64 each; 0 where not priced)
matched(u64) counts of filled orders, trades and rejected orders(u32 each); then filled orders (sequence u64, Wh u64)
ascending by sequence; trades (buy sequence u64, sell sequence u64, Wh u64) in order; rejected sequences (u64).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import pairwise
from struct import Struct
from typing import Final

import numpy as np

from contracts.typed_data import BadSignature, Domain, Order, order_digest, recover
from node.errors import Refused
from node.market import instructions
from node.market.auction import AuctionResult, Book, Side, clear
from node.market.instructions import NO_INSTRUCTIONS, Instructions, InstructionsUnreadable

BUY: Final = 0
SELL: Final = 1

_VERSION: Final = 2
_HEADER: Final = Struct(">4sHIQIqI")
_SIGNED: Final = Struct(">Q32s20sBQqQBBIHQ65s")
_ORDER: Final = Struct(f">{_SIGNED.size}sQ{instructions.SIZE}s")
_ENTRY_SIZES: Final = {1: _SIGNED.size, 2: _ORDER.size}
_RESULT_VERSION: Final = 1
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
    instructions: Instructions = NO_INSTRUCTIONS
    taken_wh: int = 0
    """What is not left of it: traded before the auction, or cancelled."""

    @property
    def left_wh(self) -> int:
        """What it may still trade."""
        return self.order.energy_wh - self.taken_wh

    @property
    def min_fill_left_wh(self) -> int:
        """What it must trade at least, if it trades at all: an order that traded before has had its minimum."""
        return 0 if self.taken_wh else self.order.min_fill_wh

    def to_bytes(self) -> bytes:
        """The order's 252 bytes in the book."""
        order = self.order
        signed = _SIGNED.pack(
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
        return _ORDER.pack(signed, self.taken_wh, self.instructions.to_bytes())


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
            (entry.sequence, entry.left_wh, entry.order.limit_price_per_kwh, entry.min_fill_left_wh)
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
    """Reads a published book of any version.

    Raises:
        BookUnreadable: not a book of a known version, cut short, or not in order.
    """
    if len(data) < _HEADER.size:
        raise BookUnreadable(f"a book has a header of {_HEADER.size} bytes, this has {len(data)}")
    magic, version, zone, delivery_start, slot_s, fee, count = _HEADER.unpack_from(data)
    if magic != b"GTBK" or version not in _ENTRY_SIZES:
        raise BookUnreadable(f"magic {magic!r} version {version} is not a book of a version up to {_VERSION}")
    size = _ENTRY_SIZES[version]
    if len(data) != _HEADER.size + count * size:
        raise BookUnreadable(f"{count} orders do not fit {len(data)} bytes")
    starts = range(_HEADER.size, len(data), size)
    orders = tuple(parse_entry(zone, delivery_start, data[start : start + size]) for start in starts)
    if any(later.sequence <= earlier.sequence for earlier, later in pairwise(orders)):
        raise BookUnreadable("orders do not ascend by sequence")
    return PublishedBook(zone, delivery_start, slot_s, fee, orders)


def parse_entry(zone: int, delivery_start: int, data: bytes) -> BookOrder:
    """Reads one order of a book of any version.

    Raises:
        BookUnreadable: the bytes are no order.
    """
    if len(data) not in _ENTRY_SIZES.values():
        raise BookUnreadable(f"no version of the book has orders of {len(data)} bytes")
    entry = _entry(zone, delivery_start, *_SIGNED.unpack_from(data))
    if entry.order.side not in (BUY, SELL):
        raise BookUnreadable(f"order {entry.sequence} neither buys nor sells")
    if len(data) == _ORDER.size:
        _, taken_wh, asked = _ORDER.unpack(data)
        try:
            entry = replace(entry, taken_wh=taken_wh, instructions=Instructions.from_bytes(asked))
        except InstructionsUnreadable as error:
            raise BookUnreadable(f"order {entry.sequence}: {error}") from error
        if entry.left_wh <= 0:
            raise BookUnreadable(f"nothing is left of order {entry.sequence}")
    return entry


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
        _RESULT_VERSION,
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
