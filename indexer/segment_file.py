"""A stretch of final blocks and its logs as one file: columns, packed, with a checksum over all of it."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from indexer.block import Block
from indexer.errors import GridtraceError
from indexer.logs import ADDRESS, MOST_TOPICS, WORD, Logs, Segment, offsets

MAGIC: Final = b"GTSEG001"
CHECKSUM_BYTES: Final = 32
_LENGTH_BYTES: Final = 4
_codec = pa.Codec("zstd", compression_level=1)


class BadSegment(GridtraceError):
    """A file of the cache is damaged."""

    code = "cache-damaged"


class _Column(msgspec.Struct, frozen=True):
    name: str
    kind: str
    shape: tuple[int, ...]
    packed: int
    """Bytes in the file."""


class _Contents(msgspec.Struct, frozen=True):
    key: str
    first: int
    count: int
    last_hash: str
    """Of the last block."""
    logs: int
    columns: tuple[_Column, ...]


def pack(key: str, segment: Segment) -> bytes:
    """The file's bytes. ``key`` names the chain and what was asked of it."""
    columns, bodies = [], []
    for name, array in _columns(segment).items():
        whole = np.ascontiguousarray(array)
        body = _codec.compress(whole.tobytes(), asbytes=True)
        columns.append(_Column(name, whole.dtype.str, whole.shape, len(body)))
        bodies.append(body)
    contents = _Contents(
        key, segment.first.number, len(segment.blocks), segment.last.hash.hex(), len(segment.logs), tuple(columns)
    )
    head = msgspec.json.encode(contents)
    whole_file = b"".join((MAGIC, len(head).to_bytes(_LENGTH_BYTES, "big"), head, *bodies))
    return whole_file + _checksum(whole_file)


def unpack(key: str, content: bytes) -> Segment:
    """The segment of a file.

    Raises:
        BadSegment: the bytes are not those that were written, or of another chain or filter.
    """
    body = memoryview(content)[:-CHECKSUM_BYTES]
    if len(content) < len(MAGIC) + _LENGTH_BYTES + CHECKSUM_BYTES or content[: len(MAGIC)] != MAGIC:
        raise BadSegment("not a segment")
    if _checksum(body) != content[-CHECKSUM_BYTES:]:
        raise BadSegment("the checksum does not fit")
    start = len(MAGIC) + _LENGTH_BYTES
    length = int.from_bytes(content[len(MAGIC) : start], "big")
    try:
        contents = msgspec.json.decode(body[start : start + length], type=_Contents)
    except msgspec.DecodeError as error:
        raise BadSegment(f"of another version: {error}") from error
    if contents.key != key:
        raise BadSegment(f"of {contents.key}, not of {key}")
    arrays = dict(_arrays(contents, body[start + length :]))
    return Segment(_blocks(contents, arrays), _logs(contents, arrays))


def last_block(path: Path) -> tuple[int, bytes]:
    """Number and hash of a file's last block, without reading, or checking, the rest.

    Raises:
        BadSegment: there is no such thing where it should stand.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(len(MAGIC) + _LENGTH_BYTES)
        head = file.read(int.from_bytes(start[len(MAGIC) :], "big"))
    try:
        contents = msgspec.json.decode(head, type=_Contents)
        return contents.first + contents.count - 1, bytes.fromhex(contents.last_hash)
    except (msgspec.DecodeError, ValueError) as error:
        raise BadSegment(f"no table of contents: {error}") from error


def _checksum(content: bytes | memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=CHECKSUM_BYTES).digest()


def _arrays(contents: _Contents, packed: memoryview) -> Iterator[tuple[str, Any]]:
    at = 0
    for column in contents.columns:
        kind = np.dtype(column.kind)
        size = kind.itemsize * int(np.prod(column.shape, dtype=np.int64))
        raw = _codec.decompress(packed[at : at + column.packed], decompressed_size=size)
        yield column.name, np.frombuffer(raw, dtype=kind).reshape(column.shape)
        at += column.packed


def _columns(segment: Segment) -> dict[str, Any]:
    """Numbers as small as they are; a transaction's hash once for all its logs; no topics that no log has."""
    blocks, logs = segment.blocks, segment.logs
    new = np.ones(len(logs), dtype=np.bool_)
    new[1:] = (logs.transaction_hash[1:] != logs.transaction_hash[:-1]).any(axis=1)
    most = int(logs.topic_count.max()) if len(logs) else 0
    return {
        "hash": _bytes([block.hash for block in blocks], WORD),
        "parent": _bytes([blocks[0].parent_hash], WORD),
        "timestamp": np.array([block.timestamp for block in blocks], dtype=np.int64),
        "bloom": _bytes([block.logs_bloom for block in blocks], None),
        "receipts": _bytes([block.receipts_root for block in blocks], WORD),
        "transactions": np.array([block.transaction_count for block in blocks], dtype=np.int64),
        "gas": np.array([block.gas_used for block in blocks], dtype=np.int64),
        "log_block": (logs.block_number - blocks[0].number).astype(np.uint32),
        "log_index": logs.log_index.astype(np.uint32),
        "log_transaction": logs.transaction_index.astype(np.uint32),
        "transaction_new": np.packbits(new),
        "transaction_hash": logs.transaction_hash[new],
        "address": logs.address,
        "topic_count": logs.topic_count,
        **{f"topic{place}": logs.topics[:, place] for place in range(most)},
        "data_width": logs.data_width.astype(np.uint32),
        "data": logs.data,
    }


def _bytes(values: list[bytes], width: int | None) -> Any:
    return np.frombuffer(b"".join(values), dtype=np.uint8).reshape(len(values), width or -1)


def _blocks(contents: _Contents, arrays: Mapping[str, Any]) -> tuple[Block, ...]:
    hashes = [row.tobytes() for row in arrays["hash"]]
    parents = [arrays["parent"].tobytes(), *hashes[:-1]]
    rest = zip(
        hashes,
        parents,
        arrays["timestamp"].tolist(),
        map(bytes, arrays["bloom"]),
        map(bytes, arrays["receipts"]),
        arrays["transactions"].tolist(),
        arrays["gas"].tolist(),
        strict=True,
    )
    return tuple(Block(number, *values) for number, values in enumerate(rest, contents.first))


def _logs(contents: _Contents, arrays: Mapping[str, Any]) -> Logs:
    count = contents.logs
    new = np.unpackbits(arrays["transaction_new"], count=count)
    topics = np.zeros((count, MOST_TOPICS, WORD), dtype=np.uint8)
    for place in range(MOST_TOPICS):
        if (column := arrays.get(f"topic{place}")) is not None:
            topics[:, place] = column
    return Logs(
        arrays["log_block"].astype(np.int64) + contents.first,
        arrays["log_index"].astype(np.int64),
        arrays["transaction_hash"][np.cumsum(new, dtype=np.int64) - 1],
        arrays["log_transaction"].astype(np.int64),
        arrays["address"].reshape(count, ADDRESS),
        arrays["topic_count"],
        topics,
        arrays["data"],
        offsets(arrays["data_width"].astype(np.int64)),
    )
