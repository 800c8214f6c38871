"""Frames that a model has learnt from, as its card lists them: they validate nothing.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_STATEMENT = """
    CREATE TABLE learnt_frames (
        model_sha256 TEXT NOT NULL,
        content_hash TEXT NOT NULL,
        PRIMARY KEY (model_sha256, content_hash)
    ) STRICT
"""


def upgrade() -> None:
    """Add the table; nothing is known of models that counted before."""
    op.execute(_STATEMENT)
