"""Which files of a watched folder are frames, and how their names are shown."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence

from livecount.readers.container_kinds import container_suffixes

__all__ = ["ignore_reason", "is_frame_file", "readable_path", "zarr_chunk_at"]

FRAME_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".png", ".jpg", ".jpeg")
_ZARR = b".zarr"
_SYSTEM_FOLDERS = frozenset(
    {b"@eadir", b"$recycle.bin", b"system volume information", b"__macosx", b"lost+found"}
)
_THUMBNAIL_FOLDERS = frozenset({b"thumbs", b"thumbnail", b"thumbnails"})
# ImageXpress appends a GUID to "_thumb"; the word must not start a longer one.
_THUMBNAIL = re.compile(rb"(?:^|[_\-. ])thumb(?:s|nails?)?(?![a-z]{3})", re.IGNORECASE)


def is_frame_file(relative_path: bytes) -> bool:
    """Tell by name alone whether a file of a watched folder is taken as frames.

    >>> is_frame_file(b"plate/A1_t001.TIF"), is_frame_file(b".hidden.tif")
    (True, False)
    """
    return ignore_reason(relative_path) is None


def ignore_reason(relative_path: bytes) -> str | None:
    """Say why a file of a watched folder is not taken as frames.

    Parameters
    ----------
    relative_path
        Path below the watched folder with ``/`` separators, as raw bytes.

    Returns
    -------
    str or None
        The reason in words that users read, or None for a frame file.
    """
    *folders, name = relative_path.lower().split(b"/")
    if any(part.startswith(b".") for part in (*folders, name)):
        return "hidden file or folder"
    if any(folder in _SYSTEM_FOLDERS for folder in folders):
        return "system folder"
    if name.endswith((b".part", b".tmp")):
        return "temporary file"
    chunk = zarr_chunk_at((*folders, name))
    if chunk is not None:
        return _ignore_reason_of_chunk((*folders, name), *chunk)
    if any(folder.endswith(_ZARR) for folder in folders):
        return "description inside a Zarr"
    if name.endswith(b".cells.png"):
        return "cell masks"
    if not name.endswith(_frame_suffixes()):
        return "not an image that livecount reads"
    if _THUMBNAIL.search(name) or any(folder in _THUMBNAIL_FOLDERS for folder in folders):
        return "thumbnail"
    return None


@functools.cache
def _frame_suffixes() -> tuple[bytes, ...]:
    return tuple(suffix.encode() for suffix in (*FRAME_SUFFIXES, *container_suffixes()))


def zarr_chunk_at(parts: Sequence[bytes]) -> tuple[int, tuple[int, ...]] | None:
    """Tell by its path alone whether a file is a chunk of a Zarr version 3 array.

    Parameters
    ----------
    parts
        The path's folders and name.

    Returns
    -------
    tuple or None
        How many of ``parts`` lead to the array's folder, and the chunk's coordinates in its grid.

    >>> zarr_chunk_at([b"run.ome.zarr", b"A1", b"0", b"c", b"12", b"0", b"0"])
    (3, (12, 0, 0))
    """
    if parts[-1].lower().startswith(b"c."):
        n_folders, numbers = len(parts) - 1, parts[-1].split(b".")[1:]
    else:
        n_numbers = 0
        while n_numbers < len(parts) and parts[-1 - n_numbers].isdigit():
            n_numbers += 1
        n_folders = len(parts) - n_numbers - 1
        if n_folders < 1 or parts[n_folders].lower() != b"c":
            return None
        numbers = list(parts[n_folders + 1 :])
    if len(numbers) < 2 or not all(part.isdigit() for part in numbers):
        return None
    return n_folders, tuple(int(part) for part in numbers)


def _ignore_reason_of_chunk(
    parts: Sequence[bytes], n_folders: int, at: tuple[int, ...]
) -> str | None:
    array = parts[n_folders - 1]
    if b"labels" in parts[:n_folders]:
        return "labels inside a Zarr"
    if array.isdigit() and int(array) > 0:
        return "smaller copy of an image"
    return "part of a plane that its first part stands for" if any(at[-2:]) else None


def readable_path(relative_path: bytes) -> str:
    r"""Turn a raw path into text that may be shown, matched and kept: NFC, without control codes.

    >>> readable_path(b"cafe\xcc\x81/caf\xe9\n.tif")
    'café/caf\\xe9\\n.tif'
    """
    text = unicodedata.normalize("NFC", relative_path.decode("utf-8", "backslashreplace"))
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
