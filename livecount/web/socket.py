"""The WebSocket of the pages: what is new of one experiment, told as it happens.

Not server-sent events: a browser opens only six connections to a server over HTTP/1.1, so that the
seventh tab would not load.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, WebSocket
from starlette.websockets import WebSocketDisconnect

from livecount.errors import LivecountError, RequestError
from livecount.web.api import find_experiment
from livecount.web.board import Board
from livecount.web.health import read_health

__all__ = ["make_socket"]

_HEALTH_EVERY_S: Final = 5.0
_HEALTH_KEPT_S: Final = 1.0
_LONGEST_QUEUE: Final = 200
_GONE: Final = 4404
"""WebSocket close code of our own: there is no such experiment."""


def make_socket(board: Board) -> APIRouter:
    """Make the route."""
    routes = APIRouter()
    health = _SharedHealth(board)

    @routes.websocket("/api/v1/live")
    async def live(socket: WebSocket, experiment: Annotated[int, Query(ge=1, le=2**53)]) -> None:
        await socket.accept()
        try:
            found = await asyncio.to_thread(find_experiment, board, experiment)
        except RequestError:
            await socket.close(_GONE)
            return
        except LivecountError:
            await socket.close(1013)  # try again later
            return
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(_LONGEST_QUEUE)
        loop = asyncio.get_running_loop()

        def listener(message: dict[str, Any]) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(_put, queue, message)

        end = board.listen(found.name, listener)
        tasks = [
            asyncio.create_task(_send(socket, queue)),
            asyncio.create_task(_send_health(health, queue)),
            asyncio.create_task(_until_gone(socket)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            end()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(RuntimeError, WebSocketDisconnect):
                await socket.close()

    return routes


def _put(queue: asyncio.Queue[dict[str, Any]], message: dict[str, Any]) -> None:
    """Queue a message; a viewer who does not keep up is told to ask for everything anew."""
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        message = {"kind": "snapshot", "number": -1}
    queue.put_nowait(message)


async def _send(socket: WebSocket, queue: asyncio.Queue[dict[str, Any]]) -> None:
    while True:
        await socket.send_json(await queue.get())


async def _send_health(health: _SharedHealth, queue: asyncio.Queue[dict[str, Any]]) -> None:
    while True:
        _put(queue, {"kind": "health", **await asyncio.to_thread(health.read)})
        await asyncio.sleep(_HEALTH_EVERY_S)


class _SharedHealth:
    """How the run is, read once for all who ask within a moment."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._lock = threading.Lock()
        self._known: dict[str, Any] = {}
        self._until_s = 0.0

    def read(self) -> dict[str, Any]:
        with self._lock:
            if time.monotonic() >= self._until_s:
                self._known = self._read_anew()
                self._until_s = time.monotonic() + _HEALTH_KEPT_S
            return self._known

    def _read_anew(self) -> dict[str, Any]:
        try:
            with self._board.opened() as store:
                return read_health(store).as_json()
        except LivecountError as error:
            return {"is_well": False, "reason": str(error)}


async def _until_gone(socket: WebSocket) -> None:
    with suppress(WebSocketDisconnect):
        while True:
            await socket.receive_text()
