"""``eth_getLogs`` answers as they come: JSON cut into columns without an object per log.

Nodes write every log alike, so the text of one tells where the values of the others stand. What is not of that
shape, to the last byte, goes through an ordinary JSON decoder; both ways give the same, or refuse the same.
"""

import re
from binascii import Error as NotHexadecimal
from binascii import unhexlify
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from indexer.block import LogAnswer
from indexer.errors import Disagreement
from indexer.logs import ADDRESS, LARGEST_INDEX, MOST_TOPICS, WORD, Bytes2D, Integers, Logs, matrix, offsets

FEW: Final = 24
"""So few logs are decoded faster one by one."""
LOGS_PER_SHAPE: Final = 32
MOST_DIGITS: Final = 15
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_PAIR: Final = re.compile(rb'"(\w+)":("0x[0-9a-fA-F]*"|\[(?:"0x[0-9a-fA-F]*",?)*\]|true|false)([,}])')
_TEXT: Final = re.compile(rb'"0x([0-9a-fA-F]*)"')
_VALUE: Final = np.full(256, 255, dtype=np.uint8)
_VALUE[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = np.arange(16)
_VALUE[np.frombuffer(b"ABCDEF", dtype=np.uint8)] = np.arange(10, 16)
_answers = msgspec.json.Decoder(tuple[LogAnswer, ...])


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: the logs, and the block that each says it is of."""

    logs: Logs
    block_hash: Bytes2D
    """(n, 32) bytes."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the values stand in the text of a log; all ends exclusive, all without ``0x``."""

    fields: dict[str, tuple[int, int]]
    topics: tuple[tuple[int, int], ...]
    between: tuple[tuple[int, int], ...]
    """What is the same in all logs of the shape."""


def read_logs(raw: Any) -> Page:
    """The columns of an answer's JSON text (anything with the buffer protocol).

    Raises:
        Disagreement: the text is not a list of mined logs.
    """
    page = _cut(np.frombuffer(raw, dtype=np.uint8))
    return _parse(raw) if page is None else page


def page_of(answers: tuple[LogAnswer, ...]) -> Page:
    """The columns of decoded answers. Raises Disagreement where one is malformed or was taken back."""
    if removed := next((answer for answer in answers if answer.removed), None):
        raise Disagreement(f"log {removed.log_index[:80]} of block {removed.block_number[:80]} is said to be removed")
    return Page(Logs.of(answers), matrix([answer.block_hash for answer in answers], WORD))


def _parse(raw: Any) -> Page:
    try:
        answers = _answers.decode(raw)
    except UNREADABLE as error:
        raise Disagreement(f"unexpected RPC answer: {error}") from error
    return page_of(answers)


def _cut(text: Bytes2D) -> Page | None:
    """None where the text is not cut by shapes: too few logs, too many shapes, or something unusual."""
    found = _records(text)
    if found is None:
        return None
    starts, lengths = found
    columns = _Columns(len(starts))
    left, most = np.arange(len(starts)), 2 + len(starts) // LOGS_PER_SHAPE
    for _ in range(most):
        length = int(lengths[left[0]])
        alike = lengths[left] == length
        rows = left[alike]
        records = np.lib.stride_tricks.sliding_window_view(text, length)[starts[rows]]
        shape = _shape(records[0].tobytes())
        if shape is None:
            return None
        fits = _fits(text, starts[rows], records[0], shape)
        try:
            columns.fill(rows[fits], records if fits.all() else records[fits], shape)
        except (ValueError, NotHexadecimal):
            return None  # the decoder will say what is wrong
        alike[np.flatnonzero(alike)[~fits]] = False
        left = left[~alike]
        if not len(left):
            return columns.page()
    return None


def _records(text: Bytes2D) -> tuple[Integers, Integers] | None:
    """Starts and lengths of the objects of a list that has nothing else in it, not even spaces."""
    edges = np.flatnonzero(text > ord("z"))  # braces, and what no number or name has
    if len(edges) < 2 * FEW or len(edges) % 2:
        return None
    starts, ends = edges[::2], edges[1::2]
    if (text[starts] != ord("{")).any() or (text[ends] != ord("}")).any():
        return None
    if text[0] != ord("[") or starts[0] != 1 or ends[-1] != len(text) - 2 or text[-1] != ord("]"):
        return None
    if (starts[1:] != ends[:-1] + 2).any() or (text[ends[:-1] + 1] != ord(",")).any():
        return None
    return starts, ends - starts + 1


def _shape(record: bytes) -> Shape | None:
    fields: dict[str, tuple[int, int]] = {}
    topics: tuple[tuple[int, int], ...] | None = None
    at = 1
    while at < len(record):
        pair = _PAIR.match(record, at)
        if pair is None or (pair[3] == b"}") != (pair.end() == len(record)):
            return None
        key, start, at = pair[1].decode(), pair.start(2), pair.end()
        if key in fields or (key == "topics" and topics is not None):
            return None
        if key == "topics":
            topics = tuple((start + match.start(1), start + match.end(1)) for match in _TEXT.finditer(pair[2]))
            if pair[2].startswith(b'"') or pair[2].endswith(b",]"):
                return None
        elif pair[2].startswith(b'"'):
            fields[key] = (start + 3, pair.end(2) - 1)
        elif pair[2] != b"false":
            return None
    if topics is None or not _FIELDS.issubset(fields) or not _sized(fields, topics):
        return None
    spans = sorted((*fields.values(), *topics))
    edges = [0, *(edge for span in spans for edge in span), len(record)]
    return Shape(fields, topics, tuple(zip(edges[::2], edges[1::2], strict=True)))


_FIELDS: Final = {"address", "data", "blockHash", "blockNumber", "transactionHash", "transactionIndex", "logIndex"}


def _sized(fields: dict[str, tuple[int, int]], topics: tuple[tuple[int, int], ...]) -> bool:
    """Whether all values have possible sizes."""

    def size(name: str) -> int:
        start, end = fields[name]
        return end - start

    return (
        len(topics) <= MOST_TOPICS
        and all(end - start == 2 * WORD for start, end in topics)
        and size("address") == 2 * ADDRESS
        and size("blockHash") == size("transactionHash") == 2 * WORD
        and size("data") % 2 == 0
        and all(1 <= size(name) <= MOST_DIGITS for name in ("blockNumber", "transactionIndex", "logIndex"))
    )


def _fits(text: Bytes2D, starts: Integers, sample: Bytes2D, shape: Shape) -> NDArray[np.bool_]:
    """Which texts are of the sample's shape: what is between the values is that of the sample.

    Compared by eight bytes at a time; where the last ones overlap the ones before, they are compared twice.
    """
    between = np.zeros(len(sample), dtype=np.uint8)
    for start, end in shape.between:
        between[start:end] = 0xFF
    fits = np.ones(len(starts), dtype=np.bool_)
    whole = len(sample) // 8 * 8
    for first, end in ((0, whole), (len(sample) - 8, len(sample))):
        mask, like = between[first:end].copy().view(np.uint64), sample[first:end].copy().view(np.uint64)
        words = np.lib.stride_tricks.sliding_window_view(text, end - first)[starts + first].view(np.uint64)
        words ^= like
        words &= mask
        if words.any():
            fits &= ~words.any(axis=1)
    return fits


class _Columns:
    """The columns of an answer, filled shape by shape."""

    def __init__(self, count: int) -> None:
        self._block_number = np.empty(count, dtype=np.int64)
        self._log_index = np.empty(count, dtype=np.int64)
        self._transaction_index = np.empty(count, dtype=np.int64)
        self._transaction_hash = np.empty((count, WORD), dtype=np.uint8)
        self._block_hash = np.empty((count, WORD), dtype=np.uint8)
        self._address = np.empty((count, ADDRESS), dtype=np.uint8)
        self._topic_count = np.empty(count, dtype=np.uint8)
        self._topics = np.zeros((count, MOST_TOPICS, WORD), dtype=np.uint8)
        self._width = np.empty(count, dtype=np.int64)
        self._bodies: list[tuple[Integers, Bytes2D]] = []

    def fill(self, rows: Integers, records: Bytes2D, shape: Shape) -> None:
        """Raises ValueError or NotHexadecimal where a text has something else than a value in a value's place."""
        fields = dict(shape.fields)
        self._block_number[rows] = _number(records, fields.pop("blockNumber"))
        for column, name in ((self._log_index, "logIndex"), (self._transaction_index, "transactionIndex")):
            column[rows] = number = _number(records, fields.pop(name))
            if (number > LARGEST_INDEX).any():
                raise ValueError(name)
        self._transaction_hash[rows] = _bytes(records, fields.pop("transactionHash"))
        self._block_hash[rows] = _bytes(records, fields.pop("blockHash"))
        self._address[rows] = _bytes(records, fields.pop("address"))
        self._topic_count[rows] = len(shape.topics)
        for place, span in enumerate(shape.topics):
            self._topics[rows, place] = _bytes(records, span)
        body = _bytes(records, fields.pop("data"))
        self._width[rows] = body.shape[1]
        self._bodies.append((rows, body))
        for start, end in fields.values():
            if (_VALUE[records[:, start:end]] > 15).any():
                raise ValueError("not hexadecimal")

    def page(self) -> Page:
        offset = offsets(self._width)
        logs = Logs(
            self._block_number,
            self._log_index,
            self._transaction_hash,
            self._transaction_index,
            self._address,
            self._topic_count,
            self._topics,
            self._joined(offset),
            offset,
        )
        return Page(logs, self._block_hash)

    def _joined(self, offset: Integers) -> Bytes2D:
        if (self._width == self._width[0]).all():
            bodies = np.empty((len(self._width), int(self._width[0])), dtype=np.uint8)
            for rows, body in self._bodies:
                bodies[rows] = body
            return bodies.reshape(-1)
        joined = np.empty(int(offset[-1]), dtype=np.uint8)
        for rows, body in self._bodies:
            joined[offset[rows][:, None] + np.arange(body.shape[1])] = body
        return joined


def _bytes(records: Bytes2D, span: tuple[int, int]) -> Bytes2D:
    start, end = span
    values = unhexlify(np.ascontiguousarray(records[:, start:end]).data)
    return np.frombuffer(values, dtype=np.uint8).reshape(len(records), (end - start) // 2)


def _number(records: Bytes2D, span: tuple[int, int]) -> Integers:
    start, end = span
    digits = _VALUE[records[:, start:end]]
    if (digits > 15).any():
        raise ValueError("not a number")
    number = np.zeros(len(records), dtype=np.int64)
    for place in range(end - start):
        number = (number << 4) | digits[:, place]
    return number
