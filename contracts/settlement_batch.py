"""Packed settlement batches and event entries of SettlementExchange and ProductionLedger.

All fields are big-endian and without padding; the layouts are those of
``contracts/src/market/SettlementExchange.sol`` and of the events' documentation. Energy is in Wh,
money in units of the payment token (negative where a negative price turns the payment round).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from contracts.errors import GridtraceError
from contracts.typed_data import Order, Reading, TradingMandate

MAX_ENTRIES: Final = 400
"""Most orders, fills of mandates and adjustments in a batch (``SettlementExchange.MAX_ENTRIES``)."""

MAX_MANDATES: Final = 400
"""Most mandates in a book (``SettlementExchange.MAX_MANDATES``)."""

ACCOUNT_LANE: Final = 0
"""The lane that each account keeps beside its balances: one slot, one side and one count at a time."""

ACCOUNT_LANE_WH: Final = 2**31 - 1
"""The most that the account lane fills in one slot."""

MANDATE_LANE: Final = 65_536
"""Where the mirror files fills of trading mandates: above all lanes that an order can name."""

MAX_REGISTERS: Final = 2_500
"""Most registers of one attestation (``ProductionLedger.MAX_REGISTERS``)."""

MAX_READINGS: Final = 1_000
"""Most readings of one signed attestation (``ProductionLedger.MAX_READINGS``)."""

BUY: Final = 0
SELL: Final = 1

_SETTLED_ORDER_BYTES: Final = 53
_MANDATE_BYTES: Final = 54
_MANDATE_FILL_BYTES: Final = 16
_ADJUSTMENT_BYTES: Final = 28
_REGISTER_BYTES: Final = 12
_ATTESTED_READING_BYTES: Final = 20
_COMPACT_PARITY: Final = 1 << 255


class BadBatch(GridtraceError):
    """A value does not fit the packed layout, or packed bytes are not a whole number of entries."""

    code = "bad-batch"


@dataclass(frozen=True, slots=True)
class Fill:
    """One signed order and what a batch settles of it.

    ``signature`` is r, s, v (65 bytes). ``money`` is paid by a buyer and received by a seller, in cash
    units. ``delivered_wh`` is the part of ``fill_wh`` that was metered.
    """

    order: Order
    signature: bytes
    fill_wh: int
    money: int
    delivered_wh: int


@dataclass(frozen=True, slots=True)
class MandateFill:
    """What a batch settles of the trading mandate with this index in its book; amounts as in Fill."""

    index: int
    side: int
    fill_wh: int
    money: int
    delivered_wh: int


@dataclass(frozen=True, slots=True)
class BookFills:
    """Fills of mandates of one registered book."""

    book: int
    fills: tuple[MandateFill, ...]


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Imbalance of one account in cash units: positive is credited, negative charged to its mandate."""

    account: bytes
    money: int


@dataclass(frozen=True, slots=True)
class SettledOrder:
    """One entry of the event OrdersSettled."""

    trader: bytes
    side: int
    zone: int
    lane: int
    nonce: int
    fill_wh: int
    money: int
    delivered_wh: int


@dataclass(frozen=True, slots=True)
class AttestedReading:
    """One entry of the event ReadingsAttested: a register in Wh at a time in Unix seconds."""

    meter_id: int
    time: int
    register_wh: int


def encode_batch(
    sequence: int,
    delivery_start: int,
    version: int,
    fills: Sequence[Fill],
    adjustments: Sequence[Adjustment],
    books: Sequence[BookFills] = (),
) -> bytes:
    """The argument of ``SettlementExchange.settleBatch``.

    Entries are applied in the order given, orders before mandates before adjustments, each against the balances the
    ones before left: sellers first lets a trader spend what he earns in the same batch.

    Raises:
        BadBatch: an order belongs to another slot, a value does not fit its field, or too many entries.
    """
    mandate_fills = sum(len(book.fills) for book in books)
    entries = len(fills) + mandate_fills + len(adjustments)
    if entries > MAX_ENTRIES:
        raise BadBatch(f"{entries} entries in batch {sequence}, at most {MAX_ENTRIES} fit")
    header = (
        _uint(sequence, 8, "sequence")
        + _uint(delivery_start, 8, "delivery_start")
        + _uint(version, 2, "version")
        + _uint(len(fills), 2, "fills")
        + _uint(len(books), 2, "books")
        + _uint(mandate_fills, 2, "mandate_fills")
        + _uint(len(adjustments), 2, "adjustments")
    )
    orders = (_fill(fill, delivery_start) for fill in fills)
    sections = (_book(book) for book in books)
    moved = (_adjustment(adjustment) for adjustment in adjustments)
    return header + b"".join(orders) + b"".join(sections) + b"".join(moved)


def decode_orders_settled(entries: bytes) -> list[SettledOrder]:
    """Entries of the event OrdersSettled. Raises BadBatch when they are cut short."""
    return [
        SettledOrder(
            trader=entry[:20],
            side=entry[20],
            zone=int.from_bytes(entry[21:25], "big"),
            lane=int.from_bytes(entry[25:27], "big"),
            nonce=int.from_bytes(entry[27:33], "big"),
            fill_wh=int.from_bytes(entry[33:39], "big"),
            money=int.from_bytes(entry[39:47], "big", signed=True),
            delivered_wh=int.from_bytes(entry[47:], "big"),
        )
        for entry in _entries(entries, _SETTLED_ORDER_BYTES)
    ]


def encode_mandates(mandates: Iterable[TradingMandate]) -> bytes:
    """The argument ``mandates`` of ``SettlementExchange.registerMandates``. Raises BadBatch: a value does not fit."""
    return b"".join(
        _address(mandate.account)
        + _uint(mandate.zone, 4, "zone")
        + _uint(mandate.nonce, 6, "nonce")
        + _uint(mandate.valid_from, 4, "valid_from")
        + _uint(mandate.expiry, 4, "expiry")
        + _uint(mandate.max_wh_per_slot, 4, "max_wh_per_slot")
        + _int(mandate.min_sell_price_per_kwh, 6, "min_sell_price_per_kwh")
        + _int(mandate.max_buy_price_per_kwh, 6, "max_buy_price_per_kwh")
        for mandate in mandates
    )


def encode_signatures(signatures: Iterable[bytes]) -> bytes:
    """The argument ``signatures`` of ``registerMandates`` from signatures r, s, v. Raises BadBatch."""
    return b"".join(_compact(signature) for signature in signatures)


def decode_mandates(mandates: bytes) -> list[TradingMandate]:
    """Entries of the event MandatesRegistered. Raises BadBatch when they are cut short."""
    return [
        TradingMandate(
            account=entry[:20],
            zone=int.from_bytes(entry[20:24], "big"),
            nonce=int.from_bytes(entry[24:30], "big"),
            valid_from=int.from_bytes(entry[30:34], "big"),
            expiry=int.from_bytes(entry[34:38], "big"),
            max_wh_per_slot=int.from_bytes(entry[38:42], "big"),
            min_sell_price_per_kwh=int.from_bytes(entry[42:48], "big", signed=True),
            max_buy_price_per_kwh=int.from_bytes(entry[48:], "big", signed=True),
        )
        for entry in _entries(mandates, _MANDATE_BYTES)
    ]


def decode_mandates_settled(fills: bytes) -> list[MandateFill]:
    """Entries of the event MandatesSettled. Raises BadBatch when they are cut short."""
    return [
        MandateFill(
            index=int.from_bytes(entry[:2], "big") >> 1,
            side=entry[1] & 1,
            fill_wh=int.from_bytes(entry[2:6], "big"),
            money=int.from_bytes(entry[6:12], "big", signed=True),
            delivered_wh=int.from_bytes(entry[12:], "big"),
        )
        for entry in _entries(fills, _MANDATE_FILL_BYTES)
    ]


def decode_imbalance_settled(entries: bytes) -> list[Adjustment]:
    """Entries of the event ImbalanceSettled. Raises BadBatch when they are cut short."""
    return [
        Adjustment(account=entry[:20], money=int.from_bytes(entry[20:], "big", signed=True))
        for entry in _entries(entries, _ADJUSTMENT_BYTES)
    ]


def encode_registers(registers: Iterable[tuple[int, int]]) -> bytes:
    """The argument ``registers`` of ``ProductionLedger.attest`` from pairs of meter id and register in Wh.

    Raises:
        BadBatch: a value does not fit its field.
    """
    return b"".join(
        _uint(meter_id, 4, "meter_id") + _uint(register_wh, 8, "register_wh") for meter_id, register_wh in registers
    )


def decode_registers(registers: bytes) -> list[tuple[int, int]]:
    """Pairs of meter id and register in Wh, from RegistersAttested. Raises BadBatch when cut short."""
    return [
        (int.from_bytes(entry[:4], "big"), int.from_bytes(entry[4:], "big"))
        for entry in _entries(registers, _REGISTER_BYTES)
    ]


def encode_readings(readings: Iterable[tuple[Reading, bytes]]) -> bytes:
    """The argument ``readings`` of ``ProductionLedger.attestSigned`` from readings and their signatures (r, s, v).

    Raises:
        BadBatch: a value does not fit its field, or a signature is malformed.
    """
    return b"".join(
        _uint(reading.meter_id, 4, "meter_id")
        + _uint(reading.time, 8, "time")
        + _uint(reading.counter, 8, "counter")
        + _uint(reading.import_wh, 8, "import_wh")
        + _uint(reading.export_wh, 8, "export_wh")
        + _int(reading.power_w, 8, "power_w")
        + _compact(signature)
        for reading, signature in readings
    )


def decode_readings_attested(entries: bytes) -> list[AttestedReading]:
    """Entries of the event ReadingsAttested. Raises BadBatch when they are cut short."""
    return [
        AttestedReading(
            meter_id=int.from_bytes(entry[:4], "big"),
            time=int.from_bytes(entry[4:12], "big"),
            register_wh=int.from_bytes(entry[12:], "big"),
        )
        for entry in _entries(entries, _ATTESTED_READING_BYTES)
    ]


def _fill(fill: Fill, delivery_start: int) -> bytes:
    order = fill.order
    if order.delivery_start != delivery_start:
        raise BadBatch(f"order for slot {order.delivery_start} in a batch for slot {delivery_start}")
    return b"".join(
        (
            _address(order.trader),
            _uint(order.side, 1, "side"),
            _uint(order.zone, 4, "zone"),
            _uint(order.lane, 2, "lane"),
            _uint(order.nonce, 6, "nonce"),
            _uint(fill.fill_wh, 6, "fill_wh"),
            _int(fill.money, 8, "money"),
            _uint(fill.delivered_wh, 6, "delivered_wh"),
            _uint(order.energy_wh, 6, "energy_wh"),
            _int(order.limit_price_per_kwh, 6, "limit_price_per_kwh"),
            _uint(order.min_fill_wh, 6, "min_fill_wh"),
            _uint(order.time_in_force, 1, "time_in_force"),
            _uint(order.source, 1, "source"),
            _uint(order.expiry, 4, "expiry"),
            _compact(fill.signature),
        )
    )


def _book(section: BookFills) -> bytes:
    head = _uint(section.book, 4, "book") + _uint(len(section.fills), 2, "fills")
    return head + b"".join(_mandate_fill(fill) for fill in section.fills)


def _mandate_fill(fill: MandateFill) -> bytes:
    if fill.side not in (BUY, SELL):
        raise BadBatch(f"side={fill.side} is neither {BUY} nor {SELL}")
    return (
        _uint(fill.index << 1 | fill.side, 2, "index")
        + _uint(fill.fill_wh, 4, "fill_wh")
        + _int(fill.money, 6, "money")
        + _uint(fill.delivered_wh, 4, "delivered_wh")
    )


def _adjustment(adjustment: Adjustment) -> bytes:
    return _address(adjustment.account) + _int(adjustment.money, 8, "money")


def _compact(signature: bytes) -> bytes:
    """r, s, v as 64 bytes: the parity of v goes into the unused top bit of s (EIP-2098)."""
    if len(signature) != 65 or signature[64] not in (27, 28):
        raise BadBatch(f"a signature is r, s, v with v 27 or 28, not 0x{signature.hex()}")
    s = int.from_bytes(signature[32:64], "big")
    if s >= _COMPACT_PARITY:
        raise BadBatch("s of a signature is in the upper half of the curve's order")
    parity = _COMPACT_PARITY if signature[64] == 28 else 0
    return signature[:32] + (s | parity).to_bytes(32, "big")


def _address(address: bytes) -> bytes:
    if len(address) != 20:
        raise BadBatch(f"an address is 20 bytes, not {len(address)}")
    return address


def _uint(value: int, length: int, name: str) -> bytes:
    if not 0 <= value < 1 << 8 * length:
        raise BadBatch(f"{name}={value} does not fit {length} bytes")
    return value.to_bytes(length, "big")


def _int(value: int, length: int, name: str) -> bytes:
    half = 1 << 8 * length - 1
    if not -half <= value < half:
        raise BadBatch(f"{name}={value} does not fit {length} signed bytes")
    return value.to_bytes(length, "big", signed=True)


def _entries(packed: bytes, length: int) -> Iterator[bytes]:
    if len(packed) % length:
        raise BadBatch(f"{len(packed)} bytes are not a whole number of {length}-byte entries")
    return (packed[start : start + length] for start in range(0, len(packed), length))
