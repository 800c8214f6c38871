"""The tables of what people order of the monitor: one that runs takes it up, or the next one."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Table, Text, UniqueConstraint

from livecount.storage.column_kinds import identity, refers, words
from livecount.storage.tables import metadata

__all__ = ["recounts", "watch_orders"]

watch_orders = Table(
    "watch_orders",
    metadata,
    identity(),
    words("experiment", nullable=False),
    Column("verb", Text, nullable=False),
    words("settings"),
    words("made_by", nullable=False),
    Column("made_at", Text, nullable=False),
    CheckConstraint("verb IN ('run', 'add', 'stop', 'start')", name="known_verb"),
    CheckConstraint("verb IN ('stop', 'start') OR settings IS NOT NULL", name="settings_are_told"),
    sqlite_strict=True,
)

recounts = Table(
    "recounts",
    metadata,
    identity(),
    refers("analysis_row_id", "analyses.id"),
    words("made_by", nullable=False),
    Column("made_at", Text, nullable=False),
    UniqueConstraint("analysis_row_id"),
    sqlite_strict=True,
)
