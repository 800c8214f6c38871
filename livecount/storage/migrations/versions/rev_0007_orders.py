"""What people order of experiments: which are watched, and which counts are made again.

Revision ID: 0007
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE watch_orders (
        id INTEGER NOT NULL,
        experiment TEXT NOT NULL,
        verb TEXT NOT NULL,
        settings TEXT,
        made_by TEXT NOT NULL,
        made_at TEXT NOT NULL,
        PRIMARY KEY (id),
        CONSTRAINT known_verb CHECK (verb IN ('run', 'add', 'stop', 'start')),
        CONSTRAINT settings_are_told CHECK (verb IN ('stop', 'start') OR settings IS NOT NULL)
    ) STRICT
    """,
    """
    CREATE TABLE recounts (
        id INTEGER NOT NULL,
        analysis_row_id INTEGER NOT NULL,
        made_by TEXT NOT NULL,
        made_at TEXT NOT NULL,
        PRIMARY KEY (id),
        UNIQUE (analysis_row_id),
        FOREIGN KEY(analysis_row_id) REFERENCES analyses (id)
    ) STRICT
    """,
)


def upgrade() -> None:
    """Add the tables of orders."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """What people ordered is not forgotten."""
    raise NotImplementedError
