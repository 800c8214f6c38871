"""The table of corrected cells: rows beside the counts, which they never change.

The cell that a correction removes or moves is named by its centre, which is what the model found.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Table, Text

from livecount.storage.column_kinds import identity, real, refers, words
from livecount.storage.tables import metadata

__all__ = ["corrections"]

corrections = Table(
    "corrections",
    metadata,
    identity(),
    refers("analysis_row_id", "analyses.id"),
    refers("frame_id", "frames.id"),
    Column("kind", Text, nullable=False),
    real("from_y_px"),
    real("from_x_px"),
    real("to_y_px"),
    real("to_x_px"),
    words("made_by", nullable=False),
    Column("made_at", Text, nullable=False),
    words("withdrawn_by"),
    Column("withdrawn_at", Text),
    CheckConstraint("kind IN ('add', 'remove', 'move')", name="known_kind"),
    CheckConstraint(
        "(from_y_px IS NULL) = (kind = 'add') AND (from_x_px IS NULL) = (kind = 'add')"
        " AND (to_y_px IS NULL) = (kind = 'remove') AND (to_x_px IS NULL) = (kind = 'remove')",
        name="place_of_kind",
    ),
    sqlite_strict=True,
)
Index("corrections_of_frame", corrections.c.analysis_row_id, corrections.c.frame_id)
Index(
    "corrections_withdrawn",
    corrections.c.withdrawn_at,
    sqlite_where=corrections.c.withdrawn_at.is_not(None),
)
