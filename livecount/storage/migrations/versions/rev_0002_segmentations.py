"""Confluence and the shapes of cells, for counts that were segmented.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; counts that are there have no entry in it."""
    op.execute(
        """
        CREATE TABLE segmentations (
            count_id INTEGER NOT NULL,
            confluence_percent REAL NOT NULL,
            bright_rounded_count INTEGER NOT NULL,
            shapes BLOB NOT NULL,
            PRIMARY KEY (count_id),
            CONSTRAINT confluence_is_a_share CHECK (confluence_percent BETWEEN 0 AND 100),
            FOREIGN KEY(count_id) REFERENCES counts (id)
        ) STRICT
        """
    )
