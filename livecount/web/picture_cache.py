"""Where pictures that were made once lie: on this computer's own disk, never more than a cap.

A picture is named by its pixels' hash: it is what was counted, whatever became of the file since,
and two databases of the same frames share it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from platformdirs import user_cache_path

from livecount.errors import RequestError
from livecount.web.pyramid import FORMAT

__all__ = ["PictureCache"]

_SUFFIX: Final = ".tiles"


class PictureCache:
    """Files of pictures; the one that was asked for the longest ago goes first.

    Parameters
    ----------
    folder
        By default in the user's cache folder.
    most_bytes
        What all together may take.
    """

    def __init__(self, folder: Path | None = None, *, most_bytes: int) -> None:
        self._folder = folder or user_cache_path("livecount", appauthor=False) / "pictures"
        self._most_bytes = most_bytes

    def path(self, content_hash: str) -> Path:
        """Give where a frame's picture lies or would lie; the name is made of a hash alone."""
        name = hashlib.blake2b(f"{FORMAT} {content_hash}".encode(), digest_size=16).hexdigest()
        return self._folder / f"{name}{_SUFFIX}"

    def touch(self, path: Path) -> None:
        """Keep that a picture was asked for now."""
        with suppress(OSError):
            os.utime(path)

    def add(self, path: Path, n_bytes: int, write: Callable[[BinaryIO], None]) -> None:
        """Write a picture; it is there whole or not at all.

        Parameters
        ----------
        n_bytes
            About what it will take, for which room is made before.

        Raises
        ------
        RequestError
            It is larger than all pictures together may be.
        OSError
            It cannot be written.
        """
        if n_bytes > self._most_bytes:
            raise RequestError(
                f"The frame is too large to be shown: {n_bytes / 1e9:.1f} GB of "
                f"{self._most_bytes / 1e9:.1f} GB for all pictures",
                hint="It is counted as any other; set `picture_cache_gb` higher, or draw it with "
                "`livecount count --overlay`",
                status=413,
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        self._make_room(n_bytes)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            with fresh.open("wb") as file:
                write(file)
            fresh.replace(path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise

    def _make_room(self, n_bytes: int) -> None:
        """Remove the oldest, leftovers of writers that were killed among them."""
        found = []
        for path in self._folder.iterdir():
            with suppress(OSError):
                stat = path.stat()
                found.append((stat.st_mtime_ns, stat.st_size, path))
        taken = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if taken + n_bytes <= self._most_bytes:
                return
            with suppress(OSError):  # it is being read, on Windows
                path.unlink()
                taken -= size
