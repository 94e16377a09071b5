"""The mirrored chain, identity, telemetry, trading, wallet and audit: what the main job needs."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PARTS = ("blockchain", "identity", "telemetry", "trading", "wallet", "audit")


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
