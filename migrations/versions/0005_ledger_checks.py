"""Balances rechecked against the chain, and every call to the indexed contracts."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

PARTS = ("balance_checks", "contract_executions")


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
