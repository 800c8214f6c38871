"""The monitor: watches folders, counts what lands in them, and says what it is doing.

Composition root of the daemon: it alone opens the database for counts, loads the engine and starts
the watchers, and it ends them in the opposite order.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
import structlog

from livecount import __version__
from livecount.config import Config
from livecount.errors import (
    ConfigError,
    DatabaseBusyError,
    DatabaseFullError,
    StoreError,
    WorkerStartError,
)
from livecount.frame import FrameCount
from livecount.monitor.alerts import Alerts
from livecount.monitor.backups import RegularBackup
from livecount.monitor.choices import edges_said
from livecount.monitor.counting import open_counting
from livecount.monitor.engine_state import say_what_counts
from livecount.monitor.folders import HANGS_AFTER_S, say_how_it_is, state_of
from livecount.monitor.intake import Intake
from livecount.monitor.plate_check import PlateCheck, keep_plate_map
from livecount.monitor.referee import Referee
from livecount.monitor.sending import check_targets
from livecount.monitor.trouble import Trouble
from livecount.monitor.worker import StopAskedError, Worker
from livecount.platform.process import keep_awake, lower_priority
from livecount.platform.service import ServiceNotifier
from livecount.readers import is_frame_file
from livecount.storage import (
    Analysis,
    CountStore,
    Experiment,
    FrameState,
    Heartbeat,
    MonitorLock,
    Source,
    Tally,
)
from livecount.watching import SettleRule, Watcher

__all__ = ["run_monitor"]

_BEAT_EVERY_S = 5.0
_LOOK_UP_EVERY_S = 5.0
_TROUBLE_PAUSE_S = 5.0
_NAMING = "naming"
_WAIT_S = 0.25


def run_monitor(
    config: Config,
    *,
    until_idle_s: float | None = None,
    stop: threading.Event | None = None,
    on_count: Callable[[FrameCount], None] = lambda _: None,
    on_notice: Callable[[str], None] = lambda _: None,
) -> Tally:
    """Watch the configured folders and count every frame in them, until stopped.

    Parameters
    ----------
    until_idle_s
        End once nothing was new, settling, queued or due for a retry for this long; None to run on.
    stop
        Set from elsewhere to end in an orderly way after the frame in hand.
    on_count
        Called in the monitor's thread after each newly kept count.
    on_notice
        Called with what the user must know, when it begins and when it is over.

    Returns
    -------
    Tally
        What became of every frame ever seen in this database.

    Raises
    ------
    ConfigError
        No folder is watched, the experiment was counted with other settings, or an alert target
        has no usable address.
    MonitorRunningError
        Another monitor writes to the same database.
    """
    if not config.watch.folders:
        raise ConfigError(
            "No folder to watch", hint="Name one: `livecount run FOLDER`, or [watch] folders"
        )
    check_targets(config.alerts.targets)
    with ExitStack() as stack:
        stack.enter_context(MonitorLock(config.database.file))
        store = stack.enter_context(CountStore.open(config.database.file))
        stack.enter_context(keep_awake())
        lower_priority()
        try:
            shown, said = _undisturbed(on_count), _undisturbed(on_notice)
            monitor = _Monitor(config, store, stop or threading.Event(), shown, said)
        except StopAskedError:  # before the worker was ready
            return store.tally()
        stack.callback(monitor.beat, stopped=True)
        monitor.watch(stack, until_idle_s)
        return store.tally()


class _Monitor:
    def __init__(
        self,
        config: Config,
        store: CountStore,
        stop: threading.Event,
        on_count: Callable[[FrameCount], None],
        on_notice: Callable[[str], None],
    ) -> None:
        self._config = config
        self._store = store
        self._stop = stop
        self._announce = on_count
        self._tell = on_notice
        self._trouble = Trouble(store, on_notice)
        self._naming_due = False
        self._started_at = datetime.now(UTC)
        self._progress_at: datetime | None = None
        self._beaten_s = -_BEAT_EVERY_S
        self._looked_up_s = -_LOOK_UP_EVERY_S
        self._service = ServiceNotifier()
        self._intakes: list[Intake] = []
        self._log = structlog.get_logger("livecount.monitor")
        self._experiment = self._ensure_experiment()
        keep_plate_map(config, store, self._experiment)
        self._alerts = Alerts(config, store, [self._experiment], on_notice)
        self._plate_check = PlateCheck(store, self._experiment, on_notice)
        self._n_counted = 0
        self._backup = RegularBackup(config.backup, store, self._experiment.created_at, on_notice)
        self._worker = Worker(
            config,
            patience_s=config.watch.patience_s,
            stop=stop,
            on_wait=self._beat_when_due,
        )
        self._counting = open_counting(config, store, self._experiment, self._worker)
        self._referee = Referee(config, store, self._experiment, self._worker)

    def watch(self, stack: ExitStack, until_idle_s: float | None) -> None:
        """Start the watchers and take files until stopped or idle."""
        stack.callback(self._worker.give_up)
        stack.callback(self._alerts.give_up)
        for folder in self._config.watch.folders:
            self._intakes.append(self._open_intake(folder, stack))
        self._naming_due = True
        self._log.info(
            "watching",
            folders=[str(folder) for folder in self._config.watch.folders],
            engine=self._worker.engine.words,
            experiment=self._experiment.name,
        )
        self._beaten_s = -_BEAT_EVERY_S  # what the worker is was not known at the first beat
        self._service.ready("watching")
        stack.callback(self._service.stopping)
        while not self._stop.is_set():
            taken = self._survive(self._take_one)
            self._beat_when_due()
            self._survive(self._look_up_late)
            if not taken and until_idle_s is not None and self._idle_for_s() >= until_idle_s:
                self._survive(self._finish_late)
                break

    def beat(self, *, stopped: bool = False) -> None:
        """Write down that the monitor lives and what it does."""
        now = datetime.now(UTC)
        self._store.heartbeat(
            Heartbeat(
                pid=os.getpid(),
                host=socket.gethostname(),
                livecount_version=__version__,
                started_at=self._started_at,
                beat_at=now,
                progress_at=self._progress_at,
                doing="stopped" if stopped else self._doing(),
                engine=self._worker.engine.words,
                source_states={
                    intake.source.folder: state_of(intake.watcher) for intake in self._intakes
                },
                stopped_at=now if stopped else None,
            )
        )

    @property
    def _naming(self) -> list[object]:
        """How names, pixel sizes and stamps without a zone are understood."""
        counting = self._config.counting
        zone = self._config.experiment.time_zone
        pattern = self._config.watch.pattern
        return [pattern, counting.pixel_size_um, counting.pixel_size_override, zone]

    def _ensure_experiment(self) -> Experiment:
        settings = self._config.experiment
        found = self._store.ensure_experiment(
            self._config.experiment_name,
            time_zone=settings.time_zone,
            t0=settings.t0,
            frame_interval_min=settings.frame_interval_min,
        )
        # What `export` and `plot` then go by, whichever settings they are given.
        kept = {**found.settings, **edges_said(self._config)}
        return self._store.ensure_experiment(found.name, settings=kept)

    def _keep_naming(self) -> None:
        """Keep how names and pixel sizes were told, so that a change is noticed at a restart.

        Only once all that was counted otherwise has been read anew.
        """
        self._naming_due = False
        settings = {**self._experiment.settings, _NAMING: self._naming}
        self._store.ensure_experiment(self._experiment.name, settings=settings)

    def _open_intake(self, folder: Path, stack: ExitStack) -> Intake:
        source = self._source_of(folder)
        # What was set aside may be readable by now: permissions, settings or livecount changed.
        self._store.reopen(source, FrameState.QUARANTINED)
        if self._referee.is_new:  # frames of its channel may have been passed over until now
            self._store.reopen(source, FrameState.IGNORED)
        settings = self._config.watch
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
            self._config,
            between_pages=self._between_pages,
            on_count=self._counted,
            on_notice=self._tell,
            on_scale_known=self._take_up_set_aside,
        )
        self._catch_up_on_attributes(intake)
        stack.enter_context(watcher)
        return intake

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

    def _take_one(self) -> bool:
        """Take the next due file of each folder; wait a moment where none is due."""
        taken = False
        for intake in self._intakes:
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
        if not taken:
            self._stop.wait(_WAIT_S)
        return taken

    def _survive(self, work: Callable[[], bool]) -> bool:
        """Do work; what may pass (a locked database, a full disk) is said and waited for."""
        try:
            done = work()
        except StopAskedError:
            return True
        except (DatabaseBusyError, DatabaseFullError, WorkerStartError) as error:
            self._trouble.meet(error)
            self._stop.wait(_TROUBLE_PAUSE_S)
            return True
        self._trouble.went_well(counted=done)
        return done

    def _take_up_set_aside(self) -> None:
        """Show again, in every folder, what gave no cell diameter."""
        for intake in self._intakes:
            intake.take_up_set_aside()

    def _between_pages(self) -> None:
        """Keep the heart beating within a long stack, and end between two of its pages."""
        if self._stop.is_set():
            raise StopAskedError
        self._beat_when_due()

    def _counted(self, count: FrameCount) -> None:
        self._n_counted += 1
        self._progress_at = datetime.now(UTC)
        self._announce(count)

    def _beat_when_due(self) -> None:
        if time.monotonic() - self._beaten_s < _BEAT_EVERY_S:
            return
        self._beaten_s = time.monotonic()
        self._trouble.keep()
        with suppress(DatabaseBusyError, DatabaseFullError):
            self.beat()
            for intake in self._intakes:
                say_how_it_is(intake.source.folder, intake.watcher, self._store, self._tell)
            say_what_counts(self._worker.engine, self._store, self._tell)
            self._backup.tick()
            # Here the database has just taken a heartbeat, and the monitor's loop goes round.
            if self._intakes and all(one.watcher.is_scanning() for one in self._intakes):
                self._service.progressed(self._doing())

    def _look_up_late(self) -> bool:
        """Take in what files beside the frames say by now, a little at each turn."""
        self._alerts.tick(self._n_counted, self._idle_for_s(), self._trouble.unkept)
        self._plate_check.tick(self._counting.analysis, self._n_counted)
        present = [one for one in self._intakes if one.watcher.silent_for_s() < HANGS_AFTER_S]
        if time.monotonic() - self._looked_up_s >= _LOOK_UP_EVERY_S:
            for intake in present:
                intake.late.look_up()
            self._looked_up_s = time.monotonic()
        refined = sum(intake.late.advance() for intake in present if intake.late.n_queued)
        if self._naming_due and not any(intake.late.n_queued for intake in self._intakes):
            self._keep_naming()
        return refined > 0

    def _finish_late(self) -> bool:
        """Ask once more, before the end, what files beside the frames say by now."""
        refined = 0
        for intake in self._intakes:
            intake.late.look_up(in_full=True)
            queued = intake.late.n_queued + 1
            while 0 < intake.late.n_queued < queued:  # ends where nothing can be read any more
                queued = intake.late.n_queued
                refined += intake.late.advance()
                self._beat_when_due()
        if self._naming_due and not any(intake.late.n_queued for intake in self._intakes):
            self._keep_naming()
        self._plate_check.tick(self._counting.analysis, self._n_counted, at_once=True)
        self._alerts.finish(self._n_counted, on_wait=self._between_pages)
        return refined > 0

    def _idle_for_s(self) -> float:
        return min((intake.watcher.idle_for_s() for intake in self._intakes), default=0.0)

    def _doing(self) -> str:
        waited_s = time.monotonic() - self._worker.awaited_since_s
        if self._worker.awaited and waited_s > _BEAT_EVERY_S:
            return f"waiting for {self._worker.awaited} for {waited_s:.0f} s"
        return "waiting for new frames" if self._idle_for_s() > 0 else "counting"


_Shown = TypeVar("_Shown")


def _undisturbed(show: Callable[[_Shown], None]) -> Callable[[_Shown], None]:
    """Let a display that goes away, as a closed terminal or pipe does, not end a run of weeks."""
    is_gone = False

    def shown(what: _Shown) -> None:
        nonlocal is_gone
        if is_gone:
            return
        try:
            show(what)
        except (OSError, ValueError, SystemExit) as error:  # rich ends the program on a closed pipe
            is_gone = True
            structlog.get_logger("livecount.monitor").warning("display gone", reason=repr(error))

    return shown
