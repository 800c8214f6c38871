"""The table of what people say of which experiments are to be watched; the latest row holds."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Table, Text

from livecount.storage.column_kinds import identity, refers, whole, words
from livecount.storage.tables import metadata

__all__ = ["watch_orders"]

watch_orders = Table(
    "watch_orders",
    metadata,
    identity(),
    refers("experiment_id", "experiments.id"),
    whole("is_watched", nullable=False),
    words("settings"),
    words("made_by", nullable=False),
    Column("made_at", Text, nullable=False),
    CheckConstraint("is_watched IN (0, 1)", name="watched_is_yes_or_no"),
    sqlite_strict=True,
)
Index("watch_orders_of_experiment", watch_orders.c.experiment_id)
