"""Recursive length prefix: the encoding that block, receipt and trie hashes are taken of. Canonical both ways.

Source: Ethereum yellow paper, appendix B.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

Item: TypeAlias = "bytes | Sequence[Item]"
"""What is encoded: octets, or a list of items."""

SHORT: Final = 55
"""Octets up to which a length stands in the first byte."""
DEEPEST: Final = 64
"""Lists in lists: what Ethereum hashes needs five."""


def encode(item: Item) -> bytes:
    """The one encoding of an item."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _length(len(item), 0x80) + item
    return encode_list([encode(part) for part in item])


def encode_list(parts: Sequence[bytes]) -> bytes:
    """A list whose items are encoded already."""
    body = b"".join(parts)
    return _length(len(body), 0xC0) + body


def number(value: int) -> bytes:
    """A whole number from zero as octets: big-endian, without leading zeros."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _length(size: int, offset: int) -> bytes:
    if size <= SHORT:
        return bytes([offset + size])
    digits = number(size)
    return bytes([offset + SHORT + len(digits)]) + digits


def decode(data: bytes) -> Item:
    """The item that ``data`` encodes. Raises ValueError unless it is the canonical encoding of one."""
    item, end = _decode(data, 0, len(data), 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes after the item")
    return item


def decode_list(data: bytes) -> list[Item]:
    """As ``decode``, of a list."""
    item = decode(data)
    if not isinstance(item, list):
        raise ValueError("not a list")
    return item


def octets(item: Item) -> bytes:
    """The item as octets. Raises ValueError for a list."""
    if not isinstance(item, bytes):
        raise ValueError("a list where octets belong")
    return item


def items(item: Item) -> list[Item]:
    """The item as a list. Raises ValueError for octets."""
    if not isinstance(item, list):
        raise ValueError("octets where a list belongs")
    return item


def whole(item: Item) -> int:
    """The item as a whole number from zero. Raises ValueError where it has leading zeros."""
    digits = octets(item)
    if digits[:1] == b"\0":
        raise ValueError("a number with leading zeros")
    return int.from_bytes(digits, "big")


def _decode(data: bytes, at: int, end: int, depth: int) -> tuple[Item, int]:
    if at >= end:
        raise ValueError("the data ends inside an item")
    first = data[at]
    if first < 0x80:
        return data[at : at + 1], at + 1
    is_list = first >= 0xC0
    start, stop = _span(data, at, end, first - (0xC0 if is_list else 0x80))
    if not is_list:
        if stop - start == 1 and data[start] < 0x80:
            raise ValueError("a small byte with a length before it")
        return data[start:stop], stop
    if depth == DEEPEST:
        raise ValueError("lists too deep in each other")
    parts: list[Item] = []
    while start < stop:
        part, start = _decode(data, start, stop, depth + 1)
        parts.append(part)
    return parts, stop


def _span(data: bytes, at: int, end: int, size: int) -> tuple[int, int]:
    """Where the item's body starts and stops."""
    start = at + 1
    if size > SHORT:
        digits = data[start : start + size - SHORT]
        size = int.from_bytes(digits, "big")
        if len(digits) == 0 or digits[0] == 0 or size <= SHORT:
            raise ValueError("a length that is not the shortest")
        start += len(digits)
    if start + size > end:
        raise ValueError("the data ends inside an item")
    return start, start + size
