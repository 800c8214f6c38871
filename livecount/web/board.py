"""What is shown at present: snapshots, and what was counted since each was taken.

A thread looks every half second whether the database has something new of the experiments that
somebody looks at. New counts are put on the curves of their wells at once and told to the viewers;
a new snapshot is taken apart, as often as its own cost allows, and takes their place.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import structlog

from livecount.errors import LivecountError, RequestError
from livecount.growth import Window
from livecount.storage import ChangeMarks, CountReader, CountStore, Experiment
from livecount.web.analyst import Analyst
from livecount.web.fits import Fits, Made
from livecount.web.fresh import FreshCurve, fresh_curves
from livecount.web.health import is_watched
from livecount.web.snapshots import Snapshot

__all__ = ["Board", "Shown"]

LOOK_EVERY_S: Final = 0.5
_LOOKED_AT_S: Final = 120.0
"""An experiment that nobody has asked for this long is not kept up to date."""
_KEPT_S: Final = 1800.0
"""Nor is it kept in memory after this."""
_FIRST_S: Final = 60.0
_COST: Final = 4.0
"""Snapshots take at most a fifth of a core: the next waits this often the time of the last."""
_AT_MOST_EVERY_S: Final = 2.0
_ANYWAY_S: Final = 60.0
"""What a monitor changes without a trace in the marks, as times known late, shows after this."""

Listener = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One experiment as it is shown at one moment.

    Attributes
    ----------
    snapshot, number
        The latest, and its number: later ones have larger numbers.
    fresh, look
        Curves with counts later than the snapshot, by the number of their track, and the number of
        this look at them.
    """

    name: str
    snapshot: Snapshot
    number: int
    fresh: Mapping[int, FreshCurve]
    look: int


@dataclass(slots=True)
class _Followed:
    """An experiment that is kept up to date; changed under the board's lock."""

    name: str
    shown: Shown | None = None
    seen_count_id: int = 0
    seen_edits: tuple[int, ...] | None = None
    asked_s: float = 0.0
    taken_s: float = 0.0
    cost_s: float = 0.0
    pending: Future[Snapshot] | None = None
    started_s: float = 0.0
    failure: LivecountError | None = None
    listeners: list[Listener] = field(default_factory=list)


class Board:
    """The experiments of one database, kept up to date while somebody looks."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._analyst = Analyst(database)
        self._followed: dict[str, _Followed] = {}
        # A process of their own: the fits of a large run take a minute, no snapshot waits for them.
        self._fitter = Analyst(database)
        self._fits = Fits(self._fitter)
        self._lock = threading.RLock()
        self._ready = threading.Condition(self._lock)
        self._end = threading.Event()
        # Of all experiments: fits and drawings of one that was forgotten are of no later number.
        self._numbers, self._looks = itertools.count(1), itertools.count(1)
        self._log = structlog.get_logger("livecount.web")
        self._thread = threading.Thread(target=self._watch, name="board", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking; requests that wait are answered at once."""
        self._end.set()
        self._analyst.close()
        self._fitter.close()
        with self._ready:
            self._ready.notify_all()

    def opened(self) -> CountReader:
        """Open the database for one request: it may be made, upgraded or restored meanwhile."""
        return CountStore.open(self._database, read_only=True)

    @contextmanager
    def edited(self) -> Iterator[CountStore]:
        """Open the database for what a person says, beside the monitor; it is not made here."""
        self.opened().close()
        with CountStore.open(self._database) as store:
            yield store

    def look(self, experiment: Experiment) -> Shown:
        """Give what is shown of an experiment, waiting for its first snapshot.

        Raises
        ------
        RequestError
            It takes too long.
        LivecountError
            It cannot be made.
        """
        with self._ready:
            followed = self._of(experiment.name)
            followed.asked_s = time.monotonic()
            self._ready.wait_for(
                lambda: followed.shown or followed.failure or self._end.is_set(), _FIRST_S
            )
            if followed.shown is None and followed.failure is not None:
                failure, followed.failure = followed.failure, None
                raise failure
            if followed.shown is None:
                raise RequestError(
                    "The run is being read for the first time", hint="Ask again soon", status=503
                )
            return followed.shown

    def glance(self, experiment: Experiment) -> Snapshot | None:
        """Give the snapshot that there is without waiting; if none, it will be made."""
        with self._lock:
            followed = self._of(experiment.name)
            followed.asked_s = time.monotonic()
            return None if followed.shown is None else followed.shown.snapshot

    def growth(self, shown: Shown, window: Window | None) -> Made:
        """Give the fits of wells and groups over a window, of this snapshot or the one before."""
        return self._fits.get(shown, window)

    def listen(self, name: str, listener: Listener) -> Callable[[], None]:
        """Tell a viewer what is new of an experiment; returns what ends it."""
        with self._lock:
            followed = self._of(name)
            followed.asked_s = time.monotonic()
            followed.listeners.append(listener)
            if followed.shown is not None and followed.failure is not None:
                listener(_stale(followed.failure))

        def end() -> None:
            with self._lock:
                followed.listeners.remove(listener)
                followed.asked_s = time.monotonic()

        return end

    def _of(self, name: str) -> _Followed:
        return self._followed.setdefault(name, _Followed(name))

    def _watch(self) -> None:
        while not self._end.wait(LOOK_EVERY_S if self._is_settled() else 0.02):
            with self._lock:
                self._forget()
                looked_at = [
                    one for one in self._followed.values() if self._is_looked_at(one) or one.pending
                ]
            for followed in looked_at:
                try:
                    self._bring_up_to_date(followed)
                except LivecountError as error:
                    self._fail(followed, error)
                except Exception as fault:  # the next look may succeed; viewers keep what they have
                    self._log.exception("not brought up to date", experiment=followed.name)
                    self._fail(followed, RequestError(repr(fault), status=500))

    def _is_settled(self) -> bool:
        with self._lock:
            return all(
                one.pending is None and (one.shown or one.failure)
                for one in self._followed.values()
            )

    def _forget(self) -> None:
        now_s = time.monotonic()
        for name, one in list(self._followed.items()):
            if one.pending is None and not one.listeners and now_s - one.asked_s > _KEPT_S:
                del self._followed[name]

    def _is_looked_at(self, followed: _Followed) -> bool:
        return bool(followed.listeners) or time.monotonic() - followed.asked_s < _LOOKED_AT_S

    def _fail(self, followed: _Followed, error: LivecountError) -> None:
        with self._ready:
            is_news = followed.failure is None and followed.shown is not None
            followed.failure, followed.pending = error, None
            followed.taken_s = time.monotonic()
            self._ready.notify_all()
        if is_news:
            self._tell(followed, _stale(error))

    def _bring_up_to_date(self, followed: _Followed) -> None:
        if followed.pending is not None and followed.pending.done():
            self._take_in(followed, followed.pending.result())
        shown = followed.shown
        if shown is None:
            waited_s = time.monotonic() - followed.taken_s
            if followed.pending is None and (followed.failure is None or waited_s > LOOK_EVERY_S):
                self._start(followed)
            return
        snapshot = shown.snapshot
        with self.opened() as store:
            marks = store.change_marks(snapshot.experiment, snapshot.analysis)
            if followed.failure is not None and marks == snapshot.marks:
                self._recover(followed)
            self._add_fresh(followed, shown, store, marks.last_count_id)
            self._tell_of_edits(followed, marks)
            if followed.pending is None and self._is_due(followed, snapshot, marks, store):
                self._start(followed)

    def _is_due(
        self, followed: _Followed, snapshot: Snapshot, marks: ChangeMarks, store: CountReader
    ) -> bool:
        age_s = time.monotonic() - followed.taken_s
        if not marks.is_primary or marks.statements != snapshot.marks.statements:
            # People wait for what they have said.
            return age_s > max(LOOK_EVERY_S, followed.cost_s)
        if age_s <= max(_AT_MOST_EVERY_S, _COST * followed.cost_s):
            return False
        return marks != snapshot.marks or (
            age_s > _ANYWAY_S and is_watched(store, snapshot.experiment)
        )

    def _start(self, followed: _Followed) -> None:
        followed.started_s = time.monotonic()
        followed.pending = self._analyst.snapshot(followed.name)

    def _take_in(self, followed: _Followed, snapshot: Snapshot) -> None:
        with self._ready:
            number = next(self._numbers)
            followed.shown = Shown(followed.name, snapshot, number, {}, next(self._looks))
            followed.pending = None
            followed.taken_s = time.monotonic()
            followed.cost_s = followed.taken_s - followed.started_s
            followed.seen_count_id = snapshot.marks.last_count_id
            self._ready.notify_all()
        if followed.failure is not None:
            self._recover(followed)
        self._fits.prepare(followed.shown)
        self._tell(followed, {"kind": "snapshot", "number": number})

    def _add_fresh(
        self, followed: _Followed, shown: Shown, store: CountReader, last_count_id: int
    ) -> None:
        if last_count_id <= followed.seen_count_id:
            return
        snapshot = shown.snapshot
        new = store.counts(snapshot.analysis, after=snapshot.marks.last_count_id)
        curves = fresh_curves(snapshot, new)
        changed = {n: one for n, one in curves.items() if not one.equals(shown.fresh.get(n))}
        followed.seen_count_id = last_count_id
        if changed:
            with self._lock:
                followed.shown = replace(shown, fresh=curves, look=next(self._looks))
            told = {str(number): one.as_json() for number, one in changed.items()}
            self._tell(followed, {"kind": "counts", "snapshot": shown.number, "tracks": told})

    def _recover(self, followed: _Followed) -> None:
        """Tell that what is shown is as the database has it again."""
        followed.failure = None
        self._tell(followed, _stale(None))

    def _tell_of_edits(self, followed: _Followed, marks: ChangeMarks) -> None:
        """Let viewers ask anew what people say: it need not wait for a snapshot."""
        if followed.seen_edits not in (None, marks.edits):
            self._tell(followed, {"kind": "edits"})
        followed.seen_edits = marks.edits

    def _tell(self, followed: _Followed, message: dict[str, Any]) -> None:
        with self._lock:
            listeners = list(followed.listeners)
        for listener in listeners:
            listener(message)


def _stale(error: LivecountError | None) -> dict[str, Any]:
    """Tell why what is shown may be old; None where it is not any more."""
    return {"kind": "stale", "reason": "" if error is None else str(error)}
