"""Orders that come too late for their account's own lane, and where to find what it holds."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

PARTS = ("account_lane",)


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
