from pathlib import Path

import pytest

from api.cli.readings_file import BadReadingsFile, moment, read

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
