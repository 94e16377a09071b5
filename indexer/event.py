"""Contract events as the indexer sees them: arguments with their kinds, the fact table and its columns."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from eth_hash.auto import keccak

from indexer.abi_types import (
    WORD,
    AbiType,
    Kind,
    Scalar,
    UnsupportedType,
    canonical,
    head_bytes,
    is_dynamic,
    parse,
    sql_type,
    storage,
)

__all__ = ["BASE_COLUMNS", "Argument", "Event", "Kind", "canonical_type", "event_of", "snake", "table_name"]

BASE_COLUMNS = ("chain_id", "block_number", "log_index", "transaction_hash", "block_time", "emitter")
LONGEST_NAME: Final = 63
"""Bytes of a PostgreSQL name."""
TOPIC: Final = Scalar("bytes32", Kind.FIXED_BYTES, WORD)
"""What a topic carries of a value that does not fit one word: its hash."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an event."""

    name: str
    column: str
    abi_type: str
    indexed: bool
    shape: AbiType | None
    """What is stored; of an indexed array, tuple, string or bytes the hash. None for a type that is not supported."""

    @property
    def kind(self) -> Kind:
        return Kind.UNSUPPORTED if self.shape is None else storage(self.shape)

    @property
    def size(self) -> int:
        """Bytes of a value of one word: 8 for a uint64."""
        return self.shape.size if isinstance(self.shape, Scalar) else 0

    @property
    def signed(self) -> bool:
        return isinstance(self.shape, Scalar) and self.shape.signed

    @property
    def dynamic(self) -> bool:
        return self.shape is not None and is_dynamic(self.shape)

    @property
    def head_bytes(self) -> int:
        """Bytes in the fixed part of the log's data."""
        return WORD if self.shape is None else head_bytes(self.shape)

    @property
    def sql_type(self) -> str:
        return "bytea" if self.shape is None else sql_type(self.shape)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one contract."""

    contract: str
    name: str
    topic: bytes
    """Hash of the signature: the first topic, unless the event is anonymous."""
    arguments: tuple[Argument, ...]
    table: str
    """Fact table, without its schema."""
    signature: str = ""
    anonymous: bool = False
    entry: str = field(default="", compare=False)
    """The event's entry in the ABI, as JSON."""

    @property
    def indexed(self) -> tuple[Argument, ...]:
        return tuple(argument for argument in self.arguments if argument.indexed)

    @property
    def plain(self) -> tuple[Argument, ...]:
        """Arguments in the log's data, in order."""
        return tuple(argument for argument in self.arguments if not argument.indexed)

    @property
    def topic_count(self) -> int:
        return len(self.indexed) + (not self.anonymous)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of the fact table."""
        return BASE_COLUMNS + tuple(argument.column for argument in self.arguments)


def snake(name: str) -> str:
    """``OrdersSettled`` and ``energyWh`` as ``orders_settled`` and ``energy_wh``."""
    spaced = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", spaced).lower().strip("_")


def table_name(contract: str, event: str) -> str:
    return shortened(f"fact_{snake(contract)}_{snake(event)}")


def shortened(name: str) -> str:
    """The name itself, or as much of it as PostgreSQL takes, told apart by a hash of the whole."""
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 9]}_{sha256(name.encode()).hexdigest()[:8]}"


def canonical_type(entry: Mapping[str, Any]) -> str:
    """The type as it stands in the signature; tuples are written out."""
    return canonical(entry)


def event_of(contract: str, entry: Mapping[str, Any]) -> Event:
    """Reads one event entry of a contract's ABI."""
    signature = f"{entry['name']}({','.join(canonical(part) for part in entry['inputs'])})"
    taken: set[str] = set(BASE_COLUMNS)
    arguments = []
    for position, part in enumerate(entry["inputs"]):
        argument = _argument(position, part, taken)
        taken.add(argument.column)
        arguments.append(argument)
    return Event(
        contract,
        entry["name"],
        keccak(signature.encode()),
        tuple(arguments),
        table_name(contract, entry["name"]),
        signature,
        bool(entry.get("anonymous")),
        json.dumps(entry, separators=(",", ":")),
    )


def _argument(position: int, part: Mapping[str, Any], taken: set[str]) -> Argument:
    name = part.get("name") or f"argument{position}"
    column = shortened(snake(name) or f"argument{position}")
    while column in taken:
        column = shortened(column + "_")
    indexed = bool(part.get("indexed"))
    try:
        shape: AbiType | None = parse(part)
    except UnsupportedType:
        shape = None
    if indexed and shape is not None and not isinstance(shape, Scalar):
        shape = TOPIC
    return Argument(name, column, canonical(part), indexed, shape)
