"""Input series: replayed exactly, gaps filled, files of any of the documented forms."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api.devnet.series import Community, load_community
from api.devnet.series_errors import SeriesError
from api.devnet.series_files import kind_of, read_table, series_of, uwh_per_unit
from api.devnet.series_record import DAY_S, LOCAL_OFFSET_S, MICRO, build, fill_gaps, stretch

MONDAY_S = int(datetime(2024, 6, 10, tzinfo=UTC).timestamp()) - LOCAL_OFFSET_S
"""Midnight of the market's local time."""
MONDAY = (MONDAY_S + LOCAL_OFFSET_S) // DAY_S


@pytest.fixture(scope="module")
def community() -> Community:
    return load_community(4, 7, 11)


def quarters(days: int = 14) -> np.ndarray:
    return (np.arange(days * 96, dtype=np.float64) * MICRO).reshape(days, 96)


def write(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def test_energy_between__one_step__is_the_recorded_value_at_its_local_time() -> None:
    series = build("x", "home", 900, MONDAY, quarters())
    assert series.energy_between(MONDAY_S + 900, MONDAY_S + 1_800) == MICRO
    assert series.energy_between(MONDAY_S + DAY_S, MONDAY_S + DAY_S + 900) == 96 * MICRO
    assert series.power_w(MONDAY_S + DAY_S + 450) == 384


def test_energy_between__any_split__adds_up_and_repeats_after_the_period() -> None:
    series = build("x", "home", 900, MONDAY, quarters())
    start_s, end_s = MONDAY_S - 12_345, MONDAY_S + 3 * 14 * DAY_S + 7
    middle_s = MONDAY_S + 1_000_001
    whole = series.energy_between(start_s, end_s)
    assert series.energy_between(start_s, middle_s) + series.energy_between(middle_s, end_s) == whole
    assert series.energy_between(start_s + series.period_s, end_s + series.period_s) == whole


def test_build__more_than_a_week__is_cut_to_whole_weeks_so_that_weekdays_stay() -> None:
    series = build("x", "home", 900, MONDAY, quarters(days=10))
    assert series.period_s == 7 * DAY_S


def test_build__negative_production__counts_as_nothing() -> None:
    assert build("x", "plant", 900, MONDAY, np.full((1, 96), -3.0)).energy_between(MONDAY_S, MONDAY_S + DAY_S) == 0


def test_fill_gaps__takes_the_nearest_day_the_earlier_of_two_else_nothing() -> None:
    gap = np.nan
    days = np.array([[1, gap], [gap, gap], [3, gap], [gap, gap], [gap, gap], [6, gap]])
    assert fill_gaps(days)[:, 0].tolist() == [1, 1, 3, 3, 6, 6]
    assert fill_gaps(days)[:, 1].tolist() == [0] * 6


def test_stretch__more_than_there_are__reuses_them_shifted_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    first = build("x", "plant", 900, MONDAY, quarters())
    again = stretch([first], 2)[1]
    assert "have=1 wanted=2" in caplog.text
    assert again.energy_between(MONDAY_S, MONDAY_S + DAY_S) == first.energy_between(
        MONDAY_S + 7 * DAY_S, MONDAY_S + 8 * DAY_S
    )


def test_load_community__defaults__are_homes_of_plausible_size_and_plants_dark_at_night(community: Community) -> None:
    for home in community.homes:
        assert 2_500 <= home.energy_between(0, home.period_s) / MICRO / 1_000 <= 5_500
    for plant in community.plants:
        noon_wh = plant.energy_between(MONDAY_S + 10 * 3_600, MONDAY_S + 14 * 3_600) // MICRO
        night_wh = plant.energy_between(MONDAY_S, MONDAY_S + 4 * 3_600) // MICRO
        assert noon_wh > 1_000 and night_wh < noon_wh / 100, plant.name


def test_load_community__same_seed__is_the_same_and_a_home_does_not_depend_on_the_others(
    community: Community,
) -> None:
    fewer, other = load_community(2, 0, 11), load_community(2, 0, 12)
    assert np.array_equal(fewer.homes[1].prefix_uwh, community.homes[1].prefix_uwh)
    assert not np.array_equal(other.homes[1].prefix_uwh, community.homes[1].prefix_uwh)
    assert not np.array_equal(community.homes[0].prefix_uwh, community.homes[1].prefix_uwh)


@pytest.mark.parametrize(
    ("file", "column", "expected"),
    [
        ("x", "pv_w", "plant"),
        ("x", "load_w", "home"),
        ("x", "h17", "home"),
        ("x", "ac_power", "plant"),
        ("pv_roof", "value", "plant"),
        ("homes", "value", "home"),
        ("x", "unit_load_cost", None),
        ("x", "unit_prod_price", None),
        ("x", "temperature", None),
    ],
)
def test_kind_of__names__decide(file: str, column: str, expected: str | None) -> None:
    assert kind_of(file, column) == expected


@pytest.mark.parametrize(
    ("column", "is_whole", "wh"),
    [("pv_w", False, 0.5), ("load_kw", False, 500), ("h_wh", False, 1), ("h_kwh", True, 1_000), ("h1", True, 1),
     ("h1", False, 0.5), ("ac_power", True, 0.5), ("ac_power_kw_1137", False, 500)],
)  # fmt: skip
def test_uwh_per_unit__names_and_types__decide(column: str, is_whole: bool, wh: float) -> None:
    assert uwh_per_unit(column, 1_800, is_whole=is_whole) == wh * MICRO


def test_read_table__daylight_saving_days__have_every_quarter_once(tmp_path: Path) -> None:
    # Europe/Zurich: no 02:00-03:00 on 2024-03-31, two of them on 2024-10-27; printed with their offsets.
    def day(date: str, hours: list[tuple[int, str]]) -> list[str]:
        return [f"{date} {hour:02}:{q:02}:00{offset},{hour * 4}" for hour, offset in hours for q in range(0, 60, 15)]

    spring = [(hour, "+01:00") for hour in (0, 1)] + [(hour, "+02:00") for hour in range(3, 24)]
    autumn = [(hour, "+02:00") for hour in (0, 1, 2)] + [(hour, "+01:00") for hour in range(2, 24)]
    for date, hours, count in (("2024-03-31", spring, 92), ("2024-10-27", autumn, 100)):
        lines = day(date, hours)
        assert len(lines) == count
        before = (datetime.fromisoformat(date) - timedelta(days=1)).date().isoformat()
        ordinary = day(before, [(hour, "+01:00") for hour in range(24)])
        table = read_table(write(tmp_path, f"{date}.csv", "timestamp,load_w", *ordinary, *lines))
        series = series_of(table, "load_w", "home")
        assert series.period_s == 2 * DAY_S
        start_s = (series.first_day + 1) * DAY_S - LOCAL_OFFSET_S
        assert series.energy_between(start_s + 2 * 3_600, start_s + 3 * 3_600) == 8 * MICRO


def test_load_community__week_and_slot_parquet__is_energy_per_quarter(tmp_path: Path) -> None:
    columns = {"week": ["w44"] * 672, "slot": list(range(672)), "h0": list(range(672))}
    pq.write_table(pa.table(columns), tmp_path / "swiss.parquet")
    home = load_community(1, 0, 0, tmp_path).homes[0]
    assert home.period_s == 7 * DAY_S
    assert home.energy_between(MONDAY_S, MONDAY_S + 900) == 0
    assert home.energy_between(MONDAY_S + DAY_S, MONDAY_S + DAY_S + 900) == 96 * MICRO


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["timestamp,load_w", "2024-01-01 00:00,1", "2024-01-01 00:15,x"], "row 2, column load_w"),
        (["timestamp,load_w", "2024-01-01 00:00,1", "yesterday,2"], "row 2, column timestamp"),
        (["timestamp,load_w", "2024-01-01 00:00,1", "2024-01-01 00:15"], "row 2"),
        (["when,load_w", "2024-01-01 00:00,1"], "no time column"),
        (["timestamp,load_w", "2024-01-01 00:00,1", "2024-01-02 00:00,1"], "steps of 86400 s"),
        (["timestamp,load_w"], "no rows"),
        (["timestamp,load_w", "2024-01-01 00:00,", "2024-01-01 00:15,"], "empty"),
        (["timestamp,load_w", "2024-01-01 00:00,inf", "2024-01-01 00:15,1"], "not finite"),
        (["week,slot,load_w", "w1,672,1"], "column slot"),
        (["timestamp,price", "2024-01-01 00:00,1", "2024-01-01 00:15,1"], "no column"),
    ],
)
def test_load_community__unusable_file__names_the_place(tmp_path: Path, lines: list[str], said: str) -> None:
    write(tmp_path, "input.csv", *lines)
    with pytest.raises(SeriesError, match=said):
        load_community(1, 0, 0, tmp_path)


def test_load_community__broken_parquet__is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "input.parquet", "no parquet")
    with pytest.raises(SeriesError, match=r"input\.parquet"):
        load_community(1, 0, 0, tmp_path)
