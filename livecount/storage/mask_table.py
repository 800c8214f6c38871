"""The table of the masks of counted cells; a count of a frame that was segmented has one row."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, Table

from livecount.storage.tables import metadata

__all__ = ["masks"]

masks = Table(
    "masks",
    metadata,
    Column("count_id", Integer, ForeignKey("counts.id"), primary_key=True),
    Column("outlines", LargeBinary, nullable=False),
    sqlite_strict=True,
)
