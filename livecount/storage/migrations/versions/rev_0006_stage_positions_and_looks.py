"""Where the stage stood when a frame was taken, and what each frame looks like from afar.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_STATEMENTS = (
    "ALTER TABLE frames ADD COLUMN stage_x_um REAL",
    "ALTER TABLE frames ADD COLUMN stage_y_um REAL",
    """
    CREATE TABLE looks (
        count_id INTEGER NOT NULL,
        blocks BLOB NOT NULL,
        PRIMARY KEY (count_id),
        FOREIGN KEY(count_id) REFERENCES counts (id)
    ) STRICT
    """,
)


def upgrade() -> None:
    """Add columns and table; frames that were counted before have neither position nor look."""
    for statement in _STATEMENTS:
        op.execute(statement)
