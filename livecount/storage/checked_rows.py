"""The rows of checked frames: added and withdrawn, never changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from livecount.errors import CorrectedMeanwhileError, NotInStoreError
from livecount.storage.checked_table import checked_frames
from livecount.storage.correction_rows import list_corrections
from livecount.storage.edit_records import FrameCheck, Said
from livecount.storage.moments import from_text, to_text
from livecount.storage.records import Analysis
from livecount.storage.tables import counts

__all__ = ["add_check", "list_checks", "list_standing", "withdraw_check", "withdraw_standing"]


def add_check(
    connection: Connection, analysis: Analysis, check: FrameCheck, seen: tuple[int, int]
) -> int:
    """Keep that every cell is right if what was seen still holds; give the statement's number."""
    counted = (counts.c.analysis_row_id == analysis.row_id) & (counts.c.frame_id == check.frame_id)
    if connection.execute(select(counts.c.id).where(counted)).scalar() is None:
        raise NotInStoreError(f"Analysis {analysis.id} has no count of frame {check.frame_id}")
    known = list_corrections(connection, analysis, check.frame_id)
    held = [one.id for one in known if one.withdrawn is None]
    if (len(held), max(held, default=0)) != seen:
        raise CorrectedMeanwhileError(
            f"Cells of frame {check.frame_id} were corrected meanwhile",
            hint="Look at the frame again",
        )
    standing = select(checked_frames.c.id).where(_standing(analysis, check.frame_id))
    number = connection.execute(standing).scalar()
    if number is not None:
        return int(number)
    added = connection.execute(
        insert(checked_frames).values(
            analysis_row_id=analysis.row_id,
            frame_id=check.frame_id,
            made_by=check.said.made_by,
            made_at=to_text(check.said.made_at),
        )
    )
    key = added.inserted_primary_key
    assert key is not None
    return int(key[0])


def list_checks(connection: Connection, analysis: Analysis, frame_id: int) -> list[FrameCheck]:
    """Read what was said of a frame, withdrawn statements included, in the order of saying."""
    query = (
        select(checked_frames)
        .where(checked_frames.c.analysis_row_id == analysis.row_id)
        .where(checked_frames.c.frame_id == frame_id)
        .order_by(checked_frames.c.id)
    )
    return [_check(row) for row in connection.execute(query)]


def list_standing(connection: Connection, analysis: Analysis) -> list[FrameCheck]:
    """Read the statements that hold, one a frame, in the order of saying."""
    query = (
        select(checked_frames)
        .where(checked_frames.c.analysis_row_id == analysis.row_id)
        .where(checked_frames.c.withdrawn_at.is_(None))
        .order_by(checked_frames.c.id)
    )
    return [_check(row) for row in connection.execute(query)]


def withdraw_check(
    connection: Connection, analysis: Analysis, frame_id: int, number: int, by: Said
) -> None:
    """Mark a statement as withdrawn; what is withdrawn already stays as it is."""
    known = {one.id: one for one in list_checks(connection, analysis, frame_id)}
    if number not in known:
        raise NotInStoreError(
            f"Frame {frame_id} has no statement number {number} that its cells are right",
            hint="Its `checks` list their numbers",
        )
    if known[number].withdrawn is None:
        withdraw_standing(connection, analysis, frame_id, by)


def withdraw_standing(connection: Connection, analysis: Analysis, frame_id: int, by: Said) -> None:
    """Mark the statement that holds of a frame, if there is one, as withdrawn."""
    connection.execute(
        update(checked_frames)
        .where(_standing(analysis, frame_id))
        .values(withdrawn_by=by.made_by, withdrawn_at=to_text(by.made_at))
    )


def _standing(analysis: Analysis, frame_id: int) -> Any:
    return (
        (checked_frames.c.analysis_row_id == analysis.row_id)
        & (checked_frames.c.frame_id == frame_id)
        & checked_frames.c.withdrawn_at.is_(None)
    )


def _check(row: Row[Any]) -> FrameCheck:
    withdrawn = None
    if row.withdrawn_at is not None:
        withdrawn = Said(row.withdrawn_by, from_text(row.withdrawn_at))
    said = Said(row.made_by, from_text(row.made_at))
    return FrameCheck(row.frame_id, said, withdrawn, row.id)
