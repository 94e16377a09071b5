"""The command line ``gridtrace``: one door, every command in a small module that loads what it needs when it runs.

Exit codes: 0 done, 1 differences found or the work failed, 2 wrong usage or configuration.
"""

import sys
from typing import Annotated

import typer

from api.cli import audit, database, deploy, meters, orders, processes, run
from indexer.errors import ConfigError, GridtraceError

FAILED = 1
USAGE = 2
INTERRUPTED = 130

app = typer.Typer(
    name="gridtrace",
    help="Blockchain indexer and energy-trading node: trades settle from metered production.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Plain text: loading the other kind takes longer than most commands.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("index")(processes.index)
app.command("node")(processes.node)
app.command("serve")(processes.serve)
app.command("deploy")(deploy.deploy)
app.command("audit")(audit.audit)
app.add_typer(database.app, name="migrate")
app.add_typer(orders.app, name="order")
app.add_typer(meters.app, name="meter")


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
    except ConfigError as error:
        for fault in error.faults:
            complain(fault, error.code)
        return USAGE
    except GridtraceError as error:
        complain(str(error), error.code)
        return FAILED
    return 0


def complain(message: str, code: str) -> None:
    """One clear line for a person."""
    typer.echo(f"gridtrace: {message} ({code})", err=True)


if __name__ == "__main__":
    main()
