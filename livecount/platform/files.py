"""Opening and stamping files that another program may still be writing.

Nothing here maps a file into memory: the truncation of a mapped file kills the reader on Linux and
makes the writer fail on Windows. What is specific to Windows is written from Microsoft's documented
behaviour of ``CreateFileW`` and was not run on Windows by this project's tests.
"""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from livecount.platform import windows

__all__ = ["FileStamp", "open_shared", "stat_shared"]

StrOrBytesPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What a file system says about a file's content: equal stamps mean "not written since".

    Attributes
    ----------
    size_bytes
        Length of the file.
    mtime_ns
        Modification time in nanoseconds as the file system keeps it; compared for equality and used
        for ordering only, never against a clock.
    """

    size_bytes: int
    mtime_ns: int


def open_shared(path: StrOrBytesPath) -> BinaryIO:
    """Open a file for reading so that its writer may still write, rename, truncate or delete it.

    Parameters
    ----------
    path
        The file; a plain :func:`open` shares everything except on Windows, where all three
        sharing flags are asked for.

    Returns
    -------
    BinaryIO
        A buffered binary reader, whose name is the path. Close it soon.

    Raises
    ------
    OSError
        As :func:`open` does.
    """
    if windows.ON_WINDOWS:
        # Not fdopen: readers and their libraries ask a handle for the name of its file.
        raw = io.FileIO(
            os.fsdecode(path), opener=lambda name, _: windows.open_descriptor(name, read=True)
        )
        return io.BufferedReader(raw)
    return Path(os.fsdecode(path)).open("rb")


def stat_shared(path: StrOrBytesPath) -> FileStamp | None:
    """Ask the file itself for its size and modification time, without following a link.

    On Windows a directory listing and a plain ``stat`` may lag behind a file that is open for
    writing, so that a handle is opened and asked.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    FileStamp or None
        None where the path is not a regular file (a folder, a link, a pipe).

    Raises
    ------
    OSError
        Where the path does not exist or may not be looked at.
    """
    if windows.ON_WINDOWS:
        descriptor = windows.open_descriptor(os.fsdecode(path), read=False)
        try:
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    else:
        status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode):
        return None
    return FileStamp(status.st_size, status.st_mtime_ns)
