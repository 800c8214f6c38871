"""Counts made again: another h from what is stored, and what another model still has to read."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, insert, select

from livecount.storage.blobs import unpack_candidates
from livecount.storage.judging import read_calibration
from livecount.storage.moments import now_text
from livecount.storage.order_records import WaitingPage
from livecount.storage.records import Analysis
from livecount.storage.tables import candidates, counts, files, frames
from livecount.uncertainty import Calibration, find_doubts

__all__ = ["count_at_h", "list_waiting"]

_DOUBTS = ("doubtful_cells",)
"""Flags that depend on which peaks are cells."""


def count_at_h(
    connection: Connection, beside: Analysis, of: Analysis, *, after: int, at_most: int
) -> int:
    """Count frames at another h from their stored candidates; those that have a count keep it.

    A revision that is superseded is counted too: it may become current again.

    Parameters
    ----------
    beside
        The analysis that gets the counts; it differs from ``of`` in h alone.
    after
        The number of the last count of ``of`` that was dealt with; 0 at first.

    Returns
    -------
    int
        The number of the last count that was dealt with now; ``after`` where there was none.
    """
    rows = connection.execute(
        select(counts, candidates.c.centres)
        .join(candidates, candidates.c.count_id == counts.c.id)
        .where((counts.c.analysis_row_id == of.row_id) & (counts.c.id > after))
        .order_by(counts.c.id)
        .limit(at_most)
    ).all()
    values = read_calibration(connection, of.settings.model_sha256)
    calibration = None if values is None else Calibration.from_mapping(values)
    present = _counted_already(connection, beside, [row.frame_id for row in rows])
    for row in rows:
        if row.frame_id not in present:
            _insert(connection, beside, row, calibration)
    return int(rows[-1].id) if rows else after


def _counted_already(connection: Connection, analysis: Analysis, frame_ids: list[int]) -> set[int]:
    query = select(counts.c.frame_id).where(
        (counts.c.analysis_row_id == analysis.row_id) & counts.c.frame_id.in_(frame_ids)
    )
    return set(connection.execute(query).scalars())


def _insert(
    connection: Connection, beside: Analysis, row: Row[Any], calibration: Calibration | None
) -> None:
    found = unpack_candidates(row.centres)
    cells = found.at(beside.settings.h)
    flags = [flag for flag in json.loads(row.flags) if flag not in _DOUBTS]
    if calibration is not None:
        flags += find_doubts(calibration, cells.prominence)
    made = connection.execute(
        insert(counts).values(
            analysis_row_id=beside.row_id,
            frame_id=row.frame_id,
            count=len(cells),
            focus=row.focus,
            mean_intensity=row.mean_intensity,
            saturated_fraction=row.saturated_fraction,
            area_mm2=row.area_mm2,
            flags=json.dumps(flags),
            provenance_id=row.provenance_id,
            counted_at=now_text(),
        )
    )
    key = made.inserted_primary_key
    assert key is not None
    connection.execute(insert(candidates).values(count_id=key[0], centres=row.centres))


def list_waiting(connection: Connection, beside: Analysis, of: Analysis) -> list[WaitingPage]:
    """List the current frames that ``of`` has counted and ``beside`` has not, by file and page."""
    query: Select[Any] = (
        select(frames.c.source_id, files.c.relative_path, frames.c.page, frames.c.content_hash)
        .join(counts, counts.c.frame_id == frames.c.id)
        .join(files, frames.c.file_id == files.c.id)
        .where((counts.c.analysis_row_id == of.row_id) & (frames.c.state == "counted"))
        .order_by(frames.c.source_id, files.c.relative_path, frames.c.page)
    )
    other = counts.alias()
    done = exists().where(
        (other.c.frame_id == frames.c.id) & (other.c.analysis_row_id == beside.row_id)
    )
    return [WaitingPage(*row) for row in connection.execute(query.where(~done))]
