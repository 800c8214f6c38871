"""The rows of corrected cells: added and withdrawn, never changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Row, case, func, insert, select, update

from livecount.errors import CorrectionError, NotInStoreError
from livecount.storage.blobs import unpack_candidates
from livecount.storage.correction_table import corrections
from livecount.storage.edit_records import Correction, Said
from livecount.storage.moments import from_text, to_text
from livecount.storage.records import Analysis
from livecount.storage.tables import candidates, counts, frames

__all__ = [
    "add_correction",
    "list_corrections",
    "read_changes",
    "read_corrected_centres",
    "withdraw_correction",
]

Yx = tuple[float, float]
_SAME_PX = 0.01
"""A centre that went through text is the same to a hundredth of a pixel."""


def add_correction(connection: Connection, analysis: Analysis, correction: Correction) -> int:
    """Keep a correction that fits the frame's cells as they stand; give its number."""
    height_px, width_px, centres = _counted(connection, analysis, correction.frame_id)
    if correction.end_yx is not None:
        _check_inside(correction.end_yx, height_px, width_px)
        _check_free(
            correction.end_yx, read_corrected_centres(connection, analysis, correction.frame_id)
        )
    start_yx = None
    if correction.start_yx is not None:
        start_yx = _cell_at(unpack_candidates(centres).at(analysis.settings.h), correction)
        for known in list_corrections(connection, analysis, correction.frame_id):
            if known.withdrawn is None and known.start_yx == start_yx:
                raise CorrectionError(
                    "That cell is corrected already", hint="Take that correction back first"
                )
    end_yx = correction.end_yx
    added = connection.execute(
        insert(corrections).values(
            analysis_row_id=analysis.row_id,
            frame_id=correction.frame_id,
            kind=correction.kind,
            from_y_px=start_yx and start_yx[0],
            from_x_px=start_yx and start_yx[1],
            to_y_px=end_yx and end_yx[0],
            to_x_px=end_yx and end_yx[1],
            made_by=correction.said.made_by,
            made_at=to_text(correction.said.made_at),
        )
    )
    key = added.inserted_primary_key
    assert key is not None
    return int(key[0])


def _counted(connection: Connection, analysis: Analysis, frame_id: int) -> tuple[int, int, bytes]:
    """Read a counted frame's height, width and candidates."""
    query = (
        select(frames.c.height_px, frames.c.width_px, candidates.c.centres)
        .join(counts, counts.c.frame_id == frames.c.id)
        .join(candidates, candidates.c.count_id == counts.c.id)
        .where(counts.c.analysis_row_id == analysis.row_id)
        .where(counts.c.frame_id == frame_id)
    )
    row = connection.execute(query).first()
    if row is None:
        raise NotInStoreError(f"Analysis {analysis.id} has no count of frame {frame_id}")
    return row.height_px, row.width_px, row.centres


def _check_inside(place: Yx, height_px: int, width_px: int) -> None:
    y, x = place
    if not (-0.5 <= y <= height_px - 0.5 and -0.5 <= x <= width_px - 0.5):
        raise CorrectionError(
            f"({y:g}, {x:g}) lies outside the frame of {height_px} x {width_px} pixels",
            hint="Give y and x in pixels of the frame",
        )


def _check_free(place: Yx, centres: npt.NDArray[np.float64]) -> None:
    """Refuse a second cell where one is: a double click puts two into one place."""
    if (np.abs(centres - place) <= _SAME_PX).all(axis=1).any():
        raise CorrectionError(
            f"There is a cell at ({place[0]:g}, {place[1]:g}) already",
            hint="Put another one beside it, not on it",
        )


def _cell_at(cells: Any, correction: Correction) -> Yx:
    """Find the counted cell that is meant."""
    assert correction.start_yx is not None
    y, x = correction.start_yx
    away = np.maximum(np.abs(cells.y_px - y), np.abs(cells.x_px - x))
    if not away.size or not away.min() <= _SAME_PX:
        raise CorrectionError(
            f"No cell was counted at ({y:g}, {x:g})",
            hint="Give the centre of a cell as `cells` of the frame lists it",
        )
    nearest = int(away.argmin())
    return float(cells.y_px[nearest]), float(cells.x_px[nearest])


def list_corrections(connection: Connection, analysis: Analysis, frame_id: int) -> list[Correction]:
    """Read a frame's corrections, withdrawn ones included, in the order in which they came."""
    query = (
        select(corrections)
        .where(corrections.c.analysis_row_id == analysis.row_id)
        .where(corrections.c.frame_id == frame_id)
        .order_by(corrections.c.id)
    )
    return [_correction(row) for row in connection.execute(query)]


def read_corrected_centres(
    connection: Connection, analysis: Analysis, frame_id: int
) -> npt.NDArray[np.float64]:
    """Read a frame's cells with the corrections that hold, shape (n, 2) as (y, x)."""
    *_, centres = _counted(connection, analysis, frame_id)
    cells = unpack_candidates(centres).at(analysis.settings.h)
    known = list_corrections(connection, analysis, frame_id)
    holding = [one for one in known if one.withdrawn is None]
    changed = {one.start_yx: one.end_yx for one in holding if one.start_yx is not None}
    counted = zip(cells.y_px.tolist(), cells.x_px.tolist(), strict=True)
    ends = [changed.get(place, place) for place in counted]
    ends += [one.end_yx for one in holding if one.start_yx is None]
    return np.array([end for end in ends if end is not None], np.float64).reshape(-1, 2)


def read_changes(connection: Connection, analysis: Analysis) -> dict[int, int]:
    """Read by how many cells people changed the counts: frame id -> added less removed."""
    change = case((corrections.c.kind == "add", 1), (corrections.c.kind == "remove", -1), else_=0)
    query = (
        select(corrections.c.frame_id, func.sum(change))
        .where(corrections.c.analysis_row_id == analysis.row_id)
        .where(corrections.c.withdrawn_at.is_(None))
        .group_by(corrections.c.frame_id)
    )
    return {frame_id: int(n) for frame_id, n in connection.execute(query)}


def withdraw_correction(
    connection: Connection, analysis: Analysis, frame_id: int, number: int, by: Said
) -> bool:
    """Mark a correction as withdrawn, and tell whether it held; others stay as they are."""
    chosen = (
        (corrections.c.id == number)
        & (corrections.c.frame_id == frame_id)
        & (corrections.c.analysis_row_id == analysis.row_id)
    )
    if connection.execute(select(corrections.c.id).where(chosen)).scalar() is None:
        raise NotInStoreError(
            f"Frame {frame_id} has no correction number {number}",
            hint="Its `corrections` list their numbers",
        )
    changed = connection.execute(
        update(corrections)
        .where(chosen & corrections.c.withdrawn_at.is_(None))
        .values(withdrawn_by=by.made_by, withdrawn_at=to_text(by.made_at))
    )
    return bool(changed.rowcount)


def _correction(row: Row[Any]) -> Correction:
    return Correction(
        frame_id=row.frame_id,
        kind=row.kind,
        said=Said(row.made_by, from_text(row.made_at)),
        start_yx=None if row.from_y_px is None else (row.from_y_px, row.from_x_px),
        end_yx=None if row.to_y_px is None else (row.to_y_px, row.to_x_px),
        withdrawn=(
            None
            if row.withdrawn_at is None
            else Said(row.withdrawn_by, from_text(row.withdrawn_at))
        ),
        id=row.id,
    )
