"""``gridtrace migrate``: the database schema."""

import os
from collections.abc import Callable
from typing import Annotated

import typer

from api.cli import environment
from api.cli.output import Json, tell
from indexer.errors import GridtraceError

app = typer.Typer(help="Bring the database schema up or down (DATABASE_URL).", no_args_is_help=True)
with_settings = environment.command(environment.of_database)


class MigrationFailed(GridtraceError):
    """The schema could not be read or changed."""

    code = "migration-failed"


def database_url() -> str:
    """DATABASE_URL or the content of DATABASE_URL_FILE; raises ConfigError where neither is set."""
    from indexer.config import Environment

    env = Environment(os.environ)
    url = env.secret("DATABASE_URL")
    env.check()
    return url


@app.command(cls=with_settings)
def upgrade(revision: Annotated[str, typer.Argument(help="Target revision.")] = "head", as_json: Json = False) -> None:
    """Bring the schema up to a revision, the newest by default, and print where it is."""
    from indexer import migrate

    act(lambda url: migrate.upgrade(url, revision))
    current(as_json)


# A revision may begin with a dash: it is no option.
@app.command(cls=with_settings, context_settings={"ignore_unknown_options": True})
def downgrade(
    revision: Annotated[str, typer.Argument(help="Target revision; -1 is one step down.")], as_json: Json = False
) -> None:
    """Take the schema down to a revision, and print where it is."""
    from indexer import migrate

    act(lambda url: migrate.downgrade(url, revision))
    current(as_json)


@app.command(cls=with_settings)
def current(as_json: Json = False) -> None:
    """Print the schema's revision."""
    import io

    from alembic import command

    from indexer import migrate

    def show(url: str) -> None:
        config = migrate.alembic_config(url)
        config.stdout = told = io.StringIO()
        command.current(config)
        text = told.getvalue().strip()
        tell(text or "no schema yet", {"revision": text.partition(" ")[0] or None}, as_json=as_json)

    act(show)


@app.command(cls=with_settings)
def history(as_json: Json = False) -> None:
    """Print all revisions."""
    from alembic import command
    from alembic.script import ScriptDirectory

    from indexer import migrate

    config = migrate.alembic_config("postgresql://")
    if not as_json:
        command.history(config)
        return
    known = ScriptDirectory.from_config(config).walk_revisions()
    revisions = [{"revision": one.revision, "down_revision": one.down_revision, "doc": one.doc} for one in known]
    tell("", revisions, as_json=True)


def act(work: Callable[[str], None]) -> None:
    """Runs ``work`` on the database; raises MigrationFailed, in one line and without the address's secrets."""
    from alembic.util import CommandError
    from asyncpg import InterfaceError, PostgresError
    from sqlalchemy.exc import SQLAlchemyError

    from api.devnet.addresses import place, reason

    url = database_url()
    try:
        work(url)
    except (CommandError, SQLAlchemyError, PostgresError, InterfaceError, OSError, TimeoutError) as error:
        raise MigrationFailed(f"{place(url) or 'DATABASE_URL'}: {reason(error)}") from error
