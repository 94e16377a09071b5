"""Weather from outside is read whole or refused with what is wrong in it."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from node.assets import weather
from node.assets.production import Weather
from node.assets.weather import WeatherInvalid

NOON = datetime(2025, 6, 17, 12, tzinfo=UTC)


def test_from_csv__columns_in_any_order__empty_says_nothing() -> None:
    lines = ["Irradiance, TIME,wind_speed", "812.5,2025-06-17T14:00:00+02:00,", ",2025-06-17T13:00:00Z,3"]
    assert weather.from_csv(lines) == [
        Weather(NOON, None, Decimal("812.5"), None),
        Weather(NOON + timedelta(hours=1), None, None, Decimal(3)),
    ]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "columns"),
        (["time"], "columns"),
        (["temperature"], "columns"),
        (["time,time,temperature"], "each once"),
        (["time,temperature", "yesterday,1"], "line 2: time"),
        (["time,temperature", "2025-06-17T12:00:00,1"], "no time zone"),
        (["time,temperature", "2025-06-17T12:00:00Z,warm"], "no number"),
        (["time,temperature", "2025-06-17T12:00:00Z,NaN"], "not from"),
        (["time,temperature", "2025-06-17T12:00:00Z,61"], "not from -90 to 60"),
        (["time,irradiance", "2025-06-17T12:00:00Z,-1"], "not from 0"),
        (["time,wind_speed", "2025-06-17T12:00:00Z"], None),
    ],
)
def test_from_csv__bad_line__is_refused_by_name(lines: list[str], told: str | None) -> None:
    if told is None:
        assert weather.from_csv(lines) == [Weather(NOON, None, None, None)]
        return
    with pytest.raises(WeatherInvalid, match=told):
        weather.from_csv(lines)


def answer(**changes: Any) -> bytes:
    """Three hours as the service says them."""
    noon = int(NOON.timestamp())
    hourly = {
        "time": [noon - 3_600, noon, noon + 3_600],
        "temperature_2m": [20.5, 21.0, None],
        "shortwave_radiation": [600.0, 700.0, 800.0],
        "wind_speed_10m": [1.0, 2.0, 3.0],
    }
    return json.dumps({"hourly": hourly | changes, "hourly_units": dict(weather.UNITS)}).encode()


def test_from_forecast__mean_of_the_hour_before__begins_with_the_hour() -> None:
    assert weather.from_forecast(answer()) == [
        Weather(NOON - timedelta(hours=1), Decimal("20.5"), Decimal("700.0"), Decimal("1.0")),
        Weather(NOON, Decimal("21.0"), Decimal("800.0"), Decimal("2.0")),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        answer(time=["2025-06-17T12:00"] * 3),
        answer(time=[1]),
        answer(time=[10**18, 10**18 + 3_600, 10**18 + 7_200]),
        answer(shortwave_radiation=[1.0, 99_999.0, 1.0]),
        answer().replace(b'"m/s"', b'"km/h"'),
    ],
)
def test_from_forecast__another_form_or_other_units__is_refused(body: bytes) -> None:
    with pytest.raises(WeatherInvalid):
        weather.from_forecast(body)
