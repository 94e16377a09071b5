"""Runs the plain SQL bodies of a revision: ``sql/<revision>_<part>.{up,down}.sql``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

from alembic import op

SQL: Final = Path(__file__).parent / "sql"
LOCK_TIMEOUT: Final = "10s"


def _run(path: Path) -> None:
    # Through SQLAlchemy first: this opens the revision's transaction. Then the driver's own connection, whose simple
    # query protocol takes a whole file of statements, functions included.
    op.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
    raw = cast(Any, op.get_bind().connection.dbapi_connection)
    raw.run_async(lambda connection: connection.execute(path.read_text()))


def upgrade_with(revision: str, parts: Sequence[str]) -> None:
    """Runs each part's ``up`` file in the given order."""
    for part in parts:
        _run(SQL / f"{revision}_{part}.up.sql")


def downgrade_with(revision: str, parts: Sequence[str]) -> None:
    """Runs each part's ``down`` file in the reverse order."""
    for part in reversed(parts):
        _run(SQL / f"{revision}_{part}.down.sql")
