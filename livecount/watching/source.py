"""Whether the watched folder is there, and still the one that it was."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from livecount.platform.filesystem import FileSystem, file_system_kind
from livecount.platform.windows import ON_WINDOWS, extended_path

__all__ = ["Source", "SourceLostError"]


class SourceLostError(Exception):
    """The watched folder cannot be seen now; never leaves this package."""


class Source:
    """The watched folder as a place that may go and come back.

    Parameters
    ----------
    root
        The watched folder; it need not exist yet.
    """

    def __init__(self, root: Path) -> None:
        text = str(root.absolute())
        self.path = os.fsencode(extended_path(text) if ON_WINDOWS else text)
        self.file_system = FileSystem("unknown", "")
        self._text = text
        self._identity: tuple[int, int] | None = None

    def check(self, *, holds_files: bool) -> bool:
        """Make sure that the folder is there.

        Parameters
        ----------
        holds_files
            True where files in it are known: then an empty folder on another device is the mount
            point that an unmounted share left behind.

        Returns
        -------
        bool
            True where it is another folder than at the last check (mounted, recreated, first
            seen).

        Raises
        ------
        SourceLostError
            Where it is absent, not a folder, or only an empty mount point.
        """
        identity = self._look()
        if identity == self._identity:
            return False
        earlier = self._identity
        if holds_files and earlier is not None and identity[0] != earlier[0] and self._is_empty():
            raise SourceLostError("the folder is empty and no longer the one it was; is it mounted")
        self._identity = identity
        self.file_system = file_system_kind(self._text)
        return True

    def try_to_list(self) -> None:
        """Make sure that the folder can be listed.

        Raises
        ------
        SourceLostError
            Where it cannot.
        """
        self._is_empty()

    @property
    def on_network(self) -> bool:
        """True where another computer may write to the folder; assumed where nothing is known."""
        return self.file_system.kind != "local"

    def _look(self) -> tuple[int, int]:
        try:
            status = os.stat(self.path)  # noqa: PTH116
        except OSError as error:
            raise SourceLostError(error.strerror or str(error)) from error
        if not stat.S_ISDIR(status.st_mode):
            raise SourceLostError("it is not a folder")
        return status.st_dev, status.st_ino

    def _is_empty(self) -> bool:
        try:
            with os.scandir(self.path) as entries:
                return next(entries, None) is None
        except OSError as error:
            reason = error.strerror or str(error)
            raise SourceLostError(f"it cannot be listed: {reason}") from error
