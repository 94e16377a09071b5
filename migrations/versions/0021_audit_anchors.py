"""Anchors of the audit."""

from migrations.sql_files import downgrade_with, upgrade_with

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

PARTS = ("audit_anchors",)


def upgrade() -> None:
    upgrade_with(revision, PARTS)


def downgrade() -> None:
    downgrade_with(revision, PARTS)
