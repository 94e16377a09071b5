"""The command line ``gridtrace``: one door, every command in a small module that loads what it needs when it runs.

Exit codes: 0 done, 1 differences found or the work failed, 2 wrong usage or configuration.
"""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from api.cli import (
    auction,
    audit,
    cache,
    database,
    deploy,
    environment,
    export,
    index,
    meters,
    orders,
    papers,
    processes,
    run,
    simulate,
    verify,
    weather,
)
from indexer.errors import ConfigError, GridtraceError, WrongChain

FAILED = 1
USAGE = 2
INTERRUPTED = 130

app = typer.Typer(
    name="gridtrace",
    help="Blockchain indexer and energy-trading node: trades settle from metered production.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    # Plain text: loading the other kind takes longer than most commands.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run", cls=environment.command(environment.of_run))(run.run)
app.add_typer(index.app, name="index")
app.command("node", cls=environment.command(environment.of_node))(processes.node)
app.command("serve", cls=environment.command(environment.of_serve))(processes.serve)
app.command("deploy", cls=environment.command(environment.of_deploy))(deploy.deploy)
app.command("simulate")(simulate.simulate)
app.command("verify")(verify.verify)
app.command("export", cls=environment.command(environment.of_export))(export.export)
app.add_typer(auction.app, name="auction")
app.add_typer(audit.app, name="audit")
app.add_typer(cache.app, name="cache")
app.add_typer(database.app, name="migrate")
app.add_typer(orders.app, name="order")
app.add_typer(meters.app, name="meter")
app.add_typer(papers.app, name="papers")
app.add_typer(weather.app, name="weather")


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    """Blockchain indexer and energy-trading node: trades settle from metered production."""
    if version:
        from importlib.metadata import PackageNotFoundError
        from importlib.metadata import version as installed

        try:
            typer.echo(installed("gridtrace"))
        except PackageNotFoundError:
            typer.echo("not installed")
        raise typer.Exit


def main() -> None:
    """Runs one command and ends the process with its exit code."""
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: list[str]) -> int:
    """Runs one command line; returns its exit code."""
    try:
        app(arguments, prog_name="gridtrace")
    except SystemExit as end:
        return int(end.code or 0)
    except KeyboardInterrupt:
        return INTERRUPTED
    except GridtraceError as error:
        return refuse([error])
    except ExceptionGroup as group:
        known, strange = group.split(GridtraceError)
        if known is None or strange is not None:
            raise
        return refuse([error for error in known.exceptions if isinstance(error, GridtraceError)])
    return 0


def refuse(errors: Sequence[GridtraceError]) -> int:
    """Tells every fault in a line of its own; returns the exit code."""
    for error in errors:
        for line in error.faults if isinstance(error, ConfigError) else [str(error)]:
            complain(line, error.code)
    return USAGE if any(isinstance(error, ConfigError | WrongChain) for error in errors) else FAILED


def complain(message: str, code: str) -> None:
    """One clear line for a person."""
    typer.echo(f"gridtrace: {message} ({code})", err=True)


if __name__ == "__main__":
    main()
