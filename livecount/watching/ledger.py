"""What is known of every file, and which is due: a state machine without disk, clock or thread."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from livecount.platform.files import FileStamp
from livecount.watching.rules import SettleRule, Sighting, WatchOrder

__all__ = ["FileState", "Ledger", "Look"]

_NEVER_SEEN = FileStamp(-1, 0)

OrderKey = tuple[bool, int, bytes]


class FileState(Enum):
    """Where a file stands between being found and being dealt with."""

    SETTLING = auto()
    DUE = auto()
    IN_HAND = auto()
    WAITING = auto()


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a file found.

    Both ends of the look are kept so that two looks are never taken to lie further apart than they
    did: a look may take seconds on a slow share.

    Attributes
    ----------
    stamp
        None where the path is no regular file any more.
    began_s, ended_s
        Monotonic clock before and after.
    """

    relative_path: bytes
    stamp: FileStamp | None
    began_s: float
    ended_s: float


@dataclass(slots=True)
class _Pending:
    """A file that is not dealt with at its present stamp."""

    stamp: FileStamp
    first_seen_s: float
    changed_s: float
    countable_s: float
    looked_s: float
    looks: int = 1
    state: FileState = FileState.SETTLING
    look_at_s: float = math.inf
    growth_untold: bool = False
    growth_due: bool = False
    growth_told_s: float = -math.inf
    due_key: OrderKey | None = None
    was_due: bool = False
    swept: int = 0
    in_backlog: bool = False


class Ledger:
    """The states of all files of one watched folder.

    Not thread-safe: its owner holds a lock around every call. Times are readings of one monotonic
    clock.

    Parameters
    ----------
    known
        Files dealt with in earlier runs, with the stamps they had.
    rule
        When a file counts as settled.
    order
        Which due file is taken first, by modification time; equal times in order of name. Files
        that came after the first sweep go before those that lay there, whatever the order: a
        backlog of weeks must not hold up the frame that lands now.
    """

    def __init__(
        self, known: Mapping[bytes, FileStamp], rule: SettleRule, order: WatchOrder
    ) -> None:
        self.known: dict[bytes, FileStamp] = dict(known)
        self.vanished = 0
        self._rule = rule
        self._sign = -1 if order == "newest" else 1
        self._spacing_s = 0.0
        self._pending: dict[bytes, _Pending] = {}
        self._settled_untold: dict[bytes, FileStamp] = {}
        self._gone_untold: dict[bytes, FileStamp] = {}
        self._look_queue: list[tuple[float, bytes]] = []
        self._due_queue: list[OrderKey] = []
        self._sweep = 0
        self._swept_once = False
        self._expected: dict[bytes, FileStamp] = {}
        self.settle_on(on_network=False)

    def settle_on(self, *, on_network: bool) -> None:
        """Choose the settling time by the kind of file system; holds from the next change on."""
        total_s = self._rule.settling_time_s(on_network=on_network)
        self._spacing_s = total_s / (self._rule.looks - 1)

    @property
    def is_empty(self) -> bool:
        """True where no file is settling, due, in hand or waiting."""
        return not self._pending

    def is_news(self, path: bytes, stamp: FileStamp | None) -> bool:
        """Tell whether a listed file deserves a look of its own.

        Parameters
        ----------
        path
            Relative path.
        stamp
            The listing's stamp, or None where only the name is known. A listing's stamp may be
            stale, so that it may prompt a look but never settle a file.
        """
        pending = self._pending.get(path)
        if pending is not None:
            pending.swept = self._sweep
            if pending.state is FileState.SETTLING or stamp is None:
                return False
            return stamp != pending.stamp
        known = self.known.get(path)
        return known is None or (stamp is not None and stamp != known)

    def is_settling(self, path: bytes) -> bool:
        """Tell whether looks at the file are already arranged."""
        pending = self._pending.get(path)
        return pending is not None and pending.state is FileState.SETTLING

    def record(self, look: Look) -> None:
        """Take in what a look found."""
        path, stamp = look.relative_path, look.stamp
        if stamp is None:
            self.forget(path, vanished=True)
            return
        pending = self._pending.get(path)
        if self.known.get(path) == stamp:
            self._pending.pop(path, None)
        elif pending is None:
            self._begin(path, stamp, look.ended_s)
        elif pending.stamp != stamp:
            self._change(path, pending, stamp, look.ended_s)
        elif pending.state is FileState.SETTLING:
            self._confirm(path, pending, look)
        elif pending.state is FileState.WAITING:
            self._retry(path, pending, look)
        else:
            pending.look_at_s = math.inf

    def forget(self, path: bytes, *, vanished: bool) -> None:
        """Drop a file that is gone or out of reach; a scan finds it again when it is back.

        A file in hand stays so until it is answered for.
        """
        pending = self._pending.get(path)
        if pending is None:
            return
        pending.look_at_s = math.inf
        if pending.state is not FileState.IN_HAND:
            del self._pending[path]
            self.vanished += vanished
            if vanished and pending.was_due:
                self._gone_untold[path] = pending.stamp

    def foresee(self) -> tuple[bytes, FileStamp] | None:
        """Name the settled file that is handed out next as things are now, and its stamp."""
        while self._due_queue:
            key = self._due_queue[0]
            pending = self._pending.get(key[-1])
            if pending is not None and pending.due_key == key:
                return (key[-1], pending.stamp) if pending.state is FileState.DUE else None
            heapq.heappop(self._due_queue)
        return None

    def take(self, now_s: float) -> Sighting | None:
        """Hand out the first due file, or None."""
        while self._due_queue:
            key = heapq.heappop(self._due_queue)
            path = key[-1]
            pending = self._pending.get(path)
            if pending is None or pending.due_key != key:
                continue
            pending.due_key = None
            settled = pending.state is FileState.DUE
            if settled:
                pending.state = FileState.IN_HAND
            elif not pending.growth_due:
                continue
            pending.growth_due = pending.growth_untold = False
            pending.growth_told_s = now_s
            unchanged_s = pending.looked_s - pending.changed_s
            return Sighting(
                path, pending.stamp, settled, max(0.0, unchanged_s), pending.first_seen_s
            )
        return None

    def take_news(self) -> tuple[dict[bytes, FileStamp], dict[bytes, FileStamp]]:
        """Give the files that became due, and those that went away undone, since last asked."""
        news = self._settled_untold, self._gone_untold
        self._settled_untold, self._gone_untold = {}, {}
        return news

    def mark_done(self, path: bytes, stamp: FileStamp, now_s: float) -> bool:
        """Note that a file has been dealt with at this stamp.

        Returns
        -------
        bool
            True where the file was shown at another stamp, so that it must be looked at now.
        """
        self.known[path] = stamp
        pending = self._pending.get(path)
        if pending is None:
            return False
        if pending.stamp == stamp:
            del self._pending[path]
            return False
        if pending.state is FileState.SETTLING:
            return False
        self._await(path, pending, now_s)
        return True

    def look_again(self, path: bytes, at_s: float, now_s: float) -> None:
        """Hold a file back until a time, then look at it and show it again."""
        stamp = self.known.pop(path, _NEVER_SEEN)
        pending = self._pending.get(path)
        if pending is None:
            pending = _Pending(stamp, now_s, now_s, now_s, now_s)
            self._pending[path] = pending
        elif pending.state is FileState.SETTLING:
            return
        self._await(path, pending, at_s)

    def due_looks(self, now_s: float) -> list[bytes]:
        """List the files whose next look is due, in the order in which they are wanted.

        Each gets a later look arranged at once, so that none is lost if this one fails.
        """
        found = []
        while self._look_queue and self._look_queue[0][0] <= now_s:
            at_s, path = heapq.heappop(self._look_queue)
            pending = self._pending.get(path)
            if pending is not None and pending.look_at_s == at_s:
                pending.look_at_s = math.inf
                found.append(path)
        for path in found:
            self._look_at(path, self._pending[path], now_s + max(self._spacing_s, 1.0))
        return sorted(found, key=self._order_of)

    def next_look_s(self) -> float:
        """Time of the next look, or infinity."""
        while self._look_queue:
            at_s, path = self._look_queue[0]
            pending = self._pending.get(path)
            if pending is not None and pending.look_at_s == at_s:
                return at_s
            heapq.heappop(self._look_queue)
        return math.inf

    def begin_sweep(self) -> None:
        """Start a scan that will call :meth:`is_news` for every file there is."""
        self._sweep += 1

    def expect(self, files: Mapping[bytes, FileStamp]) -> None:
        """Expect files that were not dealt with in an earlier run.

        Those that the first scan without trouble does not meet are told as gone.
        """
        self._expected = dict(files)

    def end_sweep(self, now_s: float, *, whole: bool) -> None:
        """Arrange a look at every pending file that the scan did not meet: it may have gone.

        Parameters
        ----------
        whole
            Whether the scan could look everywhere.
        """
        self._swept_once = True
        if whole and self._expected:
            for path, stamp in self._expected.items():
                if path not in self._pending and path not in self.known:
                    self._gone_untold[path] = stamp
            self._expected = {}
        for path, pending in self._pending.items():
            if pending.swept != self._sweep:
                self._look_at(path, pending, now_s)

    def restart_clocks(self, now_s: float) -> None:
        """Let all settling files begin again, after a time in which nobody could look."""
        for path, pending in self._pending.items():
            if pending.state is FileState.SETTLING:
                pending.looks = 0
                pending.countable_s = now_s
                self._look_at(path, pending, now_s)

    def counts(self) -> Counter[FileState]:
        """Count the pending files by state."""
        return Counter(pending.state for pending in self._pending.values())

    def next_retry_s(self) -> float | None:
        """Time of the next retry, or None."""
        waiting = self._in_state(FileState.WAITING)
        return min((pending.countable_s for pending in waiting), default=None)

    def _in_state(self, state: FileState) -> Iterable[_Pending]:
        return (pending for pending in self._pending.values() if pending.state is state)

    def _begin(self, path: bytes, stamp: FileStamp, now_s: float) -> None:
        pending = _Pending(stamp, now_s, now_s, now_s + self._spacing_s, now_s)
        pending.swept = self._sweep
        pending.in_backlog = not self._swept_once
        self._pending[path] = pending
        self._look_at(path, pending, pending.countable_s)

    def _change(self, path: bytes, pending: _Pending, stamp: FileStamp, now_s: float) -> None:
        # A retry arranged without a stamp has seen no growth.
        pending.growth_untold = pending.stamp is not _NEVER_SEEN and stamp.size_bytes > 0
        pending.stamp = stamp
        pending.changed_s = pending.looked_s = now_s
        pending.looks = 1
        pending.state = FileState.SETTLING
        pending.due_key = None
        pending.countable_s = now_s + self._spacing_s
        self._look_at(path, pending, pending.countable_s)
        self._tell_growth(path, pending, now_s)

    def _confirm(self, path: bytes, pending: _Pending, look: Look) -> None:
        if look.began_s < pending.countable_s:
            self._look_at(path, pending, pending.countable_s)
            return
        if pending.looks == 0:
            pending.changed_s = look.ended_s
        pending.looks += 1
        pending.looked_s = look.began_s
        if pending.looks >= self._rule.looks:
            self._make_due(path, pending)
            return
        pending.countable_s = look.ended_s + self._spacing_s
        self._look_at(path, pending, pending.countable_s)
        self._tell_growth(path, pending, look.ended_s)

    def _retry(self, path: bytes, pending: _Pending, look: Look) -> None:
        pending.looked_s = look.began_s
        if look.began_s >= pending.countable_s:
            self._make_due(path, pending)
        else:
            self._look_at(path, pending, pending.countable_s)

    def _tell_growth(self, path: bytes, pending: _Pending, now_s: float) -> None:
        rested = now_s - pending.growth_told_s >= self._rule.growth_every_s
        if pending.growth_due or (pending.growth_untold and rested):
            pending.growth_due = True
            self._queue(path, pending)

    def _make_due(self, path: bytes, pending: _Pending) -> None:
        pending.state = FileState.DUE
        pending.was_due = True
        self._settled_untold[path] = pending.stamp
        pending.look_at_s = math.inf
        pending.growth_due = pending.growth_untold = False
        self._queue(path, pending)

    def _queue(self, path: bytes, pending: _Pending) -> None:
        pending.due_key = self._key(path, pending)
        heapq.heappush(self._due_queue, pending.due_key)

    def _await(self, path: bytes, pending: _Pending, at_s: float) -> None:
        pending.state = FileState.WAITING
        pending.due_key = None
        pending.countable_s = at_s
        self._look_at(path, pending, at_s)

    def _look_at(self, path: bytes, pending: _Pending, at_s: float) -> None:
        pending.look_at_s = at_s
        heapq.heappush(self._look_queue, (at_s, path))

    def _key(self, path: bytes, pending: _Pending) -> OrderKey:
        return (pending.in_backlog, self._sign * pending.stamp.mtime_ns, path)

    def _order_of(self, path: bytes) -> OrderKey:
        return self._key(path, self._pending[path])
