"""The tables of what people say: plate maps, events, exclusions; never changed, only withdrawn."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text

from livecount.storage.column_kinds import identity, real, refers, words
from livecount.storage.tables import metadata

__all__ = ["events", "exclusions", "plate_maps"]

plate_maps = Table(
    "plate_maps",
    metadata,
    identity(),
    refers("experiment_id", "experiments.id"),
    words("wells", nullable=False),
    words("origin", nullable=False),
    words("made_by", nullable=False),
    Column("made_at", Text, nullable=False),
    sqlite_strict=True,
)
Index("plate_maps_of_experiment", plate_maps.c.experiment_id)

events = Table(
    "events",
    metadata,
    identity(),
    refers("experiment_id", "experiments.id"),
    words("name", nullable=False),
    real("at_h", nullable=False),
    Column("at_date", Text),
    words("wells", nullable=False),
    words("made_by", nullable=False),
    Column("made_at", Text, nullable=False),
    words("withdrawn_by"),
    Column("withdrawn_at", Text),
    sqlite_strict=True,
)
Index("events_of_experiment", events.c.experiment_id)

exclusions = Table(
    "exclusions",
    metadata,
    identity(),
    refers("experiment_id", "experiments.id"),
    words("reason", nullable=False),
    refers("frame_id", "frames.id", nullable=True),
    words("plate"),
    words("well"),
    words("field"),
    real("start_h"),
    Column("start_date", Text),
    real("end_h"),
    Column("end_date", Text),
    words("made_by", nullable=False),
    Column("made_at", Text, nullable=False),
    words("withdrawn_by"),
    Column("withdrawn_at", Text),
    sqlite_strict=True,
)
Index("exclusions_of_experiment", exclusions.c.experiment_id)
