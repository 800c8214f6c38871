"""The reading half of the store: short transactions, from any thread and any process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, func, literal, select

from livecount.errors import NotInStoreError
from livecount.frame import Candidates, CellShapes
from livecount.platform.files import FileStamp
from livecount.storage import checking, file_rows, registry
from livecount.storage.analysis_order_reading import AnalysisOrderReader
from livecount.storage.blobs import unpack_candidates, unpack_shapes
from livecount.storage.calibration_reading import CalibrationReader
from livecount.storage.change_marks import ChangeMarks, read_change_marks
from livecount.storage.columns import (
    CountColumns,
    IntColumn,
    TimeColumn,
    read_count_columns,
    read_counted_at,
    read_looks,
)
from livecount.storage.edit_reading import EditReader
from livecount.storage.frame_reading import FrameReader
from livecount.storage.mask_reading import MaskReader
from livecount.storage.notice_reading import NoticeReader
from livecount.storage.records import (
    Analysis,
    Experiment,
    FrameCandidates,
    FrameState,
    KnownPage,
    Quarantined,
    Source,
    Tally,
)
from livecount.storage.tables import candidates, counts, files, frames, segmentations, sources

__all__ = ["CountReader"]

_FRAMES_AT_ONCE = 200


class CountReader(
    FrameReader, EditReader, NoticeReader, CalibrationReader, MaskReader, AnalysisOrderReader
):
    """What can be asked of a database; made by :meth:`CountStore.open`.

    Every method reads one consistent state in a transaction of its own, short enough not to hold
    up the write-ahead log, and may be called from any thread. All raise :class:`StoreError`.
    """

    def experiments(self) -> list[Experiment]:
        """List all experiments, oldest first."""
        with self._reading() as connection:
            return registry.list_experiments(connection)

    def experiment(self, name: str) -> Experiment:
        """Find an experiment by its name.

        Raises
        ------
        NotInStoreError
            There is none; the hint lists those that there are.
        """
        known = self.experiments()
        for found in known:
            if found.name == name:
                return found
        names = ", ".join(repr(found.name) for found in known) or "none yet"
        raise NotInStoreError(
            f"There is no experiment {name!r} in {self.database}", hint=f"Known are: {names}"
        )

    def sources(self, experiment: Experiment | None = None) -> list[Source]:
        """List the watched folders of one experiment, or of all."""
        with self._reading() as connection:
            return registry.list_sources(connection, experiment)

    def analyses(self, experiment: Experiment) -> list[Analysis]:
        """List an experiment's analyses, the primary one first."""
        with self._reading() as connection:
            return registry.list_analyses(connection, experiment)

    def analysis(self, experiment: Experiment, analysis_id: str | None = None) -> Analysis:
        """Find an analysis by its id or the first characters of it; None asks for the primary one.

        Raises
        ------
        NotInStoreError
            There is none, or several begin so.
        """
        known = self.analyses(experiment)
        if analysis_id is None:
            matching = [found for found in known if found.is_primary]
        else:
            matching = [found for found in known if found.id.startswith(analysis_id)]
        if len(matching) == 1:
            return matching[0]
        ids = ", ".join(found.id for found in known)
        asked = "analysis" if analysis_id is None else f"one analysis {analysis_id!r}"
        raise NotInStoreError(
            f"Experiment {experiment.name!r} has not {asked}"
            if analysis_id is not None
            else f"Nothing was counted yet in experiment {experiment.name!r}",
            hint=f"Known analyses: {ids}"
            if known
            else "Start `livecount run` on its folder; while it runs, the health page and "
            "`livecount status` say what it waits for",
        )

    def known_files(self, source: Source) -> dict[bytes, FileStamp]:
        """List the files that need no work, with the stamp at which they were dealt with.

        Returns
        -------
        dict
            Relative path -> stamp. Pending files are not in it: a scan finds them again.
        """
        query = select(files.c.relative_path, files.c.size_bytes, files.c.mtime_ns).where(
            (files.c.source_id == source.id) & (files.c.state != "pending")
        )
        with self._reading() as connection:
            rows = connection.execute(query).all()
        return {path: FileStamp(size_bytes, mtime_ns) for path, size_bytes, mtime_ns in rows}

    def pending_files(self, source: Source) -> dict[bytes, FileStamp]:
        """List the files that were seen and are not dealt with, with the stamp last seen."""
        query = select(files.c.relative_path, files.c.size_bytes, files.c.mtime_ns).where(
            (files.c.source_id == source.id) & (files.c.state == "pending")
        )
        with self._reading() as connection:
            rows = connection.execute(query).all()
        return {path: FileStamp(size_bytes, mtime_ns) for path, size_bytes, mtime_ns in rows}

    def attempts(self, source: Source, relative_path: bytes) -> int:
        """Tell how often a file was tried in vain since it last changed."""
        query = select(files.c.attempts).where(
            (files.c.source_id == source.id) & (files.c.relative_path == relative_path)
        )
        with self._reading() as connection:
            return connection.execute(query).scalar() or 0

    def known_pages(
        self, source: Source, relative_path: bytes, analysis: Analysis
    ) -> dict[int, KnownPage]:
        """List the pages of a file that were dealt with, in their current revision."""
        of_analysis = and_(
            counts.c.frame_id == frames.c.id, counts.c.analysis_row_id == analysis.row_id
        )
        query = (
            select(
                frames.c.page,
                frames.c.state,
                frames.c.content_hash,
                exists().where(of_analysis).label("is_counted"),
                frames.c.size_bytes,
                frames.c.mtime_ns,
            )
            .join(files, frames.c.file_id == files.c.id)
            .where((files.c.source_id == source.id) & (files.c.relative_path == relative_path))
            .where(frames.c.state.not_in(("superseded", "pending")))
        )
        with self._reading() as connection:
            rows = connection.execute(query).all()
        return {
            row.page: KnownPage(
                state=FrameState(row.state),
                content_hash=row.content_hash,
                is_counted=bool(row.is_counted),
                stamp=None if row.mtime_ns is None else FileStamp(row.size_bytes, row.mtime_ns),
            )
            for row in rows
        }

    def pages_counted(
        self, source: Source, relative_path: bytes, analysis: Analysis
    ) -> dict[int, str]:
        """List a file's pages that the analysis has counted, with their content hashes."""
        known = self.known_pages(source, relative_path, analysis)
        return {
            page: found.content_hash
            for page, found in known.items()
            if found.is_counted and found.content_hash is not None
        }

    def counted_channels(self, source: Source) -> list[str]:
        """List the channels of which a watched folder has counted frames, in alphabetical order."""
        query = (
            select(frames.c.channel)
            .where((frames.c.source_id == source.id) & (frames.c.state == "counted"))
            .where(frames.c.channel.is_not(None))
            .distinct()
        )
        with self._reading() as connection:
            return sorted(connection.execute(query).scalars())

    def is_ignored(self, source: Source, relative_path: bytes, page: int) -> bool:
        """Tell whether a page is in its current revision one that is not counted."""
        query = (
            select(frames.c.id)
            .join(files, frames.c.file_id == files.c.id)
            .where((files.c.source_id == source.id) & (files.c.relative_path == relative_path))
            .where((frames.c.page == page) & (frames.c.state == "ignored"))
        )
        with self._reading() as connection:
            return connection.execute(query).first() is not None

    def ignored_pages(
        self, source: Source, *, lacking_metadata: bool = False
    ) -> list[tuple[bytes, int]]:
        """List the pages that are not counted, relative path and page.

        Parameters
        ----------
        lacking_metadata
            Only those of which time or pixel size is not known: their channel may have been told by
            a name alone, before a companion file said better.
        """
        untimed = frames.c.acquired_at.is_(None) & frames.c.elapsed_s.is_(None)
        query = (
            select(files.c.relative_path, frames.c.page)
            .join(files, frames.c.file_id == files.c.id)
            .where((frames.c.source_id == source.id) & (frames.c.state == "ignored"))
        )
        if lacking_metadata:
            query = query.where(untimed | frames.c.pixel_size_um.is_(None))
        with self._reading() as connection:
            return [(row.relative_path, row.page) for row in connection.execute(query)]

    def tally(self, experiment: Experiment | None = None) -> Tally:
        """Count the frames in each state, of one experiment or of all."""
        of_experiment: ColumnElement[bool] = literal(True)
        if experiment is not None:
            ids = select(sources.c.id).where(sources.c.experiment_id == experiment.id)
            of_experiment = frames.c.source_id.in_(ids)
        # By folder and state, as the index has them: a million frames in a tenth of a second.
        by_state = select(frames.c.state, func.count()).where(of_experiment)
        by_state = by_state.group_by(frames.c.source_id, frames.c.state)
        # A file whose pages are announced one by one does not stand for them any more.
        announced = exists().where((frames.c.file_id == files.c.id) & (frames.c.state == "pending"))
        of_files = select(files.c.state, func.count()).where(
            (files.c.state != "done") & ~((files.c.state == "pending") & announced)
        )
        if experiment is not None:
            of_files = of_files.where(files.c.source_id.in_(ids))
        total = dict.fromkeys((str(state) for state in FrameState), 0)
        with self._reading() as connection:
            for query in (by_state, of_files.group_by(files.c.state)):
                for state, number in connection.execute(query):
                    total[state] += number
        return Tally(**total)

    def counts(self, analysis: Analysis, *, after: int = 0) -> CountColumns:
        """Read all counts of an analysis as columns; a million frames take seconds.

        Parameters
        ----------
        after
            Only those that were kept later than the count of this id.
        """
        with self._reading() as connection:
            return read_count_columns(connection, analysis, after)

    def change_marks(self, experiment: Experiment, analysis: Analysis) -> ChangeMarks:
        """Tell how far counts and statements have come, to see cheaply whether anything is new."""
        with self._reading() as connection:
            return read_change_marks(connection, experiment, analysis)

    def wells(self, analysis: Analysis) -> list[tuple[str | None, str | None]]:
        """List plate and well of the counted frames, each once."""
        query = (
            select(frames.c.plate, frames.c.well)
            .join(counts, counts.c.frame_id == frames.c.id)
            .where((counts.c.analysis_row_id == analysis.row_id) & (frames.c.state == "counted"))
            .distinct()
        )
        with self._reading() as connection:
            return [(plate, well) for plate, well in connection.execute(query)]

    def counted_at(self, analysis: Analysis) -> tuple[IntColumn, TimeColumn]:
        """Tell when each current frame was counted: frame ids, and UTC as ``datetime64[us]``."""
        with self._reading() as connection:
            return read_counted_at(connection, analysis)

    def looks(self, analysis: Analysis) -> dict[int, bytes]:
        """Read what each current frame looks like from afar: frame id -> 288 bytes."""
        with self._reading() as connection:
            return read_looks(connection, analysis)

    def waiting_since(self, experiment: Experiment) -> datetime | None:
        """Tell since when the longest waiting file waits to be dealt with; None if none does."""
        with self._reading() as connection:
            return file_rows.waiting_since(connection, experiment)

    def candidates(self, analysis: Analysis, frame_id: int) -> Candidates:
        """Read one frame's candidates.

        Raises
        ------
        NotInStoreError
            The analysis has no count of this frame.
        """
        query = (
            select(candidates.c.centres)
            .join(counts, candidates.c.count_id == counts.c.id)
            .where((counts.c.analysis_row_id == analysis.row_id) & (counts.c.frame_id == frame_id))
        )
        with self._reading() as connection:
            blob = connection.execute(query).scalar()
        if blob is None:
            raise NotInStoreError(f"Analysis {analysis.id} has no count of frame {frame_id}")
        return unpack_candidates(blob)

    def shapes(self, analysis: Analysis, frame_id: int) -> CellShapes | None:
        """Read the shapes of one frame's cells; None where it was not segmented."""
        query = (
            select(segmentations.c.shapes)
            .join(counts, segmentations.c.count_id == counts.c.id)
            .where((counts.c.analysis_row_id == analysis.row_id) & (counts.c.frame_id == frame_id))
        )
        with self._reading() as connection:
            blob = connection.execute(query).scalar()
        return None if blob is None else unpack_shapes(blob)

    def iter_candidates(self, analysis: Analysis) -> Iterator[FrameCandidates]:
        """Go through the candidates of all frames in the order of :meth:`counts`.

        Frames are read some hundred at a time, so that a slow consumer holds no transaction open.
        """
        query = (
            select(counts.c.id, frames.c.id, candidates.c.centres)
            .join(frames, counts.c.frame_id == frames.c.id)
            .join(candidates, candidates.c.count_id == counts.c.id)
            .where((counts.c.analysis_row_id == analysis.row_id) & (frames.c.state == "counted"))
            .order_by(counts.c.id)
            .limit(_FRAMES_AT_ONCE)
        )
        last = 0
        while True:
            with self._reading() as connection:
                rows = connection.execute(query.where(counts.c.id > last)).all()
            if not rows:
                return
            for last, frame_id, blob in rows:  # noqa: B007
                yield FrameCandidates(frame_id, unpack_candidates(blob))

    def quarantined(self, experiment: Experiment | None = None) -> list[Quarantined]:
        """List what was given up on until it changes, and why, by path and page."""
        chosen = self.sources(experiment)
        with self._reading() as connection:
            return file_rows.list_quarantined(connection, chosen)

    def verify(self, on_step: Callable[[int], None] = lambda _: None) -> list[str]:
        """Check the whole file: its pages, its rows, and every count against its cell centres.

        Parameters
        ----------
        on_step
            Called with the number of counts compared since the last call.

        Returns
        -------
        list of str
            What is wrong, in words; an empty list means that it is sound.
        """
        with self._reading() as connection:
            problems = checking.broken_pages(connection)
        if problems:
            return problems
        with self._reading() as connection:
            problems += checking.broken_frames(connection)
        last, compared = 0, -1
        while compared != last:
            compared = last
            with self._reading() as connection:
                last, found = checking.broken_counts(connection, compared, _FRAMES_AT_ONCE)
            problems += found
            on_step(_FRAMES_AT_ONCE)
        return problems
