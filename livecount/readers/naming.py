"""Which files of a watched folder are frames, and how their names are shown."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["ignore_reason", "is_frame_file", "readable_path"]

FRAME_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".png", ".jpg", ".jpeg")
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
    if name.endswith(b".cells.png"):
        return "cell masks"
    if not name.endswith(tuple(suffix.encode() for suffix in FRAME_SUFFIXES)):
        return "not an image that livecount reads"
    if _THUMBNAIL.search(name) or any(folder in _THUMBNAIL_FOLDERS for folder in folders):
        return "thumbnail"
    return None


def readable_path(relative_path: bytes) -> str:
    r"""Turn a raw path into text that may be shown, matched and kept: NFC, without control codes.

    >>> readable_path(b"cafe\xcc\x81/caf\xe9\n.tif")
    'café/caf\\xe9\\n.tif'
    """
    text = unicodedata.normalize("NFC", relative_path.decode("utf-8", "backslashreplace"))
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
