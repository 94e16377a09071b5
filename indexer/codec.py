"""Readers of ABI-encoded values: for each type the source of a function is written once and compiled.

Strict where a wrong value could come out, lenient where none can. Every word must be what a compiler writes for its
type (padding, sign extension, 0 or 1 for a boolean), offsets and lengths must stay inside the data, text must be
UTF-8. Values may stand anywhere behind their offsets, in any order, with gaps, and bytes need no padding behind
them. No composite value may read more bytes than the log has: values that overlap so far are no honest encoding,
and a few words could be made to unfold into gigabytes.

Source: https://docs.soliditylang.org/en/latest/abi-spec.html
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, TypeAlias

from indexer.abi_types import WORD, AbiType, Array, Blob, Kind, Scalar, Tuple, head_bytes, is_dynamic

Reader: TypeAlias = Callable[[bytes, int, int], Any]
"""The value declared at a position, in a frame that offsets count from: ``read(data, position, frame)``.

Raises:
    Malformed: the data is not an encoding of the type; says why.
"""

SAFE_INTEGER_BYTES: Final = 6
"""Up to this size an integer type is a JSON number; larger ones are decimal strings, whatever the value."""


class Malformed(ValueError):
    """The data is not an encoding of the type."""


@cache
def reader(kind: AbiType, *, for_json: bool) -> Reader:
    """Reads values of a type.

    Args:
        for_json: give what JSON can hold: bytes and addresses as ``0x…``, large integers as decimal strings, tuples
            as objects where all components are named. Otherwise Python's own values; tuples as tuples.
    """
    source = _Source(for_json)
    name = source.function(kind)
    source.lines += [
        "def read(d, p, f):",
        "    left = [len(d)]",
        f"    take(left, {head_bytes(kind)}, d, p)",
        f"    return {name}(d, p, f, left)",
    ]
    scope: dict[str, Any] = {"take": _take, "at": _offset, "blob": _blob, "text": _text, "Malformed": Malformed}
    exec(compile("\n".join(source.lines), f"<reader of {kind}>"[:80], "exec"), scope)  # noqa: S102 - our own text
    found: Reader = scope["read"]
    return found


def read_all(kinds: Sequence[AbiType], data: bytes) -> tuple[Any, ...]:
    """The arguments encoded in ``data``, as Python's own values. Raises Malformed."""
    values, place = [], 0
    if sum(map(head_bytes, kinds)) > len(data):
        raise Malformed(f"has {len(data)} bytes of data, {sum(map(head_bytes, kinds))} are needed")
    for kind in kinds:
        values.append(reader(kind, for_json=False)(data, place, 0))
        place += head_bytes(kind)
    return tuple(values)


def _take(left: list[int], count: int, data: bytes, position: int) -> None:
    """Accounts for ``count`` bytes that are about to be read at ``position``."""
    left[0] -= count
    if position + count > len(data):
        raise Malformed(f"ends at byte {position + count} of {len(data)}")
    if left[0] < 0:
        raise Malformed(f"is larger than the {len(data)} bytes that it stands in")


def _offset(data: bytes, position: int, frame: int) -> int:
    """Where the value declared at ``position`` stands."""
    start = frame + int.from_bytes(data[position : position + WORD], "big")
    if start + WORD > len(data):
        raise Malformed(f"starts at byte {start} of {len(data)}")
    return start


def _blob(data: bytes, position: int, left: list[int]) -> bytes:
    _take(left, WORD, data, position)
    length = int.from_bytes(data[position : position + WORD], "big")
    start = position + WORD
    _take(left, length, data, start)
    return data[start : start + length]


def _text(value: bytes) -> str:
    if 0 in value:
        raise Malformed("is not text that can be stored: it has a zero byte")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Malformed("is not text that can be stored: it is not UTF-8") from None


class _Source:
    """The text of the functions that read a type and its parts. What a function may read has been checked to be
    there, as far as it is fixed in size; ``left`` counts what is still allowed to be read."""

    def __init__(self, for_json: bool) -> None:
        self.lines: list[str] = []
        self._for_json = for_json
        self._names: dict[AbiType, str] = {}

    def function(self, kind: AbiType) -> str:
        """The name of the function ``(d, p, f, left)`` that reads the value declared at p in the frame f."""
        if kind in self._names:
            return self._names[kind]
        body = self._body(kind)
        name = self._names[kind] = f"r{len(self._names)}"
        self.lines += [f"def {name}(d, p, f, left):", *("    " + line for line in body)]
        return name

    def _body(self, kind: AbiType) -> list[str]:
        enter = ["p = at(d, p, f)"] if is_dynamic(kind) else []
        match kind:
            case Scalar():
                return self._scalar(kind)
            case Blob(is_text):
                value = "text(blob(d, p, left))" if is_text else self._bytes("blob(d, p, left)")
                return [*enter, f"return {value}"]
            case Array(item, length):
                return [*enter, *self._array(item, length, entered=bool(enter))]
            case Tuple():
                return [*enter, *self._tuple(kind, entered=bool(enter))]

    def _bytes(self, value: str) -> str:
        return f"'0x' + ({value}).hex()" if self._for_json else value

    def _scalar(self, kind: Scalar) -> list[str]:
        fault = f"raise Malformed('is not a valid {kind.name}')"
        match kind.kind:
            case Kind.ADDRESS:
                return [f"if any(d[p:p + 12]): {fault}", f"return {self._bytes('d[p + 12:p + 32]')}"]
            case Kind.FIXED_BYTES:
                return [
                    f"if any(d[p + {kind.size}:p + 32]): {fault}",
                    f"return {self._bytes(f'd[p:p + {kind.size}]')}",
                ]
            case Kind.BOOLEAN:
                return ["v = int.from_bytes(d[p:p + 32], 'big')", f"if v > 1: {fault}", "return v == 1"]
            case _:
                return self._integer(kind, fault)

    def _integer(self, kind: Scalar, fault: str) -> list[str]:
        bits = 8 * kind.size
        value = "str(v)" if self._for_json and kind.size > SAFE_INTEGER_BYTES else "v"
        read = f"v = int.from_bytes(d[p:p + 32], 'big', signed={kind.signed})"
        if kind.signed:
            check = f"if not {-(1 << (bits - 1))} <= v < {1 << (bits - 1)}: {fault}"
        else:
            check = f"if v >= {1 << bits}: {fault}"
        return [read, check, f"return {value}"]

    def _array(self, item: AbiType, length: int | None, *, entered: bool) -> list[str]:
        read, step = self.function(item), head_bytes(item)
        if length is None:
            lines = [
                "take(left, 32, d, p)",
                "n = int.from_bytes(d[p:p + 32], 'big')",
                "p += 32",
                f"take(left, n * {step}, d, p)",
            ]
        else:
            lines = [f"n = {length}", *([f"take(left, {length * step}, d, p)"] if entered else [])]
        return [*lines, f"return [{read}(d, q, p, left) for q in range(p, p + n * {step}, {step})]"]

    def _tuple(self, kind: Tuple, *, entered: bool) -> list[str]:
        parts, place = [], 0
        for item in kind.items:
            parts.append(f"{self.function(item)}(d, p + {place}, p, left)")
            place += head_bytes(item)
        lines = [f"take(left, {place}, d, p)"] if entered else []
        if not self._for_json:
            return [*lines, f"return ({', '.join(parts)},)"]
        if all(kind.names) and len(set(kind.names)) == len(kind.names):
            pairs = ", ".join(f"{name!r}: {part}" for name, part in zip(kind.names, parts, strict=True))
            return [*lines, f"return {{{pairs}}}"]
        return [*lines, f"return [{', '.join(parts)}]"]
