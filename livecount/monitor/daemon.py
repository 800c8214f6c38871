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

import structlog

from livecount import __version__
from livecount.config import Config
from livecount.errors import (
    ConfigError,
    DatabaseBusyError,
    DatabaseFullError,
    WorkerStartError,
)
from livecount.frame import FrameCount
from livecount.monitor.alerts import Alerts
from livecount.monitor.backups import RegularBackup
from livecount.monitor.display import undisturbed
from livecount.monitor.engine_state import say_what_counts
from livecount.monitor.recounts import RecountKeeper
from livecount.monitor.roster import Roster
from livecount.monitor.sending import check_targets
from livecount.monitor.trouble import Trouble
from livecount.monitor.watched import Hooks, WatchedExperiment
from livecount.monitor.worker import StopAskedError, Worker
from livecount.platform.process import keep_awake, lower_priority
from livecount.platform.service import ServiceNotifier
from livecount.storage import (
    CountStore,
    Experiment,
    Heartbeat,
    MonitorLock,
    Tally,
)

__all__ = ["run_monitor"]

_BEAT_EVERY_S = 5.0
_LOOK_UP_EVERY_S = 5.0
_TROUBLE_PAUSE_S = 5.0
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
    if not config.each_experiment and not config.database.file.is_file():
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
            shown, said = undisturbed(on_count), undisturbed(on_notice)
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
        self._store = store
        self._stop = stop
        self._announce = on_count
        self._trouble = Trouble(store, on_notice)
        self._started_at = datetime.now(UTC)
        self._progress_at: datetime | None = None
        self._beaten_s = -_BEAT_EVERY_S
        self._looked_up_s = -_LOOK_UP_EVERY_S
        self._service = ServiceNotifier()
        self._log = structlog.get_logger("livecount.monitor")
        self._tell = on_notice
        self._worker = Worker(
            config,
            patience_s=config.watch.patience_s,
            stop=stop,
            on_wait=self._beat_when_due,
        )
        hooks = Hooks(self._between_pages, self._counted, on_notice)
        self._roster = Roster(
            config, store, lambda one: WatchedExperiment(one, store, self._worker, hooks), on_notice
        )
        self._roster.begin()
        self._recounts = RecountKeeper(store)
        self._alerts = Alerts(config, store, self._experiments, on_notice)
        began_at = min((one.created_at for one in self._experiments), default=self._started_at)
        self._backup = RegularBackup(config.backup, store, began_at, on_notice)
        self._worker.start()

    def watch(self, stack: ExitStack, until_idle_s: float | None) -> None:
        """Start the watchers and take files until stopped or idle."""
        stack.callback(self._worker.give_up)
        stack.callback(self._alerts.give_up)
        stack.callback(self._roster.close)
        self._roster.open()
        self._log.info("counting begins", engine=self._worker.engine.words)
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
        states = [one.folder_states() for one in self._roster.watched]
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
                source_states={folder: state for one in states for folder, state in one.items()},
                stopped_at=now if stopped else None,
            )
        )

    @property
    def _experiments(self) -> list[Experiment]:
        return [one.experiment for one in self._roster.watched]

    def _take_one(self) -> bool:
        """Take the next due file of each folder; wait a moment where none is due."""
        taken = [one.take_one() for one in self._roster.watched]
        if not any(taken):
            self._stop.wait(_WAIT_S)
        return any(taken)

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

    def _between_pages(self) -> None:
        """Keep the heart beating within a long stack, and end between two of its pages."""
        if self._stop.is_set():
            raise StopAskedError
        self._beat_when_due()

    def _counted(self, count: FrameCount) -> None:
        self._progress_at = datetime.now(UTC)
        self._announce(count)

    def _beat_when_due(self) -> None:
        if time.monotonic() - self._beaten_s < _BEAT_EVERY_S:
            return
        self._beaten_s = time.monotonic()
        self._trouble.keep()
        with suppress(DatabaseBusyError, DatabaseFullError):
            self.beat()
            for one in self._roster.watched:
                one.say_how_folders_are()
            say_what_counts(self._worker.engine, self._store, self._tell)
            self._backup.tick()
            # Here the database has just taken a heartbeat, and the monitor's loop goes round.
            if self._roster.is_open and all(one.is_scanning() for one in self._roster.watched):
                self._service.progressed(self._doing())

    def _look_up_late(self) -> bool:
        """Take in what files beside the frames say by now, a little at each turn."""
        if self._roster.refresh():
            self._alerts.watch(self._experiments)
        progress = {one.experiment.name: one.progress for one in self._roster.watched}
        self._alerts.tick(progress, self._trouble.unkept)
        look_anew = time.monotonic() - self._looked_up_s >= _LOOK_UP_EVERY_S
        refined = sum(one.look_up_late(look_anew=look_anew) for one in self._roster.watched)
        if look_anew:
            self._looked_up_s = time.monotonic()
        return self._recounts.advance() or refined > 0

    def _finish_late(self) -> bool:
        """Ask once more, before the end, what files beside the frames say by now."""
        refined = sum(one.finish_late() for one in self._roster.watched)
        counted = {one.experiment.name: one.n_counted for one in self._roster.watched}
        while self._recounts.advance(at_once=True):
            self._between_pages()
        self._alerts.finish(counted, on_wait=self._between_pages)
        return refined > 0

    def _idle_for_s(self) -> float:
        since_change_s = time.monotonic() - self._roster.changed_s
        return min([since_change_s, *(one.idle_for_s() for one in self._roster.watched)])

    def _doing(self) -> str:
        waited_s = time.monotonic() - self._worker.awaited_since_s
        if self._worker.awaited and waited_s > _BEAT_EVERY_S:
            return f"waiting for {self._worker.awaited} for {waited_s:.0f} s"
        return "waiting for new frames" if self._idle_for_s() > 0 else "counting"
