"""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
"""

from migrations.sql_files import downgrade_with, upgrade_with

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    upgrade_with(revision, [])


def downgrade() -> None:
    downgrade_with(revision, [])
