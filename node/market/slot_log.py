"""The published log of a slot: every event of its continuous book, from which anyone can match its orders again.

Format ``GTSL`` version 1, big-endian: magic(4) version(u16) area(u32) delivery start(u64, Unix s) imbalance price of
shortage (i64, micro per kWh) count of zones(u16) and their numbers(u32 each); then for each seller's zone and in it
for each buyer's, both in that order, fee(i64; the lowest number for no link) and capacity(i64, Wh; -1 without limit);
count of events(u32); then each event, ascending: sequence(u64) kind(u8: 1 order accepted, 2 cancelled, 3 expired)
hash(32) hash of the event before it(32) subject(32: the order's digest) length(u32) and payload.

An event's hash is sha256 of the hash before it, its sequence (8 bytes), its kind as text, a zero byte, its subject and
its payload: nothing can be changed without breaking the market's chain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import Final

from node.errors import Refused
from node.market.area import Area
from node.market.book import BookUnreadable
from node.market.sequence import ORDER_ACCEPTED, ORDER_CANCELLED, ORDER_EXPIRED, Event, event_hash
from node.market.slot_book import Changes, SlotBook

_VERSION: Final = 1
_HEADER: Final = Struct(">4sHIQqH")
_ZONE: Final = Struct(">I")
_LINK: Final = Struct(">qq")
_COUNT: Final = Struct(">I")
_EVENT: Final = Struct(">QB32s32s32sI")
_KINDS: Final = {ORDER_ACCEPTED: 1, ORDER_CANCELLED: 2, ORDER_EXPIRED: 3}
_KIND_NAMES: Final = {number: name for name, number in _KINDS.items()}
_NO_LINK: Final = -(2**63)
_NO_LIMIT: Final = -1


class LogUnreadable(Refused):
    """The bytes are not a published log of a slot, or its events are not those of the market's chain."""

    code = "slot-log-unreadable"


@dataclass(frozen=True, slots=True)
class SlotLog:
    """What the bytes of a log say."""

    area: Area
    delivery_start: int
    price_short_per_kwh: int
    events: tuple[Event, ...]

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        area = self.area
        head = _HEADER.pack(
            b"GTSL", _VERSION, area.name, self.delivery_start, self.price_short_per_kwh, len(area.zones)
        )
        zones = b"".join(_ZONE.pack(zone) for zone in area.zones)
        links = b"".join(
            _LINK.pack(
                area.fee_per_kwh.get((seller, buyer), _NO_LINK), area.capacity_wh.get((seller, buyer), _NO_LIMIT)
            )
            for seller in area.zones
            for buyer in area.zones
        )
        events = b"".join(
            _EVENT.pack(e.sequence, _KINDS[e.kind], e.hash, e.previous_hash, e.subject, len(e.payload)) + e.payload
            for e in self.events
        )
        return head + zones + links + _COUNT.pack(len(self.events)) + events


@dataclass(frozen=True, slots=True)
class Rematched:
    """A slot's continuous trading, done again."""

    log: SlotLog
    changes: Changes
    """All fills, and where every order stood when the gate closed."""
    area_left: Area
    """With the capacity that was left for the auction."""
    replay_hash: bytes


def log_hash(data: bytes) -> bytes:
    """sha256 of the published bytes."""
    return sha256(data).digest()


def parse_log(data: bytes) -> SlotLog:
    """Reads a published log, and checks the hash of every event.

    Raises:
        LogUnreadable: not a log of this version, cut short, not in order, or an event is not what its hash says.
    """
    try:
        return _parsed(data)
    except StructError as error:
        raise LogUnreadable(f"{len(data)} bytes end too early: {error}") from error


def rematch(data: bytes) -> Rematched:
    """Matches a slot's orders again from nothing but its published log. Raises LogUnreadable."""
    log = parse_log(data)
    return rematch_events(log)


def rematch_events(log: SlotLog) -> Rematched:
    """Matches the orders of a log. Raises LogUnreadable where an order cannot be read."""
    book = SlotBook(log.area, log.delivery_start, log.price_short_per_kwh)
    try:
        book.apply(log.events)
    except (BookUnreadable, StructError, ValueError) as error:
        raise LogUnreadable(f"an accepted order cannot be read: {error}") from error
    return Rematched(log, book.drain(), book.room_left(), book.hash())


def _parsed(data: bytes) -> SlotLog:
    magic, version, name, delivery_start, price_short, zone_count = _HEADER.unpack_from(data)
    if (magic, version) != (b"GTSL", _VERSION):
        raise LogUnreadable(f"magic {magic!r} version {version} is not a slot log of version {_VERSION}")
    at = _HEADER.size
    zones = tuple(_ZONE.unpack_from(data, at + index * _ZONE.size)[0] for index in range(zone_count))
    at += zone_count * _ZONE.size
    fees, capacities = {}, {}
    for pair in ((seller, buyer) for seller in zones for buyer in zones):
        fee, capacity_wh = _LINK.unpack_from(data, at)
        at += _LINK.size
        if fee != _NO_LINK:
            fees[pair] = fee
        if capacity_wh != _NO_LIMIT:
            capacities[pair] = capacity_wh
    area = Area(zones, fees, capacities)
    if not zones or area.name != name or area.faults():
        raise LogUnreadable(f"zones {zones} are no area of the name {name}: {'; '.join(area.faults())}")
    (count,) = _COUNT.unpack_from(data, at)
    at += _COUNT.size
    events = []
    for _ in range(count):
        event, at = _event(data, at)
        events.append(event)
    if at != len(data):
        raise LogUnreadable(f"{len(data) - at} bytes follow the last event")
    _check(events)
    return SlotLog(area, delivery_start, price_short, tuple(events))


def _event(data: bytes, at: int) -> tuple[Event, int]:
    sequence, kind, hash_, previous_hash, subject, length = _EVENT.unpack_from(data, at)
    at += _EVENT.size
    payload = data[at : at + length]
    if kind not in _KIND_NAMES or len(payload) != length:
        raise LogUnreadable(f"event {sequence} of kind {kind} has {len(payload)} of {length} bytes")
    return Event(sequence, _KIND_NAMES[kind], subject, payload, previous_hash, hash_), at + length


def _check(events: Sequence[Event]) -> None:
    for event in events:
        if event_hash(event.previous_hash, event.sequence, event.kind, event.subject, event.payload) != event.hash:
            raise LogUnreadable(f"event {event.sequence} is not what its hash says")
    for earlier, later in pairwise(events):
        follows = later.sequence == earlier.sequence + 1
        if later.sequence <= earlier.sequence or (follows and later.previous_hash != earlier.hash):
            raise LogUnreadable(f"event {later.sequence} does not follow from event {earlier.sequence}")
