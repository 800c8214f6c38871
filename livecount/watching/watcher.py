"""The watcher as the monitor sees it: what is due, what was done, what goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

import structlog

from livecount.platform.files import FileStamp
from livecount.watching.events import EventHints
from livecount.watching.ledger import FileState, Ledger
from livecount.watching.pace import Pace
from livecount.watching.rules import SettleRule, Sighting, WatchOrder, WatchStatus
from livecount.watching.scanner import Scanner
from livecount.watching.source import Source

__all__ = ["Watcher"]

PROBLEMS_SHOWN = 20
_LEAVING_S = 2.0
HINT_GAP_S = 0.25
"""Hints are followed at most this often, whatever the number of events."""

log = structlog.get_logger(__name__)


class Watcher:
    """Finds the frame files of a folder as they are completed, and never loses one.

    Everything that touches the folder happens in one background thread, so that a share that hangs
    blocks no caller. A file is shown by :meth:`next_complete` once for each stamp at which it
    settles, until :meth:`mark_done` or :meth:`look_again` answers for it. That a file or the folder
    is absent never means that anything was deleted: stamps of known files are kept.

    Parameters
    ----------
    root
        The watched folder; it may be absent for now.
    known
        Files dealt with in earlier runs, relative path to the stamp they had then.
    expected
        Files that were seen and not dealt with; those that are gone by now are told by
        :meth:`take_news`.
    accepts
        Tells from a relative path (bytes, ``/`` separators) whether the file may hold frames;
        folders whose names begin with a dot are not entered in any case.
    settle
        When a file counts as complete.
    interval_s
        Shortest pause between scans; large or slow folders are scanned less often.
    order
        Which of several due files comes first, by modification time.
    clock
        Monotonic seconds.
    use_events
        False to go by scans alone; folders on the network always do.
    """

    def __init__(
        self,
        root: Path,
        *,
        known: Mapping[bytes, FileStamp],
        expected: Mapping[bytes, FileStamp] | None = None,
        accepts: Callable[[bytes], bool],
        settle: SettleRule | None = None,
        interval_s: float = 5.0,
        order: WatchOrder = "newest",
        clock: Callable[[], float] = time.monotonic,
        use_events: bool = True,
    ) -> None:
        settle = settle or SettleRule()
        self._clock = clock
        self._interval_s = interval_s
        self._hint_gap_s = min(HINT_GAP_S, settle.unchanged_for_s / 4)
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._source = Source(root)
        self._ledger = Ledger(known, settle, order)
        self._ledger.expect(expected or {})
        self._pace = Pace(interval_s)
        self._events = EventHints(self._source.path, self._wake.set) if use_events else None
        self._scanner = Scanner(
            self._source,
            self._ledger,
            self._changed,
            accepts=accepts,
            pace=self._pace,
            events=self._events,
            clock=clock,
            stopping=self._stopping,
        )

    def start(self) -> None:
        """Begin to watch; returns at once.

        Raises
        ------
        RuntimeError
            When called a second time.
        """
        if self._thread is not None:
            raise RuntimeError("a watcher is started once")
        self._thread = threading.Thread(target=self._run, name="livecount-watch", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """End the watching; :meth:`next_complete` then returns None.

        Parameters
        ----------
        timeout_s
            How long to wait for the thread, which a hanging share may hold.

        Returns
        -------
        bool
            False where the thread is still held; it does no harm and ends with the process.
        """
        self._stopping.set()
        self._wake.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def __enter__(self) -> Watcher:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(_LEAVING_S)

    def next_complete(self, timeout_s: float) -> Sighting | None:
        """Wait for a file that is due and take it.

        Parameters
        ----------
        timeout_s
            How long to wait at most; 0 only asks.

        Returns
        -------
        Sighting or None
            None where nothing became due, the folder is offline, or the watcher was stopped.
            A settled file stays in hand until :meth:`mark_done` or :meth:`look_again`; an
            unsettled one needs no answer.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            while not self._stopping.is_set():
                if self._scanner.online:
                    sighting = self._ledger.take(self._clock())
                    if sighting is not None:
                        return sighting
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    return None
                self._changed.wait(left_s)
        return None

    def foresee(self) -> tuple[bytes, FileStamp] | None:
        """Name the settled file that :meth:`next_complete` will probably give next."""
        with self._changed:
            return self._ledger.foresee() if self._scanner.online else None

    def mark_done(self, relative_path: bytes, stamp: FileStamp) -> None:
        """Note that a file has been dealt with at this stamp: counted, ignored or quarantined.

        Parameters
        ----------
        relative_path
            As in the sighting.
        stamp
            The stamp at which it was read; once the file has another one, it is shown again.
        """
        with self._changed:
            look_now = self._ledger.mark_done(relative_path, stamp, self._clock())
            self._scanner.note_idleness()
        if look_now:
            self._wake.set()

    def look_again(self, relative_path: bytes, after_s: float) -> None:
        """Hold a file back, then show it again; sooner where it changes and settles meanwhile.

        Parameters
        ----------
        relative_path
            As in the sighting; also a file marked as done, which is thereby taken up again.
        after_s
            How long to hold it back.
        """
        with self._changed:
            now_s = self._clock()
            self._ledger.look_again(relative_path, now_s + max(0.0, after_s), now_s)
            self._scanner.note_idleness()
        self._wake.set()

    def take_news(self) -> tuple[dict[bytes, FileStamp], dict[bytes, FileStamp]]:
        """Give the files that settled, and those that went away undone, since last asked.

        Returns
        -------
        settled, gone
            Relative path to stamp; a file may be in hand or done by now.
        """
        with self._changed:
            return self._ledger.take_news()

    def scan_soon(self) -> None:
        """Ask for a full scan without waiting for its turn."""
        with self._changed:
            self._pace.want("full", at_once=True)
        self._wake.set()

    def scan_once(self) -> None:
        """Scan everything and make all looks that are due, in the caller's thread.

        For use without :meth:`start`.

        Raises
        ------
        RuntimeError
            While the background thread does this.
        """
        if self._thread is not None:
            raise RuntimeError("the background thread scans; use scan_soon")
        self._pace.want("full", at_once=True)
        self._scanner.step()

    def is_idle(self) -> bool:
        """Tell whether nothing is new, settling, due, in hand or waiting for a retry.

        A folder that is offline or was not scanned yet is not idle: what it holds is not known.
        """
        with self._changed:
            return self._scanner.idle_since_s is not None

    def idle_for_s(self) -> float:
        """Tell for how long nothing was to do, as far as scans prove it.

        The time runs from when the last file was dealt with to the beginning of the last scan, so
        that a file that no scan could have met does not pass for idleness.
        """
        with self._changed:
            since_s, scanned_s = self._scanner.idle_since_s, self._scanner.report.began_s
            if since_s is None or scanned_s is None:
                return 0.0
            return max(0.0, scanned_s - since_s)

    def silent_for_s(self) -> float:
        """Tell for how long the file system has not answered what it was asked last."""
        busy_since_s = self._scanner.busy_since_s
        return 0.0 if busy_since_s is None else max(0.0, self._clock() - busy_since_s)

    def is_scanning(self) -> bool:
        """Tell whether the background thread lives; where a share hangs, it waits with it."""
        return self._thread is not None and self._thread.is_alive()

    def status(self) -> WatchStatus:
        """Say what the watcher is doing; touches no disk and waits for no scan."""
        with self._changed:
            return self._status(self._clock())

    def _status(self, now_s: float) -> WatchStatus:
        scanner, report = self._scanner, self._scanner.report
        counts, retry_s = self._ledger.counts(), self._ledger.next_retry_s()
        listening = self._events is not None and self._events.is_armed
        return WatchStatus(
            online=scanner.online,
            offline_reason=scanner.offline_reason,
            offline_for_s=0.0 if scanner.online else now_s - scanner.offline_since_s,
            mode="events" if listening else "polling",
            mode_reason="" if listening else scanner.polling_reason,
            file_system=self._source.file_system.name,
            on_network=self._source.on_network,
            known=len(self._ledger.known),
            settling=counts[FileState.SETTLING],
            due=counts[FileState.DUE],
            in_hand=counts[FileState.IN_HAND],
            waiting=counts[FileState.WAITING],
            next_retry_in_s=None if retry_s is None else max(0.0, retry_s - now_s),
            files_seen=report.files_seen,
            ignored=len(scanner.ignored),
            links_skipped=report.links_skipped,
            folders=report.folders,
            vanished=self._ledger.vanished,
            problems=_in_words(scanner.problems),
            n_problems=len(scanner.problems),
            scans=report.scans,
            scan_s=report.scan_s,
            scan_interval_s=self._pace.pause_s,
            scanned_ago_s=None if report.ended_s is None else now_s - report.ended_s,
            silent_for_s=self.silent_for_s(),
            events=0 if self._events is None else self._events.received,
            last_error=scanner.last_error,
        )

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                wait_s = self._scanner.step()
            except Exception as error:  # whatever happens, the watching goes on
                self._scanner.last_error = repr(error)
                log.exception("scan failed")
                wait_s = self._interval_s
            if self._wake.wait(min(wait_s, self._interval_s)):
                self._wake.clear()
                self._stopping.wait(self._hint_gap_s)
        self._scanner.close()


def _in_words(problems: Mapping[bytes, str]) -> tuple[str, ...]:
    shown = list(problems.items())[:PROBLEMS_SHOWN]
    return tuple(f"{path.decode('utf-8', 'backslashreplace') or '.'}: {why}" for path, why in shown)
