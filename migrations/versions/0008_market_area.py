"""Zones that trade with each other: fees, capacities, prices of each, and orders over several slots."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

PARTS = ("market_area",)


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
