"""The table of how counts stand to stained nuclei: one row a calibration, the latest holds."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text

from livecount.storage.column_kinds import identity, refers, words
from livecount.storage.tables import metadata

__all__ = ["nuclei_calibrations"]

nuclei_calibrations = Table(
    "nuclei_calibrations",
    metadata,
    identity(),
    refers("analysis_row_id", "analyses.id"),
    Column("nuclei_analysis_id", Text, nullable=False),
    words("fitted", nullable=False),
    words("made_by", nullable=False),
    Column("made_at", Text, nullable=False),
    sqlite_strict=True,
)
Index("nuclei_calibrations_of_analysis", nuclei_calibrations.c.analysis_row_id)
