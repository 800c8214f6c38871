"""Frames of which somebody said that every cell is right, and comparisons that were not blind.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE checked_frames (
        id INTEGER NOT NULL,
        analysis_row_id INTEGER NOT NULL,
        frame_id INTEGER NOT NULL,
        made_by TEXT NOT NULL,
        made_at TEXT NOT NULL,
        withdrawn_by TEXT,
        withdrawn_at TEXT,
        PRIMARY KEY (id),
        CONSTRAINT withdrawn_whole CHECK ((withdrawn_by IS NULL) = (withdrawn_at IS NULL)),
        FOREIGN KEY(analysis_row_id) REFERENCES analyses (id),
        FOREIGN KEY(frame_id) REFERENCES frames (id)
    ) STRICT
    """,
    "CREATE INDEX checked_frames_of_frame ON checked_frames (analysis_row_id, frame_id)",
    """
    CREATE UNIQUE INDEX checked_frames_standing ON checked_frames (analysis_row_id, frame_id)
    WHERE withdrawn_at IS NULL
    """,
    """
    CREATE INDEX checked_frames_withdrawn ON checked_frames (withdrawn_at)
    WHERE withdrawn_at IS NOT NULL
    """,
    "ALTER TABLE validations ADD COLUMN n_not_blind INTEGER DEFAULT 0 NOT NULL",
)


def upgrade() -> None:
    """Add the table and the column; what was compared before was clicked on bare copies."""
    for statement in _STATEMENTS:
        op.execute(statement)
