"""Counts with another h, made one after the other by a child process, so that no page waits.

How far each has come is known here alone and forgotten with the server; what is counted is in the
database, and counting again goes on there.
"""

from __future__ import annotations

import multiprocessing
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final, Literal

import structlog

from livecount.errors import RequestError
from livecount.storage import Analysis, Experiment
from livecount.web.picture_child import Failure
from livecount.web.recount_child import count_again

__all__ = ["Progress", "Recounts"]

_MOST_WAITING: Final = 20
_MOST_KEPT: Final = 50
State = Literal["waiting", "running", "done", "failed"]
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a count with another h has come.

    Attributes
    ----------
    n_done, n_frames
        Frames dealt with, of those that were lacking when it was asked for.
    failure
        Why it has ended early, None where it has not.
    """

    experiment: str
    analysis_id: str
    h: float
    n_frames: int
    n_done: int = 0
    state: State = "waiting"
    failure: Failure | None = None

    @property
    def key(self) -> _Key:
        """What tells it from others: experiment and analysis."""
        return self.experiment, self.analysis_id

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens."""
        return self.state in ("done", "failed")


class Recounts:
    """The counts with another h that were asked for since the server started."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._known: dict[_Key, Progress] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._child: SpawnProcess | None = None
        self._is_closed = False
        self._log = structlog.get_logger("livecount.web")

    def close(self) -> None:
        """End the child; what it has counted is kept."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            if self._child is not None:
                self._child.kill()

    def of(self, experiment: Experiment) -> list[Progress]:
        """List those of an experiment, in the order in which they were asked for."""
        with self._changed:
            return [one for one in self._known.values() if one.experiment == experiment.name]

    def ask(self, experiment: Experiment, analysis: Analysis, n_frames: int) -> Progress:
        """Let an analysis count what only others of its family have; one that waits is not doubled.

        Raises
        ------
        RequestError
            Too many wait already.
        """
        asked = Progress(experiment.name, analysis.id, analysis.settings.h, n_frames)
        with self._changed:
            known = self._known.pop(asked.key, None)
            if known is not None and not known.is_over:
                self._known[known.key] = known
                return known
            if sum(one.state == "waiting" for one in self._known.values()) >= _MOST_WAITING:
                raise RequestError(
                    f"{_MOST_WAITING} counts with other h wait already",
                    hint="Ask again when they are done",
                    status=503,
                )
            self._known[asked.key] = asked
            over = [one.key for one in self._known.values() if one.is_over]
            for key in over[: max(0, len(self._known) - _MOST_KEPT)]:
                del self._known[key]
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="recounts", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return asked

    def _work(self) -> None:
        while (one := self._next()) is not None:
            try:
                failure = self._count(one)
            except Exception as fault:  # this thread serves all later requests as well
                self._log.exception("not counted again", experiment=one.experiment)
                failure = Failure(f"The count again has failed: {fault!r}", "See the log", 500)
            self._note(one, failure=failure, state="failed" if failure else "done")

    def _next(self) -> Progress | None:
        """Wait for the next one; None at the end."""
        with self._changed:
            while not self._is_closed:
                for one in self._known.values():
                    if one.state == "waiting":
                        return self._note(one, state="running")
                self._changed.wait()
        return None

    def _count(self, one: Progress) -> Failure | None:
        connection = self._start(one)
        with suppress(EOFError, OSError), connection:
            while True:
                told: int | Failure | None = connection.recv()
                if not isinstance(told, int):
                    return told
                one = self._note(one, n_done=one.n_done + told)
        return Failure(
            f"The process that counts again with h = {one.h:g} has ended early",
            "Count again: it goes on where it was",
            503,
        )

    def _start(self, one: Progress) -> Connection:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        child = context.Process(
            target=count_again,
            args=(theirs, self._database, one.experiment, one.analysis_id),
            name="livecount-recount",
            daemon=True,
        )
        with self._changed:
            if not self._is_closed:
                child.start()
                self._child = child
        theirs.close()
        return ours

    def _note(self, one: Progress, **changed: Any) -> Progress:
        with self._changed:
            self._known[one.key] = noted = replace(self._known[one.key], **changed)
        return noted
