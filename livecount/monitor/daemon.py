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
from typing import TypeVar

import structlog

from livecount import __version__
from livecount.config import Config
from livecount.errors import (
    DatabaseUnavailableError,
    WorkerStartError,
)
from livecount.frame import FrameCount
from livecount.monitor.alerts import Alerts
from livecount.monitor.backups import RegularBackup
from livecount.monitor.engine_state import say_what_counts
from livecount.monitor.folders import say_how_it_is, state_of
from livecount.monitor.line_up import LineUp, no_folder, wanted
from livecount.monitor.sending import check_targets
from livecount.monitor.trouble import Trouble
from livecount.monitor.watched import Calls, register
from livecount.monitor.worker import StopAskedError, Worker
from livecount.platform.process import keep_awake, lower_priority
from livecount.platform.service import ServiceNotifier
from livecount.storage import (
    CountStore,
    Heartbeat,
    MonitorLock,
    Tally,
)

__all__ = ["run_monitor"]

_BEAT_EVERY_S = 5.0
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
    if not config.folders and not config.database.file.is_file():
        raise no_folder()
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
        self._started_at = datetime.now(UTC)
        self._progress_at: datetime | None = None
        self._beaten_s = -_BEAT_EVERY_S
        self._service = ServiceNotifier()
        self._log = structlog.get_logger("livecount.monitor")
        chosen = wanted(config, store)
        each = [(one, register(one, store)) for one in chosen]
        watched = [experiment for _, experiment in each]
        self._alerts = Alerts(config, store, watched, on_notice)
        since = min((one.created_at for one in watched), default=self._started_at)
        self._backup = RegularBackup(config.backup, store, since, on_notice)
        self._worker = Worker(
            config.model_copy(update={"experiments": tuple(chosen)}),
            patience_s=config.watch.patience_s,
            stop=stop,
            on_wait=self._beat_when_due,
        )
        calls = Calls(self._between_pages, self._counted, on_notice)
        self._line_up = LineUp(config, store, each, self._worker, calls, self._alerts.watch)
        self._worker.start()

    def watch(self, stack: ExitStack, until_idle_s: float | None) -> None:
        """Start the watchers and take files until stopped or idle."""
        stack.callback(self._worker.give_up)
        stack.callback(self._alerts.give_up)
        stack.callback(self._line_up.leave)
        self._line_up.watch()
        self._beaten_s = -_BEAT_EVERY_S  # what the worker is was not known at the first beat
        self._service.ready("watching")
        stack.callback(self._service.stopping)
        while not self._stop.is_set():
            taken = self._survive(self._take_one)
            self._beat_when_due()
            self._survive(self._look_up_late)
            if not taken and until_idle_s is not None and self._line_up.idle_for_s >= until_idle_s:
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
                    intake.source.folder: state_of(intake.watcher)
                    for intake in self._line_up.intakes
                },
                stopped_at=now if stopped else None,
            )
        )

    def _take_one(self) -> bool:
        """Take the next due file of each folder; wait a moment where none is due."""
        taken = [one.take_one() for one in self._line_up.watched]
        if not any(taken):
            self._stop.wait(_WAIT_S)
        return any(taken)

    def _survive(self, work: Callable[[], bool]) -> bool:
        """Do work; what may pass (a locked database, a full disk) is said and waited for."""
        try:
            done = work()
        except StopAskedError:
            return True
        except (DatabaseUnavailableError, WorkerStartError) as error:
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

    @property
    def _n_counted(self) -> int:
        return sum(one.n_counted for one in self._line_up.watched)

    def _counted(self, count: FrameCount) -> None:
        self._progress_at = datetime.now(UTC)
        self._announce(count)

    def _beat_when_due(self) -> None:
        if time.monotonic() - self._beaten_s < _BEAT_EVERY_S:
            return
        self._beaten_s = time.monotonic()
        self._trouble.keep()
        with suppress(DatabaseUnavailableError):
            self.beat()
            for intake in self._line_up.intakes:
                say_how_it_is(intake.source.folder, intake.watcher, self._store, self._tell)
            say_what_counts(self._worker.engine, self._store, self._tell)
            self._backup.tick()
        # The monitor's loop goes round. Where it waits for the database, another start would wait
        # as well, and would not know whom it has told of it.
        if self._line_up.is_scanning:
            self._service.progressed(self._doing())

    def _look_up_late(self) -> bool:
        """Take in what people and files beside the frames say by now, a little at each turn."""
        self._line_up.follow_orders()
        idle_for_s, unkept = self._line_up.idle_for_s, self._trouble.unkept
        self._alerts.tick(self._n_counted, idle_for_s, unkept, self._line_up.paces)
        return sum(one.look_up_late() for one in self._line_up.watched) > 0

    def _finish_late(self) -> bool:
        """Ask once more, before the end, what files beside the frames say by now."""
        refined = sum(one.finish_late(self._beat_when_due) for one in self._line_up.watched)
        self._alerts.finish(self._n_counted, on_wait=self._between_pages)
        return refined > 0

    def _doing(self) -> str:
        waited_s = time.monotonic() - self._worker.awaited_since_s
        if self._worker.awaited and waited_s > _BEAT_EVERY_S:
            return f"waiting for {self._worker.awaited} for {waited_s:.0f} s"
        return "waiting for new frames" if self._line_up.idle_for_s > 0 else "counting"


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
