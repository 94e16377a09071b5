"""Meters as data: states, faults, buffers, versions of readings."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

PARTS = ("metering",)


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
