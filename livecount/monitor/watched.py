"""One experiment that the monitor watches: its settings, analysis, folders and plate map."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from livecount.config import Config
from livecount.errors import FolderUnknownError, StoreError, WorkerStartError
from livecount.frame import FrameCount
from livecount.monitor.choices import edges_said
from livecount.monitor.counting import open_counting
from livecount.monitor.folders import HANGS_AFTER_S
from livecount.monitor.intake import Intake
from livecount.monitor.plate_check import PlateCheck, keep_plate_map
from livecount.monitor.referee import Referee
from livecount.monitor.worker import Worker
from livecount.readers import is_frame_file
from livecount.storage import Analysis, CountStore, Experiment, FrameState, Source
from livecount.watching import SettleRule, Watcher

__all__ = ["Calls", "WatchedExperiment", "register"]

_LOOK_UP_EVERY_S = 5.0
_TROUBLE_PAUSE_S = 5.0
_NAMING = "naming"


@dataclass(frozen=True, slots=True)
class Calls:
    """What the monitor is told by those who work for it.

    Attributes
    ----------
    between_pages
        Before each page of a file; may raise
        :class:`~livecount.monitor.worker.StopAskedError`.
    on_count
        After each newly kept count.
    on_notice
        With what the user must know, when it begins and when it is over.
    """

    between_pages: Callable[[], None]
    on_count: Callable[[FrameCount], None]
    on_notice: Callable[[str], None]


def register(config: Config, store: CountStore) -> Experiment:
    """Find or make the experiment that settings speak of, with its plate map.

    Raises
    ------
    PlateMapError
        The plate map cannot be read, or contradicts itself.
    """
    settings = config.experiment
    found = store.ensure_experiment(
        config.experiment_name,
        time_zone=settings.time_zone,
        t0=settings.t0,
        frame_interval_min=settings.frame_interval_min,
    )
    # What `export` and `plot` then go by, whichever settings they are given.
    kept = {**found.settings, **edges_said(config)}
    experiment = store.ensure_experiment(found.name, settings=kept)
    keep_plate_map(config, store, experiment)
    return experiment


class WatchedExperiment:
    """Takes the files of one experiment's folders, by its own settings.

    Parameters
    ----------
    number
        Which of the worker's experiments it is.

    Raises
    ------
    ModelError
        The model cannot be used.
    ConfigError
        The experiment was counted with other settings before.
    """

    def __init__(
        self,
        number: int,
        config: Config,
        store: CountStore,
        experiment: Experiment,
        worker: Worker,
        calls: Calls,
    ) -> None:
        self.config = config
        self.experiment = experiment
        self.intakes: list[Intake] = []
        self.n_counted = 0
        self._number = number
        self._store = store
        self._worker = worker
        self._calls = calls
        self._watching = ExitStack()
        self._naming_due = True
        self._looked_up_s = -_LOOK_UP_EVERY_S
        self._plate_check = PlateCheck(store, experiment, calls.on_notice)
        self._counting = open_counting(config, store, experiment, worker)
        self._referee = Referee(config, store, experiment, worker)

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self.experiment.name

    def watch(self) -> None:
        """Start to watch the folders; where one cannot be, none is."""
        with ExitStack() as stack:
            for folder in self.config.watch.folders:
                self.intakes.append(self._open_intake(folder, stack))
            self._watching = stack.pop_all()

    def leave(self) -> None:
        """Leave the folders."""
        self._watching.close()

    @property
    def idle_for_s(self) -> float:
        """For how long nothing was new, settling, queued or due."""
        return min((intake.watcher.idle_for_s() for intake in self.intakes), default=0.0)

    def take_one(self) -> bool:
        """Take the next due file of each folder; tell whether there was any.

        Raises
        ------
        StoreError, WorkerStartError, StopAskedError
            The file in hand is held back for a moment.
        """
        taken = False
        for intake in self.intakes:
            intake.note_news()
            if intake.watcher.silent_for_s() > HANGS_AFTER_S:
                continue
            sighting = intake.watcher.next_complete(0.0)
            if sighting is None:
                continue
            taken = True
            try:
                intake.take(sighting)
            except (StoreError, WorkerStartError):
                intake.watcher.look_again(sighting.relative_path, _TROUBLE_PAUSE_S)
                raise
        return taken

    def look_up_late(self) -> int:
        """Take in what files beside the frames say by now; give how many frames this refined."""
        self._plate_check.tick(self._counting.analysis, self.n_counted)
        present = [one for one in self.intakes if one.watcher.silent_for_s() < HANGS_AFTER_S]
        if time.monotonic() - self._looked_up_s >= _LOOK_UP_EVERY_S:
            for intake in present:
                intake.late.look_up()
                intake.try_one_again()
            self._looked_up_s = time.monotonic()
        refined = sum(intake.late.advance() for intake in present if intake.late.n_queued)
        self._keep_naming()
        return refined

    def finish_late(self, on_wait: Callable[[], None]) -> int:
        """Ask once more, before the end; give how many frames this refined."""
        refined = 0
        for intake in self.intakes:
            intake.late.look_up(in_full=True)
            queued = intake.late.n_queued + 1
            while 0 < intake.late.n_queued < queued:  # ends where nothing can be read any more
                queued = intake.late.n_queued
                refined += intake.late.advance()
                on_wait()
        self._keep_naming()
        self._plate_check.tick(self._counting.analysis, self.n_counted, at_once=True)
        return refined

    @property
    def _naming(self) -> list[object]:
        """How names, pixel sizes and stamps without a zone are understood."""
        counting = self.config.counting
        zone = self.config.experiment.time_zone
        pattern = self.config.watch.pattern
        return [pattern, counting.pixel_size_um, counting.pixel_size_override, zone]

    def _keep_naming(self) -> None:
        """Keep how names and pixel sizes were told, so that a change is noticed at a restart.

        Only once all that was counted otherwise has been read anew.
        """
        if not self._naming_due or any(intake.late.n_queued for intake in self.intakes):
            return
        self._naming_due = False
        settings = {**self.experiment.settings, _NAMING: self._naming}
        self._store.ensure_experiment(self.experiment.name, settings=settings)

    def _open_intake(self, folder: Path, stack: ExitStack) -> Intake:
        source = self._source_of(folder)
        self._worker.assign(Path(source.folder), self._number)
        # What was set aside may be readable by now: permissions, settings or livecount changed.
        self._store.reopen(source, FrameState.QUARANTINED)
        if self._referee.is_new:  # frames of its channel may have been passed over until now
            self._store.reopen(source, FrameState.IGNORED)
        settings = self.config.watch
        watcher = Watcher(
            Path(source.folder),
            known=self._store.known_files(source),
            expected=self._store.pending_files(source),
            accepts=is_frame_file,
            settle=SettleRule(
                unchanged_for_s=settings.settle_s,
                looks=settings.settle_looks,
                on_network_s=settings.settle_on_share_s,
            ),
            interval_s=settings.scan_interval_s,
            # Until the cell diameter is known, the first frames come first: they decide it.
            order=settings.order if self._counting.rule else "oldest",
        )
        intake = Intake(
            source,
            watcher,
            self._store,
            self._counting,
            self._referee,
            self.config,
            between_pages=self._calls.between_pages,
            on_count=self._counted,
            on_notice=self._calls.on_notice,
            on_scale_known=self._take_up_set_aside,
        )
        self._catch_up_on_attributes(intake)
        stack.enter_context(watcher)
        return intake

    def _source_of(self, folder: Path) -> Source:
        """Find the watched folder's own entry, also when it is spelt otherwise than before.

        A folder that is spelt as before is not asked: its share may hang.

        Raises
        ------
        FolderUnknownError
            It may be one that is watched by another name, and neither can be reached to tell.
        """
        sources = self._store.sources(self.experiment)
        for known in sources:
            if known.folder == str(folder):
                return known
        for known in sources:
            with suppress(OSError):
                if folder.samefile(known.folder):
                    return known
        if not _is_there(folder):
            watched = set(map(str, self.config.watch.folders))
            _insist_on_another(folder, [one for one in sources if one.folder not in watched])
        return self._store.ensure_source(self.experiment, str(folder))

    def _catch_up_on_attributes(self, intake: Intake) -> None:
        """Take in what files beside the frames, or changed settings, say of frames counted before.

        Frames that lack a time or a pixel size may have been counted shortly before a crash; a
        pixel size or pattern given now holds for frames that were counted without it.
        """
        changed = self.experiment.settings.get(_NAMING, self._naming) != self._naming
        ignored = self._store.ignored_pages(intake.source, lacking_metadata=not changed)
        (intake.late.want if changed else intake.late.remember)(ignored)
        for analysis in filter(None, (self._counting.analysis, self._referee.analysis)):
            self._catch_up_on_counted(intake, analysis, changed=changed)

    def _catch_up_on_counted(self, intake: Intake, analysis: Analysis, *, changed: bool) -> None:
        found = self._store.counts(analysis)
        lacking = np.isnan(found.pixel_size_um) | (
            np.isnat(found.acquired_at) & np.isnan(found.elapsed_s)
        )
        pages = [
            (found.relative_path[row], int(found.page[row]))
            for row in range(len(found))
            if found.folder[row] == intake.source.folder and (changed or lacking[row])
        ]
        (intake.late.want if changed else intake.late.remember)(pages)

    def _take_up_set_aside(self) -> None:
        """Show again, in every folder, what gave no cell diameter."""
        for intake in self.intakes:
            intake.take_up_set_aside()

    def _counted(self, count: FrameCount) -> None:
        self.n_counted += 1
        self._calls.on_count(count)


def _insist_on_another(folder: Path, sources: Sequence[Source]) -> None:
    """Refuse an absent folder that may be an absent known one: it would be counted twice."""
    for known in sources:
        there = Path(known.folder)
        names = {os.path.normcase(one.name) for one in (folder, there)}
        if (len(names) == 1 or "" in names) and not _is_there(there):
            raise FolderUnknownError(
                f"Neither {folder} nor {there}, which this experiment watched before, can be "
                "reached, so that nothing tells whether they are the same folder",
                hint="Spell it as before, or start once it can be reached; where it is another "
                "one, make it first",
            )


def _is_there(folder: Path) -> bool:
    try:
        return folder.exists()
    except OSError:  # a share that is not mounted any more, or may not be entered
        return False
