"""Closed files of many planes, each kind read by the library that its vendor or community keeps.

A kind is an entry point of the group ``livecount.readers``: its name is the file suffix without the
dot, its value a function from the path to a :class:`Container`. So a package of anyone's can add a
format. Such files have their index at the end and are read once they are closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import tzinfo
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from livecount.errors import ReadError, RefusedFrameError, UnreadableFrameError
from livecount.frame import FrameAttributes
from livecount.readers.container_kinds import container_kinds
from livecount.readers.grey import DecodedPlane, luma, suspicions
from livecount.readers.opening import RETRY_HINT, ReadLimits, open_frame_file, shown_path

__all__ = [
    "Container",
    "count_container_pages",
    "is_container",
    "read_container_page",
]


class Container(Protocol):
    """A file that is open; planes are numbered from 0 as pages."""

    @property
    def n_pages(self) -> int:
        """Number of planes."""
        ...

    def claim(self, page: int) -> tuple[tuple[int, ...], int]:
        """Shape (y, x) of a plane and its size in bytes once decoded, as the file says."""
        ...

    def pixels(self, page: int) -> npt.NDArray[Any]:
        """Decode a plane: shape (y, x), or (y, x, 3) as red, green, blue."""
        ...

    def attributes(self, page: int, time_zone: tzinfo) -> FrameAttributes:
        """Say where and when a plane was taken; naive times are in ``time_zone``."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def is_container(path: Path) -> bool:
    """Tell by its suffix whether a file is read by a vendor's library."""
    return path.suffix.lower() in container_kinds()


def count_container_pages(path: Path, limits: ReadLimits) -> int:
    """Count the planes of a file.

    Raises
    ------
    UnreadableFrameError, RefusedFrameError
        As :func:`read_container_page`.
    """
    with _opened(path) as container:
        n_pages = container.n_pages
    if n_pages == 0:
        raise RefusedFrameError(
            f"{shown_path(path)}: holds no image with rows and columns (y, x)",
            hint="Remove it from the folder, or export its images as TIFF",
        )
    if n_pages > limits.max_pages:
        raise RefusedFrameError(
            f"{shown_path(path)}: {n_pages:,} pages, the limit is {limits.max_pages:,}",
            hint="If the file is sound, save it in smaller parts",
        )
    return n_pages


def read_container_page(
    path: Path, page: int, limits: ReadLimits, time_zone: tzinfo, *, with_pixels: bool
) -> tuple[DecodedPlane | None, FrameAttributes]:
    """Decode one plane, or only say where and when it was taken.

    Parameters
    ----------
    path
        A file for which :func:`is_container` holds.
    page
        Plane from 0.
    limits
        Checked against the file's claim before anything is decoded.
    time_zone
        Zone of naive times.
    with_pixels
        False decodes nothing.

    Raises
    ------
    UnreadableFrameError
        The file is not complete (yet), or damaged.
    RefusedFrameError
        The library is not installed, or the plane is not one that is read.
    """
    shown = shown_path(path)
    with _opened(path) as container:
        if not 0 <= page < container.n_pages:
            raise UnreadableFrameError(
                f"{shown}: page {page} is asked for, the file has {container.n_pages}, from 0",
                hint=RETRY_HINT,
            )
        attributes = container.attributes(page, time_zone)
        if not with_pixels:
            return None, attributes
        shape, n_bytes = container.claim(page)
        limits.check(shape, n_bytes, n_bytes, shown)
        return _grey(container.pixels(page), shown), attributes


def _grey(samples: npt.NDArray[Any], shown: str) -> DecodedPlane:
    if samples.dtype.kind not in "uif":
        raise RefusedFrameError(
            f"{shown}: pixels of kind {samples.dtype} are not read",
            hint="Export the images as 8- or 16-bit grey TIFF",
        )
    is_colour = samples.ndim == 3
    flags = suspicions(samples)
    pixels = luma(samples) if is_colour else samples
    level = None if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max)
    pixels = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
    return DecodedPlane(pixels, (*flags, "colour") if is_colour else flags, level)


@contextmanager
def _opened(path: Path) -> Iterator[Container]:
    """Open a file by its kind's library, and turn whatever that raises into one clear line."""
    shown = shown_path(path)
    entry = container_kinds()[path.suffix.lower()]
    with open_frame_file(path):
        pass  # absent, empty and forbidden files are told as for any other format
    try:
        container = cast(Callable[[Path], Container], entry.load())(path)
    except ImportError as error:
        name = error.name or str(error)
        raise RefusedFrameError(
            f"{shown}: {path.suffix} files are read with the package {name}, which is not here",
            hint="Run `pip install 'livecount[vendors]'`, then start again",
        ) from error
    except Exception as error:
        raise _undecodable(shown, error) from error
    try:
        yield container
    except ReadError:
        raise
    except Exception as error:
        raise _undecodable(shown, error) from error
    finally:
        container.close()


def _undecodable(shown: str, error: Exception) -> UnreadableFrameError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return UnreadableFrameError(f"{shown}: not complete, or damaged: {reason}", hint=RETRY_HINT)
