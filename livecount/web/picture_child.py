"""What makes pictures, in a process of its own: it alone touches the watched folders."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from livecount.errors import LivecountError, RequestError
from livecount.frame import FrameKey
from livecount.platform.process import end_first, end_with_parent, lower_priority
from livecount.web.picture_cache import PictureCache
from livecount.web.problems import status_of

__all__ = ["Failure", "make_pictures"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no picture; errors themselves do not all survive the way between processes."""

    message: str
    hint: str
    status: int

    def as_error(self) -> RequestError:
        """Give it as what is said to who asked."""
        return RequestError(self.message, hint=self.hint, status=self.status)


def make_pictures(connection: Connection, cache: PictureCache) -> None:
    """Make one picture after the other until the server is gone; runs in the child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    lower_priority()
    end_first()
    with suppress(EOFError, OSError):
        connection.send(None)
        while True:
            connection.send(_answer(connection.recv(), cache))


def _answer(key: FrameKey, cache: PictureCache) -> Failure | None:
    try:
        _make(key, cache)
    except LivecountError as error:
        return Failure(error.message, error.hint, status_of(error))
    except Exception as fault:  # whatever a decoder or the disk does
        return Failure(
            f"{key.display_path} cannot be shown: {type(fault).__name__}: {fault}",
            "Is there room on this computer's disk?",
            503,
        )
    return None


def _make(key: FrameKey, cache: PictureCache) -> None:
    path = cache.path(key.content_hash)
    if path.exists():
        return
    from livecount.web.pyramid import n_bytes_of, write_picture

    pixels = _read(key)
    height_px, width_px = pixels.shape
    cache.add(path, n_bytes_of(height_px, width_px), lambda file: write_picture(pixels, file))


def _read(key: FrameKey) -> Any:
    """Read the pixels that were counted.

    Raises
    ------
    RequestError
        The folder or the file is not there, or the file holds other pixels now.
    """
    from livecount.readers import Patterns, read_page

    folder = Path(key.source)
    if not folder.is_dir():
        raise RequestError(
            f"The folder {folder} is not there",
            hint="Connect the disk or the share that it lies on; counts and cells are kept",
            status=424,
        )
    if not (folder / os.fsdecode(key.relative_path)).exists():
        raise RequestError(
            f"{key.display_path} is not in its folder any more",
            hint="Put it back to see it; its count and its cells are kept",
            status=410,
        )
    frame = read_page(folder, key.relative_path, key.page, patterns=Patterns.shipped())
    if frame.key.content_hash != key.content_hash:
        raise RequestError(
            f"{key.display_path} has changed since it was counted",
            hint="It is not shown, because its cells would lie on other pixels",
            status=409,
        )
    return frame.pixels
