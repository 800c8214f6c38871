"""Notices that name experiment and well, and who outside was told of them.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_STATEMENTS = (
    "CREATE TEMPORARY TABLE notices_0004 AS SELECT * FROM notices",
    "DROP TABLE notices",
    """
    CREATE TABLE notices (
        id INTEGER NOT NULL,
        experiment_id INTEGER,
        code TEXT NOT NULL,
        subject TEXT NOT NULL,
        text TEXT NOT NULL,
        plate TEXT,
        well TEXT,
        since TEXT NOT NULL,
        until TEXT,
        said_at TEXT NOT NULL,
        PRIMARY KEY (id),
        FOREIGN KEY(experiment_id) REFERENCES experiments (id)
    ) STRICT
    """,
    """
    CREATE UNIQUE INDEX notices_said_once
    ON notices (code, subject, coalesce(experiment_id, 0)) WHERE until IS NULL
    """,
    """
    INSERT INTO notices (id, code, subject, text, since, until, said_at)
    SELECT id, code, subject, text, since, until, since FROM notices_0004
    """,
    "DROP TABLE notices_0004",
    """
    CREATE TABLE deliveries (
        id INTEGER NOT NULL,
        notice_id INTEGER NOT NULL,
        target TEXT NOT NULL,
        part TEXT NOT NULL,
        due_at TEXT NOT NULL,
        attempts INTEGER DEFAULT 0 NOT NULL,
        last_error TEXT,
        delivered_at TEXT,
        PRIMARY KEY (id),
        UNIQUE (notice_id, target, part),
        CONSTRAINT known_part CHECK (part IN ('begin', 'end')),
        FOREIGN KEY(notice_id) REFERENCES notices (id)
    ) STRICT
    """,
    """
    CREATE INDEX deliveries_open ON deliveries (target, due_at) WHERE delivered_at IS NULL
    """,
)


def upgrade() -> None:
    """Rebuild the notices, every one kept, and add the deliveries."""
    for statement in _STATEMENTS:
        op.execute(statement)
