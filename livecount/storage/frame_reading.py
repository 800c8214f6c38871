"""Reading one frame: where it lies, what it shows, what was counted on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine, select

from livecount.errors import NotInStoreError
from livecount.frame import FrameKey
from livecount.storage import checked_rows, correction_rows
from livecount.storage.database import plain_errors
from livecount.storage.edit_records import Correction, FrameCheck
from livecount.storage.moments import from_text
from livecount.storage.records import Analysis, FrameState
from livecount.storage.tables import counts, files, frames, sources

__all__ = ["FrameReader", "StoredFrame"]


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """One frame that was read, in whatever state it is.

    Attributes
    ----------
    key
        Where its pixels lie and what they are.
    state
        ``superseded`` where its page holds other content now.
    acquired_at
        UTC, None where it is not known.
    """

    id: int
    experiment_id: int
    key: FrameKey
    state: FrameState
    height_px: int
    width_px: int
    plate: str | None
    well: str | None
    field: str | None
    position: str | None
    channel: str | None
    z: int | None
    acquired_at: datetime | None
    pixel_size_um: float | None


class FrameReader:
    """The part of :class:`CountReader` that makes transactions and reads single frames."""

    def __init__(self, database: Path, reader: Engine) -> None:
        self.database = database
        self._reader = reader

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._reader.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with plain_errors(self.database), self._reader.begin() as connection:
            yield connection

    def frame(self, frame_id: int) -> StoredFrame:
        """Read one frame.

        Raises
        ------
        NotInStoreError
            There is none whose pixels were read.
        """
        query = (
            select(
                *(frames.c[name] for name in _OF_FRAME),
                sources.c.experiment_id,
                sources.c.folder,
                files.c.relative_path,
            )
            .join(files, frames.c.file_id == files.c.id)
            .join(sources, frames.c.source_id == sources.c.id)
            .where((frames.c.id == frame_id) & frames.c.height_px.is_not(None))
            .where(frames.c.content_hash.is_not(None))
        )
        with self._reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotInStoreError(
                f"There is no counted frame {frame_id} in this database",
                hint="The frames of an experiment are listed on its plate",
            )
        known = {name: getattr(row, name) for name in _AS_STORED}
        return StoredFrame(
            key=FrameKey(os.fsdecode(row.folder), row.relative_path, row.page, row.content_hash),
            state=FrameState(row.state),
            acquired_at=None if row.acquired_at is None else from_text(row.acquired_at),
            experiment_id=row.experiment_id,
            **known,
        )

    def count_of(self, analysis: Analysis, frame_id: int) -> int:
        """Read how many cells an analysis counted on a frame.

        Raises
        ------
        NotInStoreError
            It has no count of this frame.
        """
        query = select(counts.c["count"]).where(
            (counts.c.analysis_row_id == analysis.row_id) & (counts.c.frame_id == frame_id)
        )
        with self._reading() as connection:
            found = connection.execute(query).scalar()
        if found is None:
            raise NotInStoreError(f"Analysis {analysis.id} has no count of frame {frame_id}")
        return int(found)

    def corrections(self, analysis: Analysis, frame_id: int) -> list[Correction]:
        """List the cells of a frame that people corrected, withdrawn corrections included."""
        with self._reading() as connection:
            return correction_rows.list_corrections(connection, analysis, frame_id)

    def corrected_by(self, analysis: Analysis) -> dict[int, int]:
        """Tell by how many cells people changed the counts of the frames that they corrected.

        Returns
        -------
        dict
            Frame id -> cells added less cells removed; frames without a correction are not in it.
        """
        with self._reading() as connection:
            return correction_rows.read_changes(connection, analysis)

    def corrected_centres(self, analysis: Analysis, frame_id: int) -> npt.NDArray[np.float64]:
        """Read where a frame's cells are: those counted, with the corrections that hold.

        Returns
        -------
        numpy.ndarray
            Shape (n, 2) as (y, x) in pixels of the frame.

        Raises
        ------
        NotInStoreError
            The analysis has no count of the frame.
        """
        with self._reading() as connection:
            return correction_rows.read_corrected_centres(connection, analysis, frame_id)

    def checks(self, analysis: Analysis, frame_id: int) -> list[FrameCheck]:
        """List who said that every cell of a frame is right, withdrawn statements included."""
        with self._reading() as connection:
            return checked_rows.list_checks(connection, analysis, frame_id)

    def checked_frames(self, analysis: Analysis) -> list[FrameCheck]:
        """List the frames of which somebody said so and nobody took it back, one each."""
        with self._reading() as connection:
            return checked_rows.list_standing(connection, analysis)


_AS_STORED = (
    "id", "height_px", "width_px", "plate", "well", "field", "position", "channel", "z",
    "pixel_size_um",
)  # fmt: skip
_OF_FRAME = (*_AS_STORED, "state", "page", "content_hash", "acquired_at")
