from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from api.cli.readings_file import BadReadingsFile, moment, read, read_unsigned

HEAD = "meter_id,time,counter,import_wh,export_wh,power_w,signature\n"


def file(folder: Path, text: str) -> Path:
    path = folder / "readings.csv"
    path.write_text(text)
    return path


def test_read__columns_in_any_order__are_readings(tmp_path: Path) -> None:
    text = "signature,time,meter_id,counter,import_wh,export_wh,power_w\n"
    path = file(tmp_path, f"{text}0x{'ab' * 65},2025-06-17T10:00:00Z,3,7,100,5,-20\n")
    ((reading, signature),) = read(path)
    assert (reading.meter_id, reading.time, reading.power_w) == (3, 1_750_154_400, -20)
    assert signature == b"\xab" * 65


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "no column meter_id"),
        (f"{HEAD}1,2,3,4,5,6,0x00\n", "line 2: the signature has 1 bytes"),
        (f"{HEAD}x,2,3,4,5,6,0x{'00' * 65}\n", "line 2: invalid literal"),
        (f"{HEAD}1,2,3\n", "line 2"),
        ("", "no column"),
    ],
)
def test_read__not_signed_readings__names_the_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadReadingsFile, match=said):
        list(read(file(tmp_path, text)))


def test_read__no_file__is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadReadingsFile, match="No such file"):
        list(read(tmp_path / "none.csv"))


def test_moment__without_a_time_zone__is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        moment("2025-06-17T10:00:00")


def test_read_unsigned__local_times__the_hour_that_comes_twice_is_told_by_its_order(tmp_path: Path) -> None:
    times = ["2025-10-26T01:30:00", "2025-10-26T02:30:00", "2025-10-26T02:30:00", "2025-10-26T03:30:00"]
    lines = "".join(f"{time},{place},0\n" for place, time in enumerate(times))
    found = read_unsigned(file(tmp_path, f"time,import_wh,export_wh\n{lines}"), 9, ZoneInfo("Europe/Berlin"))
    assert [reading.time - found[0].time for reading in found] == [0, 3_600, 7_200, 10_800]
    assert [(reading.meter_id, reading.counter == reading.time) for reading in found] == [(9, True)] * 4


@pytest.mark.parametrize(
    ("lines", "zone", "said"),
    [
        ("2025-06-01T00:00:00,1,0\n", None, "line 2: time .* has no time zone"),
        ("2025-03-30T02:30:00,1,0\n", "Europe/Berlin", "line 2: there was no 2025-03-30T02:30:00 in Europe/Berlin"),
        ("1000,1,0\n1000,2,0\n", None, "line 3: time '1000' does not follow"),
        ("1000,one,0\n", None, "line 2: invalid literal"),
        ("1000\n", None, "line 2"),
    ],
)
def test_read_unsigned__not_registers__names_the_line(lines: str, zone: str | None, said: str, tmp_path: Path) -> None:
    path = file(tmp_path, f"time,import_wh,export_wh\n{lines}")
    with pytest.raises(BadReadingsFile, match=said):
        read_unsigned(path, 9, None if zone is None else ZoneInfo(zone))
