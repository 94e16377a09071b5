"""Logs to columns: whole groups of logs of one event at a time, without a step per log where the layout is fixed.

What Solidity would not have written is handed back undecoded with the reason, never guessed; ``codec`` says how
strict that is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer import arrays
from indexer.abi_types import WORD, Array, Blob, Kind, Scalar
from indexer.block import LogAnswer
from indexer.codec import Malformed, reader
from indexer.columns import Bytes2D, Flags, Integers, Values
from indexer.directory import Directory, Schema, same_topic
from indexer.event import Argument, Event
from indexer.logs import Log, Logs

__all__ = ["UNKNOWN", "Bytes2D", "Decoded", "Rows", "Undecoded", "Values", "decode"]

MOST_BYTES = 1 << 40
"""No offset or length in a log is larger; keeps sums of them inside 64 bits."""
UNKNOWN = "the contract's ABI has no such event"
ALL_ONES = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


@dataclass(frozen=True, slots=True)
class Rows:
    """Decoded logs of one event."""

    event: Event
    block_number: Integers
    log_index: Integers
    transaction_hash: Bytes2D
    emitter: Bytes2D
    values: tuple[Values, ...]
    """One column per argument, in the event's order."""

    def __len__(self) -> int:
        return len(self.block_number)


@dataclass(frozen=True, slots=True)
class Undecoded:
    """A log that stays as it came, and why."""

    log: Log
    reason: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """All logs of a segment."""

    rows: tuple[Rows, ...]
    undecoded: tuple[Undecoded, ...]


def decode(logs: Logs | Sequence[LogAnswer], directory: Directory) -> Decoded:
    """Sorts logs into the columns of their events; every log comes out exactly once.

    Raises:
        Disagreement: an answer is not hexadecimal or of impossible width.
    """
    columns = logs if isinstance(logs, Logs) else Logs.of(logs)
    rows: list[Rows] = []
    undecoded: list[Undecoded] = []
    places = directory.find(columns.address)
    for schema, having in directory.schemas(places):
        part = columns if len(having) == len(columns) else columns.take(having)
        _decode_schema(schema, part, rows, undecoded)
    for at in np.flatnonzero(places < 0).tolist():
        undecoded.append(Undecoded(columns.row(at), "the manifest has no contract at the address"))
    undecoded.sort(key=lambda kept: (kept.log.block_number, kept.log.log_index))
    return Decoded(tuple(part for part in rows if len(part)), tuple(undecoded))


def _decode_schema(schema: Schema, logs: Logs, rows: list[Rows], undecoded: list[Undecoded]) -> None:
    left = np.ones(len(logs), dtype=np.bool_)
    for topic, variants in schema.signed.items():
        same = same_topic(logs.topics, topic) & (logs.topic_count > 0)
        for count, event in variants.items() if same.any() else ():
            chosen = same & (logs.topic_count == count)
            if chosen.any():
                part = logs if chosen.all() else logs.take(chosen)
                found, bad = _decode_group(event, part)
                rows.append(found)
                undecoded.extend(Undecoded(part.row(at), reason) for at, reason in sorted(bad.items()))
                left &= ~chosen
    if left.any():
        _decode_rest(schema, logs.take(left), rows, undecoded)


def _decode_rest(schema: Schema, logs: Logs, rows: list[Rows], undecoded: list[Undecoded]) -> None:
    """Logs that no signature names: anonymous events, told apart by their shape alone."""
    for count in np.unique(logs.topic_count).tolist():
        part = logs.take(logs.topic_count == count)
        candidates = schema.anonymous.get(count, ())
        fits = np.zeros((len(candidates), len(part)), dtype=np.bool_)
        reasons: dict[int, str] = {}
        for number, event in enumerate(candidates):
            _, bad = _decode_group(event, part)
            fits[number] = [at not in bad for at in range(len(part))]
            reasons = {at: f"as the anonymous {event.name}: {reason}" for at, reason in bad.items()} | reasons
        single = fits.sum(axis=0) == 1
        for event, fitting in zip(candidates, fits, strict=True):
            if (fitting & single).any():
                rows.append(_decode_group(event, part.take(fitting & single))[0])
        for at in np.flatnonzero(~single).tolist():
            names = [event.name for event, fitting in zip(candidates, fits, strict=True) if fitting[at]]
            log = part.row(at)
            if len(names) > 1:
                undecoded.append(Undecoded(log, f"may be any of the anonymous events {', '.join(names)}"))
            else:
                undecoded.append(Undecoded(log, reasons.get(at) or _unknown(schema, log)))


def _unknown(schema: Schema, log: Log) -> str:
    variants = schema.signed.get(log.topics[0], {}) if log.topics else {}
    if not variants:
        return UNKNOWN
    counts = " or ".join(str(count) for count in sorted(variants))
    return f"{next(iter(variants.values())).name} has {counts} topics, not {len(log.topics)}"


def _decode_group(event: Event, logs: Logs) -> tuple[Rows, dict[int, str]]:
    """The rows of an event, and by position the reasons why others are none."""
    bad = _misshapen(event, logs)
    good = np.ones(len(logs), dtype=np.bool_)
    good[list(bad)] = False
    part, origin = (logs.take(good), np.flatnonzero(good)) if bad else (logs, np.arange(len(logs)))
    worse: dict[int, str] = {}
    values = _columns(event, part, worse) if len(part) else tuple(_nothing(a) for a in event.arguments)
    if worse:
        kept = np.array([at for at in range(len(part)) if at not in worse], dtype=np.int64)
        values = tuple(_take(column, kept) for column in values)
        part = part.take(kept)
        bad |= {int(origin[at]): reason for at, reason in worse.items()}
    return Rows(event, part.block_number, part.log_index, part.transaction_hash, part.address, values), bad


def _misshapen(event: Event, logs: Logs) -> dict[int, str]:
    """Logs without the event's count of topics or bytes of data."""
    if unsupported := [a.abi_type for a in event.arguments if a.kind is Kind.UNSUPPORTED]:
        reason = f"{event.name} has an argument of type {unsupported[0]}, which is not supported"
        return dict.fromkeys(range(len(logs)), reason)
    needed = sum(argument.head_bytes for argument in event.plain)
    dynamic = any(argument.dynamic for argument in event.plain)
    widths = logs.data_width
    wrong = widths < needed if dynamic else widths != needed
    return {at: f"{event.name} has {needed} bytes of data, not {widths[at]}" for at in np.flatnonzero(wrong).tolist()}


def _columns(event: Event, logs: Logs, bad: dict[int, str]) -> tuple[Values, ...]:
    heads = _heads(logs, sum(argument.head_bytes for argument in event.plain))
    values: dict[str, Values] = {}
    place = 0
    for argument in event.plain:
        values[argument.column] = _column(argument, place, heads, logs, bad)
        place += argument.head_bytes
    for at, argument in enumerate(event.indexed, not event.anonymous):
        assert isinstance(argument.shape, Scalar)
        values[argument.column] = _static(argument.name, argument.shape, logs.topics[:, at], bad)
    return tuple(values[argument.column] for argument in event.arguments)


def _heads(logs: Logs, width: int) -> Bytes2D:
    """The first ``width`` bytes of every log's data."""
    whole = int(logs.data_width[0])
    if (logs.data_width == whole).all():
        return logs.data.reshape(len(logs), whole)[:, :width]
    heads: Bytes2D = logs.data[logs.data_offset[:-1, None] + np.arange(width)]
    return heads


def _column(argument: Argument, place: int, heads: Bytes2D, logs: Logs, bad: dict[int, str]) -> Values:
    shape = argument.shape
    match shape:
        case Scalar():
            return _static(argument.name, shape, heads[:, place : place + WORD], bad)
        case Blob(is_text):
            return _blobs(argument.name, is_text, heads[:, place : place + WORD], logs, bad)
        case Array(item, length) if isinstance(item, Scalar):
            return _arrays(argument.name, item, length, heads[:, place : place + argument.head_bytes], logs, bad)
        case _:
            return _composites(argument, place, logs, bad)


def _nothing(argument: Argument) -> Values:
    """A column without rows."""
    match argument.kind:
        case Kind.INTEGER:
            return np.zeros(0, dtype=np.int64)
        case Kind.BYTES | Kind.TEXT | Kind.ARRAY | Kind.JSON:
            return []
        case Kind.UNSIGNED | Kind.SIGNED:
            return np.zeros((0, WORD), dtype=np.uint8)
        case _:
            return np.zeros((0, argument.size), dtype=np.uint8)


def _static(name: str, shape: Scalar, words: Bytes2D, bad: dict[int, str]) -> Values:
    valid, value = _STATIC[shape.kind](shape, words)
    for at in np.flatnonzero(~valid).tolist() if not valid.all() else ():
        bad.setdefault(at, f"{name} is not a valid {shape.name}")
    return value


def _clear(words: Bytes2D, first: int, last: int, sign: NDArray[np.uint64] | None = None) -> Flags:
    """Which words are zero from byte ``first`` up to ``last``; or, in rows where ``sign`` is all ones, all ones."""
    mask = np.zeros(WORD, dtype=np.uint8)
    mask[first:last] = 0xFF
    quarters = words.view(np.uint64)
    strange = np.zeros(len(words), dtype=np.uint64)
    for at, part in enumerate(mask.view(np.uint64)):
        if part:
            quarter = quarters[:, at] if sign is None else quarters[:, at] ^ sign
            strange |= quarter & part
    clear: Flags = strange == 0
    return clear


def _address(shape: Scalar, words: Bytes2D) -> tuple[Flags, Bytes2D]:
    return _clear(words, 0, 12), words[:, 12:]


def _boolean(shape: Scalar, words: Bytes2D) -> tuple[Flags, Bytes2D]:
    return _clear(words, 0, 31) & (words[:, 31] <= 1), words[:, 31:]


def _fixed_bytes(shape: Scalar, words: Bytes2D) -> tuple[Flags, Bytes2D]:
    return _clear(words, shape.size, WORD), words[:, : shape.size]


def _number(shape: Scalar, words: Bytes2D) -> tuple[Flags, Bytes2D]:
    first = WORD - shape.size
    sign = np.where(words[:, first] >= 0x80, ALL_ONES, np.uint64(0)) if shape.signed else None
    return _clear(words, 0, first, sign), words


def _integer(shape: Scalar, words: Bytes2D) -> tuple[Flags, Integers]:
    valid, _ = _number(shape, words)
    return valid, words.view(">i8")[:, 3].astype(np.int64)


_STATIC: Mapping[Kind, Callable[[Scalar, Bytes2D], tuple[Flags, Bytes2D | Integers]]] = {
    Kind.ADDRESS: _address,
    Kind.BOOLEAN: _boolean,
    Kind.FIXED_BYTES: _fixed_bytes,
    Kind.INTEGER: _integer,
    Kind.UNSIGNED: _number,
    Kind.SIGNED: _number,
}


def _lengths(words: Bytes2D) -> Integers:
    """Offsets or lengths; what is out of any log's reach is MOST_BYTES."""
    value = words.view(">u8")[:, 3]
    reachable = _clear(words, 0, 24) & (value < MOST_BYTES)
    return np.where(reachable, value, MOST_BYTES).astype(np.int64)


def _tails(name: str, offsets: Bytes2D, logs: Logs, bad: dict[int, str]) -> tuple[Integers, Integers]:
    """Where dynamic values start behind their length word, from the start of all data, and their lengths.

    Rows without one are at zero with length zero.
    """
    offset, width = _lengths(offsets), logs.data_width
    inside = offset + WORD <= width
    for at in np.flatnonzero(~inside).tolist() if not inside.all() else ():
        bad.setdefault(at, f"{name} starts at byte {int.from_bytes(offsets[at].tobytes(), 'big')} of {width[at]}")
    start = np.where(inside, logs.data_offset[:-1] + offset, 0)
    if not inside.any():
        return start, np.zeros(len(logs), dtype=np.int64)
    length = np.where(inside, _lengths(_words(logs.data, np.where(inside, start, start[inside][0]))), 0)
    return start + WORD * inside, length


def _words(data: Bytes2D, starts: Integers) -> Bytes2D:
    words: Bytes2D = data[starts[:, None] + np.arange(WORD)]
    return words


def _blobs(name: str, is_text: bool, offsets: Bytes2D, logs: Logs, bad: dict[int, str]) -> list[bytes]:
    start, length = _tails(name, offsets, logs, bad)
    end = start + length
    for at in np.flatnonzero(end > logs.data_offset[1:]).tolist():
        bad.setdefault(at, f"{name} ends at byte {end[at] - logs.data_offset[at]} of {logs.data_width[at]}")
        end[at] = start[at]
    data = logs.data.tobytes()
    values = [data[first:last] for first, last in zip(start.tolist(), end.tolist(), strict=True)]
    for at, value in enumerate(values) if is_text else ():
        if not _is_text(value):
            bad.setdefault(at, f"{name} is not text that can be stored")
    return values


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return 0 not in value


def _arrays(
    name: str, item: Scalar, length: int | None, heads: Bytes2D, logs: Logs, bad: dict[int, str]
) -> list[bytes]:
    """Arrays of one dimension, the elements of all rows together."""
    if length is not None:
        counts = np.full(len(logs), length, dtype=np.int64)
        words = heads.reshape(len(logs) * length, WORD)
    else:
        start, counts = _tails(name, heads, logs, bad)
        room = logs.data_offset[1:] - start
        for at in np.flatnonzero(counts * WORD > room).tolist():
            bad.setdefault(at, f"{name} has {counts[at]} elements in {max(int(room[at]), 0)} bytes")
            counts[at] = 0
        before = np.cumsum(counts) - counts
        within = np.arange(int(counts.sum())) - np.repeat(before, counts)
        words = _words(logs.data, np.repeat(start, counts) + WORD * within)
    valid, values = _STATIC[item.kind](item, words)
    if not valid.all():
        row = np.repeat(np.arange(len(logs)), counts)
        for at in np.unique(row[~valid]).tolist():
            bad.setdefault(at, f"{name} has an element that is not a valid {item.name}")
    return arrays.of_scalars(item, values, counts)


def _composites(argument: Argument, place: int, logs: Logs, bad: dict[int, str]) -> list[bytes]:
    """Tuples, nested arrays, and arrays of text or bytes: a log at a time, by a reader made for the type."""
    shape = argument.shape
    assert shape is not None
    flat = isinstance(shape, Array) and isinstance(shape.item, Blob)
    read = reader(shape, for_json=not flat)
    is_text = isinstance(shape, Array) and isinstance(shape.item, Blob) and shape.item.is_text
    values = []
    for at in range(len(logs)):
        try:
            value = read(logs.body(at), place, 0)
        except Malformed as fault:
            bad.setdefault(at, f"{argument.name} {fault}")
            values.append(b"")
            continue
        if flat:
            parts = [part.encode() for part in value] if is_text else value
            values.append(arrays.of_blobs(parts, is_text=is_text))
        else:
            values.append(arrays.json(value))
    return values


def _take(column: Values, kept: Integers) -> Values:
    return [column[at] for at in kept.tolist()] if isinstance(column, list) else column[kept]
