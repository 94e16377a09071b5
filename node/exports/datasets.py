"""What can be had as a file: the market's records as statements, and every table of the mirror by its name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from indexer import export
from indexer.db import Connection, queries
from indexer.export import Column, ExportRefused, Stamp

SQL = queries(__name__)

MARKET: Final = tuple(SQL)
"""Read as the one who asked, so that row security shows what he may see and nothing else."""
_KINDS: Final = {
    "int8": "bigint", "int4": "integer", "int2": "smallint", "bool": "boolean", "bytea": "bytea",
    "timestamptz": "timestamp with time zone",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filters:
    """Which rows. ``zone``, ``start`` and ``end`` are of the market's records, blocks of the mirror's events."""

    zone: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    """Before this."""
    first_block: int | None = None
    block: int | None = None
    """The last block, of which the file is."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON keeps them."""
        return {
            "zone": self.zone,
            "start": None if self.start is None else self.start.isoformat(),
            "end": None if self.end is None else self.end.isoformat(),
            "first_block": self.first_block,
            "block": self.block,
        }

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Filters":
        """From what ``as_dict`` gave."""
        times = {name: None if kept[name] is None else datetime.fromisoformat(kept[name]) for name in ("start", "end")}
        return cls(**{**kept, **times})


async def check(db: Connection, dataset: str, filters: Filters) -> bool:
    """Whether the dataset has rows of single blocks, so that it can be pinned to one.

    Raises:
        ExportRefused: there is no such dataset, or it has none of what the filters choose by.
    """
    given = {name for name, value in filters.as_dict().items() if value is not None}
    if dataset in MARKET:
        if wrong := given - {"zone", "start", "end"}:
            raise ExportRefused(f"{dataset} is not chosen by {', '.join(sorted(wrong))}")
        return False
    columns, _ = await export.columns_of(db, dataset)
    is_pinned = export.has_blocks(columns)
    if wrong := given - ({"first_block", "block"} if is_pinned else set()):
        raise ExportRefused(f"{dataset} is not chosen by {', '.join(sorted(wrong))}")
    return is_pinned


async def write(
    db: Connection,
    dataset: str,
    filters: Filters,
    file_format: str,
    path: Path,
    stamp: Stamp,
    told: Callable[[int], None],
) -> int:
    """Writes a dataset in a transaction of one snapshot; returns how many rows."""
    if dataset not in MARKET:
        blocks = None
        if await check(db, dataset, filters):
            blocks = (filters.first_block or 0, stamp.block_number)
        return (await export.export(db, stamp.chain_id, dataset, file_format, path, blocks=blocks, told=told)).rows
    prepared = await db.prepare(SQL[dataset])
    columns = [Column(a.name, _KINDS.get(a.type.name, a.type.name)) for a in prepared.get_attributes()]
    arguments = (filters.zone, filters.start, filters.end)
    return await export.write(db, SQL[dataset], arguments, columns, file_format, path, stamp, told=told)
