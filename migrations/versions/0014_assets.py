"""Plants as assets: people and their clearance, papers, fractions sold, revenue distributed, measurements."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

PARTS = ("kyc", "assets", "asset_tokens")


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
