"""Where the stage stood when a frame was taken.

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
)


def upgrade() -> None:
    """Add the columns; frames that were counted before have no stage position."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """What is known of frames is not forgotten."""
    raise NotImplementedError
