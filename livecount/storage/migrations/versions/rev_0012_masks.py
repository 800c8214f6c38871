"""The masks of counted cells; frames that were segmented before have none.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the masks."""
    op.execute(
        """
        CREATE TABLE masks (
            count_id INTEGER NOT NULL,
            outlines BLOB NOT NULL,
            PRIMARY KEY (count_id),
            FOREIGN KEY(count_id) REFERENCES counts (id)
        ) STRICT
        """
    )
