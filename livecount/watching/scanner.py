"""The one part of the watcher that touches the watched folder; it runs in a single thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from livecount.platform.files import FileStamp, stat_shared
from livecount.watching.events import EventHints
from livecount.watching.ledger import Ledger, Look
from livecount.watching.pace import Depth, Pace
from livecount.watching.scan import TreePart, enters, file_system_path, kind_of, walk
from livecount.watching.source import Source, SourceLostError

__all__ = ["ScanReport", "Scanner"]

LONG_SCAN_S = 5.0
"""A scan that takes longer is interrupted for looks that are due; a shorter one keeps the order."""

LOOKS_AT_ONCE = 256
MAX_EVENT_FOLDERS = 4096
"""Above it no events: each folder takes one of the watches that all programs share."""

REARM_AFTER_S = 60.0

Absent = (FileNotFoundError, NotADirectoryError)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class ScanReport:
    """What the last full scan met, and the last scan's cost."""

    files_seen: int = 0
    folders: int = 0
    links_skipped: int = 0
    scans: int = 0
    scan_s: float = 0.0
    began_s: float | None = None
    ended_s: float | None = None


@dataclass(slots=True)
class _Tally:
    """Counts and troubles of a scan under way."""

    files: int = 0
    folders: int = 0
    links: int = 0
    news: int = 0
    problems: dict[bytes, str] = field(default_factory=dict)
    ignored: set[bytes] = field(default_factory=set)

    def add(self, part: TreePart) -> None:
        self.files += part.n_files
        self.links += part.n_links
        self.folders += part.ends_folder
        self.news += len(part.news)
        for path, error in part.errors:
            if not isinstance(error, Absent):
                self.problems[path] = error.strerror or str(error)


class Scanner:
    """Scans, looks and listens, and enters what it finds into the ledger.

    Parameters
    ----------
    source
        The watched folder.
    ledger
        Where findings go; every use of it holds ``changed``.
    changed
        Notified when a file may have become due or the folder came or went.
    accepts
        Which relative paths may hold frames.
    pace
        When to scan.
    events
        Hints from the operating system, or None to go without.
    clock
        Monotonic seconds.
    stopping
        Set when the thread should return soon.
    """

    def __init__(
        self,
        source: Source,
        ledger: Ledger,
        changed: threading.Condition,
        *,
        accepts: Callable[[bytes], bool],
        pace: Pace,
        events: EventHints | None,
        clock: Callable[[], float],
        stopping: threading.Event,
    ) -> None:
        self.report = ScanReport()
        self.problems: dict[bytes, str] = {}
        self.ignored: set[bytes] = set()
        self.online = False
        self.offline_reason = "not looked at yet"
        self.offline_since_s = clock()
        self.polling_reason = "" if events is not None else "switched off"
        self.busy_since_s: float | None = None
        self.idle_since_s: float | None = None
        self.last_error = ""
        self._source = source
        self._ledger = ledger
        self._changed = changed
        self._accepts = accepts
        self._pace = pace
        self._events = events
        self._clock = clock
        self._stopping = stopping
        self._rearm_s = 0.0
        self._tally = _Tally()

    def step(self) -> float:
        """Do what is due now.

        Returns
        -------
        float
            Seconds until something is due again, unless woken.
        """
        try:
            self._arrive()
            self._follow_hints()
            depth = self._pace.due(self._clock())
            if depth is not None:
                self._scan(depth)
            self._do_due_looks()
            self._tend_events()
        except SourceLostError as lost:
            self._leave(str(lost))
            return min(self._pace.pause_s, 5.0)
        finally:
            self.busy_since_s = None
        with self._changed:
            next_s = min(self._ledger.next_look_s(), self._pace.next_s)
        return max(0.0, next_s - self._clock())

    def close(self) -> None:
        """Stop listening."""
        if self._events is not None:
            self._events.disarm()

    def note_idleness(self) -> None:
        """Keep the time since which there is nothing to do; the caller holds the lock."""
        busy = not self.online or self.report.began_s is None or not self._ledger.is_empty
        if busy:
            self.idle_since_s = None
        elif self.idle_since_s is None:
            self.idle_since_s = self._clock()

    def is_frame(self, path: bytes) -> bool:
        """Tell whether a path may hold frames; asks the ignore rule once a path."""
        # Read without the lock: a look decides, this only saves looks.
        if path in self._ledger.known:
            return True
        if path not in self.ignored:
            try:
                if self._accepts(path):
                    return True
            except Exception as error:  # a faulty rule must not hide frames
                self.last_error = f"the ignore rule failed: {error!r}"
                log.exception("ignore rule failed", path=path)
                return True
        self._tally.ignored.add(path)
        return False

    def is_news(self, path: bytes, stamp: FileStamp | None) -> bool:
        """Tell whether a listed file differs from what is known."""
        return self._ledger.is_news(path, stamp)

    def _arrive(self) -> None:
        self.busy_since_s = self._clock()
        with self._changed:
            holds_files = bool(self._ledger.known) or not self._ledger.is_empty
        other = self._source.check(holds_files=holds_files)
        if not self.online:
            self._source.try_to_list()
        if other or not self.online:
            self._settle_in(returned=not self.online)

    def _settle_in(self, *, returned: bool) -> None:
        with self._changed:
            self._ledger.settle_on(on_network=self._source.on_network)
            if returned:
                self._ledger.restart_clocks(self._clock())
            self.online, self.offline_reason = True, ""
            self._changed.notify_all()
        if self._events is not None:
            self._events.start_afresh()
        self._rearm_s = 0.0
        self._pace.want("full", at_once=returned)
        name = self._source.file_system.name
        log.info("source online", file_system=name, replaced=not returned)

    def _leave(self, reason: str) -> None:
        if self._events is not None:
            self._events.disarm()
        with self._changed:
            if self.online or self.offline_reason != reason:
                log.warning("source offline", reason=reason)
            if self.online:
                self.offline_since_s = self._clock()
            self.online, self.offline_reason = False, reason
            self.note_idleness()

    def _scan(self, depth: Depth) -> None:
        began_s, began_cpu_s = self._clock(), time.thread_time()
        full = depth == "full"
        self._tally = tally = _Tally()
        if full:
            with self._changed:
                self._ledger.begin_sweep()
        for part in walk(self._source.path, self, stamps=full):
            if self._stopping.is_set():
                return
            self._take_in(part, tally)
            if self._clock() - began_s > LONG_SCAN_S:
                self._do_due_looks()
        ended_s = self._clock()
        cpu_s = time.thread_time() - began_cpu_s
        self._pace.note(depth, ended_s=ended_s, wall_s=ended_s - began_s, cpu_s=cpu_s)
        self._publish(tally, began_s, ended_s, full=full)
        if self._events is not None and self._events.note_scan(found_news=tally.news > 0):
            self._events.disarm()

    def _take_in(self, part: TreePart, tally: _Tally) -> None:
        self.busy_since_s = self._clock()
        if part.errors and part.errors[0][0] == b"":
            error = part.errors[0][1]
            raise SourceLostError(f"it cannot be listed: {error.strerror or error}")
        tally.add(part)
        self._look(part.news)

    def _publish(self, tally: _Tally, began_s: float, ended_s: float, *, full: bool) -> None:
        with self._changed:
            report = self.report
            if full:
                whole = tally.files > 0 and not (tally.problems or self.problems)
                self._ledger.end_sweep(ended_s, whole=whole)
                report.files_seen, report.folders = tally.files, tally.folders
                report.links_skipped = tally.links
                self.problems, self.ignored = tally.problems, tally.ignored
                self._say_if_empty(tally)
            else:
                self.problems = self.problems | tally.problems
                self.ignored |= tally.ignored
            report.scans += 1
            report.scan_s = ended_s - began_s
            report.began_s, report.ended_s = began_s, ended_s
            self.note_idleness()
            self._changed.notify_all()

    def _say_if_empty(self, tally: _Tally) -> None:
        if tally.files == 0 and self._ledger.known:
            self.problems[b""] = "no frame file is here, though earlier ones are known; mounted?"

    def _follow_hints(self) -> None:
        if self._events is None:
            return
        paths, overflowed = self._events.drain()
        if overflowed:
            self._pace.want("names")
        if not self.online:
            return
        files = []
        for path in paths:
            if self._stopping.is_set():
                return
            files += self._follow(path)
        self._look(files)

    def _follow(self, path: bytes) -> list[bytes]:
        """Turn a hint into files worth a look: itself, or what lies in a folder that appeared."""
        if not enters(path.rpartition(b"/")[0]) or self._ledger.is_settling(path):
            return []
        kind = kind_of(self._source.path, path)
        if kind == "file":
            return [path] if self.is_frame(path) else []
        news: list[bytes] = []
        if kind == "folder" and enters(path):
            for part in walk(self._source.path, self, stamps=False, start=path):
                news += part.news
        return news

    def _do_due_looks(self) -> None:
        with self._changed:
            paths = self._ledger.due_looks(self._clock())
        self._look(paths)

    def _look(self, paths: list[bytes]) -> None:
        for start in range(0, len(paths), LOOKS_AT_ONCE):
            if self._stopping.is_set():
                return
            self._look_at_some(paths[start : start + LOOKS_AT_ONCE])

    def _look_at_some(self, paths: list[bytes]) -> None:
        looks, unreachable = [], {}
        for path in paths:
            self.busy_since_s = began_s = self._clock()
            try:
                stamp = stat_shared(file_system_path(self._source.path, path))
            except Absent:
                stamp = None
            except OSError as error:
                unreachable[path] = error.strerror or str(error)
                continue
            looks.append(Look(path, stamp, began_s, self._clock()))
        if unreachable or any(look.stamp is None for look in looks):
            # Files that seem gone may be a share that is gone: then nothing is forgotten.
            self._arrive()
        with self._changed:
            for look in looks:
                self._ledger.record(look)
            for path in unreachable:
                self._ledger.forget(path, vanished=False)
            self._tally.problems.update(unreachable)
            self.problems = self.problems | unreachable
            self.note_idleness()
            self._changed.notify_all()

    def _tend_events(self) -> None:
        events, now_s = self._events, self._clock()
        if events is None or events.is_alive or now_s < self._rearm_s:
            return
        self.polling_reason = self._reason_to_poll(events)
        if self.polling_reason:
            events.disarm()
            return
        try:
            events.arm()
        except OSError as error:
            self.polling_reason = f"no change events: {error.strerror or error}"
            self._rearm_s = now_s + REARM_AFTER_S
            log.warning("polling", reason=self.polling_reason)
            return
        # What appeared before the events were armed.
        self._pace.want("names", at_once=True)

    def _reason_to_poll(self, events: EventHints) -> str:
        if self._source.file_system.kind == "network":
            return f"{self._source.file_system.name} does not tell what other computers write"
        if self.report.folders > MAX_EVENT_FOLDERS:
            return f"{self.report.folders} folders are too many for change events"
        return "change events do not arrive here" if events.is_deaf else ""
