"""Signed readings in a CSV file, for ``gridtrace meter import``.

Columns, in any order: meter_id, time (Unix seconds, or RFC 3339 with a time zone), counter, import_wh, export_wh,
power_w (import positive), signature (0x and 65 bytes: the meter's EIP-712 signature of the reading).
"""

import csv
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from contracts.typed_data import Reading
from indexer.errors import GridtraceError

WHOLE: Final = ("meter_id", "counter", "import_wh", "export_wh", "power_w")
COLUMNS: Final = (*WHOLE, "time", "signature")
SIGNATURE_BYTES: Final = 65


class BadReadingsFile(GridtraceError):
    """The file does not hold signed readings."""

    code = "readings-file-invalid"


def read(path: Path) -> Iterator[tuple[Reading, bytes]]:
    """Every reading with its signature.

    Raises:
        BadReadingsFile: the file cannot be read, a column is missing, or a line is not a reading; names the line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as source:
            lines = csv.DictReader(source)
            missing = [name for name in COLUMNS if name not in (lines.fieldnames or ())]
            if missing:
                raise BadReadingsFile(f"{path}: no column {', '.join(missing)}")
            for line in lines:
                try:
                    yield parsed(line)
                except (TypeError, ValueError) as error:
                    raise BadReadingsFile(f"{path} line {lines.line_num}: {error}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadReadingsFile(f"{path}: {error}") from error


def parsed(line: Mapping[str, str]) -> tuple[Reading, bytes]:
    """One line; raises ValueError, or TypeError where the line is too short."""
    numbers = {name: int(line[name]) for name in WHOLE}
    signature = bytes.fromhex(line["signature"].strip().removeprefix("0x"))
    if len(signature) != SIGNATURE_BYTES:
        raise ValueError(f"the signature has {len(signature)} bytes, not {SIGNATURE_BYTES}")
    return Reading(time=moment(line["time"]), **numbers), signature


def moment(text: str) -> int:
    """Unix seconds; raises ValueError."""
    try:
        return int(text)
    except ValueError:
        found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"time {text!r} has no time zone")
    return int(found.timestamp())
