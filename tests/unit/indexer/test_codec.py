"""The examples of the ABI specification, word by word, and what is refused.

Source: https://docs.soliditylang.org/en/latest/abi-spec.html (Examples; Use of Dynamic Types)
"""

from typing import Any

import pytest

from indexer.abi_types import DEEPEST, UnsupportedType, canonical, head_bytes, parse, sql_type
from indexer.codec import Malformed, read_all, reader


def words(*parts: int | str | bytes) -> bytes:
    """Numbers as right-aligned words, bytes as left-aligned ones, hexadecimal text as it stands."""
    found = b""
    for part in parts:
        if isinstance(part, int):
            found += (part % 2**256).to_bytes(32, "big")
        else:
            found += bytes.fromhex(part) if isinstance(part, str) else part.ljust(32, b"\0")
    return found


def tree(name: str, *components: dict[str, Any]) -> Any:
    return parse({"type": name, "components": components})


def named(name: str, kind: str, *components: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "type": kind, "components": components}


GOLDEN = [
    (["uint32", "bool"], words(69, 1), (69, True)),
    (["bytes3[2]"], words(b"abc", b"def"), ([b"abc", b"def"],)),
    (
        ["bytes", "bool", "uint256[]"],
        words(0x60, 1, 0xA0, 4, b"dave", 3, 1, 2, 3),
        (b"dave", True, [1, 2, 3]),
    ),
    (
        ["uint256", "uint32[]", "bytes10", "bytes"],
        words(0x123, 0x80, b"1234567890", 0xE0, 2, 0x456, 0x789, 13, b"Hello, world!"),
        (0x123, [0x456, 0x789], b"1234567890", b"Hello, world!"),
    ),
    (
        ["uint256[][]", "string[]"],
        words(0x40, 0x140, 2, 0x40, 0xA0, 2, 1, 2, 1, 3, 3, 0x60, 0xA0, 0xE0, 3, b"one", 3, b"two", 5, b"three"),
        ([[1, 2], [3]], ["one", "two", "three"]),
    ),
    (["int8", "int256"], words(-1, -(2**255)), (-1, -(2**255))),
    (["function"], words(bytes(range(24))), (bytes(range(24)),)),
    (["string"], words(0x20, 0), ("",)),
    (["uint8[2][]"], words(0x20, 1, 7, 8), ([[7, 8]],)),
    (["bytes[2]"], words(0x20, 0x40, 0x80, 1, b"a", 2, b"bc"), ([b"a", b"bc"],)),
]


@pytest.mark.parametrize(("types", "data", "values"), GOLDEN, ids=lambda value: str(value)[:40])
def test_read_all__golden_vectors__are_read(types: list[str], data: bytes, values: tuple[Any, ...]) -> None:
    assert read_all([tree(name) for name in types], data) == values


def test_read_all__tuples__static_stand_in_place_and_dynamic_behind_an_offset() -> None:
    point = named("p", "tuple", named("x", "uint8"), named("y", "int8"))
    note = named("n", "tuple", named("who", "address"), named("text", "string"))
    kinds = [parse(point), parse(note), tree("tuple[]", point)]
    assert [head_bytes(kind) for kind in kinds] == [64, 32, 32]
    data = words(1, -2, 0x80, 0x100, 0xAA, 0x40, 2, b"hi", 1, 3, 4)
    assert read_all(kinds, data) == ((1, -2), (bytes(19) + b"\xaa", "hi"), [((3, 4),)])


def test_reader__for_json__writes_large_integers_and_bytes_as_text() -> None:
    kind = tree("tuple", named("small", "uint48"), named("large", "uint56"), named("b", "bytes2"), named("f", "bool"))
    data = words(2**48 - 1, 5, b"\x01\x02", 1)
    assert reader(kind, for_json=True)(data, 0, 0) == {"small": 2**48 - 1, "large": "5", "b": "0x0102", "f": True}
    unnamed = tree("tuple", named("", "uint8"), named("a", "int64"))
    assert reader(unnamed, for_json=True)(words(1, -1), 0, 0) == [1, "-1"]


@pytest.mark.parametrize(
    ("types", "data", "reason"),
    [
        (["uint8"], words(256), "not a valid uint8"),
        (["int8"], words(128), "not a valid int8"),
        (["bool"], words(2), "not a valid bool"),
        (["address"], words(2**160), "not a valid address"),
        (["bytes3"], words(b"abcd"), "not a valid bytes3"),
        (["bytes"], words(0x20), "starts at byte 32 of 32"),
        (["bytes"], words(2**255), "starts at byte"),
        (["bytes"], words(0x20, 1), "ends at byte 65 of 64"),
        (["bytes"], words(0x20, 2**256 - 1), "ends at byte"),
        (["string"], words(0x20, 1, b"\xff"), "not UTF-8"),
        (["string"], words(0x20, 1, b"\x00"), "zero byte"),
        (["uint8[]"], words(0x20, 2**255), "ends at byte"),
        (["uint8[]"], words(0x20, 2, 1), "ends at byte"),
        (["uint8[2]"], words(1), "64 are needed"),
        (["uint8", "string"], words(1), "64 are needed"),
    ],
)
def test_read_all__what_no_compiler_writes__is_refused(types: list[str], data: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        read_all([tree(name) for name in types], data)


def test_read_all__values_that_unfold_without_end__are_refused() -> None:
    """73 words that would be 8 to the power of 8 numbers: every element of a level is the whole next level."""
    data = words(0x20) + words(8, *([0x100] * 8)) * 7 + words(8, *range(8))
    with pytest.raises(Malformed, match="larger than"):
        read_all([tree("uint8" + "[]" * 8)], data)


def test_read_all__bytes_without_padding_and_gaps__are_read() -> None:
    assert read_all([tree("bytes")], words(0x20, 3) + b"abc") == (b"abc",)
    assert read_all([tree("bytes")], words(0x40, 99, 3, b"abc") + b"\x07" * 32) == (b"abc",)


@pytest.mark.parametrize(
    "name",
    ["fixed128x18", "ufixed", "uint7", "uint264", "bytes33", "bytes0", "uint8[0]", "", "enum", "tuple", "int08",
     "uint8]"],
)  # fmt: skip
def test_parse__no_type_of_the_abi__is_refused_by_name(name: str) -> None:
    with pytest.raises(UnsupportedType, match=name.replace("[", r"\[").removesuffix("]") or "without a type"):
        parse({"type": name})


def test_parse__too_deep__is_refused() -> None:
    with pytest.raises(UnsupportedType, match="inside each other"):
        parse({"type": "uint8" + "[]" * (DEEPEST + 1)})


@pytest.mark.parametrize(
    ("name", "sql"),
    [("uint8", "bigint"), ("int64", "bigint"), ("uint64", "numeric(20, 0)"), ("int256", "numeric(78, 0)"),
     ("address", "bytea"), ("bool", "boolean"), ("string", "text"), ("bytes", "bytea"), ("function", "bytea"),
     ("uint256[]", "numeric(78, 0)[]"), ("bool[3]", "boolean[]"), ("string[]", "text[]"), ("bytes4[]", "bytea[]"),
     ("uint8[][2]", "jsonb")],
)  # fmt: skip
def test_sql_type__every_type__has_its_column(name: str, sql: str) -> None:
    assert sql_type(parse({"type": name})) == sql


def test_canonical__aliases_and_tuples__are_written_out() -> None:
    parts = (named("a", "uint"), named("b", "tuple[]", named("c", "byte"), named("d", "function")))
    assert canonical({"type": "tuple[2][]", "components": parts}) == "(uint256,(bytes1,function)[])[2][]"
