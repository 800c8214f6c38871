"""What people say of which experiments are to be watched.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE watch_orders (
        id INTEGER NOT NULL,
        experiment_id INTEGER NOT NULL,
        is_watched INTEGER NOT NULL,
        settings TEXT,
        made_by TEXT NOT NULL,
        made_at TEXT NOT NULL,
        PRIMARY KEY (id),
        CONSTRAINT watched_is_yes_or_no CHECK (is_watched IN (0, 1)),
        FOREIGN KEY(experiment_id) REFERENCES experiments (id)
    ) STRICT
    """,
    "CREATE INDEX watch_orders_of_experiment ON watch_orders (experiment_id)",
)


def upgrade() -> None:
    """Add the orders."""
    for statement in _STATEMENTS:
        op.execute(statement)
