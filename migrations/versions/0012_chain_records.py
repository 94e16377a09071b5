"""Transactions, receipts, transfers of the native coin, traces, block intervals, contract reads, versions."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

PARTS = ("chain_records",)


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
