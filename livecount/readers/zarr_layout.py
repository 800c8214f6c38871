"""Where planes lie in an OME-Zarr that is being acquired (OME-NGFF 0.5 on Zarr version 3).

A Zarr array is a folder with ``zarr.json`` and one file for each chunk. Microscopes write a chunk
for each plane, so that a chunk file is what a frame file is elsewhere: it appears when the plane
was taken, and it is read once. Where a plane is cut into several chunks, its first chunk stands
for it and the others must be there too.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livecount.errors import RefusedFrameError, UnreadableFrameError
from livecount.platform.files import open_shared
from livecount.readers.naming import zarr_chunk_at
from livecount.readers.opening import RETRY_HINT, shown_path

__all__ = ["Chunk", "ZarrArray", "find_chunk"]

_MAX_BYTES = 64 * 1024**2
_SUFFIX = ".zarr"


@dataclass(frozen=True, slots=True, eq=False)
class ZarrArray:
    """One array and what the groups above it say.

    Attributes
    ----------
    folder
        The array's folder.
    store
        The outermost folder of the Zarr.
    metadata
        The array's own ``zarr.json``.
    group
        Attributes of the group that holds the array: its axes, scale and channels.
    shape, chunk_shape
        Along the array's axes; the last two are (y, x).
    """

    folder: Path
    store: Path
    metadata: Mapping[str, Any]
    group: Mapping[str, Any]
    shape: tuple[int, ...]
    chunk_shape: tuple[int, ...]

    @property
    def position(self) -> str:
        """Path of the array's group in the Zarr; empty where the array lies in the outermost."""
        return self.folder.parent.relative_to(self.store).as_posix().removeprefix(".")


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """A chunk file, in which one or several planes begin.

    Attributes
    ----------
    at
        Its coordinates in the grid of chunks.
    """

    array: ZarrArray
    at: tuple[int, ...]

    @property
    def planes_shape(self) -> tuple[int, ...]:
        """How many planes the chunk holds along each leading axis; those beyond the array not.

        An array that still grows may not have been told of its newest chunks.
        """
        array, extents = self.array, []
        for start, size, chunk in zip(self.at[:-2], array.shape, array.chunk_shape, strict=False):
            left = size - start * chunk
            extents.append(min(chunk, left) if left > 0 else chunk)
        return tuple(extents)

    @property
    def n_planes(self) -> int:
        """Number of planes in the chunk."""
        return math.prod(self.planes_shape)

    @property
    def parts(self) -> list[tuple[int, ...]]:
        """Coordinates of all the chunks that the planes are cut into, this one first."""
        sides = zip(self.array.shape[-2:], self.array.chunk_shape[-2:], strict=True)
        rows, columns = (-(-size // chunk) for size, chunk in sides)
        return [(*self.at[:-2], row, column) for row in range(rows) for column in range(columns)]

    def key(self, at: tuple[int, ...]) -> str:
        """Name of a chunk file below the array's folder."""
        return _separator(self.array).join(("c", *map(str, at)))

    def index_of(self, plane: int) -> tuple[int, ...]:
        """Place of a plane of this chunk along the array's leading axes."""
        within: list[int] = []
        for extent in reversed(self.planes_shape):
            plane, place = divmod(plane, extent)
            within.append(place)
        starts = zip(self.at[:-2], self.array.chunk_shape, strict=False)
        return tuple(
            at * chunk + place for (at, chunk), place in zip(starts, reversed(within), strict=True)
        )


def find_chunk(path: Path) -> Chunk | None:
    """Tell whether a file is a chunk of a Zarr array, and which.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Chunk or None
        None where the path is no chunk's.

    Raises
    ------
    UnreadableFrameError
        The array's description is not there yet, or cannot be read.
    RefusedFrameError
        It describes no array of planes.
    """
    parts = path.parts
    found = zarr_chunk_at([part.encode("utf-8", "surrogateescape") for part in parts])
    if found is None:
        return None
    n_folders, at = found
    folder = Path(*parts[:n_folders])
    array = _array(folder, _outermost(folder))
    if len(at) != len(array.shape):
        raise RefusedFrameError(
            f"{shown_path(path)}: a chunk of {len(at)} axes in an array of {len(array.shape)}",
            hint="Remove it, or write the array anew",
        )
    return Chunk(array, at)


def _outermost(folder: Path) -> Path:
    zarrs = [part for part in (folder, *folder.parents) if part.name.lower().endswith(_SUFFIX)]
    return zarrs[-1] if zarrs else folder.parent


def _array(folder: Path, store: Path) -> ZarrArray:
    metadata = _described(folder / "zarr.json")
    shown = shown_path(folder)
    hint = "Write it as Zarr version 3, with planes (y, x) along its last two axes"
    try:
        shape = tuple(int(n) for n in metadata["shape"])
        chunk_shape = tuple(int(n) for n in metadata["chunk_grid"]["configuration"]["chunk_shape"])
    except (KeyError, TypeError, ValueError) as error:
        raise RefusedFrameError(f"{shown}: zarr.json describes no array", hint=hint) from error
    if len(shape) < 2 or len(shape) != len(chunk_shape) or min(*shape[-2:], *chunk_shape) < 1:
        raise RefusedFrameError(
            f"{shown}: an array of shape {shape} in chunks of {chunk_shape} is not read", hint=hint
        )
    try:
        group = _described(folder.parent / "zarr.json").get("attributes", {})
    except UnreadableFrameError:
        group = {}
    return ZarrArray(
        folder, store, metadata, group if isinstance(group, dict) else {}, shape, chunk_shape
    )


def _separator(array: ZarrArray) -> str:
    encoding = array.metadata.get("chunk_key_encoding")
    settings = encoding.get("configuration") if isinstance(encoding, Mapping) else None
    separator = settings.get("separator") if isinstance(settings, Mapping) else None
    return "." if separator == "." else "/"


def _described(path: Path) -> Mapping[str, Any]:
    try:
        status = path.stat()
    except OSError as error:
        raise UnreadableFrameError(
            f"{shown_path(path)}: {error.strerror or error}: the array is not described (yet)",
            hint=RETRY_HINT,
        ) from error
    return _read(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _read(path: Path, _n_bytes: int, _mtime_ns: int) -> Mapping[str, Any]:
    """Read a description; size and time only say when to read it again."""
    try:
        with open_shared(path) as handle:
            found = json.loads(handle.read(_MAX_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableFrameError(
            f"{shown_path(path)}: cannot be read as JSON: {error}", hint=RETRY_HINT
        ) from error
    return found if isinstance(found, dict) else {}
