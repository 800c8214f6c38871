"""One experiment that is watched: its folders, its settings, its analysis, its plate map."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from livecount.config import Config
from livecount.errors import StoreError, WorkerStartError
from livecount.frame import FrameCount
from livecount.monitor.alerts import Progress
from livecount.monitor.choices import edges_said
from livecount.monitor.counting import open_counting
from livecount.monitor.folders import HANGS_AFTER_S, end_what_was_said, say_how_it_is, state_of
from livecount.monitor.intake import Intake
from livecount.monitor.plate_check import PlateCheck, keep_plate_map
from livecount.monitor.worker import Worker
from livecount.readers import is_frame_file
from livecount.storage import CountStore, Experiment, FrameState, Source
from livecount.watching import SettleRule, Watcher

__all__ = ["Hooks", "WatchedExperiment"]

_TROUBLE_PAUSE_S = 5.0
_NAMING = "naming"


@dataclass(frozen=True, slots=True)
class Hooks:
    """What an experiment calls in the monitor.

    Attributes
    ----------
    between_pages
        Before each page and while there is much to do; may raise StopAskedError.
    on_count
        After each newly kept count.
    tell
        With what the user must know, when it begins and when it is over.
    """

    between_pages: Callable[[], None]
    on_count: Callable[[FrameCount], None]
    tell: Callable[[str], None]


class WatchedExperiment:
    """Watches the folders of one experiment, beside others under the same worker.

    Parameters
    ----------
    config
        Its own settings.

    Raises
    ------
    LivecountError
        It cannot be counted so: it was counted with other settings, its plate map is wrong.
    """

    def __init__(self, config: Config, store: CountStore, worker: Worker, hooks: Hooks) -> None:
        self.config = config
        self.n_counted = 0
        self.intakes: list[Intake] = []
        self._store = store
        self._hooks = hooks
        self._naming_due = False
        self._stack = ExitStack()
        self._experiment = self._ensure_experiment()
        keep_plate_map(config, store, self._experiment)
        self._plate_check = PlateCheck(store, self._experiment, hooks.tell)
        self._counting = open_counting(config, store, self._experiment, worker)

    @property
    def experiment(self) -> Experiment:
        """As the store keeps it."""
        return self._experiment

    def open(self) -> None:
        """Begin to watch its folders."""
        for folder in self.config.watch.folders:
            self.intakes.append(self._open_intake(folder))
        self._naming_due = True

    def close(self) -> None:
        """End the watching; what is not counted stays pending."""
        self._stack.close()

    def leave(self) -> None:
        """End the watching while the monitor goes on: what was said of the folders is over."""
        self.close()
        for intake in self.intakes:
            end_what_was_said(intake.source.folder, self._store)
        self._plate_check.give_up()

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(self.n_counted, self.idle_for_s())

    def idle_for_s(self) -> float:
        """Tell for how long nothing was new, settling, queued or due."""
        return min((intake.watcher.idle_for_s() for intake in self.intakes), default=0.0)

    def folder_states(self) -> dict[str, str]:
        """Say of each folder how it is watched."""
        return {intake.source.folder: state_of(intake.watcher) for intake in self.intakes}

    def say_how_folders_are(self) -> None:
        """Begin and end the notices of its folders."""
        for intake in self.intakes:
            say_how_it_is(intake.source.folder, intake.watcher, self._store, self._hooks.tell)

    def is_scanning(self) -> bool:
        """Tell whether all of its watchers look at their folders."""
        return all(intake.watcher.is_scanning() for intake in self.intakes)

    def take_one(self) -> bool:
        """Take the next due file of each folder; tell whether there was any."""
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

    def look_up_late(self, *, look_anew: bool) -> int:
        """Take in what files beside the frames say by now; give how many frames are better known.

        Parameters
        ----------
        look_anew
            Ask whether such files have changed; else only go on with what is queued.
        """
        self._plate_check.tick(self._counting.analysis, self.n_counted)
        present = [one for one in self.intakes if one.watcher.silent_for_s() < HANGS_AFTER_S]
        if look_anew:
            for intake in present:
                intake.late.look_up()
        refined = sum(intake.late.advance() for intake in present if intake.late.n_queued)
        self._keep_naming_when_due()
        return refined

    def finish_late(self) -> int:
        """Ask once more, before the end, what files beside the frames say by now."""
        refined = 0
        for intake in self.intakes:
            intake.late.look_up(in_full=True)
            queued = intake.late.n_queued + 1
            while 0 < intake.late.n_queued < queued:  # ends where nothing can be read any more
                queued = intake.late.n_queued
                refined += intake.late.advance()
                self._hooks.between_pages()
        self._keep_naming_when_due()
        self._plate_check.tick(self._counting.analysis, self.n_counted, at_once=True)
        return refined

    @property
    def _naming(self) -> list[object]:
        """How names, pixel sizes and stamps without a zone are understood."""
        counting = self.config.counting
        zone = self.config.experiment.time_zone
        pattern = self.config.watch.pattern
        return [pattern, counting.pixel_size_um, counting.pixel_size_override, zone]

    def _ensure_experiment(self) -> Experiment:
        settings = self.config.experiment
        found = self._store.ensure_experiment(
            self.config.experiment_name,
            time_zone=settings.time_zone,
            t0=settings.t0,
            frame_interval_min=settings.frame_interval_min,
        )
        # What `export` and `plot` then go by, whichever settings they are given.
        kept = {**found.settings, **edges_said(self.config)}
        return self._store.ensure_experiment(found.name, settings=kept)

    def _keep_naming_when_due(self) -> None:
        """Keep how names and pixel sizes were told, so that a change is noticed at a restart.

        Only once all that was counted otherwise has been read anew.
        """
        if not self._naming_due or any(intake.late.n_queued for intake in self.intakes):
            return
        self._naming_due = False
        settings = {**self._experiment.settings, _NAMING: self._naming}
        self._store.ensure_experiment(self._experiment.name, settings=settings)

    def _open_intake(self, folder: Path) -> Intake:
        source = self._source_of(folder)
        # What was set aside may be readable by now: permissions, settings or livecount changed.
        self._store.reopen(source, FrameState.QUARANTINED)
        watcher = self._watcher_of(source)
        intake = Intake(
            source,
            watcher,
            self._store,
            self._counting,
            self.config,
            between_pages=self._hooks.between_pages,
            on_count=self._counted,
            on_notice=self._hooks.tell,
            on_scale_known=self._take_up_set_aside,
        )
        self._catch_up_on_attributes(intake)
        self._stack.enter_context(watcher)
        return intake

    def _watcher_of(self, source: Source) -> Watcher:
        settings = self.config.watch
        return Watcher(
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

    def _source_of(self, folder: Path) -> Source:
        """Find the watched folder's own entry, also when it is spelt otherwise than before."""
        for known in self._store.sources(self._experiment):
            with suppress(OSError):
                if folder.samefile(known.folder):
                    return known
        return self._store.ensure_source(self._experiment, str(folder))

    def _catch_up_on_attributes(self, intake: Intake) -> None:
        """Take in what files beside the frames, or changed settings, say of frames counted before.

        Frames that lack a time or a pixel size may have been counted shortly before a crash; a
        pixel size or pattern given now holds for frames that were counted without it.
        """
        changed = self._experiment.settings.get(_NAMING, self._naming) != self._naming
        ignored = self._store.ignored_pages(intake.source, lacking_metadata=not changed)
        (intake.late.want if changed else intake.late.remember)(ignored)
        analysis = self._counting.analysis
        if analysis is None:
            return
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
        self._hooks.on_count(count)
