"""``gridtrace export``: a table of the mirror as a file, stamped with its block."""

import json
import os
from pathlib import Path
from typing import Annotated, Final

import typer

from indexer.config import Environment, positive
from indexer.errors import ConfigError

LAST: Final = (1 << 63) - 1


def settings(env: Environment) -> tuple[str, int]:
    """The database and the chain's number."""
    return env.secret("DATABASE_URL"), env.read("GRIDTRACE_CHAIN_ID", positive)


def export(
    table: Annotated[str, typer.Argument(help="Table or view, like fact_payment_token_transfer or entities.holder.")],
    out: Annotated[Path, typer.Option("--out", help="File to write; its block is named in <file>.block.json.")],
    file_format: Annotated[str, typer.Option("--format", help="csv, ndjson or parquet.")] = "csv",
    state_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of a running `gridtrace run`; its settings stand in for the environment."),
    ] = None,
    first_block: Annotated[int | None, typer.Option(min=0, help="Only rows of this block and later ones.")] = None,
    last_block: Annotated[int | None, typer.Option(min=0, help="Only rows of this block and earlier ones.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as one JSON object.")] = False,
) -> None:
    """Write the rows of a mirrored table to a file, all of one block."""
    import asyncio

    from api.cli.progress import counted
    from api.devnet.settings import settings_of
    from indexer import export as exporting
    from indexer.db import connect
    from indexer.export import Stamp

    env = Environment(settings_of(state_dir) if state_dir else os.environ)
    database_url, chain_id = settings(env)
    env.check()
    blocks = None if first_block is None and last_block is None else (first_block or 0, last_block or LAST)

    async def write() -> Stamp:
        db = await connect(database_url, command_timeout_s=3_600)
        try:
            async with db.transaction(isolation="repeatable_read", readonly=True):
                return await exporting.export(
                    db, chain_id, table, file_format, out, blocks=blocks, told=counted(f"rows of {table}")
                )
        finally:
            await db.close()

    try:
        stamp = asyncio.run(write())
    except FileNotFoundError as error:
        raise ConfigError([f"--out {out}: {error.strerror}"]) from error
    if as_json:
        typer.echo(json.dumps({"table": table, "file": str(out), "rows": stamp.rows, **stamp.as_dict()}))
        return
    typer.echo(f"{stamp.rows} rows of {table} as of block {stamp.block_number} {stamp.block_hash} in {out}")
