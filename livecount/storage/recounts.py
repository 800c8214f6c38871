"""Counts of another h beside those that there are, made from the stored candidates alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, exists, insert, literal, select
from sqlalchemy.dialects.sqlite import insert as insert_unless_there

from livecount.frame import Candidates
from livecount.storage.blobs import unpack_candidates
from livecount.storage.moments import now_text
from livecount.storage.records import Analysis
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
    """The part of :class:`CountStore` that puts counts of another h beside those there are."""

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
                added = connection.execute(_copied_count(analysis, one))
                if not added.rowcount:
                    continue
                n_new += 1
                for column in _BESIDE:
                    beside = select(_new_row_id(analysis, one), column).where(
                        column.table.c.count_id == one.row_id
                    )
                    names = ["count_id", column.name]
                    connection.execute(insert(column.table).from_select(names, beside))
        return n_new


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
        .where(counts.c.analysis_row_id.in_([other.row_id for other in others]))
        .where((frames.c.state == "counted") & ~is_counted)
        .order_by(counts.c.id)
        .limit(_FRAMES_AT_ONCE)
    )


def _copied_count(analysis: Analysis, made: Recounted) -> Any:
    """Insert a count beside another one; what is not given is what that one says by now."""
    values = {
        "analysis_row_id": literal(analysis.row_id),
        "frame_id": counts.c.frame_id,
        "count": literal(made.count),
        "flags": literal(json.dumps(made.flags)),
        "counted_at": literal(now_text()),
        **{name: counts.c[name] for name in _KEPT},
    }
    copied = select(*values.values()).where(counts.c.id == made.row_id)
    return insert_unless_there(counts).from_select(list(values), copied).on_conflict_do_nothing()


def _new_row_id(analysis: Analysis, made: Recounted) -> Any:
    of_frame = select(counts.c.frame_id).where(counts.c.id == made.row_id).scalar_subquery()
    return (
        select(counts.c.id)
        .where((counts.c.analysis_row_id == analysis.row_id) & (counts.c.frame_id == of_frame))
        .scalar_subquery()
    )
