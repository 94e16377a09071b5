"""``gridtrace audit``: recomputes meter, trade, settlement and ledger, and prints every difference."""

import os
from pathlib import Path
from typing import Annotated

import typer

DIFFERENT = 1


def audit(
    start: Annotated[
        str | None, typer.Option("--from", help="First delivery start, RFC 3339; all where left out.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Delivery start after the last, RFC 3339.")] = None,
    state_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of a running `gridtrace run`; its settings stand in for the environment."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every difference, not only the first of each slot.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Recompute every settled slot of a range from signed readings to the ledger. Exit code 1: differences."""
    import asyncio

    from api.cli.audit_report import check, report
    from api.devnet.settings import settings_of
    from node.config import NodeConfig

    config = NodeConfig.from_environment(settings_of(state_dir) if state_dir else os.environ)
    checked = asyncio.run(check(config, start, end))
    typer.echo(report(checked, as_json=as_json, every=every))
    if any(slot.findings for slot in checked):
        raise typer.Exit(DIFFERENT)
