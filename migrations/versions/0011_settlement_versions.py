"""Settlements in several batches and versions."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

PARTS = ("settlement_versions",)


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
