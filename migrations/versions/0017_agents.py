"""Agents, and the keys that meters had."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

PARTS = ("agents", "meter_keys")


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
