"""Types, word and byte order, and what means "not there"."""

import struct

import pytest

from node.metering.wire import Absent, Order, Raw, Type, Wire, absent_values, words_of


def read(data: bytes, kind: Type, word_order: Order = "big", byte_order: Order = "big", absent: Absent = "none") -> Raw:
    return Wire(kind, 0, word_order, byte_order, absent_values(kind, absent)).reader()(b"\0\0" + data, 2)


@pytest.mark.parametrize(
    ("kind", "code", "value"),
    [
        ("u16", "H", 65_000), ("s16", "h", -300), ("u32", "I", 4_000_000_000), ("s32", "i", -2_000_000_000),
        ("u64", "Q", 2**63 + 5), ("s64", "q", -(2**62)), ("f32", "f", 1.5), ("f64", "d", -1e300),
        ("acc32", "I", 7), ("acc64", "Q", 2**40), ("bitfield16", "H", 9), ("bitfield32", "I", 2**31),
    ],
)  # fmt: skip
def test_reader__every_type_and_order__gives_the_value(kind: Type, code: str, value: int | float) -> None:
    data = struct.pack(">" + code, value)
    words = [data[place : place + 2] for place in range(0, len(data), 2)]
    swapped = [word[::-1] for word in words]
    assert read(data, kind) == value
    assert read(b"".join(words[::-1]), kind, "little") == value
    assert read(b"".join(swapped), kind, "big", "little") == value
    assert read(b"".join(swapped[::-1]), kind, "little", "little") == value
    assert words_of(kind) == len(words)


@pytest.mark.parametrize(
    ("kind", "said", "value"),
    [
        ("u16", "ffff", None), ("s16", "8000", None), ("u32", "ffffffff", None), ("s32", "80000000", None),
        ("u64", "f" * 16, None), ("s64", "8" + "0" * 15, None), ("f32", "7fc00000", None),
        ("f64", "7ff8" + "0" * 12, None),
        ("acc32", "0" * 8, None), ("acc64", "0" * 16, None), ("bitfield16", "ffff", None),
        ("bitfield32", "ffffffff", None), ("u16", "fffe", 65_534), ("s16", "ffff", -1),
        ("acc32", "ffffffff", 2**32 - 1),
    ],
)  # fmt: skip
def test_reader__sunspec_not_implemented__is_none(kind: Type, said: str, value: int | None) -> None:
    assert read(bytes.fromhex(said), kind, absent="sunspec") == value


def test_reader__largest_value_convention__is_none() -> None:
    assert read(bytes.fromhex("7fffffff"), "s32", absent="largest") is None
    assert read(bytes.fromhex("80000000"), "s32", absent="largest") == -(2**31)
    assert read(bytes.fromhex("ffffffff"), "u32", absent="largest") is None


def test_reader__text__ends_at_the_first_nul_and_shows_no_control_characters() -> None:
    assert Wire("string", 4).reader()(b"AB\x07C\0xyz", 0) == "ABC"
    assert Wire("string", 4, byte_order="little").reader()(b"BADC\0\0\0\0", 0) == "ABCD"
    assert Wire("string", 2).reader()(bytes(4), 0) is None
