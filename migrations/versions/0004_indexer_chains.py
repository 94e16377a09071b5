"""Balances are rewritten with every batch: room on their pages keeps the rewrites out of the index."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

PARTS = ("indexer_chains",)


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
