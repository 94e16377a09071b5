"""Columns to PostgreSQL's binary COPY format, encoded whole columns at a time.

Source: https://www.postgresql.org/docs/current/sql-copy.html (Binary Format)
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.columns import Bytes2D, Values
from indexer.db import Connection
from indexer.event import Argument, Kind

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
POSTGRES_EPOCH_S = 946_684_800
CHUNK_ROWS = 4_096
"""Encoded and sent at once: some hundred kilobytes."""
NUMERIC_NEGATIVE = 0x4000
_DIGITS_U256 = 20

Field = Bytes2D | list[bytes]
"""A column on the wire: length-prefixed values, of one width as (n, width) bytes or of any width as a list."""


async def copy(
    db: Connection, table: str, columns: Sequence[str], fields: Sequence[Field], *, schema: str = "blockchain"
) -> None:
    """Appends rows to a table."""
    if len(fields[0]):
        await db.copy_to_table(
            table,
            schema_name=schema,
            columns=columns,
            format="binary",
            source=_chunks(fields),
        )


async def _chunks(fields: Sequence[Field]) -> AsyncIterator[bytes]:
    yield HEADER
    for at in range(0, len(fields[0]), CHUNK_ROWS):
        yield encode_rows([field[at : at + CHUNK_ROWS] for field in fields])
    yield TRAILER


def encode_rows(fields: Sequence[Field]) -> bytes:
    """All rows of a table, without the stream's header and trailer."""
    count = len(fields[0])
    prefix = np.frombuffer(len(fields).to_bytes(2, "big"), dtype=np.uint8)
    runs: list[list[Bytes2D] | list[bytes]] = [[np.broadcast_to(prefix, (count, 2))]]
    for field in fields:
        if isinstance(field, list):
            runs += [field, []]
        else:
            runs[-1].append(field)  # type: ignore[arg-type]  # every other run is of arrays
    parts: list[Field] = [
        _beside(run, count) if at % 2 == 0 else run  # type: ignore[arg-type,misc]
        for at, run in enumerate(runs)
        if run
    ]
    if len(parts) == 1:
        whole: Any = parts[0]
        return bytes(whole.tobytes())
    return b"".join(piece for row in zip(*(_pieces(part) for part in parts), strict=True) for piece in row)


def _beside(columns: Sequence[Bytes2D], count: int) -> Bytes2D:
    """Columns as the columns of one array."""
    whole = np.empty((count, sum(column.shape[1] for column in columns)), dtype=np.uint8)
    at = 0
    for column in columns:
        whole[:, at : at + column.shape[1]] = column
        at += column.shape[1]
    return whole


def _pieces(part: Field) -> list[bytes]:
    if isinstance(part, list):
        return part
    data, width = part.tobytes(), part.shape[1]
    return [data[at : at + width] for at in range(0, len(data), width)]


def argument_field(argument: Argument, values: Values) -> Field:
    """The column of one event argument."""
    if isinstance(values, list):
        return variable(values)
    match argument.kind:
        case Kind.INTEGER:
            return bigint(values)
        case Kind.UNSIGNED:
            return numeric(np.ascontiguousarray(values, dtype=np.uint8), signed=False)
        case Kind.SIGNED:
            return numeric(np.ascontiguousarray(values, dtype=np.uint8), signed=True)
        case _:
            return fixed(np.asarray(values, dtype=np.uint8))


def fixed(values: Bytes2D) -> Bytes2D:
    """bytea of one width, booleans, and anything else that is already on-the-wire bytes."""
    count, width = values.shape
    field = np.empty((count, 4 + width), dtype=np.uint8)
    field[:, :4] = np.frombuffer(width.to_bytes(4, "big"), dtype=np.uint8)
    field[:, 4:] = values
    return field


def variable(values: Sequence[bytes]) -> list[bytes]:
    """bytea or text of any width."""
    return [len(value).to_bytes(4, "big") + value for value in values]


def bigint(values: Any) -> Bytes2D:
    return _integers(values, ">i8")


def integer(values: Any) -> Bytes2D:
    return _integers(values, ">i4")


def timestamptz(unix_s: Any) -> Bytes2D:
    """Whole Unix seconds."""
    return bigint((np.asarray(unix_s, dtype=np.int64) - POSTGRES_EPOCH_S) * 1_000_000)


def _integers(values: Any, wire: str) -> Bytes2D:
    array = np.asarray(values).astype(wire)
    return fixed(array.view(np.uint8).reshape(len(array), array.itemsize))


def numeric(words: Bytes2D, *, signed: bool) -> Bytes2D:
    """256-bit big-endian numbers as ``numeric``.

    All get the same count of base-10,000 digits: the server takes leading zeros, and rows of one width are cheap.
    """
    negative = words[:, 0] >= 0x80 if signed else np.zeros(len(words), dtype=np.bool_)
    magnitude = _absolute(words, negative) if negative.any() else words
    return _numeric(_digits(magnitude), negative)


def numeric_of(values: NDArray[np.int64]) -> Bytes2D:
    """64-bit numbers as ``numeric``."""
    return _numeric(_digits_of(np.abs(values).astype(np.uint64)), values < 0)


def _numeric(digits: NDArray[np.uint16], negative: NDArray[np.bool_]) -> Bytes2D:
    count, width = digits.shape
    value = np.empty((count, 4 + width), dtype=">u2")
    value[:, 0] = width
    value[:, 1] = width - 1
    value[:, 2] = np.where(negative, NUMERIC_NEGATIVE, 0)
    value[:, 3] = 0
    value[:, 4:] = digits
    return fixed(value.view(np.uint8).reshape(count, 2 * (4 + width)))


def _absolute(words: Bytes2D, negative: NDArray[np.bool_]) -> Bytes2D:
    limbs = (~np.ascontiguousarray(words[negative]).view(">u4")).astype(np.uint64)
    carry = np.ones(len(limbs), dtype=np.uint64)
    for at in range(limbs.shape[1] - 1, -1, -1):
        limbs[:, at] += carry
        carry, limbs[:, at] = limbs[:, at] >> np.uint64(32), limbs[:, at] & np.uint64(0xFFFFFFFF)
    result = words.copy()
    result[negative] = limbs.astype(">u4").view(np.uint8).reshape(len(limbs), words.shape[1])
    return result


def _digits(words: Bytes2D) -> NDArray[np.uint16]:
    """Base-10,000 digits, most significant first; twenty where not all numbers fit 64 bits."""
    if not words[:, :24].any():
        return _digits_of(np.ascontiguousarray(words[:, 24:]).view(">u8").reshape(len(words)).astype(np.uint64))
    limbs = np.ascontiguousarray(words).view(">u4").astype(np.uint64).T.copy()
    digits = np.empty((len(words), _DIGITS_U256), dtype=np.uint16)
    for at in range(_DIGITS_U256 - 1, 0, -2):
        low = _divide_in_place(limbs, np.uint64(100_000_000))
        digits[:, at - 1], digits[:, at] = np.divmod(low, np.uint64(10_000))
    return digits


def _digits_of(rest: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Only as many as the largest number needs."""
    width = max(1, -(-len(str(int(rest.max()))) // 4)) if len(rest) else 1
    digits = np.empty((len(rest), width), dtype=np.uint16)
    for at in range(width - 1, -1, -1):
        rest, digits[:, at] = np.divmod(rest, np.uint64(10_000))
    return digits


def _divide_in_place(limbs: NDArray[np.uint64], divisor: np.uint64) -> NDArray[np.uint64]:
    """Divides numbers given as rows of 32-bit limbs (most significant first); returns the remainders."""
    remainder = np.zeros(limbs.shape[1], dtype=np.uint64)
    for limb in limbs:
        limb[:], remainder = np.divmod((remainder << np.uint64(32)) | limb, divisor)
    return remainder
