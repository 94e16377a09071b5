"""``gridtrace cache``: what Redis holds of assets and users, made anew from PostgreSQL."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from indexer.config import Environment, positive

app = typer.Typer(no_args_is_help=True, help="What Redis holds of assets and users; PostgreSQL has the truth.")


def settings(env: Environment) -> tuple[str, int, str]:
    """The database, the chain's number, Redis."""
    return env.secret("DATABASE_URL"), env.read("GRIDTRACE_CHAIN_ID", positive), env.read("REDIS_URL", str)


@app.callback()
def options() -> None:
    """What Redis holds of assets and users; PostgreSQL has the truth."""


@app.command("rebuild")
def rebuild(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a line.")] = False,
    state_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of a running `gridtrace run`; its settings stand in for the environment."),
    ] = None,
) -> None:
    """Forget every key and write all of them anew."""
    import asyncio
    import json
    import time

    from api.devnet.settings import settings_of
    from indexer.db import connect
    from node.cache import Cache

    env = Environment(settings_of(state_dir) if state_dir else os.environ)
    database_url, chain_id, redis_url = settings(env)
    env.check()

    def tell(written: int) -> None:
        if sys.stderr.isatty():
            typer.echo(f"\r{written} keys", nl=False, err=True)

    async def write() -> int:
        db, cache = await connect(database_url, command_timeout_s=3_600), Cache(redis_url)
        try:
            return await cache.rebuild(db, chain_id, tell)
        finally:
            await cache.close()
            await db.close()

    begun = time.perf_counter()
    keys = asyncio.run(write())
    took_s = time.perf_counter() - begun
    if as_json:
        typer.echo(json.dumps({"keys": keys, "duration_s": round(took_s, 3)}))
    else:
        typer.echo(f"{keys} keys in {took_s:.2f} s")
