"""Progress of each indexed event by itself, and the state of tokens of any kind."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PARTS = ("sources",)


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
