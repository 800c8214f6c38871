"""The table of checked frames: who said when that every cell of a frame is right."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Table, Text

from livecount.storage.column_kinds import identity, refers, words
from livecount.storage.tables import metadata

__all__ = ["checked_frames"]

checked_frames = Table(
    "checked_frames",
    metadata,
    identity(),
    refers("analysis_row_id", "analyses.id"),
    refers("frame_id", "frames.id"),
    words("made_by", nullable=False),
    Column("made_at", Text, nullable=False),
    words("withdrawn_by"),
    Column("withdrawn_at", Text),
    CheckConstraint("(withdrawn_by IS NULL) = (withdrawn_at IS NULL)", name="withdrawn_whole"),
    sqlite_strict=True,
)
Index("checked_frames_of_frame", checked_frames.c.analysis_row_id, checked_frames.c.frame_id)
Index(
    "checked_frames_standing",
    checked_frames.c.analysis_row_id,
    checked_frames.c.frame_id,
    unique=True,
    sqlite_where=checked_frames.c.withdrawn_at.is_(None),
)
Index(
    "checked_frames_withdrawn",
    checked_frames.c.withdrawn_at,
    sqlite_where=checked_frames.c.withdrawn_at.is_not(None),
)
