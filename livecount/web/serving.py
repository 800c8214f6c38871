"""The server: in the foreground, or in a process of its own beside the monitor."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing.context import SpawnProcess
from pathlib import Path

import structlog

from livecount.errors import LivecountError
from livecount.platform.process import end_with_parent
from livecount.settings import DashboardSettings
from livecount.web.access import Access
from livecount.web.token import dashboard_token

__all__ = ["DEFAULT_PORT", "serve", "start_server"]

HOST = "127.0.0.1"
DEFAULT_PORT = 8337
_BACKLOG = 100
_LOOK_EVERY_S = 0.5
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
_LASTED_S = 300.0
"""A server that lived so long did not fail at its start: the next comes without a long pause."""


def serve(
    database: Path,
    settings: DashboardSettings,
    port: int | None,
    on_ready: Callable[[Access], None],
) -> None:
    """Answer on this computer alone until stopped.

    Parameters
    ----------
    port
        None for the usual one, or any other where that is taken.
    on_ready
        Called with how it is reached.

    Raises
    ------
    LivecountError
        The port that was asked for is taken.
    """
    with _bound(port) as listening:
        access = Access(dashboard_token(), _port(listening))
        on_ready(access)
        _answer(database, settings, access, listening, apart=False)


@contextmanager
def start_server(database: Path, settings: DashboardSettings, port: int | None) -> Iterator[Access]:
    """Serve in a process of its own, which ends with this one; yields how it is reached.

    A process that ends on its own is followed by another on the same port.

    Parameters, errors
        As :func:`serve`.
    """
    with _bound(port) as listening:
        access = Access(dashboard_token(), _port(listening))
        server = _spawn(database, settings, access, listening)

    def start_again() -> SpawnProcess:
        # Bound anew: on Windows a socket that one process has served is of no use to another.
        with _bound(access.port) as listening:
            return _spawn(database, settings, access, listening)

    keeper = _Keeper(server, start_again)
    try:
        yield access
    finally:
        keeper.end()


def _spawn(
    database: Path, settings: DashboardSettings, access: Access, listening: socket.socket
) -> SpawnProcess:
    server = multiprocessing.get_context("spawn").Process(
        target=_serve_apart, args=(database, settings, access, listening), name="livecount-web"
    )
    server.start()
    return server


class _Keeper:
    """Keeps a server's process there until it is ended.

    Parameters
    ----------
    server
        The first.
    start_again
        Gives another, started.
    """

    def __init__(self, server: SpawnProcess, start_again: Callable[[], SpawnProcess]) -> None:
        self._server = server
        self._start_again = start_again
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="livecount-web", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """End the process for good."""
        self._ended.set()
        self._thread.join()
        self._server.terminate()
        self._server.join(3.0)
        if self._server.is_alive():
            self._server.kill()

    def _watch(self) -> None:
        log = structlog.get_logger("livecount.web")
        pause_s, began_s = _FIRST_PAUSE_S, time.monotonic()
        while not self._ended.wait(_LOOK_EVERY_S):
            if self._server.is_alive():
                continue
            if time.monotonic() - began_s > _LASTED_S:
                pause_s = _FIRST_PAUSE_S
            log.error("dashboard ended", exit_code=self._server.exitcode, starts_in_s=pause_s)
            if self._ended.wait(pause_s):
                return
            pause_s, began_s = min(2 * pause_s, _LONGEST_PAUSE_S), time.monotonic()
            try:
                self._server = self._start_again()
            except (OSError, LivecountError) as error:  # no memory, or another has the port
                log.error("dashboard not started", reason=str(error))


def _port(listening: socket.socket) -> int:
    return int(listening.getsockname()[1])


@contextmanager
def _bound(port: int | None) -> Iterator[socket.socket]:
    """Take the port asked for; where none was, the usual one or else any that is free."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        if os.name == "posix":  # elsewhere the option would let two servers share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, DEFAULT_PORT if port is None else port))
        except OSError as error:
            if port is not None:
                raise LivecountError(
                    f"Port {port} of this computer cannot be had: {error.strerror or error}",
                    hint="Give another with --port, or --no-dashboard to run without",
                ) from error
            listening.bind((HOST, 0))
        # From now on callers wait rather than being refused while the pages are got ready.
        listening.listen(_BACKLOG)
        yield listening


def _serve_apart(
    database: Path, settings: DashboardSettings, access: Access, listening: socket.socket
) -> None:
    # Ctrl+C reaches the whole group; the monitor ends this process when it has ended itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    _answer(database, settings, access, listening, apart=True)


def _answer(
    database: Path,
    settings: DashboardSettings,
    access: Access,
    listening: socket.socket,
    *,
    apart: bool,
) -> None:
    import uvicorn

    from livecount.web.app import make_app

    app = make_app(database, settings, access)
    serving = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        server_header=False,
    )

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            # Ctrl+C reaches the whole group: a server beside the monitor must not end before it.
            with nullcontext() if apart else super().capture_signals():
                yield

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            app.state.close()  # before requests that wait for it are waited for
            await super().shutdown(sockets)

    Server(serving).run(sockets=[listening])
