"""``gridtrace auction areas``: the zones, fees and capacities that the market runs with."""

import os
from pathlib import Path
from typing import Annotated

import typer

DIFFERENT = 1


def areas(
    adopt: Annotated[bool, typer.Option("--adopt", help="The market runs with this process's from now on.")] = False,
    state_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of a running `gridtrace run`; its settings stand in for the environment."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Compare the areas of this environment with those that the market runs with (DATABASE_URL, GRIDTRACE_AREAS,
    GRIDTRACE_ZONES, GRIDTRACE_GRID_FEE_PER_KWH). A node with others than the market's does not lead.

    To change them, give the same settings to every process, adopt them, and start all processes again.
    Exit code 1: they differ.
    """
    import asyncio

    import msgspec

    from api.devnet.settings import settings_of
    from indexer.db import connect
    from node.config import NodeConfig
    from node.market import agreement
    from node.market.area import areas as configured

    config = NodeConfig.from_environment(settings_of(state_dir) if state_dir else os.environ)
    own = configured(config)

    async def compare() -> agreement.Agreement:
        db = await connect(config.indexer.database_url)
        try:
            if adopt:
                await agreement.adopt(db, own)
            return await agreement.agreement(db, own)
        finally:
            await db.close()

    found = asyncio.run(compare())
    agreed = None if found.agreed_hash is None else "0x" + found.agreed_hash.hex()
    told = {"configured": "0x" + found.own_hash.hex(), "agreed": agreed, "agree": found.holds}
    if as_json:
        typer.echo(msgspec.json.encode(told).decode())
    else:
        for area in own:
            fees = ", ".join(f"{sell} to {buy} at {area.fee_per_kwh[sell, buy]}" for sell, buy in area.pairs)
            typer.echo(f"area {area.name}: {fees} micro per kWh")
        typer.echo(f"these areas      {told['configured']}\nthe market's     {agreed or 'none yet'}")
    if not found.holds:
        raise typer.Exit(DIFFERENT)
