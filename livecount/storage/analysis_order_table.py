"""The table of what people wanted of analyses: to be counted, or to be shown; rows stay as made."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Table, Text

from livecount.storage.column_kinds import identity, refers, words
from livecount.storage.tables import metadata

__all__ = ["analysis_orders"]

analysis_orders = Table(
    "analysis_orders",
    metadata,
    identity(),
    refers("analysis_row_id", "analyses.id"),
    Column("kind", Text, nullable=False),
    words("made_by", nullable=False),
    Column("made_at", Text, nullable=False),
    CheckConstraint("kind IN ('count', 'show')", name="known_order"),
    sqlite_strict=True,
)
Index("analysis_orders_of_analysis", analysis_orders.c.analysis_row_id)
