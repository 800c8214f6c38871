"""Change events as hints: where a look may be worth while before the next scan.

Nothing depends on an event: they are lost by the thousand under load, and say nothing on shares.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from typing import Any

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

__all__ = ["EventHints"]

MAX_HINTS = 10_000
"""Paths kept between two looks; beyond it a scan is cheaper."""

MAX_DEAF_SCANS = 3

# Opening and reading are left out, or the scan would wake itself.
_KINDS: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileClosedEvent,
    DirCreatedEvent,
    DirMovedEvent,
]


class EventHints(FileSystemEventHandler):
    """Collects the paths that change events name.

    Parameters
    ----------
    root
        The watched folder.
    wake
        Called, from watchdog's thread, whenever there is a hint.
    """

    def __init__(self, root: bytes, wake: Callable[[], None]) -> None:
        self.received = 0
        self._root = root
        self._prefix = root.rstrip(b"/\\")
        self._wake = wake
        self._lock = threading.Lock()
        self._paths: set[bytes] = set()
        self._overflowed = False
        self._observer: Any = None
        self._received_before = -1
        self._deaf_scans = 0

    def arm(self) -> None:
        """Start listening to the watched folder and all folders below it.

        Raises
        ------
        OSError
            Where the system has no more watches to give, or the folder is gone.
        """
        self.disarm()
        # Said, at great length, whenever folders appear faster than watchdog follows; it loses
        # nothing by it.
        warnings.filterwarnings("ignore", message="Callback with id", category=RuntimeWarning)
        observer = Observer()
        try:
            observer.schedule(self, os.fsdecode(self._root), recursive=True, event_filter=_KINDS)
            observer.start()
        except BaseException:
            observer.stop()
            raise
        self._observer = observer
        # What appeared before this moment could not be told.
        self._received_before = -1

    def start_afresh(self) -> None:
        """Stop listening, and forget how well it went: the folder is another one now."""
        self.disarm()
        self._deaf_scans = 0

    def disarm(self) -> None:
        """Stop listening; does nothing where nobody listens."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join(5.0)

    @property
    def is_armed(self) -> bool:
        """True while somebody is meant to listen, alive or not."""
        return self._observer is not None

    @property
    def is_alive(self) -> bool:
        """True while the observer and all its threads live (they end when the root is deleted)."""
        observer = self._observer
        return (
            observer is not None
            and observer.is_alive()
            and bool(observer.emitters)
            and all(emitter.is_alive() for emitter in observer.emitters)
        )

    def note_scan(self, *, found_news: bool) -> bool:
        """Compare a scan's findings with what events told.

        Returns
        -------
        bool
            True where scans found something new again and again and not a single event came: the
            observer may be deaf. Once is chance: watchdog holds events back for half a second.
        """
        silent = self.is_armed and self.received == self._received_before
        self._received_before = self.received
        if not silent:
            self._deaf_scans = 0
        elif found_news:
            self._deaf_scans += 1
        return silent and found_news and self._deaf_scans > 1

    @property
    def is_deaf(self) -> bool:
        """True where events failed to tell of new files too often to be chance."""
        return self._deaf_scans >= MAX_DEAF_SCANS

    def drain(self) -> tuple[list[bytes], bool]:
        """Take the hints collected so far.

        Returns
        -------
        tuple
            Relative paths, and True where there were too many to keep.
        """
        with self._lock:
            paths, self._paths = self._paths, set()
            overflowed, self._overflowed = self._overflowed, False
        return sorted(paths), overflowed

    def dispatch(self, event: FileSystemEvent) -> None:
        """Take one event; an exception here would end watchdog's thread for good."""
        try:
            self._take(event)
        except Exception:  # whatever it was, a scan makes up for it
            with self._lock:
                self._overflowed = True

    def _take(self, event: FileSystemEvent) -> None:
        named = event.dest_path or event.src_path
        path = self._relative(named if isinstance(named, bytes) else os.fsencode(named))
        with self._lock:
            self.received += 1
            if path is None or len(self._paths) >= MAX_HINTS:
                self._overflowed = True
            else:
                self._paths.add(path)
        self._wake()

    def _relative(self, path: bytes) -> bytes | None:
        if path[: len(self._prefix)] != self._prefix:
            return None
        below = path[len(self._prefix) :]
        if os.sep == "\\":
            below = below.replace(b"\\", b"/")
        if not below.startswith(b"/"):
            return None
        return below.strip(b"/") or None
