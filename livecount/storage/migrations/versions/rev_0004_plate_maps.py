"""Plate maps: every one that was ever given to an experiment, the last one holds.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE plate_maps (
        id INTEGER NOT NULL,
        experiment_id INTEGER NOT NULL,
        wells TEXT NOT NULL,
        origin TEXT NOT NULL,
        made_by TEXT NOT NULL,
        made_at TEXT NOT NULL,
        PRIMARY KEY (id),
        FOREIGN KEY(experiment_id) REFERENCES experiments (id)
    ) STRICT
    """,
    """
    CREATE INDEX plate_maps_of_experiment ON plate_maps (experiment_id)
    """,
)


def upgrade() -> None:
    """Add the table; nothing that was there changes."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Plate maps are people's work: they are not thrown away."""
    raise NotImplementedError
