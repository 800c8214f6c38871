"""Asking for pictures: made by a child that may hang with a share and is then replaced.

A server that opened frame files itself would hang with the share that they lie on. Whoever asks
waits for a limited time, and the latest asked for is made first: who leafs through a series wants
the frame in front of him.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import structlog

from livecount.errors import RequestError
from livecount.frame import FrameKey
from livecount.web.picture_cache import PictureCache
from livecount.web.picture_child import Failure, make_pictures

__all__ = ["Pictures"]

WAIT_S: Final = 15.0
_START_S: Final = 60.0
_PIXELS_PER_S: Final = 5e6
"""A large frame may take longer than a request waits, which then asks again."""
_MOST_WAITING: Final = 24
_TICK_S: Final = 0.2
_SHUNNED_S: Final = 10.0
"""A folder that did not answer is not asked again for so long, so that others get their turn."""

_Job = tuple[FrameKey, int, "Future[Failure | None]"]


class Pictures:
    """Pictures of frames, made by one child process at a time.

    Parameters
    ----------
    wait_s
        How long a request waits, and how long a folder may be silent.
    """

    def __init__(self, cache: PictureCache, wait_s: float = WAIT_S) -> None:
        self._cache = cache
        self._wait_s = wait_s
        self._context = multiprocessing.get_context("spawn")
        self._process: Any = None
        self._connection: Connection | None = None
        self._jobs: dict[str, _Job] = {}
        self._shunned: dict[str, float] = {}
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self._log = structlog.get_logger("livecount.web")

    def close(self) -> None:
        """End the child without waiting for what it does."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._give_up()

    async def path(self, key: FrameKey, n_pixels: int) -> Path:
        """Give the file of a frame's picture, which is made where there is none yet.

        Raises
        ------
        RequestError
            It cannot be made, or not soon enough.
        """
        path = self._cache.path(key.content_hash)
        if not path.exists():
            made = asyncio.wrap_future(self._asked(key, n_pixels))
            try:
                failure = await asyncio.wait_for(asyncio.shield(made), self._wait_s + 1)
            except TimeoutError as error:
                raise RequestError(
                    "The frame is still being read", hint="Ask again soon", status=503
                ) from error
            if failure is not None:
                raise failure.as_error()
        self._cache.touch(path)
        return path

    def _asked(self, key: FrameKey, n_pixels: int) -> Future[Failure | None]:
        """Put a frame before all that wait; who asks for the same waits for the same."""
        with self._changed:
            _, _, future = self._jobs.pop(key.content_hash, (key, n_pixels, Future()))
            self._jobs[key.content_hash] = (key, n_pixels, future)
            if len(self._jobs) > _MOST_WAITING:
                _, _, dropped = self._jobs.pop(next(iter(self._jobs)))
                _settle(dropped, Failure("Too many frames were asked for", "Ask again", 503))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="pictures", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return future

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._is_closed)
                if self._is_closed:
                    return
                key, n_pixels, future = next(reversed(self._jobs.values()))
            try:
                failure = self._made(key, n_pixels)
            except Exception as fault:  # this thread serves all later requests as well
                self._log.exception("picture not made", frame=key.display_path)
                self._give_up()
                failure = Failure(f"The frame cannot be shown: {fault!r}", "See the log", 500)
            with self._changed:
                self._jobs.pop(key.content_hash, None)
            _settle(future, failure)

    def _made(self, key: FrameKey, n_pixels: int) -> Failure | None:
        silent = Failure(
            f"The folder {key.source} does not answer",
            "Check the disk or the share that it lies on; counts and cells are kept",
            503,
        )
        if time.monotonic() < self._shunned.get(key.source, 0.0):
            return silent
        if not self._is_ready() or self._connection is None:
            return Failure("The process that reads frames does not start", "See the log", 503)
        try:
            self._connection.send(key)
            if not self._is_answered(self._wait_s + n_pixels / _PIXELS_PER_S):
                self._log.error("reader of frames given up", folder=key.source)
                self._shunned[key.source] = time.monotonic() + _SHUNNED_S
                self._give_up()
                return silent
            failure: Failure | None = self._connection.recv()
        except (EOFError, OSError):
            self._give_up()
            return Failure(
                f"The process that reads frames ended on {key.display_path}",
                "Another one is started; perhaps memory is short",
                503,
            )
        return failure

    def _is_ready(self) -> bool:
        """Start a child where there is none."""
        if self._process is not None and self._process.is_alive():
            return True
        self._give_up()
        ours, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=make_pictures, args=(theirs, self._cache), name="livecount-pictures", daemon=True
        )
        self._process.start()
        theirs.close()
        self._connection = ours
        with suppress(EOFError, OSError):
            if self._is_answered(_START_S):
                ours.recv()
                return True
        self._give_up()
        return False

    def _is_answered(self, patience_s: float) -> bool:
        assert self._connection is not None
        deadline_s = time.monotonic() + patience_s
        while not self._connection.poll(_TICK_S):
            if time.monotonic() > deadline_s or self._is_closed:
                return False
        return True

    def _give_up(self) -> None:
        process, self._process = self._process, None
        connection, self._connection = self._connection, None
        if process is not None and process.is_alive():
            process.kill()
            # One that waits for a dead share cannot even be killed; it ends when that answers.
            process.join(0.5)
        if connection is not None:
            connection.close()


def _settle(future: Future[Failure | None], failure: Failure | None) -> None:
    if not future.done():
        future.set_result(failure)
