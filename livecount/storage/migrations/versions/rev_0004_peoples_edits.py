"""What people say: plate maps, events, and what is not to be used, each with who and when.

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
    """
    CREATE TABLE events (
        id INTEGER NOT NULL,
        experiment_id INTEGER NOT NULL,
        name TEXT NOT NULL,
        at_h REAL NOT NULL,
        at_date TEXT,
        wells TEXT NOT NULL,
        made_by TEXT NOT NULL,
        made_at TEXT NOT NULL,
        withdrawn_by TEXT,
        withdrawn_at TEXT,
        PRIMARY KEY (id),
        FOREIGN KEY(experiment_id) REFERENCES experiments (id)
    ) STRICT
    """,
    """
    CREATE INDEX events_of_experiment ON events (experiment_id)
    """,
    """
    CREATE TABLE exclusions (
        id INTEGER NOT NULL,
        experiment_id INTEGER NOT NULL,
        reason TEXT NOT NULL,
        frame_id INTEGER,
        plate TEXT,
        well TEXT,
        field TEXT,
        start_h REAL,
        start_date TEXT,
        end_h REAL,
        end_date TEXT,
        made_by TEXT NOT NULL,
        made_at TEXT NOT NULL,
        withdrawn_by TEXT,
        withdrawn_at TEXT,
        PRIMARY KEY (id),
        FOREIGN KEY(experiment_id) REFERENCES experiments (id),
        FOREIGN KEY(frame_id) REFERENCES frames (id)
    ) STRICT
    """,
    """
    CREATE INDEX exclusions_of_experiment ON exclusions (experiment_id)
    """,
)


def upgrade() -> None:
    """Add the tables; nothing that was there changes."""
    for statement in _STATEMENTS:
        op.execute(statement)
