"""Calls and refusals of contracts as names and values that JSON can hold. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from contracts.typed_data import checksum
from indexer.event import canonical_type

SELECTOR: Final = 4
ERROR: Final = keccak(b"Error(string)")[:SELECTOR]
PANIC: Final = keccak(b"Panic(uint256)")[:SELECTOR]
UNREADABLE: Final = (DecodingError, OverflowError, UnicodeDecodeError, ValueError)
Json = Any


@dataclass(frozen=True, slots=True)
class Called:
    """What a transaction asked of a contract."""

    name: str | None
    """None where the ABI has no such function."""
    arguments: Mapping[str, Json] | None
    """None where they do not decode."""


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    types: tuple[str, ...]
    inputs: tuple[Mapping[str, Any], ...]


class Abi:
    """Functions and errors of one contract by their selectors."""

    def __init__(self, entries: Iterable[Mapping[str, Any]]) -> None:
        self._functions: dict[bytes, _Entry] = {}
        self._errors: dict[bytes, _Entry] = {}
        self._kinds: set[str] = set()
        for entry in entries:
            kind = str(entry.get("type", "function"))
            self._kinds.add(kind)
            if kind in ("function", "error"):
                inputs = tuple(entry.get("inputs", ()))
                known = _Entry(str(entry["name"]), tuple(map(canonical_type, inputs)), inputs)
                selector = keccak(f"{known.name}({','.join(known.types)})".encode())[:SELECTOR]
                (self._functions if kind == "function" else self._errors)[selector] = known

    def called(self, calldata: bytes) -> Called:
        """The function and its arguments."""
        if not calldata and "receive" in self._kinds:
            return Called("receive", {})
        entry = self._functions.get(calldata[:SELECTOR])
        if entry is None or len(calldata) < SELECTOR:
            return Called("fallback" if "fallback" in self._kinds else None, None)
        return Called(entry.name, _named(entry, calldata[SELECTOR:]))

    def refusal(self, data: bytes) -> str | None:
        """A custom error with its arguments; None where the ABI has it not."""
        entry = self._errors.get(data[:SELECTOR])
        if entry is None:
            return None
        arguments = _named(entry, data[SELECTOR:])
        if arguments is None:
            return f"{entry.name}(?)"
        return f"{entry.name}({', '.join(f'{name}={_short(value)}' for name, value in arguments.items())})"


def reason(data: bytes, abis: Sequence[Abi]) -> str | None:
    """Why a call was refused, from what it returned; None where it returned nothing.

    A contract passes on the errors of those it calls: all ``abis`` are asked, the first that knows it answers.
    """
    if not data:
        return None
    if data[:SELECTOR] in (ERROR, PANIC):
        try:
            (value,) = decode(["string" if data[:SELECTOR] == ERROR else "uint256"], data[SELECTOR:])
        except UNREADABLE:
            return "0x" + data.hex()
        return storable(value) if isinstance(value, str) else f"Panic(0x{value:02x})"
    return next((told for abi in abis if (told := abi.refusal(data)) is not None), "0x" + data.hex())


def storable(text: str) -> str:
    """Text without what PostgreSQL cannot hold."""
    return text.replace("\0", "\\0")


def _named(entry: _Entry, data: bytes) -> dict[str, Json] | None:
    try:
        values = decode(entry.types, data)
    except UNREADABLE:
        return None
    return _fields(entry.inputs, values)


def _fields(inputs: Sequence[Mapping[str, Any]], values: Sequence[Any]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for position, (part, value) in enumerate(zip(inputs, values, strict=True)):
        name = part.get("name") or f"argument{position}"
        while name in found:
            name += "_"
        found[name] = _plain(part, part["type"], value)
    return found


def _plain(part: Mapping[str, Any], kind: str, value: Any) -> Json:
    """A decoded value as the API writes it."""
    if kind.endswith("]"):
        inner = kind[: kind.rindex("[")]
        return [_plain(part, inner, item) for item in value]
    if kind == "tuple":
        return _fields(part["components"], value)
    if kind == "address":
        return checksum(bytes.fromhex(value[2:]))
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, bool):
        return value
    return storable(value) if isinstance(value, str) else str(value)


def _short(value: Json) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
