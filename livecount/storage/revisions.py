"""Frames and counts: the rules by which a frame changes its state.

A page has revisions, one for each content that it had; at most one is current, the others are
superseded. A revision without content hash stands for a page that was never read: when the page is
read at last, that revision *becomes* the one that was read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from livecount.errors import NotInStoreError
from livecount.frame import FrameAttributes, FrameCount, Provenance
from livecount.platform.files import FileStamp
from livecount.storage.attributes import attribute_values, interned, merge_attributes
from livecount.storage.blobs import pack_candidates, pack_shapes
from livecount.storage.file_rows import ensure_file, finish_file, set_file_state
from livecount.storage.mask_blobs import pack_masks
from livecount.storage.mask_table import masks
from livecount.storage.moments import now_text
from livecount.storage.records import FrameState, Recorded, Source
from livecount.storage.tables import (
    analyses,
    candidates,
    counts,
    files,
    frames,
    looks,
    provenances,
    segmentations,
)

__all__ = [
    "SetAside",
    "add_count",
    "current_page",
    "current_revision",
    "insert_count",
    "set_aside",
]


@dataclass(frozen=True, slots=True)
class SetAside:
    """Why a page (None: the whole file) is not counted; ``n_pages`` if it was the file's last."""

    state: str
    reason: str
    page: int | None
    content_hash: str | None
    attributes: FrameAttributes | None
    n_pages: int | None


@dataclass(frozen=True, slots=True)
class _Page:
    """A page of a known file, as it was at a stamp."""

    source: Source
    file_id: int
    page: int
    stamp: FileStamp

    @property
    def at_stamp(self) -> dict[str, int]:
        return {"size_bytes": self.stamp.size_bytes, "mtime_ns": self.stamp.mtime_ns}


def set_aside(
    connection: Connection,
    verdict: SetAside,
    source: Source,
    relative_path: bytes,
    stamp: FileStamp,
) -> None:
    """Ignore or quarantine a page or a whole file."""
    file_id = ensure_file(connection, source, relative_path, stamp)
    if verdict.page is None:
        set_file_state(connection, file_id, stamp, verdict.state, verdict.reason)
        return
    _set_page_aside(connection, _Page(source, file_id, verdict.page, stamp), verdict)
    if verdict.n_pages is not None:
        finish_file(connection, file_id, stamp, verdict.n_pages)


def _set_page_aside(connection: Connection, page: _Page, verdict: SetAside) -> None:
    """Ignore or quarantine a page; a count that belongs to the same content is never taken away."""
    current = current_revision(connection, page.file_id, page.page)
    content_hash = verdict.content_hash
    if content_hash is None and current is not None:
        unchanged = (current.size_bytes, current.mtime_ns) == tuple(page.at_stamp.values())
        # Not read this time, but what was read of the same file before still holds.
        content_hash = current.content_hash if unchanged else None
    facts = {"state": verdict.state, "reason": verdict.reason}
    if current is not None and verdict.attributes is None:
        said = {**facts, **page.at_stamp, "content_hash": content_hash}
        if all(getattr(current, name) == value for name, value in said.items()):
            return  # known since its `changed_at`
    attributes = verdict.attributes or FrameAttributes()
    frame_id, _ = _place(connection, page, content_hash, facts, attributes)
    if _has_count(connection, frame_id):
        connection.execute(
            update(frames).where(frames.c.id == frame_id).values(state="counted", reason=None)
        )


def add_count(
    connection: Connection,
    source: Source,
    file_id: int,
    count: FrameCount,
    stamp: FileStamp,
) -> Recorded:
    """Put a frame's count in its place."""
    analysis_row_id = _analysis_row(connection, source, count.analysis_id)
    page, content_hash = _Page(source, file_id, count.key.page, stamp), count.key.content_hash
    current = current_revision(connection, file_id, page.page)
    if (
        current is not None
        and current.content_hash == content_hash
        and _has_count(connection, current.id, analysis_row_id)
    ):
        _restamp(connection, current.id, page)
        return Recorded.ALREADY
    facts = {
        "state": FrameState.COUNTED.value,
        "reason": None,
        "height_px": count.height_px,
        "width_px": count.width_px,
    }
    frame_id, revised = _place(connection, page, content_hash, facts, count.attributes)
    if not _has_count(connection, frame_id, analysis_row_id):
        insert_count(connection, analysis_row_id, frame_id, count)
    return Recorded.REVISED if revised else Recorded.NEW


def current_revision(connection: Connection, file_id: int, page: int) -> Row[Any] | None:
    """Read the row of a page's revision that is not superseded."""
    return connection.execute(
        select(frames).where(
            (frames.c.file_id == file_id)
            & (frames.c.page == page)
            & (frames.c.state != "superseded")
        )
    ).one_or_none()


def current_page(
    connection: Connection, source: Source, relative_path: bytes, page: int
) -> Row[Any] | None:
    """Read the row of a page's current revision by the file's path."""
    file_id = connection.execute(
        select(files.c.id).where(
            (files.c.source_id == source.id) & (files.c.relative_path == relative_path)
        )
    ).scalar()
    return None if file_id is None else current_revision(connection, file_id, page)


def _place(
    connection: Connection,
    page: _Page,
    content_hash: str | None,
    facts: Mapping[str, Any],
    attributes: FrameAttributes,
) -> tuple[int, bool]:
    """Make the revision with this content current; give its id and whether it replaced another."""
    values = {**facts, **page.at_stamp, "content_hash": content_hash, "changed_at": now_text()}
    current = current_revision(connection, page.file_id, page.page)
    former = None if content_hash is None else _former(connection, page, content_hash)
    if current is not None and current.content_hash in (None, content_hash):
        if former is None:
            return _rewrite(connection, current, values, attributes), False
        # Never read, and what was read now is known from before: nothing is lost with this row.
        connection.execute(delete(frames).where(frames.c.id == current.id))
    elif current is not None:
        superseded = {"state": "superseded", "changed_at": values["changed_at"]}
        connection.execute(update(frames).where(frames.c.id == current.id).values(**superseded))
    replaced = current is not None and current.content_hash is not None
    if former is not None:
        return _rewrite(connection, former, values, attributes), replaced
    values |= {"file_id": page.file_id, "source_id": page.source.id, "page": page.page}
    values |= attribute_values(connection, attributes)
    made = connection.execute(insert(frames).values(**values))
    assert made.inserted_primary_key is not None
    return int(made.inserted_primary_key[0]), replaced


def _rewrite(
    connection: Connection,
    row: Row[Any],
    values: Mapping[str, Any],
    attributes: FrameAttributes,
) -> int:
    """Bring a row up to date; attributes that are not known now stay as they were."""
    connection.execute(update(frames).where(frames.c.id == row.id).values(**values))
    merge_attributes(connection, row, attributes)
    return int(row.id)


def _restamp(connection: Connection, frame_id: int, page: _Page) -> None:
    """Note that a file that was touched still has this content."""
    connection.execute(
        update(frames)
        .where((frames.c.id == frame_id) & (frames.c.mtime_ns != page.stamp.mtime_ns))
        .values(**page.at_stamp)
    )


def _former(connection: Connection, page: _Page, content_hash: str) -> Row[Any] | None:
    """Find a superseded revision with this content: the page has become again what it was."""
    return connection.execute(
        select(frames).where(
            (frames.c.file_id == page.file_id)
            & (frames.c.page == page.page)
            & (frames.c.content_hash == content_hash)
            & (frames.c.state == "superseded")
        )
    ).one_or_none()


def _has_count(connection: Connection, frame_id: int, analysis_row_id: int | None = None) -> bool:
    query = select(counts.c.id).where(counts.c.frame_id == frame_id).limit(1)
    if analysis_row_id is not None:
        query = query.where(counts.c.analysis_row_id == analysis_row_id)
    return connection.execute(query).scalar() is not None


def _analysis_row(connection: Connection, source: Source, analysis_id: str) -> int:
    row_id: int | None = connection.execute(
        select(analyses.c.id).where(
            (analyses.c.experiment_id == source.experiment_id)
            & (analyses.c.analysis_id == analysis_id)
        )
    ).scalar()
    if row_id is None:
        raise NotInStoreError(f"This experiment has no analysis {analysis_id!r}")
    return row_id


def insert_count(
    connection: Connection, analysis_row_id: int, frame_id: int, count: FrameCount
) -> None:
    """Insert a count of a frame, with what stands beside it in tables of its own."""
    made = connection.execute(
        insert(counts).values(
            analysis_row_id=analysis_row_id,
            frame_id=frame_id,
            count=int(count.count),
            focus=float(count.quality.focus),
            mean_intensity=float(count.quality.mean_intensity),
            saturated_fraction=float(count.quality.saturated_fraction),
            area_mm2=None if count.area_mm2 is None else float(count.area_mm2),
            flags=json.dumps(count.flags),
            provenance_id=_provenance(connection, count.provenance),
            counted_at=now_text(),
        )
    )
    assert made.inserted_primary_key is not None
    connection.execute(
        insert(candidates).values(
            count_id=made.inserted_primary_key[0], centres=pack_candidates(count.candidates)
        )
    )
    if count.quality.look is not None:
        connection.execute(
            insert(looks).values(count_id=made.inserted_primary_key[0], blocks=count.quality.look)
        )
    if count.shapes is not None and count.confluence_percent is not None:
        connection.execute(
            insert(segmentations).values(
                count_id=made.inserted_primary_key[0],
                confluence_percent=float(count.confluence_percent),
                bright_rounded_count=count.shapes.n_bright_rounded,
                shapes=pack_shapes(count.shapes),
            )
        )
    if count.masks is not None:
        connection.execute(
            insert(masks).values(
                count_id=made.inserted_primary_key[0], outlines=pack_masks(count.masks)
            )
        )


def _provenance(connection: Connection, provenance: Provenance) -> int:
    return interned(
        connection,
        provenances,
        {
            "runtime": provenance.runtime,
            "precision": provenance.precision,
            "livecount_version": provenance.livecount_version,
        },
    )
