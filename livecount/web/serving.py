"""The server: in the foreground, or in a process of its own beside the monitor."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from livecount.errors import LivecountError

__all__ = ["DEFAULT_PORT", "serve", "start_server"]

HOST = "127.0.0.1"
_NAMES = [HOST, "localhost"]
DEFAULT_PORT = 8337


def serve(database: Path, port: int | None, on_ready: Callable[[str], None]) -> None:
    """Answer on this computer alone until stopped.

    Parameters
    ----------
    port
        None for the usual one, or any other where that is taken.
    on_ready
        Called with the address.

    Raises
    ------
    LivecountError
        The port that was asked for is taken.
    """
    with _bound(port) as listening:
        on_ready(_address(listening))
        _answer(database, listening, apart=False)


@contextmanager
def start_server(database: Path, port: int | None) -> Iterator[str]:
    """Serve in a process of its own, which ends with this one; yields the address.

    Parameters, errors
        As :func:`serve`.
    """
    with _bound(port) as listening:
        server = multiprocessing.get_context("spawn").Process(
            target=_serve_apart, args=(database, listening), name="livecount-web", daemon=True
        )
        server.start()
        address = _address(listening)
    try:
        yield address
    finally:
        server.terminate()
        server.join(3.0)
        if server.is_alive():
            server.kill()


def _address(listening: socket.socket) -> str:
    return f"http://{HOST}:{listening.getsockname()[1]}"


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
        yield listening


def _serve_apart(database: Path, listening: socket.socket) -> None:
    # Ctrl+C reaches the whole group; the monitor ends this process when it has ended itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _answer(database, listening, apart=True)


def _end_with_parent() -> None:
    """End this process, which would keep the port, when the monitor was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def _answer(database: Path, listening: socket.socket, *, apart: bool) -> None:
    import uvicorn

    from livecount.web.app import make_app

    settings = uvicorn.Config(
        make_app(database, _NAMES),
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
    )

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            # Ctrl+C reaches the whole group: a server beside the monitor must not end before it.
            with nullcontext() if apart else super().capture_signals():
                yield

    Server(settings).run(sockets=[listening])
