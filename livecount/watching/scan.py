"""Walking a folder tree without following links, in parts that stay small."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from livecount.platform.files import FileStamp
from livecount.platform.filesystem import is_folder_link
from livecount.platform.windows import ON_WINDOWS

__all__ = ["Judge", "TreePart", "enters", "file_system_path", "kind_of", "walk"]

MAX_DEPTH = 64
"""Folders deeper than this are reported, not entered: no microscope nests so, loops do."""

MAX_ENTRIES = 2000
"""Entries listed before the walk lets its caller do something else."""

SKIPPED_FOLDERS = frozenset(
    (b"$recycle.bin", b"system volume information", b"lost+found", b"@eadir", b"#recycle")
)
"""Folders of operating systems and storage boxes, in lower case."""


class Judge(Protocol):
    """Who decides, during a walk, what deserves a look."""

    def is_frame(self, path: bytes) -> bool:
        """Tell by its name whether a file may hold frames."""

    def is_news(self, path: bytes, stamp: FileStamp | None) -> bool:
        """Tell whether a file differs from what is known; None where only its name is listed."""


@dataclass(slots=True)
class TreePart:
    """What a part of a walk met.

    Attributes
    ----------
    folder
        Relative path of the folder; empty for the root.
    news
        Relative paths of files that deserve a look.
    n_files, n_links
        Frame files and symbolic links met.
    errors
        Relative paths that could not be looked at, with what the system said.
    ends_folder
        True in a folder's last part.
    """

    folder: bytes
    news: list[bytes] = field(default_factory=list)
    n_files: int = 0
    n_links: int = 0
    errors: list[tuple[bytes, OSError]] = field(default_factory=list)
    ends_folder: bool = False


def file_system_path(root: bytes, relative_path: bytes) -> bytes:
    """Join the watched folder and a relative path as the operating system wants it."""
    if not relative_path:
        return root
    if ON_WINDOWS:
        relative_path = relative_path.replace(b"/", b"\\")
    return os.path.join(root, relative_path)  # noqa: PTH118


def enters(relative_folder: bytes) -> bool:
    """Tell whether the walk enters a folder: not hidden ones, nor those of the system.

    Examples
    --------
    >>> enters(b"run1/Pos0"), enters(b"run1/.cache/x"), enters(b"@eaDir")
    (True, False, False)
    """
    names = relative_folder.split(b"/")
    return not any(name.startswith(b".") or name.lower() in SKIPPED_FOLDERS for name in names)


def kind_of(root: bytes, relative_path: bytes) -> Literal["file", "folder", "other"]:
    """Tell what a path is now, without following a link; "other" where it is gone."""
    try:
        status = os.lstat(file_system_path(root, relative_path))
    except OSError:
        return "other"
    if stat.S_ISREG(status.st_mode):
        return "file"
    is_folder = stat.S_ISDIR(status.st_mode) and not is_folder_link(status)
    return "folder" if is_folder else "other"


def walk(root: bytes, judge: Judge, *, stamps: bool, start: bytes = b"") -> Iterator[TreePart]:
    """List all regular files below a folder; symbolic links and junctions are not followed.

    Parameters
    ----------
    root
        The watched folder as the operating system takes it.
    judge
        Asked about each file by its relative path and, where ``stamps``, the listing's stamp.
    stamps
        True to ask for each file's stamp (one system call a file, except on Windows), False to
        list names only.
    start
        Relative path of the folder to begin with.

    Yields
    ------
    TreePart
        At most ``MAX_ENTRIES`` entries of one folder.
    """
    folders = [start]
    while folders:
        folder = folders.pop()
        if folder.count(b"/") >= MAX_DEPTH:
            error = OSError(f"folders are nested deeper than {MAX_DEPTH}")
            yield TreePart(folder, errors=[(folder, error)], ends_folder=True)
            continue
        yield from _list(root, folder, folders, judge, stamps=stamps)


def _list(
    root: bytes, folder: bytes, folders: list[bytes], judge: Judge, *, stamps: bool
) -> Iterator[TreePart]:
    part = TreePart(folder)
    try:
        with os.scandir(file_system_path(root, folder)) as entries:
            for number, entry in enumerate(entries, 1):
                _meet(entry, part, folders, judge, stamps=stamps)
                if number % MAX_ENTRIES == 0:
                    yield part
                    part = TreePart(folder)
    except OSError as error:
        part.errors.append((folder, error))
    part.ends_folder = True
    yield part


def _meet(
    entry: os.DirEntry[bytes],
    part: TreePart,
    folders: list[bytes],
    judge: Judge,
    *,
    stamps: bool,
) -> None:
    path = part.folder + b"/" + entry.name if part.folder else entry.name
    try:
        if entry.is_file(follow_symlinks=False):
            if judge.is_frame(path):
                part.n_files += 1
                if judge.is_news(path, _stamp(entry) if stamps else None):
                    part.news.append(path)
        elif entry.is_symlink():
            part.n_links += 1
        elif entry.is_dir(follow_symlinks=False) and enters(entry.name):
            if ON_WINDOWS and is_folder_link(entry.stat(follow_symlinks=False)):
                part.n_links += 1
            else:
                folders.append(path)
    except FileNotFoundError:
        return
    except OSError as error:
        part.errors.append((path, error))


def _stamp(entry: os.DirEntry[bytes]) -> FileStamp:
    status = entry.stat(follow_symlinks=False)
    return FileStamp(status.st_size, status.st_mtime_ns)
