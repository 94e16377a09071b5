"""``gridtrace audit``: recomputes meter, trade, settlement and ledger, and prints every difference."""

import os
from pathlib import Path
from typing import Annotated

import typer

from api.cli import environment

DIFFERENT = 1
IMPOSSIBLE = 2
app = typer.Typer(cls=environment.group(environment.of_audit), invoke_without_command=True)

StateDir = Annotated[
    Path | None,
    typer.Option(help="Folder of a running `gridtrace run`; its settings stand in for the environment."),
]


@app.callback()
def audit(
    context: typer.Context,
    start: Annotated[
        str | None, typer.Option("--from", help="First delivery start, RFC 3339; all where left out.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Delivery start after the last, RFC 3339.")] = None,
    state_dir: StateDir = None,
    every: Annotated[bool, typer.Option("--all", help="Every difference, not only the first of each slot.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Recompute every settled slot of a range from signed readings to the ledger. Exit code 1: differences."""
    if context.invoked_subcommand is not None:
        return
    import asyncio

    from api.cli.audit_report import check, report
    from api.devnet.settings import settings_of
    from node.config import NodeConfig

    config = NodeConfig.from_environment(settings_of(state_dir) if state_dir else os.environ)
    checked = asyncio.run(check(config, start, end))
    typer.echo(report(checked, as_json=as_json, every=every))
    if checked.differences:
        raise typer.Exit(DIFFERENT)


@app.command(cls=environment.command(environment.of_balances))
def balances(
    state_dir: StateDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Compare every mirrored balance with what the contracts say at one finalised block.

    Exit code 1: differences; 2: it cannot be compared, or not all of it.
    """
    import asyncio

    from api.cli import balance_report
    from api.devnet.settings import settings_of

    variables = settings_of(state_dir) if state_dir else os.environ
    report = asyncio.run(balance_report.check(variables))
    typer.echo(balance_report.as_document(report) if as_json else balance_report.told(report))
    if report.outcome != "equal":
        raise typer.Exit(DIFFERENT if report.outcome == "different" else IMPOSSIBLE)
