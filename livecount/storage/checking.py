"""Whether a database is sound: as SQLite sees it, and as livecount means it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, exists, func, select

from livecount.errors import StoreError
from livecount.storage.blobs import unpack_candidates, unpack_shapes
from livecount.storage.mask_blobs import unpack_masks
from livecount.storage.mask_table import masks
from livecount.storage.tables import analyses, candidates, counts, files, frames, segmentations

__all__ = ["broken_counts", "broken_frames", "broken_pages"]


def broken_pages(connection: Connection) -> list[str]:
    """List what SQLite finds broken: pages of the file, constraints, rows without their parents."""
    said = connection.exec_driver_sql("PRAGMA integrity_check").scalars()
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    return [str(text) for text in said if text != "ok"] + [
        f"row {row[1]} of {row[0]} lacks its {row[2]}" for row in orphans
    ]


def broken_frames(connection: Connection) -> list[str]:
    """List frames whose state and counts contradict each other."""
    has_count = exists().where(counts.c.frame_id == frames.c.id)
    uncounted = (
        select(files.c.relative_path, frames.c.page)
        .join(files, frames.c.file_id == files.c.id)
        .where((frames.c.state == "counted") & ~has_count)
    )
    without_centres = select(func.count()).where(
        ~exists().where(candidates.c.count_id == counts.c.id)
    )
    problems = [
        f"page {page} of {path!r} is said to be counted but has no count"
        for path, page in connection.execute(uncounted)
    ]
    lacking = connection.execute(without_centres.select_from(counts)).scalar_one()
    return problems + ([f"{lacking} counts lack their cell centres"] if lacking else [])


def broken_counts(connection: Connection, after: int, at_most: int) -> tuple[int, list[str]]:
    """Compare some counts with their cell centres, whose prominence reaches h, shapes and masks.

    Parameters
    ----------
    after
        Row id to go on from; 0 to begin.
    at_most
        How many to compare.

    Returns
    -------
    last, problems
        Row id of the last one compared, or ``after`` where there are no more.
    """
    query = (
        select(
            counts.c.id,
            counts.c.count,
            analyses.c.h,
            candidates.c.centres,
            segmentations.c.shapes,
            masks.c.outlines,
        )
        .join(analyses, counts.c.analysis_row_id == analyses.c.id)
        .join(candidates, candidates.c.count_id == counts.c.id)
        .outerjoin(segmentations, segmentations.c.count_id == counts.c.id)
        .outerjoin(masks, masks.c.count_id == counts.c.id)
        .where(counts.c.id > after)
        .order_by(counts.c.id)
        .limit(at_most)
    )
    rows = connection.execute(query).all()
    problems = [text for row in rows for text in _broken_count(*row)]
    return (rows[-1].id if rows else after), problems


def _broken_count(
    row_id: int, count: int, h: float, blob: bytes, shapes: bytes | None, outlines: bytes | None
) -> Iterator[str]:
    try:
        centres = unpack_candidates(blob).count_at(h)
        shaped = count if shapes is None else len(unpack_shapes(shapes))
        masked = 0 if outlines is None else int(unpack_masks(outlines).cell.max(initial=-1)) + 1
    except StoreError as error:
        yield f"count {row_id}: {error.message}"
        return
    if centres != count:
        yield f"count {row_id} says {count} cells, its stored centres say {centres}"
    if shaped != count:
        yield f"count {row_id} says {count} cells, but {shaped} have a shape"
    if masked > count:
        yield f"count {row_id} says {count} cells, but cell {masked} has a mask"
