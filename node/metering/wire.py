"""How values stand in Modbus registers: types, word and byte order, and what a device sends for "not there". Pure."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

Type = Literal[
    "u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64", "acc32", "acc64", "bitfield16", "bitfield32", "string"
]
Order = Literal["big", "little"]
Absent = Literal["none", "sunspec", "largest"]
Raw = int | float | str | None

_FORMATS: Final[Mapping[str, str]] = {
    "u16": "H", "s16": "h", "u32": "I", "s32": "i", "u64": "Q", "s64": "q", "f32": "f", "f64": "d",
    "acc32": "I", "acc64": "Q", "bitfield16": "H", "bitfield32": "I",
}  # fmt: skip
UNSIGNED: Final = frozenset({"u16", "u32", "u64", "acc32", "acc64"})
"""What starts again at 0 after its largest value."""


def words_of(kind: Type, length: int = 0) -> int:
    """Registers that a value takes; ``length`` is that of a string."""
    return length if kind == "string" else struct.calcsize(">" + _FORMATS[kind]) // 2


def bits_of(kind: Type) -> int:
    """Width of a number."""
    return 16 * words_of(kind)


def absent_values(kind: Type, convention: Absent) -> frozenset[int]:
    """The whole numbers that mean "not there" for a type.

    ``sunspec``: SunSpec Information Model Specification, "unimplemented" values; an accumulator that counts nothing
    says 0. ``largest``: the largest value of the type, as ABB's and Huawei's manuals have it. Floats say NaN.
    """
    if convention == "none" or kind in ("string", "f32", "f64"):
        return frozenset()
    bits = bits_of(kind)
    if kind.startswith("acc"):
        return frozenset({0}) if convention == "sunspec" else frozenset()
    if kind.startswith("s"):
        return frozenset({-(1 << bits - 1) if convention == "sunspec" else (1 << bits - 1) - 1})
    return frozenset({(1 << bits) - 1})


@dataclass(frozen=True, slots=True)
class Wire:
    """One value's form in the registers."""

    kind: Type
    length: int = 0
    word_order: Order = "big"
    byte_order: Order = "big"
    absent: frozenset[int] = frozenset()

    @property
    def words(self) -> int:
        return words_of(self.kind, self.length)

    def reader(self) -> Callable[[bytes, int], Raw]:
        """Reads the value at a byte offset of an answer; None where the device says that there is none."""
        if self.kind == "string":
            return self._text
        unpack = struct.Struct(("<" if self.word_order == "little" else ">") + _FORMATS[self.kind])
        absent = self.absent

        def plain(data: bytes, offset: int) -> Raw:
            value: int | float = unpack.unpack_from(data, offset)[0]
            return None if value in absent or value != value else value

        if self.words == 1 and self.byte_order == "big":
            unpack = struct.Struct(">" + _FORMATS[self.kind])
            return plain
        if self.word_order == self.byte_order:
            return plain

        def swapped(data: bytes, offset: int) -> Raw:
            # Whole registers are in the other order than their bytes.
            turned = _swap_bytes(data[offset : offset + 2 * self.words])
            return plain(turned, 0)

        return swapped

    def _text(self, data: bytes, offset: int) -> Raw:
        part = data[offset : offset + 2 * self.length]
        if self.byte_order == "little":
            part = _swap_bytes(part)
        text = part.partition(b"\0")[0].decode("ascii", "replace").strip()
        return "".join(character for character in text if character.isprintable()) or None


def _swap_bytes(data: bytes) -> bytes:
    turned = bytearray(data)
    turned[0::2], turned[1::2] = data[1::2], data[0::2]
    return bytes(turned)
