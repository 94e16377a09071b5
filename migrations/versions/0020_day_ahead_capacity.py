"""Capacity in the day-ahead session."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

PARTS = ("day_ahead_capacity",)


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
