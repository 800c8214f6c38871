"""The words in which the watcher is told its rules and tells what it found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from livecount.platform.files import FileStamp

__all__ = ["SettleRule", "Sighting", "WatchOrder", "WatchStatus"]

WatchOrder = Literal["newest", "oldest"]


@dataclass(frozen=True, slots=True)
class SettleRule:
    """When a file counts as no longer being written.

    Time is monotonic time between looks of this program, never the difference between a file's
    modification time and a clock, which another computer may have set.

    Attributes
    ----------
    unchanged_for_s
        Time from the first to the last look that found the same size and modification time.
    looks
        Number of such looks, at least 2, evenly spaced.
    on_network_s
        ``unchanged_for_s`` where the folder lies on the network, whose clients keep stamps for
        seconds before they ask again.
    growth_every_s
        A file that keeps changing is shown unsettled at most this often.
    """

    unchanged_for_s: float = 2.0
    looks: int = 2
    on_network_s: float = 10.0
    growth_every_s: float = 5.0

    def __post_init__(self) -> None:
        if self.looks < 2:
            raise ValueError(f"a file settles over at least 2 looks, not {self.looks}")
        for name in ("unchanged_for_s", "on_network_s", "growth_every_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")

    def settling_time_s(self, *, on_network: bool) -> float:
        """Time that a file must stay unchanged on this kind of file system."""
        return max(self.unchanged_for_s, self.on_network_s) if on_network else self.unchanged_for_s


@dataclass(frozen=True, slots=True)
class Sighting:
    """A file that is due: complete as far as its stamps tell, or growing.

    Attributes
    ----------
    relative_path
        Path below the watched folder with ``/`` separators, as raw bytes.
    stamp
        Size and modification time at the last look.
    settled
        False where the file still changes: only pages known to be whole may be taken from it.
    unchanged_for_s
        How long this program has found this stamp.
    first_seen_s
        Reading of the watcher's monotonic clock when the file was first seen in this run.
    """

    relative_path: bytes
    stamp: FileStamp
    settled: bool
    unchanged_for_s: float
    first_seen_s: float


@dataclass(frozen=True, slots=True)
class WatchStatus:
    """What a watcher is doing, for status page and log; taking it touches no disk.

    Attributes
    ----------
    online
        False while the watched folder is absent or cannot be listed, or before it was first seen.
    offline_reason, offline_for_s
        Why, and for how long; empty and 0 while online.
    mode, mode_reason
        Whether change events wake the scan, and why not where they do not.
    file_system, on_network
        Name of the file system that the folder lies on, and whether it may be another computer's.
    known
        Files dealt with, those of earlier runs included.
    settling, due, in_hand, waiting
        Files still settling, complete and not yet taken, taken and not yet answered for, and
        waiting for a retry.
    next_retry_in_s
        Time to the next retry, or None.
    files_seen, ignored, links_skipped, folders
        Counts of the last full scan: frame files, files that the ignore rule refused, symbolic
        links, folders.
    vanished
        Files that went away in this run before they were dealt with.
    problems
        Folders and files that could not be looked at, with reasons (the first few).
    n_problems
        How many there are.
    scans
        Scans made in this run.
    scan_s, scan_interval_s, scanned_ago_s
        Duration of the last scan, present pause between scans, and time since the last one ended
        (None before the first).
    silent_for_s
        How long the present operation on the file system has lasted without progress; a large
        value means that the share hangs.
    events
        Change events received in this run.
    last_error
        The last unexpected error of the watcher itself; empty where there was none.
    """

    online: bool
    offline_reason: str
    offline_for_s: float
    mode: Literal["events", "polling"]
    mode_reason: str
    file_system: str
    on_network: bool
    known: int
    settling: int
    due: int
    in_hand: int
    waiting: int
    next_retry_in_s: float | None
    files_seen: int
    ignored: int
    links_skipped: int
    folders: int
    vanished: int
    problems: tuple[str, ...]
    n_problems: int
    scans: int
    scan_s: float
    scan_interval_s: float
    scanned_ago_s: float | None
    silent_for_s: float
    events: int
    last_error: str
