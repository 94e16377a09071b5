"""Weather at plants from outside: a CSV file, or a service that answers as Open-Meteo does.

Services say the mean irradiance of the hour before a time, we keep it at the hour's beginning. Temperature in °C,
irradiance in W/m², wind in m/s; times are UTC.
"""

import asyncio
import csv
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import httpx
import msgspec

from node.assets.production import Weather
from node.assets.registry import Place
from node.errors import GridtraceError, Refused

TIMEOUT_S: Final = 20.0
LARGEST_BYTES: Final = 8 << 20
LONGEST_DAYS: Final = 366
HOUR: Final = timedelta(hours=1)
RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "temperature": (-90, 60),
    "irradiance": (0, 2_000),
    "wind_speed": (0, 150),
}


class WeatherInvalid(Refused):
    """The weather cannot be read, or no place on Earth has such."""

    code = "weather-invalid"


class WeatherUnavailable(GridtraceError):
    """The weather service does not answer, or refuses to."""

    code = "weather-unavailable"
    retryable = True


class _Hourly(msgspec.Struct):
    time: list[int]
    temperature_2m: list[float | None]
    shortwave_radiation: list[float | None]
    wind_speed_10m: list[float | None]


class _Forecast(msgspec.Struct):
    hourly: _Hourly
    hourly_units: dict[str, str]


UNITS: Final[Mapping[str, str]] = {
    "time": "unixtime",
    "temperature_2m": "°C",
    "shortwave_radiation": "W/m²",
    "wind_speed_10m": "m/s",
}


def from_csv(lines: Iterable[str]) -> list[Weather]:
    """Observations of a file with the columns ``time`` (RFC 3339) and any of ``temperature``, ``irradiance`` and
    ``wind_speed``; an empty field says nothing. Pure.

    Raises:
        WeatherInvalid: names the line and what is wrong with it.
    """
    rows = csv.DictReader(lines)
    names = [name.strip().lower() for name in rows.fieldnames or ()]
    if "time" not in names or not set(names) & RANGES.keys() or len(set(names)) != len(names):
        raise WeatherInvalid(f"columns {names}: time and one of {', '.join(RANGES)} are needed, each once")
    rows.fieldnames = names
    return [_of_row(rows.line_num, row) for row in rows]


def _of_row(line: int, row: Mapping[str, Any]) -> Weather:
    try:
        time = datetime.fromisoformat((row["time"] or "").strip())
    except ValueError as error:
        raise WeatherInvalid(f"line {line}: time {row['time']!r} is not like 2025-06-17T10:00:00Z") from error
    if time.tzinfo is None:
        raise WeatherInvalid(f"line {line}: time {row['time']!r} has no time zone")
    return Weather(time, **{name: _number(f"line {line}:", name, row.get(name)) for name in RANGES})


def _number(where: str, kind: str, text: Any) -> Decimal | None:
    if text is None or not str(text).strip():
        return None
    name, (low, high) = f"{where} {kind}", RANGES[kind]
    try:
        value = Decimal(str(text).strip())
    except InvalidOperation as error:
        raise WeatherInvalid(f"{name} {text!r} is no number") from error
    if not value.is_finite() or not low <= value <= high:
        raise WeatherInvalid(f"{name} {text} is not from {low} to {high}")
    return value


def from_forecast(body: bytes) -> list[Weather]:
    """Observations of an answer by the hour. Pure.

    Raises:
        WeatherInvalid: the answer has another form or other units than were asked for.
    """
    try:
        found = msgspec.json.decode(body, type=_Forecast)
    except msgspec.MsgspecError as error:
        raise WeatherInvalid(f"the weather service's answer: {error}") from error
    hours = found.hourly
    series = (hours.temperature_2m, hours.shortwave_radiation, hours.wind_speed_10m)
    if any(len(values) != len(hours.time) for values in series):
        raise WeatherInvalid("the weather service's series differ in length")
    if told := {name: unit for name, unit in UNITS.items() if found.hourly_units.get(name) != unit}:
        raise WeatherInvalid(f"the weather service says {found.hourly_units}, asked for were {told}")
    try:
        times = [datetime.fromtimestamp(second, UTC) for second in hours.time]
    except (OverflowError, OSError, ValueError) as error:
        raise WeatherInvalid(f"the weather service's times: {error}") from error
    suns = dict(zip((time - HOUR for time in times), hours.shortwave_radiation, strict=True))
    air = dict(zip(times, zip(hours.temperature_2m, hours.wind_speed_10m, strict=True), strict=True))
    return [
        Weather(
            time,
            _number(f"{time}:", "temperature", air[time][0]),
            _number(f"{time}:", "irradiance", suns[time]),
            _number(f"{time}:", "wind_speed", air[time][1]),
        )
        for time in sorted(suns.keys() & air.keys())
    ]


async def fetch(url: str, place: Place, first: date, last: date, *, timeout_s: float = TIMEOUT_S) -> list[Weather]:
    """The weather at a place from a day to another, both included; ``timeout_s`` is for the whole answer.

    Raises:
        WeatherUnavailable: no answer in time, a refusal, or more than 8 MiB.
        WeatherInvalid: see ``from_forecast``; or more than a year is asked for.
    """
    if not timedelta(0) <= last - first < timedelta(days=LONGEST_DAYS):
        raise WeatherInvalid(f"{first} to {last}: 1 to {LONGEST_DAYS} days are fetched at once")
    query = {
        "latitude": str(place.lat),
        "longitude": str(place.lon),
        "hourly": "temperature_2m,shortwave_radiation,wind_speed_10m",
        "wind_speed_unit": "ms",
        "timeformat": "unixtime",
        "timezone": "GMT",
        "start_date": first.isoformat(),
        "end_date": last.isoformat(),
    }
    try:
        async with asyncio.timeout(timeout_s), httpx.AsyncClient(timeout=timeout_s) as client:
            return from_forecast(await _body(client, url, query))
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise WeatherUnavailable(f"{url}: {type(error).__name__}: {error}") from error


async def _body(client: httpx.AsyncClient, url: str, query: Mapping[str, str]) -> bytes:
    body = b""
    async with client.stream("GET", url, params=query) as answer:
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > LARGEST_BYTES:
                raise WeatherUnavailable(f"{url} answers with more than {LARGEST_BYTES} bytes")
    if answer.status_code != httpx.codes.OK:
        raise WeatherUnavailable(f"{url} answers {answer.status_code}: {body[:200].decode(errors='replace')}")
    return body
