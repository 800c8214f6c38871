"""Calibrations of counts by stained nuclei.

Revision ID: 0008
Revises: 0006
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE nuclei_calibrations (
        id INTEGER NOT NULL,
        analysis_row_id INTEGER NOT NULL,
        nuclei_analysis_id TEXT NOT NULL,
        fitted TEXT NOT NULL,
        made_by TEXT NOT NULL,
        made_at TEXT NOT NULL,
        PRIMARY KEY (id),
        FOREIGN KEY(analysis_row_id) REFERENCES analyses (id)
    ) STRICT
    """,
    """
    CREATE INDEX nuclei_calibrations_of_analysis ON nuclei_calibrations (analysis_row_id)
    """,
)


def upgrade() -> None:
    """Add the table."""
    for statement in _STATEMENTS:
        op.execute(statement)
