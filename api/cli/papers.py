"""``gridtrace papers``: the folder in which the papers of assets are kept."""

import os
from pathlib import Path
from typing import Annotated

import typer

from indexer.config import Environment

app = typer.Typer(no_args_is_help=True, help="The folder in which the papers of assets are kept.")


@app.callback()
def options() -> None:
    """The folder in which the papers of assets are kept."""


@app.command("sweep")
def sweep(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a line.")] = False,
    state_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of a running `gridtrace run`; its settings stand in for the environment."),
    ] = None,
) -> None:
    """Remove the blocks that no paper and no published directory names, an hour after they were written."""
    import asyncio
    import json
    import time

    from api.devnet.settings import settings_of
    from indexer.db import connect
    from node.assets import sweeping
    from node.documents.blocks import FolderBlocks

    env = Environment(settings_of(state_dir) if state_dir else os.environ)
    database_url, folder = env.secret("DATABASE_URL"), env.read("GRIDTRACE_DOCUMENTS_DIR", Path)
    shared = env.optional("IPFS_API_URL", str)
    env.check()

    async def remove() -> int:
        db = await connect(database_url, command_timeout_s=3_600)
        try:
            return await sweeping.sweep(db, FolderBlocks(folder), time.time(), private_only=shared is not None)
        finally:
            await db.close()

    removed = asyncio.run(remove())
    typer.echo(json.dumps({"removed": removed}) if as_json else f"{removed} blocks removed")
