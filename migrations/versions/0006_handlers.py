"""Entities of Python handlers, versions of projections, and how far streams out are delivered."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

PARTS = ("entities", "projection_versions", "streams")


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
