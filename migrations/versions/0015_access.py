"""Keys of programs, and what is remembered of sessions."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

PARTS = ("access",)


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
