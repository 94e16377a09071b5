"""The types of the contract ABI, as trees.

Source: https://docs.soliditylang.org/en/latest/abi-spec.html
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias

WORD: Final = 32
DEEPEST: Final = 16
"""Arrays and tuples inside each other, at most."""
_SHAPE: Final = re.compile(r"^(.*)\[(\d*)\]$", re.DOTALL)
_ALIASES: Final[Mapping[str, str]] = {"uint": "uint256", "int": "int256", "byte": "bytes1", "function": "bytes24"}


class Kind(Enum):
    """How an argument is decoded and stored."""

    ADDRESS = "bytea"
    INTEGER = "bigint"
    """Signed or unsigned, fits 63 bits and a sign."""
    UNSIGNED = "numeric unsigned"
    SIGNED = "numeric signed"
    BOOLEAN = "boolean"
    FIXED_BYTES = "bytea of fixed size"
    BYTES = "bytea of any size"
    TEXT = "text"
    ARRAY = "array of one dimension"
    JSON = "jsonb: tuples, and arrays of tuples or arrays"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value of one word."""

    name: str
    kind: Kind
    size: int
    """Bytes of the value: 8 for a uint64."""
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Blob:
    """``bytes`` or ``string``."""

    is_text: bool


@dataclass(frozen=True, slots=True)
class Array:
    """``item[length]``, or ``item[]`` where the length is None."""

    item: "AbiType"
    length: int | None


@dataclass(frozen=True, slots=True)
class Tuple:
    """A struct."""

    items: tuple["AbiType", ...]
    names: tuple[str, ...]


AbiType: TypeAlias = Scalar | Blob | Array | Tuple


class UnsupportedType(ValueError):
    """The type is not one of the ABI, or one that no compiler emits."""


def parse(entry: Mapping[str, Any], depth: int = 0) -> AbiType:
    """The tree of one parameter of an ABI in JSON (``type``, and ``components`` of tuples).

    Raises:
        UnsupportedType: a fixed-point type, an array of no elements, a type that the ABI does not have.
    """
    name = str(entry.get("type", ""))
    if depth > DEEPEST:
        raise UnsupportedType(f"{name}: more than {DEEPEST} arrays and tuples inside each other")
    if match := _SHAPE.match(name):
        length = int(match[2]) if match[2] else None
        if length == 0:
            raise UnsupportedType(f"{name} has no elements")
        return Array(parse({**entry, "type": match[1]}, depth + 1), length)
    if name == "tuple":
        components: Sequence[Mapping[str, Any]] = entry.get("components") or ()
        if not components:
            raise UnsupportedType("a tuple without components")
        return Tuple(
            tuple(parse(part, depth + 1) for part in components),
            tuple(str(part.get("name", "")) for part in components),
        )
    return _element(name)


def _element(name: str) -> Scalar | Blob:
    if name in ("bytes", "string"):
        return Blob(name == "string")
    name = _ALIASES.get(name, name)
    if name == "address":
        return Scalar(name, Kind.ADDRESS, 20)
    if name == "bool":
        return Scalar(name, Kind.BOOLEAN, 1)
    if (match := re.fullmatch(r"(u?)int([1-9]\d*)", name)) and int(match[2]) in range(8, 257, 8):
        size, signed = int(match[2]) // 8, not match[1]
        if size < 8 or (size == 8 and signed):
            return Scalar(name, Kind.INTEGER, size, signed)
        return Scalar(name, Kind.SIGNED if signed else Kind.UNSIGNED, size, signed)
    if (match := re.fullmatch(r"bytes([1-9]\d*)", name)) and int(match[1]) <= WORD:
        return Scalar(name, Kind.FIXED_BYTES, int(match[1]))
    if re.fullmatch(r"u?fixed(\d+x\d+)?", name):
        raise UnsupportedType(f"{name}: fixed-point numbers are in no contract: no compiler writes them")
    raise UnsupportedType(f"{name or 'an argument without a type'} is not a type of the ABI")


def canonical(entry: Mapping[str, Any]) -> str:
    """The type as it stands in a signature: tuples written out, aliases replaced."""
    name = str(entry.get("type", ""))
    base, shape = (name[: name.index("[")], name[name.index("[") :]) if "[" in name else (name, "")
    if base == "tuple":
        return f"({','.join(canonical(part) for part in entry.get('components') or ())}){shape}"
    alias = {key: value for key, value in _ALIASES.items() if key != "function"}
    return alias.get(base, base) + shape


def is_dynamic(kind: AbiType) -> bool:
    """Whether the value stands behind an offset."""
    match kind:
        case Scalar():
            return False
        case Blob():
            return True
        case Array(item, length):
            return length is None or is_dynamic(item)
        case Tuple(items):
            return any(is_dynamic(item) for item in items)


def head_bytes(kind: AbiType) -> int:
    """Bytes that the value takes where it is declared: one word for what is dynamic."""
    if is_dynamic(kind):
        return WORD
    match kind:
        case Array(item, length):
            return (length or 0) * head_bytes(item)
        case Tuple(items):
            return sum(head_bytes(item) for item in items)
        case _:
            return WORD


def storage(kind: AbiType) -> Kind:
    """How a value of the type is kept in a column."""
    match kind:
        case Scalar():
            return kind.kind
        case Blob(is_text):
            return Kind.TEXT if is_text else Kind.BYTES
        case Array(item, _) if isinstance(item, Scalar | Blob):
            return Kind.ARRAY
        case _:
            return Kind.JSON


def sql_type(kind: AbiType) -> str:
    """The column's type."""
    match storage(kind):
        case Kind.ARRAY:
            assert isinstance(kind, Array)
            return sql_type(kind.item) + "[]"
        case Kind.JSON:
            return "jsonb"
        case Kind.INTEGER | Kind.BOOLEAN | Kind.TEXT as plain:
            return str(plain.value)
        case Kind.UNSIGNED | Kind.SIGNED:
            assert isinstance(kind, Scalar)
            return "numeric(20, 0)" if kind.size <= 8 else "numeric(78, 0)"
        case _:
            return "bytea"
