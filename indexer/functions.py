"""View functions of contracts: calldata out of arguments, and columns out of what they return. Pure.

Source: https://docs.soliditylang.org/en/latest/abi-spec.html
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_hash.auto import keccak

from indexer.abi_types import AbiType, Array, Kind, Scalar, Tuple, canonical, parse, sql_type, storage
from indexer.event import shortened, snake

SELECTOR: Final = 4
NUMBER_BYTES: Final = 6
"""Integers up to here are numbers in JSON, wider ones text: as in fact tables."""


class BadArguments(ValueError):
    """The arguments are not those of the function."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument, or a value that is returned."""

    name: str
    column: str
    abi_type: str
    shape: AbiType

    @property
    def sql_type(self) -> str:
        return sql_type(self.shape)


@dataclass(frozen=True, slots=True)
class Function:
    """One function of one contract."""

    name: str
    signature: str
    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...]
    changes_state: bool = False

    @property
    def selector(self) -> bytes:
        return keccak(self.signature.encode())[:SELECTOR]

    def calldata(self, arguments: Sequence[Any]) -> bytes:
        """Raises BadArguments where they do not fit; addresses may be text or 20 bytes, bytes may be 0x text."""
        # Slow to import, and used by few.
        from eth_abi.abi import encode
        from eth_abi.exceptions import EncodingError

        if len(arguments) != len(self.inputs):
            raise BadArguments(f"{self.signature} takes {len(self.inputs)} arguments, not {len(arguments)}")
        try:
            values = [_given(part.shape, value) for part, value in zip(self.inputs, arguments, strict=True)]
            return self.selector + encode([part.abi_type for part in self.inputs], values)
        except (EncodingError, ValueError, TypeError, AttributeError) as error:
            raise BadArguments(f"{self.signature}: {error}") from error

    def returned(self, data: bytes) -> tuple[Any, ...]:
        """The values as plain Python: addresses as bytes, tuples as dictionaries. Raises ValueError."""
        return tuple(_plain(part.shape, value) for part, value in self._decoded(data))

    def columns(self, data: bytes) -> tuple[Any, ...]:
        """The values as the table's columns take them. Raises ValueError."""
        return tuple(as_column(part.shape, value) for part, value in self._decoded(data))

    def _decoded(self, data: bytes) -> Iterator[tuple[Parameter, Any]]:
        from eth_abi.abi import decode
        from eth_abi.exceptions import DecodingError

        try:
            values = decode([part.abi_type for part in self.outputs], data)
        except (DecodingError, OverflowError, UnicodeDecodeError, ValueError) as error:
            raise ValueError(f"{self.signature} returned what its ABI does not say: {error}") from error
        return zip(self.outputs, values, strict=True)


def function_of(abi: Iterable[Mapping[str, Any]], wanted: str) -> Function:
    """The function of a name or whole signature.

    Raises:
        ValueError: there is none, or the name stands for several.
    """
    found = [function for function in _functions(abi) if wanted in (function.name, function.signature)]
    if not found:
        raise ValueError(f"its ABI has no function {wanted}")
    if len(found) > 1:
        raise ValueError(f"{wanted} stands for several: name one of {', '.join(one.signature for one in found)}")
    return found[0]


def _functions(abi: Iterable[Mapping[str, Any]]) -> Iterator[Function]:
    for entry in abi:
        if entry.get("type") == "function":
            inputs = tuple(entry.get("inputs") or ())
            signature = f"{entry['name']}({','.join(canonical(part) for part in inputs)})"
            taken = {"chain_id", "block_number", "log_index", "contract", "block_time", "status", "detail"}
            arguments = _parameters(inputs, "argument", taken)
            values = _parameters(entry.get("outputs") or (), "value", taken)
            changes = entry.get("stateMutability") in ("nonpayable", "payable")
            yield Function(str(entry["name"]), signature, arguments, values, changes)


def _parameters(parts: Sequence[Mapping[str, Any]], stem: str, taken: set[str]) -> tuple[Parameter, ...]:
    found = []
    for position, part in enumerate(parts):
        name = str(part.get("name") or (stem if len(parts) == 1 and stem == "value" else f"{stem}{position}"))
        column = shortened(snake(name) or f"{stem}{position}")
        while column in taken:
            column = shortened(column + "_")
        taken.add(column)
        found.append(Parameter(name, column, canonical(part), parse(part)))
    return tuple(found)


def _given(shape: AbiType, value: Any) -> Any:
    """A value as the encoder takes it."""
    match shape:
        case Array(item, _):
            return [_given(item, one) for one in value]
        case Tuple(items):
            return tuple(_given(item, one) for item, one in zip(items, value, strict=True))
        case Scalar(kind=Kind.ADDRESS):
            return "0x" + value.hex() if isinstance(value, bytes) else value
        case Scalar(kind=Kind.BOOLEAN):
            return value
        case Scalar(kind=Kind.FIXED_BYTES):
            return bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else value
        case Scalar():
            return int(value, 0) if isinstance(value, str) else int(value)
        case _:
            is_hex = isinstance(value, str) and not shape.is_text
            return bytes.fromhex(value.removeprefix("0x")) if is_hex else value


def _plain(shape: AbiType, value: Any) -> Any:
    match shape:
        case Array(item, _):
            return [_plain(item, one) for one in value]
        case Tuple(items, names):
            values = [_plain(item, one) for item, one in zip(items, value, strict=True)]
            return dict(zip(names, values, strict=True)) if all(names) else values
        case Scalar(kind=Kind.ADDRESS):
            return bytes.fromhex(value[2:])
        case _:
            return value


def as_column(shape: AbiType, value: Any) -> Any:
    """A plain or decoded value as its column takes it."""
    match storage(shape):
        case Kind.JSON:
            return _json(shape, value)
        case Kind.ARRAY:
            assert isinstance(shape, Array)
            return [as_column(shape.item, one) for one in value]
        case Kind.ADDRESS:
            return value if isinstance(value, bytes) else bytes.fromhex(value.removeprefix("0x"))
        case Kind.TEXT:
            return value.replace("\0", "\\0")
        case Kind.INTEGER | Kind.SIGNED | Kind.UNSIGNED:
            return int(value, 0) if isinstance(value, str) else int(value)
        case Kind.FIXED_BYTES | Kind.BYTES:
            return bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else value
        case _:
            return value


def _json(shape: AbiType, value: Any) -> Any:
    match shape:
        case Array(item, _):
            return [_json(item, one) for one in value]
        case Tuple(items, names):
            values = [_json(item, one) for item, one in zip(items, value, strict=True)]
            return dict(zip(names, values, strict=True)) if all(names) else values
        case Scalar(kind=Kind.ADDRESS):
            return value.lower()
        case Scalar(kind=Kind.INTEGER | Kind.SIGNED | Kind.UNSIGNED, size=size):
            return value if size <= NUMBER_BYTES else str(value)
        case _:
            return "0x" + value.hex() if isinstance(value, bytes) else as_column(shape, value)
