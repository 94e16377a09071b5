"""``gridtrace migrate``: the database schema."""

import os
from typing import Annotated

import typer

app = typer.Typer(help="Bring the database schema up or down (DATABASE_URL).", no_args_is_help=True)


def database_url() -> str:
    """DATABASE_URL or the content of DATABASE_URL_FILE; raises ConfigError where neither is set."""
    from indexer.config import Environment

    env = Environment(os.environ)
    url = env.secret("DATABASE_URL")
    env.check()
    return url


@app.command()
def upgrade(revision: Annotated[str, typer.Argument(help="Target revision.")] = "head") -> None:
    """Bring the schema up to a revision, the newest by default."""
    from indexer import migrate

    migrate.upgrade(database_url(), revision)


@app.command()
def downgrade(revision: Annotated[str, typer.Argument(help="Target revision; -1 is one step down.")]) -> None:
    """Take the schema down to a revision."""
    from indexer import migrate

    migrate.downgrade(database_url(), revision)


@app.command()
def current() -> None:
    """Print the schema's revision."""
    from alembic import command

    from indexer import migrate

    command.current(migrate.alembic_config(database_url()))


@app.command()
def history() -> None:
    """Print all revisions."""
    from alembic import command

    from indexer import migrate

    command.history(migrate.alembic_config(database_url()))
