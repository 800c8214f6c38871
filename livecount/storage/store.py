"""The store: the only door to the database.

::

    with MonitorLock(path), CountStore.open(path) as store:
        experiment = store.ensure_experiment("A549 with drug")
        source = store.ensure_source(experiment, "D:/scans")
        analysis = store.ensure_analysis(experiment, settings)
        store.note_seen(source, [(b"A1.tif", stamp)])
        store.record(source, frame_count, stamp=stamp, n_pages=1)
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from livecount.errors import StoreError
from livecount.frame import FrameAttributes, FrameCount
from livecount.platform.files import FileStamp
from livecount.storage import (
    file_rows,
    judging,
    registry,
    revisions,
)
from livecount.storage.analysis_order_writing import AnalysisOrderWriter
from livecount.storage.attributes import merge_attributes
from livecount.storage.calibration_writing import CalibrationWriter
from livecount.storage.correction_writing import CorrectionWriter
from livecount.storage.edit_writing import EditWriter
from livecount.storage.moments import to_text
from livecount.storage.notice_writing import NoticeWriter
from livecount.storage.records import (
    Analysis,
    AnalysisSettings,
    CellDiameter,
    Experiment,
    FrameState,
    Recorded,
    Source,
)
from livecount.storage.watch_orders import WatchOrderWriter

__all__ = ["CountStore"]


class CountStore(
    EditWriter,
    NoticeWriter,
    CalibrationWriter,
    CorrectionWriter,
    AnalysisOrderWriter,
    WatchOrderWriter,
):
    """Experiments, frames, counts and candidates in one SQLite file.

    Reading methods (:class:`CountReader`) may be called from any thread. Writing methods belong to
    one thread, the first that writes or the one that called :meth:`adopt`; another one gets a
    :class:`StoreError`. Each writing method is one transaction, on disk when it returns, and may be
    called again with the same arguments: a commit that raises may have been kept nevertheless, and
    doing it twice changes nothing more (only :meth:`retry_later` counts one more try). When one
    raises, nothing of it was kept half. :meth:`together` joins several into one transaction.

    Besides the errors that are named, all raise :class:`DatabaseBusyError`,
    :class:`DatabaseFullError` or another :class:`StoreError` when SQLite fails.
    """

    def ensure_experiment(
        self,
        name: str,
        *,
        time_zone: str | None = None,
        t0: datetime | None = None,
        frame_interval_min: float | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Experiment:
        """Find an experiment by its name or create it; what is given replaces what is kept.

        Parameters
        ----------
        time_zone
            Zone of naive time stamps; UTC for a new experiment where not given.
        t0
            Declared start of ``elapsed_h``, time-zone aware.
        settings
            Anything else to be kept with the experiment, as plain JSON values.
        """
        given = {
            "time_zone": time_zone,
            "t0": to_text(t0),
            "frame_interval_min": frame_interval_min,
            "settings": None if settings is None else json.dumps(dict(settings), sort_keys=True),
        }
        with self._writing() as connection:
            return registry.ensure_experiment(connection, name, given)

    def lock_cell_diameter(self, experiment: Experiment, diameter: CellDiameter) -> Experiment:
        """Set an experiment's cell diameter for good; the same again changes nothing.

        Raises
        ------
        StoreError
            Another diameter is locked already.
        """
        with self._writing() as connection:
            return registry.lock_cell_diameter(connection, experiment, diameter)

    def ensure_source(self, experiment: Experiment, folder: str) -> Source:
        """Register a watched folder (an absolute path, as in ``FrameKey.source``)."""
        with self._writing() as connection:
            return registry.ensure_source(connection, experiment, folder)

    def ensure_analysis(
        self, experiment: Experiment, settings: AnalysisSettings, *, may_be_primary: bool = True
    ) -> Analysis:
        """Find or register an analysis; the first that may be is what exports show unasked."""
        with self._writing() as connection:
            return registry.ensure_analysis(
                connection, experiment, settings, may_be_primary=may_be_primary
            )

    def note_seen(self, source: Source, seen: Iterable[tuple[bytes, FileStamp]]) -> None:
        """Make files known that a scan saw; new and changed ones become pending.

        Parameters
        ----------
        seen
            Relative path and stamp of each; those known with the same stamp stay as they are.
        """
        with self._writing() as connection:
            file_rows.note_seen(connection, source, seen)

    def note_pages(
        self, source: Source, relative_path: bytes, stamp: FileStamp, n_pages: int
    ) -> None:
        """Announce a file's pages, so that each not yet dealt with counts as pending."""
        with self._writing() as connection:
            file_id = file_rows.ensure_file(connection, source, relative_path, stamp)
            file_rows.note_pages(connection, source, file_id, n_pages)

    def record(
        self,
        source: Source,
        count: FrameCount,
        *,
        stamp: FileStamp,
        n_pages: int | None = None,
    ) -> Recorded:
        """Keep a frame's count and candidates; other content at its page before is superseded.

        Parameters
        ----------
        stamp
            The file's stamp when the frame was read.
        n_pages
            Given with the last page that a file had open: the file is then done at this stamp, as
            by :meth:`file_done`, in the same transaction.

        Returns
        -------
        Recorded
            ``ALREADY`` where this frame has its count under this analysis; nothing was changed.

        Raises
        ------
        NotInStoreError
            The experiment has no such analysis.
        StoreError
            The frame comes from another watched folder, or pages before the last are open.
        """
        if count.key.source != source.folder:
            raise StoreError(
                f"A frame of {count.key.source} was recorded for {source.folder}",
                hint="This is a fault of livecount: report it",
            )
        with self._writing() as connection:
            file_id = file_rows.ensure_file(connection, source, count.key.relative_path, stamp)
            recorded = revisions.add_count(connection, source, file_id, count, stamp)
            if n_pages is not None:
                file_rows.finish_file(connection, file_id, stamp, n_pages)
        return recorded

    def ignore(
        self,
        source: Source,
        relative_path: bytes,
        stamp: FileStamp,
        reason: str,
        *,
        page: int | None = None,
        content_hash: str | None = None,
        attributes: FrameAttributes | None = None,
        n_pages: int | None = None,
    ) -> None:
        """Keep that a page, or (page None) a whole file, is not to be counted, and why.

        A page that has a count of the same content keeps it: another analysis counts other
        channels. ``n_pages`` as in :meth:`record`.
        """
        with self._writing() as connection:
            revisions.set_aside(
                connection,
                revisions.SetAside("ignored", reason, page, content_hash, attributes, n_pages),
                source,
                relative_path,
                stamp,
            )

    def quarantine(
        self,
        source: Source,
        relative_path: bytes,
        stamp: FileStamp,
        reason: str,
        *,
        page: int | None = None,
        content_hash: str | None = None,
        attributes: FrameAttributes | None = None,
        n_pages: int | None = None,
    ) -> None:
        """Give up on a page, or (page None) a whole file, until its file changes.

        A page's count is superseded only if the file has changed since it was made; a whole file
        that is given up on keeps the counts that it has. ``n_pages`` as in :meth:`record`.
        """
        with self._writing() as connection:
            revisions.set_aside(
                connection,
                revisions.SetAside("quarantined", reason, page, content_hash, attributes, n_pages),
                source,
                relative_path,
                stamp,
            )

    def retry_later(
        self, source: Source, relative_path: bytes, stamp: FileStamp, reason: str
    ) -> int:
        """Keep that a file could not be dealt with yet, and why; it stays pending.

        Returns
        -------
        int
            How often it was tried in vain with this stamp; when to give up is the caller's to say.
        """
        with self._writing() as connection:
            file_id = file_rows.ensure_file(connection, source, relative_path, stamp)
            return file_rows.set_file_state(connection, file_id, stamp, "pending", reason)

    def reopen(self, source: Source, state: FrameState) -> int:
        """Make pending again what was ignored or quarantined, because settings have changed.

        Returns
        -------
        int
            How many files need work again.
        """
        if state not in (FrameState.IGNORED, FrameState.QUARANTINED):
            raise ValueError(f"frames that are {state} are not set aside")
        with self._writing() as connection:
            return file_rows.reopen(connection, source, state)

    def file_done(
        self, source: Source, relative_path: bytes, stamp: FileStamp, n_pages: int
    ) -> None:
        """Keep that all pages of a file were dealt with at a stamp.

        Pages that the file does not have any more are superseded. Call it (or give ``n_pages`` to
        the last page's method) only when every page was looked at since the file changed.

        Raises
        ------
        StoreError
            A page below ``n_pages`` is neither counted nor ignored nor quarantined.
        """
        with self._writing() as connection:
            file_id = file_rows.ensure_file(connection, source, relative_path, stamp)
            file_rows.finish_file(connection, file_id, stamp, n_pages)

    def refine_attributes(
        self, source: Source, refined: Iterable[tuple[bytes, int, FrameAttributes]]
    ) -> int:
        """Take in what became known later of frames, without a recount.

        Parameters
        ----------
        refined
            Relative path, page and attributes; known attributes win over those kept, None leaves
            what is kept. Areas follow a changed pixel size.

        Returns
        -------
        int
            How many frames this changed; pages that are not known are left out.
        """
        changed = 0
        with self._writing() as connection:
            for relative_path, page, attributes in refined:
                row = revisions.current_page(connection, source, relative_path, page)
                changed += row is not None and merge_attributes(connection, row, attributes)
        return changed

    def keep_calibration(self, model_sha256: str, calibration: Mapping[str, float]) -> None:
        """Keep what a model's card says of its prominences, so that intervals outlive the model."""
        with self._writing() as connection:
            judging.keep_calibration(connection, model_sha256, calibration)

    def keep_learnt(self, model_sha256: str, content_hashes: Collection[str]) -> None:
        """Keep which frames a model's card says that it learnt from."""
        with self._writing() as connection:
            judging.keep_learnt(connection, model_sha256, content_hashes)
