"""All counts of an analysis as columns: what exports, curves and the dashboard start from."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, func, select

from livecount.frame import Provenance
from livecount.storage.records import Analysis
from livecount.storage.tables import (
    attribute_sources,
    counts,
    files,
    frames,
    looks,
    provenances,
    segmentations,
    sources,
)

__all__ = ["CountColumns", "read_count_columns", "read_counted_at", "read_looks"]

_ROWS_AT_ONCE = 20_000
# What NumPy parses: no zone designator, which it would warn of.
_MOMENT_LENGTH = len("2026-01-02T03:04:05.123456")

IntColumn = npt.NDArray[np.int64]
RealColumn = npt.NDArray[np.float64]
TimeColumn = npt.NDArray[np.datetime64]


@dataclass(frozen=True, slots=True, eq=False)
class CountColumns:
    """The counts of one analysis, one entry per frame that is current, columns of equal length.

    Frames come in the order in which they were counted; sort them by what they mean. Absent reals
    are NaN, absent moments NaT, absent texts and whole numbers None. Texts that repeat are shared
    objects.

    Attributes
    ----------
    frame_id
        Identifies the frame within the database, also for candidates.
    folder, relative_path
        The watched folder, and the path below it as raw bytes.
    acquired_at, counted_at
        UTC, ``datetime64[us]``.
    attribute_sources
        Attribute name -> where its value came from, in words.
    mtime_ns
        The file's modification time when the frame was counted.
    confluence_percent, bright_rounded_count
        NaN where the frame was not segmented.
    """

    frame_id: IntColumn
    folder: list[str]
    relative_path: list[bytes]
    page: IntColumn
    content_hash: list[str]
    plate: list[str | None]
    well: list[str | None]
    field: list[str | None]
    position: list[str | None]
    time_point: list[int | None]
    channel: list[str | None]
    z: list[int | None]
    acquired_at: TimeColumn
    elapsed_s: RealColumn
    pixel_size_um: RealColumn
    stage_x_um: RealColumn
    stage_y_um: RealColumn
    attribute_sources: list[Mapping[str, str]]
    mtime_ns: IntColumn
    height_px: IntColumn
    width_px: IntColumn
    count: IntColumn
    area_mm2: RealColumn
    focus: RealColumn
    mean_intensity: RealColumn
    saturated_fraction: RealColumn
    flags: list[tuple[str, ...]]
    provenance: list[Provenance]
    counted_at: TimeColumn
    confluence_percent: RealColumn
    bright_rounded_count: RealColumn

    def __len__(self) -> int:
        return len(self.frame_id)


def read_count_columns(connection: Connection, analysis: Analysis, after: int = 0) -> CountColumns:
    """Read the columns in the order of :class:`CountColumns`' fields, blobs untouched."""
    folders = _lookup(connection, select(sources.c.id, sources.c.folder), os.fsdecode)
    origins = {None: {}, **_lookup(connection, select(attribute_sources), json.loads)}
    made_by = {
        row.id: Provenance(row.runtime, row.precision, row.livecount_version)
        for row in connection.execute(select(provenances))
    }
    shared = cache(lambda text: text)
    flags = cache(lambda text: tuple(json.loads(text)))
    texts: Callable[[Any], Any] = lambda values: [shared(value) for value in values]  # noqa: E731
    readers: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
        (frames.c.id, _wholes),
        (frames.c.source_id, lambda ids: [folders[id_] for id_ in ids]),
        (files.c.relative_path, list),
        (frames.c.page, _wholes),
        (frames.c.content_hash, list),
        (frames.c.plate, texts),
        (frames.c.well, texts),
        (frames.c.field, texts),
        (frames.c.position, texts),
        (frames.c.time_point, list),
        (frames.c.channel, texts),
        (frames.c.z, list),
        (_moment(frames.c.acquired_at), _moments),
        (frames.c.elapsed_s, _reals),
        (frames.c.pixel_size_um, _reals),
        (frames.c.stage_x_um, _reals),
        (frames.c.stage_y_um, _reals),
        (frames.c.attribute_sources_id, lambda ids: [origins[id_] for id_ in ids]),
        (frames.c.mtime_ns, _wholes),
        (frames.c.height_px, _wholes),
        (frames.c.width_px, _wholes),
        (counts.c["count"], _wholes),
        (counts.c.area_mm2, _reals),
        (counts.c.focus, _reals),
        (counts.c.mean_intensity, _reals),
        (counts.c.saturated_fraction, _reals),
        (counts.c.flags, lambda values: [flags(text) for text in values]),
        (counts.c.provenance_id, lambda ids: [made_by[id_] for id_ in ids]),
        (_moment(counts.c.counted_at), _moments),
        (segmentations.c.confluence_percent, _reals),
        (segmentations.c.bright_rounded_count, _reals),
    )
    chunks = _read_in_chunks(connection, analysis, readers, after)
    return CountColumns(*(_join(parts) for parts in zip(*chunks, strict=True)))


def read_counted_at(connection: Connection, analysis: Analysis) -> tuple[IntColumn, TimeColumn]:
    """Read when each current frame was counted: frame ids, and UTC as ``datetime64[us]``."""
    query = (
        select(counts.c.frame_id, _moment(counts.c.counted_at))
        .join(frames, counts.c.frame_id == frames.c.id)
        .where((counts.c.analysis_row_id == analysis.row_id) & (frames.c.state == "counted"))
    )
    rows = connection.execute(query).all()
    return _wholes([row[0] for row in rows]), _moments([row[1] for row in rows])


def read_looks(connection: Connection, analysis: Analysis) -> dict[int, bytes]:
    """Read the look of each current frame that has one: frame id -> :mod:`livecount.looks`."""
    query = (
        select(counts.c.frame_id, looks.c.blocks)
        .join(frames, counts.c.frame_id == frames.c.id)
        .join(looks, looks.c.count_id == counts.c.id)
        .where((counts.c.analysis_row_id == analysis.row_id) & (frames.c.state == "counted"))
    )
    found = connection.execute(query)
    return {row.frame_id: row.blocks for row in found}


def _read_in_chunks(
    connection: Connection,
    analysis: Analysis,
    readers: tuple[tuple[Any, Callable[[Any], Any]], ...],
    after: int,
) -> list[list[Any]]:
    query = (
        select(*(column for column, _ in readers))
        .select_from(counts)
        .join(frames, counts.c.frame_id == frames.c.id)
        .join(files, frames.c.file_id == files.c.id)
        .outerjoin(segmentations, segmentations.c.count_id == counts.c.id)
        .where((counts.c.analysis_row_id == analysis.row_id) & (frames.c.state == "counted"))
        .where(counts.c.id > after)
        .order_by(counts.c.id)
    )
    text = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    # The driver's own cursor: SQLAlchemy's rows would double the time for a million frames.
    cursor = connection.connection.cursor()
    try:
        cursor.execute(str(text))
        chunks = [[read(()) for _, read in readers]]
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            by_column = zip(*rows, strict=True)
            chunks.append([read(v) for (_, read), v in zip(readers, by_column, strict=True)])
    finally:
        cursor.close()
    return chunks


def _lookup(connection: Connection, query: Any, read: Callable[[Any], Any]) -> dict[Any, Any]:
    return {row[0]: read(row[1]) for row in connection.execute(query)}


def _moment(column: Any) -> Any:
    return func.coalesce(func.substr(column, 1, _MOMENT_LENGTH), "NaT")


def _wholes(values: Any) -> IntColumn:
    return np.array(values, np.int64)


def _reals(values: Any) -> RealColumn:
    return np.array(values, np.float64)


def _moments(values: Any) -> TimeColumn:
    return np.array(values, "datetime64[us]")


def _join(parts: tuple[Any, ...]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return [value for part in parts for value in part]
