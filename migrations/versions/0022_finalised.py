"""What is final."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

PARTS = ("finalised",)


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
