"""The packed batch, written and read as its documentation says: big-endian fields one behind the other.

A second writing of ``contracts.settlement_batch``, on purpose: tests hold the two against each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.typed_data import Order, TradingMandate

HEADER_BYTES = 26
ORDER_BYTES = 141
SIGNATURE_BYTES = 64
BOOK_BYTES = 6
FILL_BYTES = 16
ADJUSTMENT_BYTES = 28
MANDATE_BYTES = 54
EVENT_BYTES = 53


@dataclass(frozen=True, slots=True)
class Header:
    sequence: int
    delivery_start: int
    version: int
    orders: int
    books: int
    fills: int
    adjustments: int

    @property
    def batch_bytes(self) -> int:
        """The only length a batch with these counts has."""
        orders, books = ORDER_BYTES * self.orders, BOOK_BYTES * self.books
        return HEADER_BYTES + orders + books + FILL_BYTES * self.fills + ADJUSTMENT_BYTES * self.adjustments

    @property
    def entries(self) -> int:
        return self.orders + self.fills + self.adjustments


@dataclass(frozen=True, slots=True)
class OrderEntry:
    order: Order
    fill_wh: int
    money: int
    delivered_wh: int
    r: int
    vs: int


@dataclass(frozen=True, slots=True)
class MandateFill:
    """``index`` counts the mandates of the book from 0, in 15 bits; ``side`` has one."""

    side: int
    index: int
    fill_wh: int
    money: int
    delivered_wh: int


@dataclass(frozen=True, slots=True)
class AdjustmentEntry:
    account: bytes
    money: int


class Reader:
    """Takes fields off the front; what is missing reads as zeros."""

    def __init__(self, packed: bytes) -> None:
        self._rest = packed

    def raw(self, length: int) -> bytes:
        taken, self._rest = self._rest[:length], self._rest[length:]
        return taken.ljust(length, b"\0")

    def uint(self, length: int) -> int:
        return int.from_bytes(self.raw(length), "big")

    def int(self, length: int) -> int:
        return int.from_bytes(self.raw(length), "big", signed=True)


def read_header(read: Reader) -> Header:
    return Header(read.uint(8), read.uint(8), *(read.uint(2) for _ in range(5)))


def read_order(read: Reader, delivery_start: int) -> OrderEntry:
    trader, side, zone, lane, nonce = read.raw(20), read.uint(1), read.uint(4), read.uint(2), read.uint(6)
    fill_wh, money, delivered_wh = read.uint(6), read.int(8), read.uint(6)
    energy_wh, limit, min_fill_wh = read.uint(6), read.int(6), read.uint(6)
    order = Order(
        trader=trader,
        zone=zone,
        delivery_start=delivery_start,
        side=side,
        energy_wh=energy_wh,
        limit_price_per_kwh=limit,
        min_fill_wh=min_fill_wh,
        time_in_force=read.uint(1),
        source=read.uint(1),
        expiry=read.uint(4),
        lane=lane,
        nonce=nonce,
    )
    return OrderEntry(order, fill_wh, money, delivered_wh, read.uint(32), read.uint(32))


def read_fill(read: Reader) -> MandateFill:
    which = read.uint(2)
    return MandateFill(which & 1, which >> 1, read.uint(4), read.int(6), read.uint(4))


def read_adjustment(read: Reader) -> AdjustmentEntry:
    return AdjustmentEntry(read.raw(20), read.int(8))


def write_header(header: Header) -> bytes:
    counts = (header.version, header.orders, header.books, header.fills, header.adjustments)
    return uint(header.sequence, 8) + uint(header.delivery_start, 8) + b"".join(uint(count, 2) for count in counts)


def write_order(entry: OrderEntry) -> bytes:
    order = entry.order
    return b"".join(
        (
            write_settled(entry),
            uint(order.energy_wh, 6),
            sint(order.limit_price_per_kwh, 6),
            uint(order.min_fill_wh, 6),
            uint(order.time_in_force, 1),
            uint(order.source, 1),
            uint(order.expiry, 4),
            uint(entry.r, 32),
            uint(entry.vs, 32),
        )
    )


def write_settled(entry: OrderEntry) -> bytes:
    """The order's part that the event OrdersSettled carries."""
    order = entry.order
    return b"".join(
        (
            order.trader,
            uint(order.side, 1),
            uint(order.zone, 4),
            uint(order.lane, 2),
            uint(order.nonce, 6),
            uint(entry.fill_wh, 6),
            sint(entry.money, 8),
            uint(entry.delivered_wh, 6),
        )
    )


def write_book(book: int, fills: Sequence[MandateFill]) -> bytes:
    return uint(book, 4) + uint(len(fills), 2) + b"".join(map(write_fill, fills))


def write_fill(fill: MandateFill) -> bytes:
    which = uint(fill.index << 1 | fill.side, 2)
    return which + uint(fill.fill_wh, 4) + sint(fill.money, 6) + uint(fill.delivered_wh, 4)


def write_adjustment(entry: AdjustmentEntry) -> bytes:
    return entry.account + sint(entry.money, 8)


def write_mandate(mandate: TradingMandate) -> bytes:
    times = uint(mandate.valid_from, 4) + uint(mandate.expiry, 4) + uint(mandate.max_wh_per_slot, 4)
    prices = sint(mandate.min_sell_price_per_kwh, 6) + sint(mandate.max_buy_price_per_kwh, 6)
    return mandate.account + uint(mandate.zone, 4) + uint(mandate.nonce, 6) + times + prices


def uint(value: int, length: int) -> bytes:
    return value.to_bytes(length, "big")


def sint(value: int, length: int) -> bytes:
    return value.to_bytes(length, "big", signed=True)
