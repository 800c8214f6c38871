"""Counts beside those that there are: of another h from the stored candidates, of another model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, Integer, Select, Text, bindparam, exists, insert, select
from sqlalchemy.dialects.sqlite import insert as insert_unless_there

from livecount.frame import Candidates, FrameCount
from livecount.storage.blobs import unpack_candidates
from livecount.storage.moments import now_text
from livecount.storage.records import Analysis
from livecount.storage.revisions import insert_count
from livecount.storage.tables import candidates, counts, frames, looks, segmentations
from livecount.storage.writing import CountWriter

__all__ = ["RecountWriter", "Recounted", "StoredCount"]

_FRAMES_AT_ONCE: Final = 200
_KEPT: Final = ("focus", "mean_intensity", "saturated_fraction", "area_mm2", "provenance_id")
"""What a count says of its frame and of who found the candidates; another h changes none of it."""

_BESIDE: Final = (candidates.c.centres, looks.c.blocks)
"""What stands in tables of its own and does not depend on h."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredCount:
    """A stored count that another analysis lacks; ``row_id`` names it within the database.

    Attributes
    ----------
    has_masks
        Whether its cells have masks. Those depend on which cells there are, and so on h.
    """

    row_id: int
    candidates: Candidates
    flags: tuple[str, ...]
    has_masks: bool


@dataclass(frozen=True, slots=True)
class Recounted:
    """What another h makes of the stored count ``row_id``."""

    row_id: int
    count: int
    flags: tuple[str, ...]


class RecountWriter(CountWriter):
    """The part of :class:`CountStore` that puts counts beside those there are."""

    def iter_uncounted(
        self, analysis: Analysis, others: Sequence[Analysis]
    ) -> Iterator[list[StoredCount]]:
        """Go through the current frames that others have counted and this analysis has not.

        A few hundred frames at a time, each part read in a transaction of its own, so that counts
        may be written between two parts. A frame that several have counted may come several times.
        """
        query = _uncounted(analysis, others)
        last = 0
        while True:
            with self._reading() as connection:
                rows = connection.execute(query.where(counts.c.id > last)).all()
            if not rows:
                return
            last = rows[-1].id
            yield [
                StoredCount(
                    row.id,
                    unpack_candidates(row.centres),
                    tuple(json.loads(row.flags)),
                    row.masks is not None,
                )
                for row in rows
            ]

    def record_recounts(self, analysis: Analysis, made: Iterable[Recounted]) -> int:
        """Keep counts of another h; a frame that has its count under this analysis keeps it.

        Returns
        -------
        int
            How many counts are new.
        """
        n_new = 0
        with self._writing() as connection:
            for one in made:
                values = {
                    "analysis_row_id": analysis.row_id,
                    "row_id": one.row_id,
                    "made": one.count,
                    "flags": json.dumps(one.flags),
                    "now": now_text(),
                }
                if connection.execute(_COPIED_COUNT, values).rowcount:
                    n_new += 1
                    for copied in _COPIED_BESIDE:
                        connection.execute(copied, values)
        return n_new

    def record_beside(self, analysis: Analysis, frame_id: int, count: FrameCount) -> bool:
        """Keep a count of a current frame beside those it has; of the frame nothing is changed.

        Returns
        -------
        bool
            Whether it is new: False where the frame has its count under this analysis, or holds
            other content by now.
        """
        with self._writing() as connection:
            frame = connection.execute(
                select(frames.c.state, frames.c.content_hash).where(frames.c.id == frame_id)
            ).one()
            if tuple(frame) != ("counted", count.key.content_hash):
                return False
            there = (counts.c.analysis_row_id == analysis.row_id) & (counts.c.frame_id == frame_id)
            if connection.execute(select(counts.c.id).where(there)).scalar() is not None:
                return False
            insert_count(connection, analysis.row_id, frame_id, count)
            return True


def _uncounted(analysis: Analysis, others: Sequence[Analysis]) -> Select[Any]:
    there = counts.alias()
    is_counted = exists().where(
        (there.c.analysis_row_id == analysis.row_id) & (there.c.frame_id == counts.c.frame_id)
    )
    return (
        select(
            counts.c.id,
            counts.c.flags,
            candidates.c.centres,
            segmentations.c.count_id.label("masks"),
        )
        .join(frames, counts.c.frame_id == frames.c.id)
        .join(candidates, candidates.c.count_id == counts.c.id)
        .outerjoin(segmentations, segmentations.c.count_id == counts.c.id)
        # Not by the index of analyses, in the order of frames: each part would sort them all.
        .where((counts.c.analysis_row_id + 0).in_([other.row_id for other in others]))
        .where((frames.c.state == "counted") & ~is_counted)
        .order_by(counts.c.id)
        .limit(_FRAMES_AT_ONCE)
    )


def _copied_count() -> Any:
    """Insert a count beside another one; what is not given is what that one says by now."""
    values = {
        "analysis_row_id": bindparam("analysis_row_id", type_=Integer),
        "frame_id": counts.c.frame_id,
        "count": bindparam("made", type_=Integer),
        "flags": bindparam("flags", type_=Text),
        "counted_at": bindparam("now", type_=Text),
        **{name: counts.c[name] for name in _KEPT},
    }
    copied = select(*values.values()).where(counts.c.id == bindparam("row_id", type_=Integer))
    return insert_unless_there(counts).from_select(list(values), copied).on_conflict_do_nothing()


def _copied_beside(column: Column[Any]) -> Any:
    """Insert what stands beside the count that was copied last."""
    row_id = bindparam("row_id", type_=Integer)
    of_frame = select(counts.c.frame_id).where(counts.c.id == row_id).scalar_subquery()
    new = counts.alias()
    is_new = new.c.analysis_row_id == bindparam("analysis_row_id", type_=Integer)
    new_row_id = select(new.c.id).where(is_new & (new.c.frame_id == of_frame)).scalar_subquery()
    beside = select(new_row_id, column).where(column.table.c.count_id == row_id)
    return insert(column.table).from_select(["count_id", column.name], beside)


# Made once: to make them for each frame would take most of the time of a recount.
_COPIED_COUNT: Final = _copied_count()
_COPIED_BESIDE: Final = [_copied_beside(column) for column in _BESIDE]
