"""Reads series from CSV and Parquet files, one column per home or plant.

Which columns (compared in lower case):

- A column whose name holds ``price``, ``cost`` or ``tariff`` is never a series.
- ``pv``, ``solar``, ``plant``, ``ac_power`` or ``inv`` in the column's name makes it a plant; ``load``, ``home``,
  ``consumption`` or ``h`` with digits a home; where the column's name says nothing, the file's name decides by the
  same words. Other columns are passed over.

Which unit: a name ending in ``_wh`` is energy in Wh per step, in ``_kwh`` in kWh, in ``_kw`` (or holding ``_kw_``)
power in kW, in ``_w`` or holding ``power`` power in W. Where the name says nothing, a column of whole numbers in a
Parquet file is Wh per step, everything else is W.

Which time: a column ``timestamp``, ``measured_on``, ``time``, ``datetime`` or ``date`` (or a first column without a
name), with or without an offset: the wall clock as printed counts. Or the pair ``week`` (``w44``) and ``slot``
(quarter hours since Monday 00:00); weeks then follow each other. The step is the most frequent distance, 5 to 60
minutes; times are floored to it; of a time that comes twice (the 25-hour day) the mean counts, one that never comes
(the 23-hour day) is a gap and is filled as ``series`` says.
"""

import csv
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from api.devnet.series_errors import SeriesError
from api.devnet.series_record import DAY_S, MICRO, Kind, Series, build, stretch

TIME_COLUMNS: Final = ("timestamp", "measured_on", "time", "datetime", "date")
_PLANT: Final = re.compile(r"pv|solar|plant|ac_power|inv")
_HOME: Final = re.compile(r"load|home|consumption|(^|[^a-z0-9])h\d+($|[^a-z0-9])")
_NEVER: Final = re.compile(r"price|cost|tariff")
_LEAST_STEP_S: Final = 300
_MOST_STEP_S: Final = 3_600
# What American exports use beside ISO 8601.
_OTHER_FORMATS: Final = ("%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S")
_MONDAY_OF_WEEK_1: Final = (date(2019, 12, 30) - date(1970, 1, 1)).days


@dataclass(frozen=True, slots=True)
class Table:
    """A file's columns, its rows placed in time. ``times_s`` are wall-clock seconds since 1970-01-01."""

    path: Path
    times_s: NDArray[np.int64]
    columns: dict[str, list[Any]]
    whole: frozenset[str]
    """Columns of whole numbers by type."""

    @property
    def step_s(self) -> int:
        distances = Counter(np.diff(np.unique(self.times_s)).tolist())
        step_s = int(min(distances, key=lambda distance: (-distances[distance], distance))) if distances else 0
        if not _LEAST_STEP_S <= step_s <= _MOST_STEP_S or DAY_S % step_s:
            raise SeriesError(f"{self.path.name}: steps of {step_s} s; 5 to 60 minutes that divide a day are read")
        return step_s


def load(folder: Path, homes: int, plants: int) -> tuple[list[Series], list[Series]]:
    """Homes and plants from the folder's files, in the order of their names.

    Raises:
        SeriesError: names the file, and the row and column where there is one.
    """
    if not folder.is_dir():
        raise SeriesError(f"{folder} is not a folder")
    found: dict[Kind, list[Series]] = {"home": [], "plant": []}
    wanted = {"home": homes, "plant": plants}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in (".csv", ".parquet"):
            continue
        table = read_table(path)
        for column in table.columns:
            kind = kind_of(path.stem, column)
            if kind is not None and len(found[kind]) < wanted[kind]:
                found[kind].append(series_of(table, column, kind))
    for kind, series in found.items():
        if wanted[kind] and not series:
            raise SeriesError(f"no column in {folder} names a {kind}")
    homes_found = stretch(found["home"], homes) if homes else []
    return homes_found, stretch(found["plant"], plants) if plants else []


def kind_of(file: str, column: str) -> Kind | None:
    """What a column records, by its name and else its file's; None for what is not a series."""
    if _NEVER.search(column.lower()):
        return None
    for name in (column.lower(), file.lower()):
        if _PLANT.search(name):
            return "plant"
        if _HOME.search(name):
            return "home"
    return None


def uwh_per_unit(column: str, step_s: int, *, is_whole: bool) -> float:
    """Micro-Wh that one unit of a column is worth in one step."""
    name = column.lower()
    per_step = {"_wh": 1.0, "_kwh": 1_000.0, "_kw": 1_000 * step_s / 3_600, "_w": step_s / 3_600}
    for ending, wh in per_step.items():
        if name.endswith(ending) or (ending == "_kw" and "_kw_" in name):
            return wh * MICRO
    is_power = "power" in name or not is_whole
    return (step_s / 3_600 if is_power else 1.0) * MICRO


def series_of(table: Table, column: str, kind: Kind, *, size_w: int | None = None) -> Series:
    """One column as a series; with ``size_w`` its highest value is scaled to that power."""
    step_s = table.step_s
    values = _numbers(table, column)
    factor = uwh_per_unit(column, step_s, is_whole=column in table.whole)
    if size_w is not None:
        factor = size_w * step_s / 3_600 * MICRO / float(np.nanmax(values))
    steps = table.times_s // step_s
    per_day = DAY_S // step_s
    first_day = int(steps.min()) // per_day
    days = int(steps.max()) // per_day - first_day + 1
    place = (steps - first_day * per_day)[~np.isnan(values)]
    known = values[~np.isnan(values)]
    count = np.bincount(place, minlength=days * per_day)
    total = np.bincount(place, weights=known, minlength=days * per_day)
    with np.errstate(invalid="ignore"):
        mean = np.where(count > 0, total / count, np.nan)
    return build(f"{table.path.stem}/{column}", kind, step_s, first_day, (mean * factor).reshape(days, per_day))


def _numbers(table: Table, column: str) -> NDArray[np.float64]:
    numbers = np.empty(len(table.times_s))
    for row, cell in enumerate(table.columns[column]):
        try:
            numbers[row] = math.nan if cell is None or cell == "" else float(cell)
        except (TypeError, ValueError) as error:
            raise SeriesError(f"{table.path.name}: row {row + 1}, column {column}: {cell!r} is no number") from error
        if math.isinf(numbers[row]):
            raise SeriesError(f"{table.path.name}: row {row + 1}, column {column}: {cell!r} is not finite")
    if np.isnan(numbers).all():
        raise SeriesError(f"{table.path.name}: column {column} is empty")
    return numbers


def read_table(path: Path) -> Table:
    """A CSV or Parquet file with its rows placed in time.

    Raises:
        SeriesError: the file cannot be read, or has no time column.
    """
    columns, whole = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    if not columns or not next(iter(columns.values())):
        raise SeriesError(f"{path.name}: no rows")
    names = {name.lower(): name for name in columns}
    if {"week", "slot"} <= names.keys():
        used = (names["week"], names["slot"])
        times_s = _week_times(path, columns[used[0]], columns[used[1]])
    else:
        time_name = next((names[name] for name in (*TIME_COLUMNS, "") if name in names), None)
        if time_name is None:
            raise SeriesError(f"{path.name}: no time column: one of {', '.join(TIME_COLUMNS)}, or week and slot")
        used = (time_name, time_name)
        times_s = [_wall_s(path, row, time_name, cell) for row, cell in enumerate(columns[time_name])]
    rest = {name: cells for name, cells in columns.items() if name not in used}
    return Table(path, np.array(times_s, dtype=np.int64), rest, whole)


def _read_csv(path: Path) -> tuple[dict[str, list[Any]], frozenset[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SeriesError(f"{path.name}: {error}") from error
    rows = [row for row in rows if row]
    for number, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise SeriesError(f"{path.name}: row {number}: {len(row)} cells where the header has {len(rows[0])}")
    header = [name.strip() for name in rows[0]] if rows else []
    return {name: list(cells) for name, cells in zip(header, zip(*rows[1:], strict=True), strict=False)}, frozenset()


def _read_parquet(path: Path) -> tuple[dict[str, list[Any]], frozenset[str]]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise SeriesError(f"{path.name}: {error}") from error
    whole = frozenset(field.name for field in table.schema if pa.types.is_integer(field.type))
    return {name: table.column(name).to_pylist() for name in table.column_names}, whole


def _week_times(path: Path, weeks: Sequence[Any], slots: Sequence[Any]) -> list[int]:
    times_s = []
    for row, (week, slot) in enumerate(zip(weeks, slots, strict=True)):
        number = re.fullmatch(r"[wW]?(\d{1,2})", str(week))
        if number is None:
            raise SeriesError(f"{path.name}: row {row + 1}, column week: {week!r} is no week")
        if not str(slot).isdecimal() or int(slot) >= 672:
            raise SeriesError(f"{path.name}: row {row + 1}, column slot: {slot!r} is not 0 to 671")
        day = _MONDAY_OF_WEEK_1 + 7 * (int(number.group(1)) - 1)
        times_s.append(day * DAY_S + int(slot) * 900)
    return times_s


def _wall_s(path: Path, row: int, column: str, cell: Any) -> int:
    """Wall-clock seconds since 1970-01-01 of a time as printed."""
    moment = cell if isinstance(cell, datetime) else _parse(str(cell).strip())
    if moment is None:
        raise SeriesError(f"{path.name}: row {row + 1}, column {column or 'first'}: {cell!r} is no time")
    local = moment.replace(tzinfo=None) - datetime(1970, 1, 1)  # noqa: DTZ001 -- wall clock on purpose
    return local.days * DAY_S + local.seconds


def _parse(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return _parse_other(text, _OTHER_FORMATS)


def _parse_other(text: str, formats: Iterable[str]) -> datetime | None:
    for form in formats:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 -- wall clock on purpose
        except ValueError:
            continue
    return None
