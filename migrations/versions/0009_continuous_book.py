"""The continuous book: instructions of an order, fills before the gate, the engine's place in the sequence."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

PARTS = ("continuous_book",)


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
