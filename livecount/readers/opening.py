"""Open frame files so that the acquisition does not notice, and turn failures into clear errors."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from livecount.errors import RefusedFrameError, UnreadableFrameError
from livecount.platform.files import open_shared
from livecount.readers.naming import readable_path

__all__ = ["OpenFile", "ReadLimits", "open_frame_file", "shown_path"]

_GIB = 1024**3
RETRY_HINT = "A run reads it again when it changes"


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What a file may claim before it is refused unread, so that memory stays bounded.

    Attributes
    ----------
    max_pixels
        Pixels of one page.
    max_bytes_decoded
        Bytes of one page once decoded.
    max_expansion
        Decoded bytes per byte on disk for pages above ``expansion_free_bytes``; real micrographs
        stay far below, files made to fill the memory (deflate reaches 1030) lie far above.
    expansion_free_bytes
        Pages up to this decoded size may expand as they like (empty frames compress well).
    max_pages
        Pages of one file.
    """

    max_pixels: int = 1_000_000_000
    max_bytes_decoded: int = 2 * _GIB
    max_expansion: float = 250.0
    expansion_free_bytes: int = 128 * 1024**2
    max_pages: int = 250_000

    def check(self, shape: tuple[int, ...], n_bytes: int, n_bytes_on_disk: int, where: str) -> None:
        """Refuse a page by what its header claims, before anything is allocated.

        Parameters
        ----------
        shape
            Shape of the page in pixels, the last two axes being (y, x).
        n_bytes
            Bytes of the page once decoded.
        n_bytes_on_disk
            Bytes of the page's data in the file.
        where
            The path as it may be shown.

        Raises
        ------
        RefusedFrameError
            When a limit is exceeded.
        """
        size = " x ".join(f"{extent:,}" for extent in shape)
        n_pixels = 1
        for extent in shape:
            n_pixels *= extent
        if n_pixels > self.max_pixels:
            raise RefusedFrameError(
                f"{where}: the image claims {size} pixels, the limit is {self.max_pixels:,}",
                hint="If the file is sound, save it in smaller fields",
            )
        if n_bytes > self.max_bytes_decoded:
            raise RefusedFrameError(
                f"{where}: the image of {size} pixels would take {n_bytes / _GIB:.1f} GiB, "
                f"the limit is {self.max_bytes_decoded / _GIB:.1f} GiB",
                hint="If the file is sound, save it in smaller fields",
            )
        expansion = n_bytes / max(1, n_bytes_on_disk)
        if n_bytes > self.expansion_free_bytes and expansion > self.max_expansion:
            raise RefusedFrameError(
                f"{where}: {n_bytes_on_disk:,} bytes would expand {expansion:,.0f}-fold to "
                f"{n_bytes / _GIB:.1f} GiB, the limit is {self.max_expansion:.0f}-fold",
                hint="If the file is sound, save it without compression",
            )


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An open frame file: its handle, its size by that handle, and its name as it may be shown."""

    handle: BinaryIO
    n_bytes: int
    shown: str


def shown_path(path: Path) -> str:
    r"""Return a path as one line of text that is safe to show whatever bytes it holds.

    >>> shown_path(Path("a\nb.tif"))
    'a\\nb.tif'
    """
    return readable_path(os.fsencode(path))


@contextlib.contextmanager
def open_frame_file(path: Path) -> Iterator[OpenFile]:
    """Open a frame file for a short look, sharing it with its writer; nothing is memory-mapped.

    Parameters
    ----------
    path
        The file.

    Yields
    ------
    OpenFile
        Handle (at position 0) and size.

    Raises
    ------
    UnreadableFrameError
        When the file is absent, locked, empty or not permitted.
    RefusedFrameError
        When the path is no regular file.
    """
    shown = shown_path(path)
    try:
        if path.exists() and not path.is_file():
            raise RefusedFrameError(
                f"{shown}: not a regular file", hint="Remove it from the folder"
            )
        with open_shared(path) as handle:
            n_bytes = os.fstat(handle.fileno()).st_size
            if n_bytes == 0:
                raise UnreadableFrameError(f"{shown}: the file is empty (0 bytes)", hint=RETRY_HINT)
            yield OpenFile(handle, n_bytes, shown)
    except PermissionError as error:
        raise UnreadableFrameError(
            f"{shown}: permission denied", hint="Give the user that runs livecount read permission"
        ) from error
    except FileNotFoundError as error:
        raise UnreadableFrameError(f"{shown}: no such file", hint=RETRY_HINT) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UnreadableFrameError(f"{shown}: cannot be read: {reason}", hint=RETRY_HINT) from error
