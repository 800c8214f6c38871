"""The latest count of an analysis by an index: also of one that was counted long before others.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index; the counts of an analysis lie in it in the order in which they were kept."""
    op.execute("CREATE INDEX counts_of_analysis ON counts (analysis_row_id)")
