"""Exports."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

PARTS = ("exports",)


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
