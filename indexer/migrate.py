"""Alembic as a library: the schema's revisions are plain SQL in ``migrations/``."""

from importlib.resources import files

from alembic import command
from alembic.config import Config


def alembic_config(database_url: str) -> Config:
    """Alembic's configuration for a database given as ``postgresql://…``."""
    config = Config()
    config.set_main_option("script_location", str(files("migrations")))
    # Alembic reads through SQLAlchemy; "%" is its interpolation sign.
    url = database_url.replace("postgresql://", "postgresql+asyncpg://", 1).replace("%", "%%")
    config.set_main_option("sqlalchemy.url", url)
    return config


def upgrade(database_url: str, revision: str = "head") -> None:
    """Brings the schema up to ``revision``."""
    command.upgrade(alembic_config(database_url), revision)


def downgrade(database_url: str, revision: str) -> None:
    """Takes the schema down to ``revision``, e.g. ``-1``."""
    command.downgrade(alembic_config(database_url), revision)
