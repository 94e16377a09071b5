"""What plants produced and the weather they had, in a partition for each month."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

PARTS = ("time_series",)


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
