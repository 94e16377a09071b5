"""Files for ``gridtrace meter import``: readings that the meter signed, registers to be signed, Green Button.

CSV columns, in any order. Signed: meter_id, time, counter, import_wh, export_wh, power_w (import positive), signature
(0x and 65 bytes: the meter's EIP-712 signature of the reading). To be signed: time, import_wh, export_wh (cumulative
registers) and, where known, power_w. Times are Unix seconds or RFC 3339; local times need the name of their time zone.
"""

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from contracts.typed_data import Reading
from indexer.errors import GridtraceError

WHOLE: Final = ("meter_id", "counter", "import_wh", "export_wh", "power_w")
COLUMNS: Final = (*WHOLE, "time", "signature")
UNSIGNED_COLUMNS: Final = ("time", "import_wh", "export_wh")
SIGNATURE_BYTES: Final = 65
MOST_BYTES: Final = 256 << 20


class BadReadingsFile(GridtraceError):
    """The file does not hold readings."""

    code = "readings-file-invalid"


def is_green_button(path: Path) -> bool:
    """Whether it looks like XML.

    Raises:
        BadReadingsFile: it cannot be read.
    """
    try:
        with path.open("rb") as source:
            return source.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    except OSError as error:
        raise BadReadingsFile(f"{path}: {error}") from error


def is_signed(path: Path) -> bool:
    """Whether its lines carry signatures.

    Raises:
        BadReadingsFile: it cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as source:
            return "signature" in (csv.DictReader(source).fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadReadingsFile(f"{path}: {error}") from error


def content(path: Path) -> bytes:
    """The whole file. Raises BadReadingsFile where it cannot be read or is too long."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadReadingsFile(f"{path}: more than {MOST_BYTES >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise BadReadingsFile(f"{path}: {error}") from error


def read(path: Path) -> Iterator[tuple[Reading, bytes]]:
    """Every signed reading with its signature.

    Raises:
        BadReadingsFile: the file cannot be read, a column is missing, or a line is not a reading; names the line.
    """
    for number, line in _lines(path, COLUMNS):
        try:
            yield parsed(line)
        except (TypeError, ValueError) as error:
            raise BadReadingsFile(f"{path} line {number}: {error}") from None


def read_unsigned(path: Path, meter_id: int, zone: ZoneInfo | None = None) -> list[Reading]:
    """Every line as a reading of this meter, its counter being its time.

    In the hour that a clock goes through twice, local times that do not grow are of the second time.

    Raises:
        BadReadingsFile: as ``read``; a local time without a time zone; or times that do not grow.
    """
    readings: list[Reading] = []
    for number, line in _lines(path, UNSIGNED_COLUMNS):
        try:
            time = moment(line["time"], zone, after=readings[-1].time if readings else None)
            registers = (int(line["import_wh"]), int(line["export_wh"]), int(line.get("power_w") or 0))
        except (TypeError, ValueError) as error:
            raise BadReadingsFile(f"{path} line {number}: {error}") from None
        if readings and time <= readings[-1].time:
            raise BadReadingsFile(f"{path} line {number}: time {line['time']!r} does not follow the one before")
        readings.append(Reading(meter_id, time, time, *registers))
    return readings


def _lines(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as source:
            lines = csv.DictReader(source)
            missing = [name for name in columns if name not in (lines.fieldnames or ())]
            if missing:
                raise BadReadingsFile(f"{path}: no column {', '.join(missing)}")
            for line in lines:
                yield lines.line_num, line
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadReadingsFile(f"{path}: {error}") from error


def parsed(line: Mapping[str, str]) -> tuple[Reading, bytes]:
    """One signed line; raises ValueError, or TypeError where the line is too short."""
    numbers = {name: int(line[name]) for name in WHOLE}
    signature = bytes.fromhex(line["signature"].strip().removeprefix("0x"))
    if len(signature) != SIGNATURE_BYTES:
        raise ValueError(f"the signature has {len(signature)} bytes, not {SIGNATURE_BYTES}")
    return Reading(time=moment(line["time"]), **numbers), signature


def moment(text: str, zone: ZoneInfo | None = None, after: int | None = None) -> int:
    """Unix seconds; raises ValueError, also for a local time that no clock has shown."""
    try:
        return int(text)
    except ValueError:
        found = datetime.fromisoformat(text)
    if found.tzinfo is not None:
        return int(found.timestamp())
    if zone is None:
        raise ValueError(f"time {text!r} has no time zone")
    first = int(found.replace(tzinfo=zone).timestamp())
    if datetime.fromtimestamp(first, UTC).astimezone(zone).replace(tzinfo=None) != found:
        raise ValueError(f"there was no {text} in {zone.key}")
    second = int(found.replace(tzinfo=zone, fold=1).timestamp())
    return second if after is not None and first <= after else first
