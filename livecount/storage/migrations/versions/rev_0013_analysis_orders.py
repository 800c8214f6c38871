"""Who wanted an analysis to be counted, or shown; which corrections were withdrawn, by an index.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE analysis_orders (
        id INTEGER NOT NULL,
        analysis_row_id INTEGER NOT NULL,
        kind TEXT NOT NULL,
        made_by TEXT NOT NULL,
        made_at TEXT NOT NULL,
        PRIMARY KEY (id),
        CONSTRAINT known_order CHECK (kind IN ('count', 'show')),
        FOREIGN KEY(analysis_row_id) REFERENCES analyses (id)
    ) STRICT
    """,
    "CREATE INDEX analysis_orders_of_analysis ON analysis_orders (analysis_row_id)",
    """
    CREATE INDEX corrections_withdrawn ON corrections (withdrawn_at)
    WHERE withdrawn_at IS NOT NULL
    """,
)


def upgrade() -> None:
    """Add the orders and the index."""
    for statement in _STATEMENTS:
        op.execute(statement)
