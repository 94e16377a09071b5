"""Candles and statistics of the market, and what order intake asks for."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

PARTS = ("market_data",)


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
