"""Events of the sequence as rows of the continuous book: accepted orders are read a whole batch at a time."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from node.market.auction import MAX_PRICE_PER_KWH, MAX_QUANTITY_WH
from node.market.book import BookOrder, BookUnreadable, parse_entry
from node.market.instructions import SelfTrade, TimeInForce
from node.market.rationing import Int64s
from node.market.rows import BLOCK, CANCEL, EVENT, EXPIRE, NO_TARGET, NOTHING, ORDER, UNKNOWN_TARGET, Rows
from node.market.sequence import ORDER_ACCEPTED, ORDER_CANCELLED, ORDER_EXPIRED, Event, parse_accepted


class _Kinds(dict[str, int]):
    def __missing__(self, kind: str) -> int:
        return NOTHING


_KINDS: Final = _Kinds({ORDER_ACCEPTED: ORDER, ORDER_CANCELLED: CANCEL, ORDER_EXPIRED: EXPIRE})
POST_ONLY: Final = 1
REPLACES: Final = 2
_IN_BLOCK: Final = 4

# As node/market/sequence.py, book.py and instructions.py write them.
ACCEPTED: Final = np.dtype(
    [
        ("zone", ">u4"), ("delivery_start", ">u8"), ("accepted_ms", ">u8"), ("sequence", ">u8"), ("digest", "V32"),
        ("trader", ">u8"), ("trader_2", ">u8"), ("trader_3", ">u4"), ("side", "u1"),
        ("energy_wh", ">u8"), ("limit_per_kwh", ">i8"), ("min_fill_wh", ">u8"),
        ("time_in_force", "u1"), ("source", "u1"), ("expiry", ">u4"), ("lane", ">u2"), ("nonce", ">u8"),
        ("signature", "V65"), ("taken_wh", ">u8"), ("flags", "u1"), ("self_trade", "u1"), ("display_wh", ">u8"),
        ("good_till", ">u4"), ("replaces", ">u8", 4), ("block", ">u8", 4),
    ]
)  # fmt: skip
_DIGEST: Final = slice(28, 60)
_TRADER: Final = slice(60, 80)
_REPLACED: Final = slice(208, 240)
_SHORT_SIZE: Final = 186
"""Of an order that asks for nothing, as the first version of the book wrote it."""
_COPIED: Final = (
    "trader", "trader_2", "trader_3", "side", "limit_per_kwh", "energy_wh", "min_fill_wh", "display_wh",
    "time_in_force", "self_trade", "accepted_ms",
)  # fmt: skip


class BookEvents:
    """Reads events, and keeps the row that each order came with."""

    def __init__(self, zones: Sequence[int]) -> None:
        self._zones = np.array(zones, dtype=np.int64)
        self._by_number = np.argsort(self._zones)
        self._rows: dict[bytes, int] = {}
        self._payloads: list[bytes] = []

    def read(self, events: Sequence[Event]) -> Rows:
        """Rows of the events that come next.

        Raises:
            BookUnreadable: the bytes of an accepted order are none, or it is of another area.
        """
        first = len(self._payloads)
        read = np.zeros(len(events), EVENT)
        # Part by part: a tuple for each event would make the garbage collector look at all events there are.
        subjects, payloads = [event.subject for event in events], [event.payload for event in events]
        kinds = np.array([_KINDS[event.kind] for event in events], dtype=np.int8)
        read["sequence"] = [event.sequence for event in events]
        read["kind"], read["target"] = kinds, NO_TARGET
        come = np.flatnonzero(kinds == ORDER)
        rows = come.tolist()
        self._read_orders([payloads[row] for row in rows], read, come)
        self._rows.update(zip([subjects[row] for row in rows], (come + first).tolist(), strict=True))
        self._payloads += payloads
        row_of = self._rows
        replaces = come[read["target"][come] == UNKNOWN_TARGET]
        replaced = [payloads[row][_REPLACED] for row in replaces.tolist()]
        read["target"][replaces] = [row_of.get(digest, UNKNOWN_TARGET) for digest in replaced]
        goes = np.flatnonzero((kinds == CANCEL) | (kinds == EXPIRE))
        read["target"][goes] = [row_of.get(subjects[row], UNKNOWN_TARGET) for row in goes.tolist()]
        return read

    def entry(self, row: int) -> BookOrder:
        """The order that came with a row."""
        zone, delivery_start, _, data = parse_accepted(self._payloads[row])
        return parse_entry(zone, delivery_start, data)

    def digests(self, rows: Int64s) -> list[bytes]:
        """Of the orders that came with these rows."""
        return [self._payloads[row][_DIGEST] for row in rows.tolist()]

    def traders(self, rows: Int64s) -> list[bytes]:
        """Accounts of the orders that came with these rows."""
        return [self._payloads[row][_TRADER] for row in rows.tolist()]

    def _read_orders(self, payloads: list[bytes], read: Rows, come: Int64s) -> None:
        if set(map(len, payloads)) - {ACCEPTED.itemsize}:
            payloads = [_whole(payload) for payload in payloads]
        orders = np.frombuffer(b"".join(payloads), ACCEPTED)
        columns = {name: orders[name].astype(np.int64) for name in (*_COPIED, "taken_wh", "flags", "zone")}
        places = np.searchsorted(self._zones, columns["zone"], sorter=self._by_number)
        positions = self._by_number[np.minimum(places, len(self._zones) - 1)]
        flags, energy_wh = columns["flags"], columns["energy_wh"]
        # Numbers of 64 bits without a sign that are too large for one with a sign have become negative.
        good = (
            (self._zones[positions] == columns["zone"])
            & (columns["side"] < 2)
            & (energy_wh > 0)
            & (energy_wh < MAX_QUANTITY_WH)
            & (columns["limit_per_kwh"] > -MAX_PRICE_PER_KWH)
            & (columns["limit_per_kwh"] < MAX_PRICE_PER_KWH)
            & (columns["min_fill_wh"] >= 0)
            & (columns["min_fill_wh"] <= energy_wh)
            & (columns["display_wh"] >= 0)
            & (columns["display_wh"] <= energy_wh)
            & (columns["time_in_force"] <= max(TimeInForce))
            & (columns["self_trade"] <= max(SelfTrade))
            & (columns["taken_wh"] >= 0)
            & (columns["taken_wh"] < energy_wh)
            & (flags <= POST_ONLY | REPLACES | _IN_BLOCK)
            & (flags & REPLACES | ~orders["replaces"].any(axis=1)).astype(bool)
            & (flags & _IN_BLOCK | ~orders["block"].any(axis=1)).astype(bool)
        )
        if not good.all():
            _refuse(payloads[int(good.argmin())])
        for name in _COPIED:
            read[name][come] = columns[name]
        read["zone"][come] = positions
        read["post_only"][come] = flags & POST_ONLY
        read["kind"][come] = np.where(flags & _IN_BLOCK, BLOCK, ORDER)
        read["target"][come] = np.where(flags & REPLACES, UNKNOWN_TARGET, NO_TARGET)


def _whole(payload: bytes) -> bytes:
    if len(payload) == ACCEPTED.itemsize:
        return payload
    if len(payload) != _SHORT_SIZE:
        raise BookUnreadable(f"{len(payload)} bytes are no accepted order")
    return payload + bytes(ACCEPTED.itemsize - _SHORT_SIZE)


def _refuse(payload: bytes) -> None:
    zone, delivery_start, _, data = parse_accepted(payload)
    entry = parse_entry(zone, delivery_start, data)
    raise BookUnreadable(f"order {entry.sequence} in zone {zone} is none that this book can have taken: {entry.order}")
