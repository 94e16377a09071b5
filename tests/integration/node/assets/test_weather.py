"""Weather comes from a service on a socket and from files, and says what a plant should have given."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from api.cli import main
from indexer.db import Connection, connect
from node.assets import production, registry, weather
from node.assets.registry import NewAsset, Place

pytestmark = pytest.mark.integration

DAY = date(2025, 6, 17)
MIDNIGHT = datetime(2025, 6, 17, tzinfo=UTC)
HERE = Place(Decimal("47.37"), Decimal("8.54"))
CHAIN_ID = 31_337


class Service(BaseHTTPRequestHandler):
    """Answers as Open-Meteo does: https://open-meteo.com/en/docs (mean radiation of the hour before)."""

    asked: list[dict[str, list[str]]]

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        self.asked.append(query)
        match url.path:
            case "/refuses":
                self._say(400, {"error": True, "reason": "Parameter 'start_date' is out of allowed range"})
            case "/floods":
                self._say(200, {"hourly": "x" * (weather.LARGEST_BYTES + 1)})
            case _:
                self._say(200, self._day(query))

    def _day(self, query: dict[str, list[str]]) -> dict[str, Any]:
        start = datetime.fromisoformat(query["start_date"][0]).replace(tzinfo=UTC)
        days = (date.fromisoformat(query["end_date"][0]) - start.date()).days + 1
        hours = [int((start + timedelta(hours=hour)).timestamp()) for hour in range(24 * days)]
        series = dict.fromkeys(query["hourly"][0].split(","), [10.0] * len(hours))
        units = {"temperature_2m": "°C", "shortwave_radiation": "W/m²", "wind_speed_10m": "m/s", "time": "unixtime"}
        return {"hourly": {"time": hours, **series, "shortwave_radiation": [800.0] * len(hours)}, "hourly_units": units}

    def _say(self, status: int, body: Any) -> None:
        said = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        try:
            self.wfile.write(said)
        except ConnectionError:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    Service.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


async def test_fetch__one_day__asks_and_reads_as_the_service_says(service: str) -> None:
    found = await weather.fetch(f"{service}/v1/forecast", HERE, DAY, DAY)
    assert len(found) == 23
    assert found[0] == production.Weather(MIDNIGHT, Decimal("10.0"), Decimal("800.0"), Decimal("10.0"))
    asked = Service.asked[-1]
    assert (asked["latitude"], asked["wind_speed_unit"], asked["timezone"]) == (["47.37"], ["ms"], ["GMT"])


@pytest.mark.parametrize("path", ["refuses", "floods"])
async def test_fetch__service_that_refuses_or_floods__is_unavailable(service: str, path: str) -> None:
    with pytest.raises(weather.WeatherUnavailable) as raised:
        await weather.fetch(f"{service}/{path}", HERE, DAY, DAY)
    assert path == "floods" or "out of allowed range" in str(raised.value)


@asynccontextmanager
async def speaking(speak: Callable[[asyncio.StreamWriter], Any]) -> AsyncIterator[str]:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await speak(writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    server.close()


async def test_fetch__service_that_drips_or_is_away__ends_in_time() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with speaking(drip) as url:
        with pytest.raises(weather.WeatherUnavailable, match="TimeoutError"):
            await weather.fetch(url, HERE, DAY, DAY, timeout_s=0.3)
    with pytest.raises(weather.WeatherUnavailable):
        await weather.fetch("http://127.0.0.1:1/", HERE, DAY, DAY)
    for last in (DAY - timedelta(days=1), DAY + timedelta(days=366)):
        with pytest.raises(weather.WeatherInvalid):
            await weather.fetch("http://127.0.0.1:1/", HERE, DAY, last)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Connection]:
    connection = await connect(database_url)
    yield connection
    await connection.close()


async def entered(db: Connection, asset_type: str = "solar") -> registry.Asset:
    plant = NewAsset(b"\x11" * 20, asset_type, "Hill", "HILL", 1_000, asset_type, Decimal("100"), HERE, None)
    return await registry.asset(db, CHAIN_ID, await registry.register(db, plant))


async def produced(db: Connection, asset: registry.Asset) -> list[production.Produced]:
    """After an hour in which a meter of the plant saw 70 kWh."""
    await db.execute(
        "insert into telemetry.meters (meter_id, owner, kind, plant_id, zone, driver, device, address, key, fuse_w)"
        " values ($1, $2, 'plant', $3, 1, 'http', 'push', '', $2, 100000)",
        asset.token_id,
        asset.owner,
        asset.plant_id,
    )
    await db.execute(
        "insert into telemetry.slot_energy (meter_id, delivery_start, slot_s, import_register_wh, export_register_wh,"
        " import_wh, export_wh, state) values ($1, $2, 900, 0, 70000, 0, 70000, 'VALIDATED')",
        asset.token_id,
        MIDNIGHT + timedelta(hours=12),
    )
    return await production.produced(db, asset, MIDNIGHT, MIDNIGHT + timedelta(days=1), "hour", 900)


async def test_expected__hot_sunny_hour__is_the_models_to_the_wh(db: Connection) -> None:
    asset, wind = await entered(db), await entered(db, "wind")
    noon = production.Weather(MIDNIGHT + timedelta(hours=12), Decimal(30), Decimal(1_000), None)
    for plant in (asset, wind):
        await production.add_weather(db, plant.id, [noon])
    (hour,) = await produced(db, asset)
    # Cells are 61.25 °C warm: 36.25 K above 25 °C, which costs 17.0375 % of the power.
    assert hour.expected_wh == int(Decimal(100_000) * (1 - Decimal("0.170375")) * Decimal("0.8248")) == 68_427
    assert (await produced(db, wind))[0].expected_wh is None


async def test_add_weather__any_month__has_a_partition_of_its_own(db: Connection) -> None:
    asset = await entered(db)
    months = [MIDNIGHT - timedelta(days=400), MIDNIGHT, MIDNIGHT + timedelta(days=400)]
    observations = [production.Weather(time, Decimal(1), None, None) for time in months]
    await production.add_weather(db, asset.id, observations)
    await production.add_weather(db, asset.id, observations)
    rows = await db.fetch("select tableoid::regclass::text as place from telemetry.weather_data order by time")
    assert [row["place"][-7:] for row in rows] == ["2024_05", "2025_06", "2026_07"]


async def test_keep_ahead__rows_in_the_default_partition__move_and_block_nothing(db: Connection) -> None:
    asset = await entered(db)
    times = [MIDNIGHT + timedelta(days=days) for days in (0, 20, 40, 200)]
    strange = datetime(2900, 1, 1, tzinfo=UTC)
    rows = [(time, asset.id) for time in (*times, strange)]
    await db.executemany("insert into telemetry.energy_production (time, asset_id, power_kw) values ($1, $2, 1)", rows)
    for _ in range(2):
        await production.keep_ahead(db, MIDNIGHT)
        found = await db.fetch(
            "select tableoid::regclass::text as place from telemetry.energy_production order by time"
        )
        assert [row["place"].removeprefix("telemetry.energy_production_") for row in found] == [
            "2025_06",
            "2025_07",
            "2025_07",
            "2026_01",
            "default",
        ]
    ahead = await db.fetchval("select to_regclass('telemetry.weather_data_2025_09') is not null")
    assert ahead, "made before anything needs it"


async def test_ensure_month__two_at_once__makes_one(db: Connection, database_url: str) -> None:
    others = [await connect(database_url) for _ in range(4)]
    make = "select telemetry.ensure_month('weather_data', '2030-02-10Z')"
    made = await asyncio.gather(*(other.fetchval(make) for other in others))
    for other in others:
        await other.close()
    assert sorted(made) == [False, False, False, True]


def typed(*words: str) -> int:
    """As a person types it, in a thread: a command runs a loop of its own."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(main.execute, list(words)).result()


async def test_weather__command__imports_and_fetches(
    db: Connection, database_url: str, service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("GRIDTRACE_CHAIN_ID", str(CHAIN_ID))
    asset = await entered(db)
    file = tmp_path / "sky.csv"
    file.write_text("time,irradiance\n2025-06-17T12:00:00Z,812.5\n2025-06-17T13:00:00Z,790\n")
    assert typed("weather", "import", "--asset", str(asset.id), str(file)) == 0
    assert typed("weather", "fetch", "--asset", str(asset.id)) == main.USAGE
    assert "GRIDTRACE_WEATHER_URL is not set" in capsys.readouterr().err
    monkeypatch.setenv("GRIDTRACE_WEATHER_URL", service)
    assert typed("weather", "fetch", "--asset", str(asset.id), "--to", "2025-06-18") == 0
    assert "47 observations taken" in capsys.readouterr().out
    # It went on from the last day that was known, and replaced what it knows better.
    rows = await db.fetch("select irradiance from telemetry.weather_data where asset_id = $1", asset.id)
    assert {row["irradiance"] for row in rows} == {Decimal(800)}
    file.write_text("time,irradiance\n2025-06-17T12:00:00Z,blue\n")
    assert typed("weather", "import", "--asset", str(asset.id), str(file)) == main.FAILED
    assert "is no number" in capsys.readouterr().err
