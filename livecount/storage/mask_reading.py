"""Reading the masks of a frame's cells, and why a frame has none."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import Connection, select

from livecount.frame import MaskOutlines
from livecount.storage.mask_blobs import unpack_masks
from livecount.storage.mask_table import masks
from livecount.storage.records import Analysis
from livecount.storage.tables import analyses, counts, segmentations

__all__ = ["MaskReader", "MasksKept"]


@dataclass(frozen=True, slots=True)
class MasksKept:
    """What is kept of the masks of one count.

    Attributes
    ----------
    has_masks, has_shapes
        Whether there are masks and shapes; a database before schema 0012 kept shapes alone.
    flags
        The count's flags: ``too_large_to_segment`` may be one.
    others_h
        The h of other analyses that have masks of the same frame.
    """

    has_masks: bool
    has_shapes: bool
    flags: tuple[str, ...]
    others_h: tuple[float, ...]


class MaskReader(ABC):
    """The part of :class:`CountReader` that reads masks."""

    @abstractmethod
    def _reading(self) -> AbstractContextManager[Connection]: ...

    def masks(self, analysis: Analysis, frame_id: int) -> MaskOutlines | None:
        """Read the masks of one frame's cells; None where none are kept."""
        query = (
            select(masks.c.outlines)
            .join(counts, masks.c.count_id == counts.c.id)
            .where((counts.c.analysis_row_id == analysis.row_id) & (counts.c.frame_id == frame_id))
        )
        with self._reading() as connection:
            blob = connection.execute(query).scalar()
        return None if blob is None else unpack_masks(blob)

    def masks_kept(self, analysis: Analysis, frame_id: int) -> MasksKept:
        """Tell whether one frame has masks, without reading them, and what else is known of it."""
        query = (
            select(
                counts.c.analysis_row_id,
                counts.c.flags,
                masks.c.count_id.label("masks"),
                segmentations.c.count_id.label("shapes"),
                analyses.c.h,
            )
            .join(analyses, counts.c.analysis_row_id == analyses.c.id)
            .outerjoin(masks, masks.c.count_id == counts.c.id)
            .outerjoin(segmentations, segmentations.c.count_id == counts.c.id)
            .where(counts.c.frame_id == frame_id)
            .order_by(counts.c.id)
        )
        with self._reading() as connection:
            rows = connection.execute(query).all()
        own = [row for row in rows if row.analysis_row_id == analysis.row_id]
        others = [row for row in rows if row.analysis_row_id != analysis.row_id]
        return MasksKept(
            has_masks=any(row.masks is not None for row in own),
            has_shapes=any(row.shapes is not None for row in own),
            flags=tuple(flag for row in own for flag in json.loads(row.flags)),
            others_h=tuple(row.h for row in others if row.masks is not None),
        )
