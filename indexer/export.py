"""Tables of the mirror as files: streamed from one snapshot, stamped with the block that it is of."""

import asyncio
import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Protocol, TextIO

from indexer.db import Connection, queries
from indexer.errors import GridtraceError

SQL = queries(__name__)

SCHEMAS: Final = ("blockchain", "entities")
ROWS_AT_ONCE: Final = 2_000
NAME: Final = re.compile(r"^(?:(\w+)\.)?(\w+)$")
FORMATS: Final = ("csv", "ndjson", "parquet")


class ExportRefused(GridtraceError):
    """There is no such table of the mirror, or no such format."""

    code = "export-refused"


@dataclass(frozen=True, slots=True)
class Stamp:
    """The block that an export is of."""

    chain_id: int
    block_number: int
    block_hash: str
    finalized: int
    rows: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {
            "chain_id": self.chain_id,
            "block_number": self.block_number,
            "block_hash": self.block_hash,
            "finalized": self.finalized,
        }


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it is written."""

    name: str
    sql_type: str


class Writer(Protocol):
    """Takes rows and writes a file."""

    def write(self, rows: Sequence[Sequence[Any]]) -> None: ...


async def export(
    db: Connection,
    chain_id: int,
    table: str,
    file_format: str,
    path: Path,
    *,
    blocks: tuple[int, int] | None = None,
    told: Callable[[int], None] = lambda rows: None,
) -> Stamp:
    """Writes a table or view, rows of one chain, in the order of its key; returns the block and the count.

    A file beside it (``.block.json``) names the block; Parquet also carries it in its metadata. Needs a transaction of
    one snapshot (repeatable read).

    Args:
        blocks: first and last block of the rows; all where None.
        told: called with the number of rows written so far.

    Raises:
        ExportRefused: no such table or format, no blocks in it to choose by, or nothing is mirrored yet.
    """
    columns, order = await columns_of(db, table)
    stamp = await standing(db, chain_id)
    if stamp is None:
        raise ExportRefused(f"nothing is mirrored of chain {chain_id}")
    if blocks is not None and not has_blocks(columns):
        raise ExportRefused(f"{table!r} is of one moment: it has no blocks to choose by")
    match = NAME.match(table)
    assert match is not None
    listed = ", ".join(f'"{column.name}"' for column in columns)
    chosen = "" if blocks is None else " and block_number between $2 and $3"
    ordered = f" order by {', '.join(f'{chr(34)}{name}{chr(34)}' for name in order)}" if order else ""
    # Names come from the catalogue, values are parameters.
    sql = f'select {listed} from "{match[1] or "blockchain"}"."{match[2]}" where chain_id = $1{chosen}{ordered}'  # noqa: S608
    count = await write(db, sql, (chain_id, *(blocks or ())), columns, file_format, path, stamp, told=told)
    beside = {"table": table, "format": file_format, "rows": count, **stamp.as_dict()}
    path.with_name(path.name + ".block.json").write_text(json.dumps(beside, indent=2) + "\n")
    return Stamp(stamp.chain_id, stamp.block_number, stamp.block_hash, stamp.finalized, count)


async def standing(db: Connection, chain_id: int) -> Stamp | None:
    """The block that the mirror is of; None before the first."""
    row = await db.fetchrow(SQL["standing"], chain_id)
    if row is None:
        return None
    return Stamp(chain_id, row["block_number"], "0x" + row["block_hash"].hex(), row["finalized_number"])


async def write(
    db: Connection,
    sql: str,
    arguments: Sequence[Any],
    columns: Sequence[Column],
    file_format: str,
    path: Path,
    stamp: Stamp,
    *,
    told: Callable[[int], None] = lambda rows: None,
) -> int:
    """Writes what a statement finds, a part at a time; returns how many rows. Raises ExportRefused."""
    if file_format not in FORMATS:
        raise ExportRefused(f"{file_format!r} is not one of {', '.join(FORMATS)}")
    count = 0
    with _opened(file_format, path, columns, stamp) as writer:
        cursor = await db.cursor(sql, *arguments)
        while rows := await cursor.fetch(ROWS_AT_ONCE):
            # Beside the event loop: others are answered meanwhile.
            await asyncio.to_thread(writer.write, [tuple(row) for row in rows])
            count += len(rows)
            told(count)
    return count


def has_blocks(columns: Sequence[Column]) -> bool:
    """Whether each row of a table belongs to one block."""
    return any(column.name == "block_number" for column in columns)


async def columns_of(db: Connection, table: str) -> tuple[list[Column], list[str]]:
    """Columns, and those of the key; the names are those of the catalogue. Raises ExportRefused."""
    match = NAME.match(table)
    schema, name = (match[1] or "blockchain", match[2]) if match else ("", "")
    found = await db.fetch(SQL["columns"], schema, name) if schema in SCHEMAS else []
    columns = [Column(row["name"], row["sql_type"]) for row in found]
    if not any(column.name == "chain_id" for column in columns):
        raise ExportRefused(f"{table!r} is no table of the mirror")
    key = [row["name"] for row in await db.fetch(SQL["key"], schema, name)]
    return columns, key


@contextmanager
def _opened(file_format: str, path: Path, columns: Sequence[Column], stamp: Stamp) -> Iterator[Writer]:
    if file_format == "parquet":
        with _parquet(path, columns, stamp) as writer:
            yield writer
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        yield Csv(file, columns) if file_format == "csv" else Ndjson(file, columns)


class Csv:
    """RFC 4180 with a header; bytes as 0x text, exact numbers, times in RFC 3339, JSON as text."""

    def __init__(self, file: TextIO, columns: Sequence[Column]) -> None:
        self._writer = csv.writer(file)
        self._writer.writerow([column.name for column in columns])

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        self._writer.writerows([[_cell(value) for value in row] for row in rows])


class Ndjson:
    """One JSON object a line; numbers of any size as text, as the API writes them."""

    def __init__(self, file: TextIO, columns: Sequence[Column]) -> None:
        self._file = file
        self._names = [column.name for column in columns]

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        for row in rows:
            fields = dict(zip(self._names, map(plain, row), strict=True))
            self._file.write(json.dumps(fields, separators=(",", ":"), ensure_ascii=False) + "\n")


@contextmanager
def _parquet(path: Path, columns: Sequence[Column], stamp: Stamp) -> Iterator[Writer]:
    """Bytes as binary, bigint as int64, numeric as text (no Parquet decimal holds 78 digits), times in microseconds."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds: Mapping[str, Any] = {
        "bigint": pa.int64(), "integer": pa.int32(), "smallint": pa.int16(), "boolean": pa.bool_(),
        "bytea": pa.binary(), "timestamp with time zone": pa.timestamp("us", tz="UTC"),
    }  # fmt: skip
    types = [kinds.get(column.sql_type, pa.string()) for column in columns]
    metadata = {f"gridtrace.{name}": str(value) for name, value in stamp.as_dict().items()}
    fields = [pa.field(column.name, kind) for column, kind in zip(columns, types, strict=True)]
    schema = pa.schema(fields, metadata=metadata)

    class Parquet:
        def write(self, rows: Sequence[Sequence[Any]]) -> None:
            arrays = [
                pa.array([_text(value) if pa.types.is_string(kind) else value for value in values], type=kind)
                for values, kind in zip(zip(*rows, strict=True), types, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))

    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        yield Parquet()


def _cell(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        return json.dumps(plain(value), separators=(",", ":"))
    return _text(value)


def _text(value: Any) -> Any:
    """Text for what has no type of its own in the file; None stays."""
    written = plain(value)
    if written is None or isinstance(written, str):
        return written
    return json.dumps(written, separators=(",", ":"))


def plain(value: Any) -> Any:
    """A value of the database as JSON can hold it."""
    for kind, write in _WRITTEN:
        if isinstance(value, kind):
            return write(value)
    return value


_WRITTEN: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (bytes, lambda value: "0x" + value.hex()),
    (Decimal, lambda value: format(value, "f")),
    (datetime, lambda value: value.astimezone(UTC).isoformat().replace("+00:00", "Z")),
    (list, lambda value: [plain(item) for item in value]),
    (dict, lambda value: {key: plain(item) for key, item in value.items()}),
)
