"""Reading the next page while the one in hand is counted.

What is read ahead is given out only if the file had the same stamp before and after, and the
monitor compares it with the stamp that it knows when the page's turn comes: so it is as if the page
had been read then.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from livecount.frame import Frame
from livecount.monitor.messages import FrameChoices, PageAhead
from livecount.platform.files import FileStamp, stat_shared

__all__ = ["ReadAhead"]

_MOST_BYTES: Final = 64_000_000
"""Larger files are not read ahead: two of them would be in memory."""
_MOST_PAGES: Final = 2
"""Two watched folders take turns."""

_Read = tuple[Frame, FileStamp]
_Key = tuple[Path, bytes, int, FrameChoices | None]


class ReadAhead:
    """Keeps the pages that were read before they were asked for.

    Parameters
    ----------
    read
        Reads a page of a file below a folder, as an experiment chooses.
    """

    def __init__(self, read: Callable[[Path, bytes, int, Any], Frame]) -> None:
        self._read = read
        self._pages: OrderedDict[_Key, _Read] = OrderedDict()
        self._thread: threading.Thread | None = None

    def start(self, page: PageAhead) -> None:
        """Begin to read a page; whatever is wrong with it is met when its turn comes."""
        self.wait()
        key = (page.root, page.relative_path, page.page, page.choices)
        if page.stamp.size_bytes > _MOST_BYTES or key in self._pages:
            return
        self._thread = threading.Thread(
            target=self._fill, args=(key, page.stamp), name="read-ahead", daemon=True
        )
        self._thread.start()

    def wait(self) -> None:
        """Wait until nothing is being read."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def take(
        self, root: Path, relative_path: bytes, page: int, choices: FrameChoices | None = None
    ) -> _Read | None:
        """Give a page out, with the stamp that its file had; None where it was not read ahead."""
        self.wait()
        return self._pages.pop((root, relative_path, page, choices), None)

    def _fill(self, key: _Key, stamp: FileStamp) -> None:
        path = key[0] / os.fsdecode(key[1])
        with suppress(Exception):
            if stat_shared(path) != stamp:
                return
            frame = self._read(*key)
            if stat_shared(path) == stamp:
                self._pages[key] = (frame, stamp)
                while len(self._pages) > _MOST_PAGES:
                    self._pages.popitem(last=False)
