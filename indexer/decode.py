"""Logs to columns: whole groups of logs of one event at a time, without a step per log where the layout is fixed.

Encoding is checked strictly (padding, sign extension, lengths, UTF-8): what Solidity would not have written is
handed back undecoded with the reason, never guessed.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.block import LogAnswer, unhex
from indexer.errors import Disagreement
from indexer.event import Argument, Event, Kind

WORD = 32
ADDRESS = 20
MOST_TOPICS = 4
Bytes2D = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Values = Bytes2D | NDArray[np.int64] | list[bytes]
"""Addresses, fixed bytes, booleans and 32-byte numbers as (n, width) bytes; small integers; dynamic values."""
Events = Mapping[tuple[str, str], Event]
"""Events by the emitter's address and the first topic, both as lower-case ``0x…``."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Decoded logs of one event."""

    event: Event
    block_number: NDArray[np.int64]
    log_index: NDArray[np.int64]
    transaction_hash: Bytes2D
    emitter: Bytes2D
    values: tuple[Values, ...]
    """One column per argument, in the event's order."""

    def __len__(self) -> int:
        return len(self.block_number)


@dataclass(frozen=True, slots=True)
class Undecoded:
    """A log that stays as it came, and why."""

    log: LogAnswer
    reason: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """All logs of a segment."""

    rows: tuple[Rows, ...]
    undecoded: tuple[Undecoded, ...]


def decode(logs: Sequence[LogAnswer], events: Events) -> Decoded:
    """Sorts logs into the columns of their events; every log comes out exactly once.

    Raises:
        Disagreement: an answer is not hexadecimal or of impossible width.
    """
    groups: dict[tuple[str, str], list[LogAnswer]] = defaultdict(list)
    for log in logs:
        groups[log.address, log.topics[0] if log.topics else ""].append(log)
    rows: list[Rows] = []
    undecoded: list[Undecoded] = []
    for (address, topic), group in groups.items():
        event = events.get((address.lower(), topic.lower()))
        if event is None:
            undecoded.extend(Undecoded(log, "the contract's ABI has no such event") for log in group)
            continue
        if logs_left := _well_shaped(event, group, undecoded):
            rows.append(_decode_group(event, logs_left, undecoded))
    for kept in undecoded:
        _check_shape(kept.log)
    return Decoded(tuple(part for part in rows if len(part)), tuple(undecoded))


def _check_shape(log: LogAnswer) -> None:
    """A log that is kept as it came must at least be a log."""
    try:
        unhex(log.address, ADDRESS)
        unhex(log.transaction_hash, WORD)
        unhex(log.data)
        for topic in log.topics:
            unhex(topic, WORD)
    except ValueError as error:
        raise Disagreement(f"a log is malformed: {error}") from error
    if len(log.topics) > MOST_TOPICS:
        raise Disagreement(f"a log has {len(log.topics)} topics")


def _decode_group(event: Event, logs: list[LogAnswer], undecoded: list[Undecoded]) -> Rows:
    bad: dict[int, str] = {}
    values = _columns(event, logs, bad)
    if bad:
        undecoded.extend(Undecoded(logs[at], reason) for at, reason in sorted(bad.items()))
        kept = [at for at in range(len(logs)) if at not in bad]
        logs = [logs[at] for at in kept]
        values = tuple(_take(column, kept) for column in values)
    count = len(logs)
    return Rows(
        event=event,
        block_number=_quantities([log.block_number for log in logs]),
        log_index=_quantities([log.log_index for log in logs]),
        transaction_hash=_matrix([log.transaction_hash[2:] for log in logs], count, WORD),
        emitter=_matrix([log.address[2:] for log in logs], count, 20),
        values=values,
    )


def _well_shaped(event: Event, group: list[LogAnswer], undecoded: list[Undecoded]) -> list[LogAnswer]:
    """The logs with the right number of topics and bytes of data; the others go to ``undecoded``."""
    if unsupported := [a.abi_type for a in event.plain if a.kind is Kind.UNSUPPORTED]:
        reason = f"{event.name} has an argument of type {unsupported[0]}, which is not stored"
        undecoded.extend(Undecoded(log, reason) for log in group)
        return []
    topics = 1 + len(event.indexed)
    width = 2 + 2 * WORD * len(event.plain)
    dynamic = any(argument.dynamic for argument in event.plain)
    if {len(log.topics) for log in group} == {topics} and {len(log.data) for log in group} == {width}:
        return group
    good = []
    for log in group:
        if len(log.topics) != topics:
            undecoded.append(Undecoded(log, f"{event.name} has {topics} topics, not {len(log.topics)}"))
        elif len(log.data) < width or (not dynamic and len(log.data) != width):
            found = len(log.data) // 2 - 1
            undecoded.append(Undecoded(log, f"{event.name} has {width // 2 - 1} bytes of data, not {found}"))
        else:
            good.append(log)
    return good


def _columns(event: Event, logs: list[LogAnswer], bad: dict[int, str]) -> tuple[Values, ...]:
    count, heads_width = len(logs), 2 * WORD * len(event.plain)
    heads = _matrix([log.data[2 : 2 + heads_width] for log in logs], count, heads_width // 2)
    values: dict[str, Values] = {}
    for at, argument in enumerate(event.plain):
        words = heads[:, at * WORD : (at + 1) * WORD]
        if argument.dynamic:
            values[argument.column] = _dynamic(argument, words, logs, bad)
        else:
            values[argument.column] = _static(argument, words, bad)
    for at, argument in enumerate(event.indexed, 1):
        words = _matrix([log.topics[at][2:] for log in logs], count, WORD)
        values[argument.column] = _static(argument, words, bad)
    return tuple(values[argument.column] for argument in event.arguments)


def _static(argument: Argument, words: Bytes2D, bad: dict[int, str]) -> Values:
    valid, value = _STATIC[argument.kind](argument, words)
    if not valid.all():
        for at in np.flatnonzero(~valid):
            bad.setdefault(int(at), f"{argument.name} is not a valid {argument.abi_type}")
    return value


def _zero(padding: Bytes2D) -> Flags:
    """Which rows are all zeros."""
    zero: Flags = np.logical_not(np.any(padding, axis=1))
    return zero


def _address(argument: Argument, words: Bytes2D) -> tuple[Flags, Values]:
    return _zero(words[:, :12]), words[:, 12:]


def _boolean(argument: Argument, words: Bytes2D) -> tuple[Flags, Values]:
    return _zero(words[:, :31]) & (words[:, 31] <= 1), words[:, 31:]


def _fixed_bytes(argument: Argument, words: Bytes2D) -> tuple[Flags, Values]:
    return _zero(words[:, argument.size :]), words[:, : argument.size]


def _number(argument: Argument, words: Bytes2D) -> tuple[Flags, Values]:
    padding, value = words[:, : WORD - argument.size], words[:, WORD - argument.size :]
    if argument.signed and argument.size < WORD:
        sign = np.where(value[:, :1] >= 0x80, 0xFF, 0).astype(np.uint8)
        return _zero(padding ^ sign), words
    return _zero(padding), words


def _integer(argument: Argument, words: Bytes2D) -> tuple[Flags, Values]:
    valid, _ = _number(argument, words)
    return valid, np.ascontiguousarray(words[:, 24:]).view(">i8").reshape(len(words)).astype(np.int64)


_STATIC: Mapping[Kind, Callable[[Argument, Bytes2D], tuple[Flags, Values]]] = {
    Kind.ADDRESS: _address,
    Kind.BOOLEAN: _boolean,
    Kind.FIXED_BYTES: _fixed_bytes,
    Kind.INTEGER: _integer,
    Kind.UNSIGNED: _number,
    Kind.SIGNED: _number,
}


def _dynamic(argument: Argument, offsets: Bytes2D, logs: list[LogAnswer], bad: dict[int, str]) -> list[bytes]:
    values = []
    for at, (offset, log) in enumerate(zip(offsets, logs, strict=True)):
        value, reason = _tail(_unhex(log.data[2:]), int.from_bytes(offset.tobytes(), "big"))
        if not reason and argument.kind is Kind.TEXT and not _is_text(value):
            reason = "is not text that can be stored"
        if reason:
            bad.setdefault(at, f"{argument.name} {reason}")
        values.append(value)
    return values


def _tail(data: bytes, offset: int) -> tuple[bytes, str]:
    """The dynamic value at an offset, or why there is none."""
    start = offset + WORD
    if start > len(data):
        return b"", f"starts at byte {offset} of {len(data)}"
    end = start + int.from_bytes(data[offset:start], "big")
    if end > len(data):
        return b"", f"ends at byte {end} of {len(data)}"
    return data[start:end], ""


def _is_text(value: bytes) -> bool:
    try:
        return "\0" not in value.decode()
    except UnicodeDecodeError:
        return False


def _take(column: Values, kept: list[int]) -> Values:
    return [column[at] for at in kept] if isinstance(column, list) else column[kept]


def _quantities(texts: list[str]) -> NDArray[np.int64]:
    return np.array([int(text, 16) for text in texts], dtype=np.int64)


def _matrix(texts: list[str], rows: int, width: int) -> Bytes2D:
    joined = _unhex("".join(texts))
    if len(joined) != rows * width or any(len(text) != 2 * width for text in texts):
        raise Disagreement(f"{rows} values of {width} bytes make {len(joined)} bytes")
    return np.frombuffer(joined, dtype=np.uint8).reshape(rows, width)


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise Disagreement(f"a log is not hexadecimal: {error}") from error
