"""Files of a run appear whole or not at all, and what the disk refuses is one clear line."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from livecount.errors import TrainingError

__all__ = ["make_folder", "saying_what_disk_refuses", "write_whole"]

_IN_THE_WAY: Final = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)
_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def saying_what_disk_refuses(path: Path) -> Iterator[None]:
    """Turn an error of the file system into one clear line.

    Parameters
    ----------
    path
        What is written meanwhile, named where the error names nothing itself.

    Raises
    ------
    TrainingError
        The file system refused something.
    """
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{path} cannot be written ({error.strerror or error})", hint=_hint(error.errno)
        ) from error


def _hint(number: int | None) -> str:
    if number in _IN_THE_WAY:
        return "Give another folder with --output"
    if number in _NO_SPACE:
        return "Free space there, then go on with --resume"
    return "Allow writing there, then go on with --resume, or give another folder with --output"


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are missing.

    Raises
    ------
    TrainingError
        The file system refuses it.
    """
    with saying_what_disk_refuses(folder):
        folder.mkdir(parents=True, exist_ok=True)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file beside its place, then rename it there.

    Raises
    ------
    TrainingError
        The file system refuses it; the file is what it was before.
    """
    encoded = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.with_name(path.name + ".part")
    with saying_what_disk_refuses(path):
        try:
            with temporary.open("wb") as written:
                written.write(encoded)
                written.flush()
                os.fsync(written.fileno())
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
