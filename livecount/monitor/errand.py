"""Work that is done once, in a process of its own, and may be given up."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from livecount.errors import LivecountError, WorkerError, WorkerLostError, WorkerSilentError
from livecount.platform.process import end_first, lower_priority

__all__ = ["Errand"]

_ORPHAN_S = 5.0


class Errand:
    """Calls a function in a process of its own and is asked now and then for the outcome.

    Parameters
    ----------
    work
        A function that can be named from another process.
    arguments
        What it is called with; goes through a pipe, so that nobody sees it in a list of processes.
    limit_s
        After how long it is given up.
    words
        What it does, for the message when it fails.
    """

    def __init__(
        self, work: Callable[..., Any], arguments: tuple[Any, ...], *, limit_s: float, words: str
    ) -> None:
        self._words = words
        self._limit_s = limit_s
        self._started_s = time.monotonic()
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_run,
            args=(theirs, work, arguments, limit_s + _ORPHAN_S),
            name="livecount-errand",
            daemon=True,
        )
        self._process.start()
        theirs.close()

    @property
    def took_s(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._started_s

    def is_done(self) -> bool:
        """Tell whether :meth:`outcome` has something to say; never waits."""
        return (
            self._connection.poll(0) or not self._process.is_alive() or self.took_s > self._limit_s
        )

    def outcome(self) -> Any:
        """Give what the function returned; only once it is done.

        Raises
        ------
        LivecountError
            What the function raised, or that it ended or took too long.
        """
        try:
            if not self._connection.poll(0):
                raise self._why_not()
            word, said = self._connection.recv()
        except (EOFError, OSError) as error:
            raise WorkerLostError(f"{self._words}: its process ended") from error
        finally:
            self.give_up()
        if word == "failed":
            raise said
        return said

    def give_up(self) -> None:
        """End the process, however it hangs."""
        self._connection.close()
        if self._process.is_alive():
            self._process.kill()
        self._process.join(0.5)

    def _why_not(self) -> WorkerError:
        if self._process.is_alive():
            return WorkerSilentError(f"{self._words}: no answer within {self._limit_s:.0f} s")
        return WorkerLostError(f"{self._words}: its process ended ({self._process.exitcode})")


def _run(
    connection: Connection, work: Callable[..., Any], arguments: tuple[Any, ...], limit_s: float
) -> None:
    # Ctrl+C reaches the whole group: the monitor decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A monitor that was killed gives nobody up.
    guard = threading.Timer(limit_s, os._exit, (1,))
    guard.daemon = True
    guard.start()
    lower_priority()
    end_first()
    try:
        answer = ("done", work(*arguments))
    except LivecountError as error:
        answer = ("failed", type(error)(error.message, hint=error.hint))
    except Exception as fault:
        answer = ("failed", LivecountError(f"{type(fault).__name__}: {fault}", hint="Report this"))
    with suppress(OSError):
        connection.send(answer)
