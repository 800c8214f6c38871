"""Cells that people added, removed or moved, beside the model's.

Revision ID: 0010
Revises: 0008
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE corrections (
        id INTEGER NOT NULL,
        analysis_row_id INTEGER NOT NULL,
        frame_id INTEGER NOT NULL,
        kind TEXT NOT NULL,
        from_y_px REAL,
        from_x_px REAL,
        to_y_px REAL,
        to_x_px REAL,
        made_by TEXT NOT NULL,
        made_at TEXT NOT NULL,
        withdrawn_by TEXT,
        withdrawn_at TEXT,
        PRIMARY KEY (id),
        CONSTRAINT known_kind CHECK (kind IN ('add', 'remove', 'move')),
        CONSTRAINT place_of_kind CHECK (
            (from_y_px IS NULL) = (kind = 'add') AND (from_x_px IS NULL) = (kind = 'add')
            AND (to_y_px IS NULL) = (kind = 'remove') AND (to_x_px IS NULL) = (kind = 'remove')
        ),
        FOREIGN KEY(analysis_row_id) REFERENCES analyses (id),
        FOREIGN KEY(frame_id) REFERENCES frames (id)
    ) STRICT
    """,
    "CREATE INDEX corrections_of_frame ON corrections (analysis_row_id, frame_id)",
)


def upgrade() -> None:
    """Add the corrections."""
    for statement in _STATEMENTS:
        op.execute(statement)
