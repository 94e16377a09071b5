"""Contract events as the indexer sees them: arguments with their kinds, the fact table and its columns."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from eth_hash.auto import keccak

BASE_COLUMNS = ("chain_id", "block_number", "log_index", "transaction_hash", "block_time", "emitter")


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
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an event."""

    name: str
    column: str
    abi_type: str
    kind: Kind
    size: int
    """Bytes of the value on chain: 8 for a uint64."""
    signed: bool
    indexed: bool

    @property
    def dynamic(self) -> bool:
        return self.kind in (Kind.BYTES, Kind.TEXT)

    @property
    def sql_type(self) -> str:
        match self.kind:
            case Kind.INTEGER | Kind.BOOLEAN | Kind.TEXT:
                return str(self.kind.value)
            case Kind.UNSIGNED | Kind.SIGNED:
                return "numeric(20, 0)" if self.size <= 8 else "numeric(78, 0)"
            case _:
                return "bytea"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one contract."""

    contract: str
    name: str
    topic: bytes
    arguments: tuple[Argument, ...]
    table: str
    """Fact table, without its schema."""

    @property
    def indexed(self) -> tuple[Argument, ...]:
        return tuple(argument for argument in self.arguments if argument.indexed)

    @property
    def plain(self) -> tuple[Argument, ...]:
        """Arguments in the log's data, in order."""
        return tuple(argument for argument in self.arguments if not argument.indexed)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of the fact table."""
        return BASE_COLUMNS + tuple(argument.column for argument in self.arguments)


def snake(name: str) -> str:
    """``OrdersSettled`` and ``energyWh`` as ``orders_settled`` and ``energy_wh``."""
    spaced = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", spaced).lower().strip("_")


def table_name(contract: str, event: str) -> str:
    return f"fact_{snake(contract)}_{snake(event)}"


def canonical_type(entry: Mapping[str, Any]) -> str:
    """The type as it stands in the signature; tuples are written out."""
    abi_type: str = entry["type"]
    if not abi_type.startswith("tuple"):
        return abi_type
    inner: str = ",".join(canonical_type(part) for part in entry["components"])
    return f"({inner}){abi_type.removeprefix('tuple')}"


def event_of(contract: str, entry: Mapping[str, Any]) -> Event:
    """Reads one event entry of a contract's ABI."""
    signature = f"{entry['name']}({','.join(canonical_type(part) for part in entry['inputs'])})"
    taken: set[str] = set(BASE_COLUMNS)
    arguments = []
    for position, part in enumerate(entry["inputs"]):
        argument = _argument(position, part, taken)
        taken.add(argument.column)
        arguments.append(argument)
    topic = keccak(signature.encode())
    return Event(contract, entry["name"], topic, tuple(arguments), table_name(contract, entry["name"]))


def _argument(position: int, part: Mapping[str, Any], taken: set[str]) -> Argument:
    name = part["name"] or f"argument{position}"
    column = snake(name) or f"argument{position}"
    while column in taken:
        column += "_"
    indexed = bool(part["indexed"])
    abi_type = canonical_type(part)
    kind, size, signed = _classify(abi_type)
    if indexed and kind in (Kind.BYTES, Kind.TEXT, Kind.UNSUPPORTED):
        # A topic carries only the hash of what does not fit one word.
        kind, size = Kind.FIXED_BYTES, 32
    return Argument(name, column, abi_type, kind, size, signed, indexed)


def _classify(abi_type: str) -> tuple[Kind, int, bool]:
    """Kind, size in bytes and signedness of a canonical ABI type.

    Source: https://docs.soliditylang.org/en/latest/abi-spec.html
    """
    if abi_type == "address":
        return Kind.ADDRESS, 20, False
    if abi_type == "bool":
        return Kind.BOOLEAN, 1, False
    if abi_type in ("bytes", "string"):
        return (Kind.BYTES if abi_type == "bytes" else Kind.TEXT), 0, False
    if match := re.fullmatch(r"(u?)int(\d+)", abi_type):
        size, signed = int(match[2]) // 8, not match[1]
        if size < 8 or (size == 8 and signed):
            return Kind.INTEGER, size, signed
        return (Kind.SIGNED if signed else Kind.UNSIGNED), size, signed
    if match := re.fullmatch(r"bytes(\d+)", abi_type):
        return Kind.FIXED_BYTES, int(match[1]), False
    return Kind.UNSUPPORTED, 0, False
