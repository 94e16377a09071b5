"""The published book of a day-ahead session, from which anyone can run its auction again, and its result's hash.

Format ``GTDA`` version 1, big-endian: magic(4) version(u16) day(u64: when it begins, Unix s) count of slots(u32); then,
for each slot that has orders, ascending: delivery start(u64), length(u32) and bytes of its book: a zone's where the
zone is an area of its own (see ``book``), else the area's (see ``area_book``).

Blocks are in the orders: those of one trader that name the same block are filled together. A block's name is 32 bytes,
of which 16 name a family and 16 the block in it. The block that has zeros there is the parent of its trader's others of
that family, if there is one.

Result ``GTDR`` version 1: magic(4) version(u16) day(u64) counts of slots(u32), of accepted and of rejected blocks(u32
each); for each slot its result's sha256, as of an area's (see ``area_book``); then each block by the least of its
orders' sequence numbers(u64).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from struct import Struct
from typing import Final

from node.market.area import Area
from node.market.area_auction import Cleared, books_bytes, parse_books
from node.market.area_book import area_result_hash
from node.market.blocks import Block, clear_session
from node.market.book import BookUnreadable, PublishedBook

_MAGIC: Final = b"GTDA"
_VERSION: Final = 1
_HEAD: Final = Struct(">4sHQI")
_SLOT: Final = Struct(">QI")
_RESULT: Final = Struct(">4sHQIII")
_NUMBER: Final = Struct(">Q")
_FAMILY_BYTES: Final = 16
_PARENT: Final = bytes(16)


@dataclass(frozen=True, slots=True)
class ClearedSession:
    """A day-ahead auction, with the bytes that it can be run again from."""

    day: int
    slots: tuple[Cleared, ...]
    """By delivery start; those that have orders."""
    accepted_blocks: tuple[int, ...]
    """Each by the least of its orders' sequence numbers."""
    rejected_blocks: tuple[int, ...]
    """Left out though they would gain at the published prices."""
    data: bytes
    result_hash: bytes

    @property
    def book_hash(self) -> bytes:
        """sha256 of the published bytes."""
        return sha256(self.data).digest()


def clear_day(area: Area, day: int, books: Mapping[int, Sequence[PublishedBook]]) -> ClearedSession:
    """Clears a day's slots at once: books by delivery start, each slot's in the order of the area's zones.

    Raises:
        ValueError: numbers out of the range that is computed exactly.
    """
    columns = {start: {book.zone: book.columns() for book in slot} for start, slot in sorted(books.items())}
    blocks = blocks_of([book for slot in books.values() for book in slot])
    result = clear_session(area, columns, blocks)
    slots = tuple(
        Cleared(
            area,
            start,
            tuple(books[start]),
            books_bytes(area, start, books[start]),
            result.slots[start],
            area_result_hash(start, columns[start], result.slots[start]),
        )
        for start in columns
    )
    accepted, rejected = (
        tuple(sorted(min(blocks[number].orders) for number in numbers))
        for numbers in (result.accepted, result.rejected)
    )
    head = _RESULT.pack(b"GTDR", _VERSION, day, len(slots), len(accepted), len(rejected))
    names = b"".join(_NUMBER.pack(name) for name in (*accepted, *rejected))
    decided = sha256(head + b"".join(slot.result_hash for slot in slots) + names).digest()
    return ClearedSession(day, slots, accepted, rejected, _session_bytes(day, slots), decided)


def blocks_of(books: Sequence[PublishedBook]) -> list[Block]:
    """The blocks that a session's orders name, by the least of their sequence numbers."""
    orders: dict[tuple[bytes, bytes], list[int]] = {}
    for entry in sorted((entry for book in books for entry in book.orders), key=lambda entry: entry.sequence):
        if (name := entry.instructions.block) is not None:
            orders.setdefault((entry.order.trader, name), []).append(entry.sequence)
    numbers = {name: number for number, name in enumerate(orders)}
    blocks = []
    for (trader, name), members in orders.items():
        parent = numbers.get((trader, name[:_FAMILY_BYTES] + _PARENT))
        blocks.append(Block(tuple(members), None if name[_FAMILY_BYTES:] == _PARENT else parent))
    return blocks


def rerun_session(data: bytes) -> ClearedSession:
    """Runs a day-ahead auction again from nothing but its published bytes.

    Raises:
        BookUnreadable: not a session's book of this version, cut short, too long, not in order, or not of one area.
    """
    if len(data) < _HEAD.size:
        raise BookUnreadable(f"a session's book has a head of {_HEAD.size} bytes, this has {len(data)}")
    magic, version, day, count = _HEAD.unpack_from(data)
    if (magic, version) != (_MAGIC, _VERSION):
        raise BookUnreadable(f"magic {magic!r} version {version} is not a session's book of version {_VERSION}")
    position, books, areas = _HEAD.size, {}, []
    for _ in range(count):
        if len(data) < position + _SLOT.size:
            raise BookUnreadable("cut short before a slot")
        start, length = _SLOT.unpack_from(data, position)
        position += _SLOT.size + length
        area, found_start, slot = parse_books(data[position - length : position])
        if position > len(data) or found_start != start:
            raise BookUnreadable(f"the book of slot {start} is cut short, or another slot's")
        books[start] = slot
        areas.append(area)
    if position != len(data):
        raise BookUnreadable(f"{len(data) - position} bytes follow the last slot's book")
    if list(books) != sorted(books) or len(books) != count or any(one != other for one, other in pairwise(areas)):
        raise BookUnreadable("slots do not ascend, or are not of one area")
    if not areas:
        return ClearedSession(day, (), (), (), data, _nothing(day))
    return clear_day(areas[0], day, books)


def _nothing(day: int) -> bytes:
    return sha256(_RESULT.pack(b"GTDR", _VERSION, day, 0, 0, 0)).digest()


def _session_bytes(day: int, slots: Sequence[Cleared]) -> bytes:
    parts = [_HEAD.pack(_MAGIC, _VERSION, day, len(slots))]
    for slot in slots:
        parts += [_SLOT.pack(slot.delivery_start, len(slot.data)), slot.data]
    return b"".join(parts)
