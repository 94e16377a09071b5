"""What each account could be charged for imbalance when its slot was settled, so that anyone can recompute it."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PARTS = ("settlement_charges",)


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
