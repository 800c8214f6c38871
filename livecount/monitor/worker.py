"""The worker: a process that may hang with a share, or end with a frame, while the monitor goes on.

The monitor asks, waits with its heart beating, and gives up on a worker that does not answer; the
next question starts another one. What a worker was doing is then not done: nothing of it was kept.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import structlog

from livecount.config import Config
from livecount.errors import (
    LivecountError,
    WorkerError,
    WorkerLostError,
    WorkerSilentError,
    WorkerStartError,
)
from livecount.frame import FrameAttributes, FrameCount, FrameKey
from livecount.monitor.messages import EngineState
from livecount.platform.process import end_first, lower_priority
from livecount.readers import PageLook

if TYPE_CHECKING:
    from livecount.counting_rule import CountingRule, DiameterEstimate
    from livecount.monitor.messages import PageAhead, PageRead
    from livecount.nuclei import NucleiRule

__all__ = ["StopAskedError", "Worker"]

_TICK_S = 0.25
_START_PATIENCE_S = 120.0
_STARTS = 3
_STOP_PATIENCE_S = 3.0
"""How long the frame in hand may take to be finished once the monitor is to end."""
_LOST_BEFORE_MISTRUST = 2
"""Processes that end or hang one after the other while they count, until the reference counts.

A frame is tried five times, so that the reference has its turn before it is set aside."""
_COUNTING_S_PER_PIXEL = 60e-6
"""A guard against counting without end: a minute for each million pixels."""

Said = tuple[int, Literal["done", "failed"], Any]
"""The number of the question, how it went, and the answer or the error."""


class StopAskedError(Exception):
    """The monitor is to end: the file in hand is left as it is and taken up at the next start."""


class Worker:
    """Asks a process of its own to read and to count, and outlives it.

    Parameters
    ----------
    patience_s
        How long reading may take before the worker is given up.
    stop
        Set when the monitor is to end.
    on_wait
        Called several times a second while an answer is awaited.
    """

    def __init__(
        self,
        config: Config,
        *,
        patience_s: float,
        stop: threading.Event,
        on_wait: Callable[[], None],
    ) -> None:
        self._config = config
        self._patience_s = patience_s
        self._stop = stop
        self._on_wait = on_wait
        self._context = multiprocessing.get_context("spawn")
        self._process: Any = None
        self._connection: Connection | None = None
        self._asked = 0
        self._what = ""
        self._answer: Said = (-1, "done", None)
        self._log = structlog.get_logger("livecount.monitor")
        self.engine = EngineState()
        self._n_lost = 0
        self._mistrust = ""
        self.awaited = ""
        self.awaited_since_s = 0.0
        self._number_of: dict[Path, int] = {}

    def assign(self, root: Path, number: int) -> None:
        """Let the frames below a folder be read by the settings of that experiment."""
        self._number_of[root] = number

    def add(self, config: Config) -> int:
        """Make one more experiment's settings known; give its number.

        The next question starts a process that knows them.
        """
        each = (*self._config.each_experiment, config)
        self._config = self._config.model_copy(update={"experiments": each})
        self.give_up()
        return len(each) - 1

    def start(self) -> None:
        """Start a process and wait until it can work; one that ends meanwhile is started again.

        Raises
        ------
        ModelError, EngineError
            As it says itself.
        WorkerStartError
            Several ended, or one did not get ready.
        """
        for attempt in range(1, _STARTS + 1):
            try:
                self._start_once()
            except WorkerSilentError as error:
                raise WorkerStartError(error.message, hint=error.hint) from error
            except WorkerLostError as error:
                if attempt == _STARTS:
                    raise WorkerStartError(error.message, hint=error.hint) from error
            else:
                return

    def _start_once(self) -> None:
        ours, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=_serve,
            args=(theirs, self._config, self._mistrust),
            name="livecount-worker",
            daemon=True,
        )
        self._process.start()
        theirs.close()
        self._connection, self._asked = ours, 0
        try:
            self.engine = self._await(_START_PATIENCE_S, "the worker's start")
        except BaseException:
            self.give_up()
            raise

    def give_up(self) -> None:
        """End the process, however it hangs; the next question starts another one."""
        process, self._process = self._process, None
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if process is not None and process.is_alive():
            process.kill()
            # One that waits for a dead share cannot even be killed; it ends when that answers.
            process.join(0.5)

    def look(self, path: Path, *, settled: bool) -> PageLook:
        """Ask :meth:`Bench.look`; raises what reading raises, or as :meth:`_ask`."""
        found: PageLook = self._ask("look", path, settled, shown=path.name)
        return found

    def read(self, root: Path, relative_path: bytes, page: int) -> PageRead:
        """Ask :meth:`Bench.read`."""
        found: PageRead = self._ask(
            "read", root, relative_path, page, self._number_of.get(root, 0),
            shown=os.fsdecode(relative_path),
        )  # fmt: skip
        return found

    def count(
        self, page: PageRead, rule: CountingRule, analysis_id: str, ahead: PageAhead | None = None
    ) -> FrameCount:
        """Ask :meth:`Bench.count`; a runtime that ends or hangs there is not used for long."""
        found: FrameCount
        try:
            found, self.engine = self._ask(
                "count", page.key, rule, analysis_id, ahead, shown=page.key.display_path,
                more_s=page.n_pixels * _COUNTING_S_PER_PIXEL,
            )  # fmt: skip
        except (WorkerLostError, WorkerSilentError) as error:
            self._suspect_runtime(error)
            raise
        self._n_lost = 0
        return found

    def _suspect_runtime(self, error: WorkerError) -> None:
        """Let the reference count from the next process on, where another may be the cause."""
        if self.engine.is_reference:
            return
        self._n_lost += 1
        if self._n_lost >= _LOST_BEFORE_MISTRUST:
            self._mistrust = f"{error.message}, {self._n_lost} times by {self.engine.words}"

    def estimate_diameter(self, key: FrameKey) -> DiameterEstimate:
        """Ask :meth:`Bench.estimate_diameter`."""
        found: DiameterEstimate = self._ask("estimate_diameter", key, shown=key.display_path)
        return found

    def count_nuclei(
        self, page: PageRead, rule: NucleiRule, analysis_id: str, ahead: PageAhead | None = None
    ) -> FrameCount:
        """Ask :meth:`Bench.count_nuclei`."""
        found: FrameCount = self._ask(
            "count_nuclei", page.key, rule, analysis_id, ahead, shown=page.key.display_path,
            more_s=page.n_pixels * _COUNTING_S_PER_PIXEL,
        )  # fmt: skip
        return found

    def estimate_nucleus_diameter(self, key: FrameKey) -> float:
        """Ask :meth:`Bench.estimate_nucleus_diameter`."""
        diameter_px: float = self._ask("estimate_nucleus_diameter", key, shown=key.display_path)
        return diameter_px

    def draw_scale(self, key: FrameKey, rule: CountingRule, words: str, picture: Path) -> None:
        """Ask :meth:`Bench.draw_scale`."""
        self._ask("draw_scale", key, rule, words, picture, shown=key.display_path)

    def read_attributes(self, root: Path, relative_path: bytes, page: int) -> FrameAttributes:
        """Ask :meth:`Bench.read_attributes`."""
        found: FrameAttributes = self._ask(
            "read_attributes", root, relative_path, page, self._number_of.get(root, 0),
            shown=os.fsdecode(relative_path),
        )  # fmt: skip
        return found

    def companion_stamps(self, folder: Path) -> tuple[tuple[str, int, int], ...]:
        """Ask :meth:`Bench.companion_stamps`."""
        found: tuple[tuple[str, int, int], ...] = self._ask(
            "companion_stamps", folder, shown=folder.name
        )
        return found

    def is_absent(self, path: Path) -> bool:
        """Ask :meth:`Bench.is_absent`."""
        absent: bool = self._ask("is_absent", path, shown=path.name)
        return absent

    def _restart(self) -> None:
        """Start another process; that it does not start is no frame's fault."""
        try:
            self.start()
        except WorkerStartError:
            raise
        except (LivecountError, OSError) as error:
            raise WorkerStartError(
                f"The process that reads and counts does not start again: {error}",
                hint="It is tried again; check the memory and the model's folder",
            ) from error

    def _ask(self, what: str, *arguments: object, shown: str, more_s: float = 0.0) -> Any:
        """Ask and wait for the answer.

        Raises
        ------
        WorkerLostError
            The process ended meanwhile.
        WorkerSilentError
            It was given up because it did not answer.
        StopAskedError
            The monitor is to end, and the answer did not come soon.
        LivecountError, OSError
            What the question itself raised.
        """
        if self._process is None or not self._process.is_alive():
            self.give_up()
            self._restart()
        assert self._connection is not None
        self._asked += 1
        self._what = what
        with suppress(OSError):  # a process that just ended is noticed while waiting
            self._connection.send((self._asked, what, arguments))
        return self._await(self._patience_s + more_s, shown)

    def _await(self, patience_s: float, shown: str) -> Any:
        connection, process = self._connection, self._process
        assert connection is not None
        self.awaited, self.awaited_since_s = shown, time.monotonic()
        deadline_s, stop_s = time.monotonic() + patience_s, None
        try:
            while not self._is_answered(connection):
                now_s = time.monotonic()
                self._on_wait()
                if not process.is_alive() and not connection.poll(0):
                    raise self._lost(shown)
                if self._stop.is_set():
                    stop_s = stop_s or now_s + _STOP_PATIENCE_S
                    if now_s > stop_s:
                        self.give_up()
                        raise StopAskedError
                if now_s > deadline_s:
                    raise self._silent(shown, patience_s)
            _, word, said = self._answer
        except EOFError as error:
            raise self._lost(shown) from error
        finally:
            self.awaited = ""
        if word == "failed":
            raise said
        return said

    def _is_answered(self, connection: Connection) -> bool:
        """Wait a moment for the answer to the last question.

        Answers to earlier ones, whose waiting was interrupted by an error, are passed over.

        Raises
        ------
        EOFError
            The process is gone.
        """
        try:
            if not connection.poll(_TICK_S):
                return False
            self._answer = connection.recv()
        except OSError as error:
            raise EOFError from error
        return self._answer[0] == self._asked

    def _lost(self, shown: str) -> Exception:
        process = self._process
        process.join(1.0)
        code = process.exitcode
        self.give_up()
        if self._stop.is_set():  # who asks the monitor to end may have asked its worker as well
            return StopAskedError()
        self._log.error("worker ended", exit_code=code, frame=shown)
        return WorkerLostError(
            f"{shown}: the process that reads and counts ended ({_ending(code)})",
            hint="It is started again; if this frame ends it each time, look at the log",
        )

    def _silent(self, shown: str, patience_s: float) -> WorkerSilentError:
        self.give_up()
        self._log.error("worker given up", frame=shown, waited_s=round(patience_s))
        if self._what == "count":  # its pixels had been read
            return WorkerSilentError(
                f"{shown}: was read, but not counted within {patience_s:.0f} s",
                hint="See what else keeps this computer busy, and `livecount engine list --again`",
            )
        return WorkerSilentError(
            f"{shown}: could not be read and counted within {patience_s:.0f} s",
            hint="Check the disk or the share that it lies on",
        )


def _ending(code: int | None) -> str:
    if code is None:
        return "it does not answer"
    if code < 0:
        with suppress(ValueError):
            name = signal.Signals(-code).name
            return f"{name}, perhaps for want of memory" if name == "SIGKILL" else name
    return f"exit status {code}"


def _serve(connection: Connection, config: Config, mistrust: str) -> None:
    """Answer questions until the monitor is gone; runs in the worker's process."""
    # Ctrl+C reaches the whole group: the monitor decides when the frame in hand is finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lower_priority()
    end_first()
    from livecount.monitor.bench import Bench

    try:
        bench = Bench(config, mistrust)
    except LivecountError as error:
        connection.send((0, "failed", error))
        return
    with suppress(EOFError, OSError):
        connection.send((0, "done", bench.engine_state))
        while True:
            connection.send(_answered(bench, *connection.recv()))


def _answered(bench: Any, number: int, what: str, arguments: tuple[Any, ...]) -> Said:
    try:
        return number, "done", getattr(bench, what)(*arguments)
    except Exception as fault:
        return number, "failed", _portable(fault)


def _portable(fault: Exception) -> Exception:
    """Give an exception that survives the way to another process; those of libraries may not."""
    try:
        if str(pickle.loads(pickle.dumps(fault))) == str(fault):
            return fault
    except Exception:  # whatever it is about this exception
        pass
    return RuntimeError(f"{type(fault).__name__}: {fault}")
