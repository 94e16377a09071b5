"""``gridtrace weather``: what the sky did at the plants, from a file or a service."""

import os
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from api.cli.output import Json, tell
from indexer.config import Environment, positive

if TYPE_CHECKING:
    from indexer.db import Connection

app = typer.Typer(no_args_is_help=True, help="What the sky did at the plants; it says what they should have given.")

Plant = Annotated[UUID, typer.Option("--asset", help="The asset's number.")]
StateDir = Annotated[
    Path | None,
    typer.Option(help="Folder of a running `gridtrace run`; its settings stand in for the environment."),
]


def settings(env: Environment) -> tuple[str, int]:
    """The database, the chain's number."""
    return env.secret("DATABASE_URL"), env.read("GRIDTRACE_CHAIN_ID", positive)


@app.callback()
def options() -> None:
    """What the sky did at the plants; it says what they should have given."""


@app.command("import")
def import_file(
    asset: Plant,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Take a CSV file: time (RFC 3339), and temperature (°C), irradiance (W/m²) or wind_speed (m/s)."""
    from node.assets import production, registry, weather

    env = Environment(_variables(state_dir))
    database_url, chain_id = settings(env)
    env.check()
    with file.open(newline="", encoding="utf-8-sig") as lines:
        observations = weather.from_csv(lines)

    async def take(db: "Connection") -> int:
        await registry.asset(db, chain_id, asset)
        async with db.transaction():
            return await production.add_weather(db, asset, observations)

    count = _in_database(database_url, take)
    tell(f"{count} observations taken", {"observations": count}, as_json=as_json)


@app.command("fetch")
def fetch(
    asset: Plant,
    start: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day, UTC; else the last observed.")
    ] = None,
    end: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day; else today.")] = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Ask GRIDTRACE_WEATHER_URL, which answers as Open-Meteo does, for the hours of some days."""
    from node.assets import production, registry, weather
    from node.errors import Refused

    env = Environment(_variables(state_dir))
    database_url, chain_id = settings(env)
    url = env.read("GRIDTRACE_WEATHER_URL", str)
    env.check()

    async def take(db: "Connection") -> int:
        plant = await registry.asset(db, chain_id, asset)
        if plant.location_lat is None or plant.location_lon is None:
            raise Refused(f"asset {asset} has no place")
        today = datetime.now(UTC)
        first = start or await production.observed_to(db, asset) or today - timedelta(days=1)
        place = registry.Place(plant.location_lat, plant.location_lon)
        found = await weather.fetch(url, place, first.date(), (end or today).date())
        async with db.transaction():
            return await production.add_weather(db, asset, found)

    count = _in_database(database_url, take)
    tell(f"{count} observations taken", {"observations": count}, as_json=as_json)


def _variables(state_dir: Path | None) -> Mapping[str, str]:
    from api.devnet.settings import settings_of

    return settings_of(state_dir) if state_dir else os.environ


def _in_database(database_url: str, take: "Callable[[Connection], Awaitable[int]]") -> int:
    import asyncio

    from indexer.db import connect

    async def work() -> int:
        db = await connect(database_url)
        try:
            return await take(db)
        finally:
            await db.close()

    return asyncio.run(work())
