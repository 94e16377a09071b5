"""Logs as columns: one array per field for a whole stretch of the chain, never an object per log on the way in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from indexer.block import Block, LogAnswer, quantity, unhex
from indexer.errors import Disagreement

ADDRESS: Final = 20
WORD: Final = 32
MOST_TOPICS: Final = 4
LARGEST_INDEX: Final = (1 << 31) - 1

Bytes2D: TypeAlias = NDArray[np.uint8]
Integers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Log:
    """One log by itself, for what is looked at singly."""

    block_number: int
    log_index: int
    transaction_hash: bytes
    transaction_index: int
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Logs:
    """Logs in chain order."""

    block_number: Integers
    log_index: Integers
    transaction_hash: Bytes2D
    """(n, 32) bytes."""
    transaction_index: Integers
    address: Bytes2D
    """(n, 20) bytes."""
    topic_count: NDArray[np.uint8]
    topics: Bytes2D
    """(n, 4, 32) bytes, zeros beyond the count."""
    data: Bytes2D
    """All bodies, one after the other."""
    data_offset: Integers
    """(n + 1): body i is ``data[data_offset[i]:data_offset[i + 1]]``."""

    def __len__(self) -> int:
        return len(self.block_number)

    @property
    def data_width(self) -> Integers:
        """Bytes of each body."""
        return np.diff(self.data_offset)

    def body(self, at: int) -> bytes:
        return self.data[self.data_offset[at] : self.data_offset[at + 1]].tobytes()

    def row(self, at: int) -> Log:
        topics = self.topics[at, : self.topic_count[at]]
        return Log(
            int(self.block_number[at]),
            int(self.log_index[at]),
            self.transaction_hash[at].tobytes(),
            int(self.transaction_index[at]),
            self.address[at].tobytes(),
            tuple(topic.tobytes() for topic in topics),
            self.body(at),
        )

    def __iter__(self) -> Iterator[Log]:
        return (self.row(at) for at in range(len(self)))

    def same_as(self, other: "Logs") -> bool:
        """Whether both have the same logs in the same order."""
        return len(self) == len(other) and all(
            np.array_equal(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)
        )

    def take(self, rows: NDArray[Any]) -> "Logs":
        """The logs at some positions, or where a mask is true."""
        chosen = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        data, offset = self._bodies(chosen)
        return Logs(
            self.block_number[chosen],
            self.log_index[chosen],
            self.transaction_hash[chosen],
            self.transaction_index[chosen],
            self.address[chosen],
            self.topic_count[chosen],
            self.topics[chosen],
            data,
            offset,
        )

    def _bodies(self, chosen: NDArray[Any]) -> tuple[Bytes2D, Integers]:
        """The bodies at some positions, joined."""
        widths = self.data_width[chosen]
        offset = offsets(widths)
        if not len(chosen):
            return self.data[:0], offset
        if len(self.data) == len(self) * int(widths[0]) and (self.data_width == widths[0]).all():
            return self.data.reshape(len(self), -1)[chosen].reshape(-1), offset
        starts = self.data_offset[:-1][chosen]
        return self.data[np.repeat(starts - offset[:-1], widths) + np.arange(offset[-1])], offset

    @staticmethod
    def empty() -> "Logs":
        none = np.zeros(0, dtype=np.int64)
        words = np.zeros((0, WORD), dtype=np.uint8)
        addresses, topics = np.zeros((0, ADDRESS), dtype=np.uint8), np.zeros((0, MOST_TOPICS, WORD), dtype=np.uint8)
        return Logs(none, none, words, none, addresses, words[:, 0], topics, words.reshape(-1), offsets(none))

    @staticmethod
    def concat(parts: Sequence["Logs"]) -> "Logs":
        """Stretches that follow each other as one."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return Logs.empty()
        return Logs(
            np.concatenate([part.block_number for part in parts]),
            np.concatenate([part.log_index for part in parts]),
            np.concatenate([part.transaction_hash for part in parts]),
            np.concatenate([part.transaction_index for part in parts]),
            np.concatenate([part.address for part in parts]),
            np.concatenate([part.topic_count for part in parts]),
            np.concatenate([part.topics for part in parts]),
            np.concatenate([part.data for part in parts]),
            offsets(np.concatenate([part.data_width for part in parts])),
        )

    @staticmethod
    def of(answers: Sequence[LogAnswer]) -> "Logs":
        """The columns of answers.

        Raises:
            Disagreement: a log is malformed: not hexadecimal, of impossible width, or with too many topics.
        """
        if not answers:
            return Logs.empty()
        counts = [len(answer.topics) for answer in answers]
        if max(counts) > MOST_TOPICS:
            raise Disagreement(f"a log is malformed: it has {max(counts)} topics")
        topics = np.zeros((len(answers), MOST_TOPICS, WORD), dtype=np.uint8)
        for place in range(max(counts)):
            having = [at for at, count in enumerate(counts) if count > place]
            topics[having, place] = matrix([answers[at].topics[place] for at in having], WORD)
        try:
            bodies = [unhex(answer.data) for answer in answers]
            return Logs(
                np.array([quantity(answer.block_number) for answer in answers], dtype=np.int64),
                np.array([quantity(answer.log_index, LARGEST_INDEX) for answer in answers], dtype=np.int64),
                matrix([answer.transaction_hash for answer in answers], WORD),
                np.array([quantity(a.transaction_index, LARGEST_INDEX) for a in answers], dtype=np.int64),
                matrix([answer.address for answer in answers], ADDRESS),
                np.array(counts, dtype=np.uint8),
                topics,
                np.frombuffer(b"".join(bodies), dtype=np.uint8),
                offsets(np.array([len(body) for body in bodies], dtype=np.int64)),
            )
        except ValueError as error:
            raise Disagreement(f"a log is malformed: {error}") from error


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive blocks and the watched logs in them, both in chain order."""

    blocks: tuple[Block, ...]
    logs: Logs

    @property
    def first(self) -> Block:
        return self.blocks[0]

    @property
    def last(self) -> Block:
        return self.blocks[-1]


def merge(parts: Sequence[Logs]) -> Logs:
    """Logs of the same stretch from several answers, in chain order, each once."""
    joined = Logs.concat(parts)
    if len(joined) == max((len(part) for part in parts), default=0):
        return joined
    order = np.lexsort((joined.log_index, joined.block_number))
    number, index = joined.block_number[order], joined.log_index[order]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (number[1:] != number[:-1]) | (index[1:] != index[:-1])
    return joined.take(order[new])


def offsets(widths: Integers) -> Integers:
    """Where values of these widths start and end, one after the other."""
    found = np.zeros(len(widths) + 1, dtype=np.int64)
    np.cumsum(widths, out=found[1:])
    return found


def matrix(texts: Sequence[str], width: int) -> Bytes2D:
    """Values ``0x…`` of one width as (n, width) bytes.

    Raises:
        Disagreement: a value is not hexadecimal or of another width.
    """
    joined = "".join(texts)
    if wrong := next((text for text in texts if len(text) != 2 + 2 * width or not text.startswith("0x")), None):
        raise Disagreement(f"a log is malformed: not {width} bytes: {wrong[:80]!r}")
    try:
        found = bytes.fromhex(joined.replace("0x", ""))
    except ValueError as error:
        raise Disagreement(f"a log is malformed: {error}") from error
    if len(found) != len(texts) * width:
        raise Disagreement(f"a log is malformed: {len(texts)} values of {width} bytes make {len(found)} bytes")
    return np.frombuffer(found, dtype=np.uint8).reshape(len(texts), width)
