"""Events as Python handlers see them: a column of plain values at a time, in chain order."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from indexer.columns import Bytes2D, Integers, Values
from indexer.decode import Rows
from indexer.event import Argument, Event, Kind

WORD: Final = 32
Column = list[Any]


@dataclass(frozen=True, slots=True)
class Part:
    """Events of one kind, in chain order; ``read`` gives an argument's values."""

    event: Event
    block_number: Integers
    log_index: Integers
    transaction_hash: Column
    emitter: Column
    read: Callable[[int], Column]
    """By the argument's position."""

    def __len__(self) -> int:
        return len(self.block_number)


class Batch:
    """Consecutive events that one handler listens to. ``batch["value"]`` is the list of that argument's values.

    Addresses and bytes are ``bytes``, integers of any size ``int``, strings ``str``, tuples dictionaries.
    """

    def __init__(self, parts: Sequence[Part], times: Mapping[int, int], names: Collection[str] = ()) -> None:
        """
        Args:
            times: Unix seconds by block number.
            names: arguments of events that might be in the batch and are not.
        """
        self._parts = parts
        self._names = names
        self._times = times
        self._order = _order(parts) if len(parts) > 1 else None
        self._columns: dict[str, Column] = {}

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    def __getitem__(self, argument: str) -> Column:
        """Values of an argument by its name in the ABI; None for events that have none of this name.

        Raises:
            KeyError: no event that the handler listens to has it.
        """
        if argument not in self._columns:
            self._columns[argument] = self._argument(argument)
        return self._columns[argument]

    @cached_property
    def events(self) -> list[str]:
        """``Contract.Event`` of each."""
        return self._joined([[f"{p.event.contract}.{p.event.name}"] * len(p) for p in self._parts])

    @cached_property
    def blocks(self) -> list[int]:
        return self._joined([part.block_number.tolist() for part in self._parts])

    @cached_property
    def log_indexes(self) -> list[int]:
        return self._joined([part.log_index.tolist() for part in self._parts])

    @cached_property
    def times(self) -> list[int]:
        """Unix seconds of each event's block."""
        return [self._times[number] for number in self.blocks]

    @cached_property
    def emitters(self) -> list[bytes]:
        return self._joined([part.emitter for part in self._parts])

    @cached_property
    def transactions(self) -> list[bytes]:
        """Hashes."""
        return self._joined([part.transaction_hash for part in self._parts])

    def _argument(self, name: str) -> Column:
        columns: list[Column] = []
        known = name in self._names
        for part in self._parts:
            at = next((n for n, a in enumerate(part.event.arguments) if name in (a.name, a.column)), None)
            known = known or at is not None
            columns.append([None] * len(part) if at is None else part.read(at))
        if not known:
            raise KeyError(name)
        return self._joined(columns)

    def _joined(self, columns: Sequence[Column]) -> Column:
        if self._order is None:
            return columns[0] if columns else []
        together = [value for column in columns for value in column]
        return [together[at] for at in self._order]


def of_rows(rows: Rows, first: int, last: int) -> Part | None:
    """The rows in blocks ``first`` to ``last``; None where there are none."""
    start, end = (int(at) for at in np.searchsorted(rows.block_number, [first, last + 1]))
    if start == end:
        return None
    arguments = rows.event.arguments
    return Part(
        rows.event,
        rows.block_number[start:end],
        rows.log_index[start:end],
        octets(rows.transaction_hash[start:end]),
        octets(rows.emitter[start:end]),
        lambda at: plain(arguments[at], rows.values[at][start:end]),
    )


def plain(argument: Argument, values: Values) -> Column:
    """A decoded column as plain values.

    Raises:
        TypeError: handlers are not given arrays.
    """
    match argument.kind:
        case Kind.TEXT:
            return [value.decode() for value in values]
        case Kind.BYTES:
            return list(values)
        case Kind.JSON:
            # The first byte is jsonb's version.
            return [json.loads(value[1:]) for value in values]
        case Kind.ADDRESS | Kind.FIXED_BYTES:
            return octets(np.asarray(values, dtype=np.uint8))
        case Kind.BOOLEAN:
            return [flag != 0 for flag in np.asarray(values)[:, 0].tolist()]
        case Kind.INTEGER:
            return list(np.asarray(values).tolist())
        case Kind.UNSIGNED | Kind.SIGNED:
            return integers(np.asarray(values, dtype=np.uint8), signed=argument.kind is Kind.SIGNED)
        case _:
            raise TypeError(f"{argument.name} is {argument.abi_type}, which handlers are not given")


def octets(values: Bytes2D) -> list[bytes]:
    """Rows of bytes, each by itself."""
    data, width = values.tobytes(), values.shape[1]
    return [data[at : at + width] for at in range(0, len(data), width)]


def integers(words: Bytes2D, *, signed: bool) -> list[int]:
    """256-bit big-endian numbers."""
    if not words[:, :24].any() and not (signed and (words[:, 24] >= 0x80).any()):
        return list(np.ascontiguousarray(words[:, 24:]).view(">u8").reshape(len(words)).tolist())
    data = words.tobytes()
    return [int.from_bytes(data[at : at + WORD], "big", signed=signed) for at in range(0, len(data), WORD)]


def _order(parts: Sequence[Part]) -> list[int]:
    blocks: NDArray[np.int64] = np.concatenate([part.block_number for part in parts])
    indexes: NDArray[np.int64] = np.concatenate([part.log_index for part in parts])
    return list(np.lexsort((indexes, blocks)).tolist())
