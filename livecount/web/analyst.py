"""A process that makes snapshots or fits, so that no page waits for them."""

from __future__ import annotations

import multiprocessing
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from livecount.errors import LivecountError, RequestError
from livecount.growth import GrowthRow, WellSeries, Window, growth_of_wells
from livecount.platform.process import end_with_parent, lower_priority
from livecount.storage import CountStore
from livecount.web.snapshots import Snapshot, counts_shown, take_snapshot

__all__ = ["Analyst"]

_Job = tuple[Callable[..., Any], tuple[Any, ...], "Future[Any]"]


class Analyst:
    """One child process at low priority; what it is asked is done in turn.

    A pipe and no pool: a pool's semaphores outlive a server that is ended, and a pool whose process
    was killed never works again.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._child: SpawnProcess | None = None
        self._starting = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="analyst", daemon=True)
        self._thread.start()

    def snapshot(self, experiment: str) -> Future[Snapshot]:
        """Take a snapshot of an experiment under its primary analysis."""
        return self._ask(_take, self._database, experiment)

    def growth(self, wells: Sequence[WellSeries], window: Window | None) -> Future[list[GrowthRow]]:
        """Fit growth of wells and groups over a window, None for the whole run."""
        return self._ask(_fit, wells, window)

    def close(self) -> None:
        """End the process without waiting for what it does; who still waits is told so."""
        with self._starting:
            self._is_closed = True
            if self._child is not None:
                self._child.kill()
        self._jobs.put(None)

    def _ask(self, what: Callable[..., Any], *given: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._jobs.put((what, given, future))
        return future

    def _work(self) -> None:
        connection = None
        while (job := self._jobs.get()) is not None:
            what, given, future = job
            try:
                if connection is None or self._child is None or not self._child.is_alive():
                    connection = self._start()
                connection.send((what, given))
                result, error = connection.recv()
            except (OSError, EOFError):
                connection = None
                result, error = (
                    None,
                    RequestError(
                        "The process that computes curves has ended", hint="Ask again", status=503
                    ),
                )
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        child = context.Process(target=_serve, args=(theirs,), name="livecount-analyst")
        with self._starting:
            if self._is_closed:
                raise EOFError
            child.start()
            self._child = child
        theirs.close()
        return ours


def _serve(connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches the whole group
    end_with_parent()
    lower_priority(behind_counting=True)
    with suppress(OSError, EOFError):
        while True:
            what, given = connection.recv()
            connection.send(_answered(what, given))


def _answered(what: Callable[..., Any], given: tuple[Any, ...]) -> tuple[Any, Exception | None]:
    try:
        return what(*given), None
    except LivecountError as error:
        return None, error
    except Exception as fault:  # said to who asked; the process goes on
        return None, RequestError(f"The curves cannot be computed: {fault!r}", status=500)


def _take(database: Path, name: str) -> Snapshot:
    with CountStore.open(database, read_only=True) as store:
        experiment = store.experiment(name)
        analysis = store.analysis(experiment)
        marks = store.change_marks(experiment, analysis)
        table = counts_shown(store, experiment, analysis)
        return take_snapshot(store, experiment, analysis, marks, table)


def _fit(wells: Sequence[WellSeries], window: Window | None) -> list[GrowthRow]:
    return growth_of_wells(wells, window=window, positions=False)
