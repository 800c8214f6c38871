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
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import structlog

from livecount import __version__
from livecount.config import Config
from livecount.errors import ConfigError
from livecount.frame import FrameCount
from livecount.monitor.counting import open_counting, patterns_for
from livecount.monitor.intake import Intake
from livecount.platform.process import keep_awake, lower_priority
from livecount.readers import is_frame_file
from livecount.storage import (
    CountStore,
    Experiment,
    FrameState,
    Heartbeat,
    MonitorLock,
    Tally,
)
from livecount.watching import SettleRule, Watcher

__all__ = ["run_monitor"]

_BEAT_EVERY_S = 5.0
_WAIT_S = 0.25


def run_monitor(
    config: Config,
    *,
    until_idle_s: float | None = None,
    stop: threading.Event | None = None,
    on_count: Callable[[FrameCount], None] | None = None,
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

    Returns
    -------
    Tally
        What became of every frame ever seen in this database.

    Raises
    ------
    ConfigError
        No folder is watched, or the experiment was counted with other settings.
    MonitorRunningError
        Another monitor writes to the same database.
    """
    if not config.watch.folders:
        raise ConfigError(
            "No folder to watch", hint="Name one: `livecount run FOLDER`, or [watch] folders"
        )
    with ExitStack() as stack:
        stack.enter_context(MonitorLock(config.database.file))
        store = stack.enter_context(CountStore.open(config.database.file))
        stack.enter_context(keep_awake())
        lower_priority()
        monitor = _Monitor(config, store, stop or threading.Event(), on_count)
        stack.callback(monitor.beat, stopped=True)
        monitor.watch(stack, until_idle_s)
        return store.tally()


class _Monitor:
    def __init__(
        self,
        config: Config,
        store: CountStore,
        stop: threading.Event,
        on_count: Callable[[FrameCount], None] | None,
    ) -> None:
        self._config = config
        self._store = store
        self._stop = stop
        self._announce = on_count
        self._started_at = datetime.now(UTC)
        self._progress_at: datetime | None = None
        self._beaten_s = -_BEAT_EVERY_S
        store.end_notice()  # those of a monitor that was killed
        self._experiment = self._ensure_experiment()
        self._counting = open_counting(config, store, self._experiment)
        self._intakes: list[Intake] = []
        self._log = structlog.get_logger("livecount.monitor")

    def watch(self, stack: ExitStack, until_idle_s: float | None) -> None:
        """Start the watchers and take files until stopped or idle."""
        for folder in self._config.watch.folders:
            self._intakes.append(self._open_intake(folder, stack))
        self._log.info(
            "watching",
            folders=[str(folder) for folder in self._config.watch.folders],
            engine=self._counting.engine_words,
            experiment=self._experiment.name,
        )
        while not self._stop.is_set():
            taken = self._take_one()
            self._beat_when_due()
            if not taken and until_idle_s is not None and self._idle_for_s() >= until_idle_s:
                return

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
                engine=self._counting.engine_words,
                source_states={
                    intake.source.folder: _in_words(intake.watcher) for intake in self._intakes
                },
                stopped_at=now if stopped else None,
            )
        )

    def _ensure_experiment(self) -> Experiment:
        settings = self._config.experiment
        return self._store.ensure_experiment(
            self._config.experiment_name,
            time_zone=settings.time_zone,
            t0=settings.t0,
            frame_interval_min=settings.frame_interval_min,
        )

    def _open_intake(self, folder: Path, stack: ExitStack) -> Intake:
        source = self._store.ensure_source(self._experiment, str(folder))
        # What was set aside may be readable by now: permissions, settings or livecount changed.
        self._store.reopen(source, FrameState.QUARANTINED)
        settings = self._config.watch
        watcher = Watcher(
            folder,
            known=self._store.known_files(source),
            accepts=is_frame_file,
            settle=SettleRule(
                unchanged_for_s=settings.settle_s,
                looks=settings.settle_looks,
                on_network_s=settings.settle_on_share_s,
            ),
            interval_s=settings.scan_interval_s,
            order=settings.order,
        )
        intake = Intake(
            source,
            watcher,
            self._store,
            self._counting,
            self._config,
            patterns=patterns_for(self._config),
            on_count=self._counted,
        )
        stack.enter_context(watcher)
        return intake

    def _take_one(self) -> bool:
        """Take the next due file of each folder; wait a moment where none is due."""
        taken = False
        for intake in self._intakes:
            sighting = intake.watcher.next_complete(0.0)
            if sighting is not None:
                intake.take(sighting)
                taken = True
        if not taken:
            self._stop.wait(_WAIT_S)
        return taken

    def _counted(self, count: FrameCount) -> None:
        self._progress_at = datetime.now(UTC)
        if self._announce is not None:
            self._announce(count)

    def _beat_when_due(self) -> None:
        if time.monotonic() - self._beaten_s >= _BEAT_EVERY_S:
            self._beaten_s = time.monotonic()
            self.beat()

    def _idle_for_s(self) -> float:
        return min(intake.watcher.idle_for_s() for intake in self._intakes)

    def _doing(self) -> str:
        return "waiting for new frames" if self._idle_for_s() > 0 else "counting"


def _in_words(watcher: Watcher) -> str:
    status = watcher.status()
    if not status.online:
        return f"offline: {status.offline_reason}"
    waiting = status.settling + status.due + status.waiting + status.in_hand
    return f"watched by {status.mode}, {status.files_seen} files, {waiting} waiting"
