"""What ``gridtrace meter import`` sends: signed readings out of any file that it knows."""

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from api.cli import readings_file
from contracts.typed_data import Reading, reading_digest, sign
from node.metering import green_button
from node.metering.intervals import gaps_of, readings_of


def load(
    path: Path, meter_id: int | None, key_file: Path | None, timezone: str | None, registers: tuple[int, int]
) -> list[tuple[Reading, bytes]]:
    """Every reading of a file with its signature.

    Raises:
        BadReadingsFile, BadIntervals: the file does not hold readings.
        typer.BadParameter: an option is missing or wrong.
    """
    is_xml = readings_file.is_green_button(path)
    if not is_xml and readings_file.is_signed(path):
        return list(readings_file.read(path))
    if meter_id is None or key_file is None:
        raise typer.BadParameter(f"{path} is not signed: --meter-id and --key-file are needed")
    if is_xml:
        found = green_button.parse(readings_file.content(path))
        if gaps := gaps_of(found):
            typer.echo(f"{gaps} gaps: what flowed in them is not counted", err=True)
        readings = readings_of(meter_id, found, *registers)
    else:
        readings = readings_file.read_unsigned(path, meter_id, _zone(timezone))
    key = _key(key_file)
    return [(reading, sign(reading_digest(reading), key)) for reading in readings]


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise typer.BadParameter(f"{name!r} is no time zone") from error


def _key(path: Path) -> bytes:
    try:
        key = bytes.fromhex(path.read_text().strip().removeprefix("0x"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{path}: {error}") from error
    if len(key) != 32:
        raise typer.BadParameter(f"{path} holds no key")
    return key
