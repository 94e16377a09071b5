"""Who may see which rows."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

PARTS = ("row_security",)


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
