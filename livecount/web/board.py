"""What is shown at present: snapshots, and what was counted since each was taken.

A thread looks every half second whether the database has something new of the experiments that
somebody looks at. New counts are put on the curves of their wells at once and told to the viewers;
a new snapshot is taken apart, as often as its own cost allows, and takes their place.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from livecount.errors import LivecountError, RequestError
from livecount.growth import GrowthRow, Window
from livecount.storage import CountReader, CountStore, Experiment
from livecount.web.analyst import Analyst
from livecount.web.fresh import FreshCurve, fresh_curves
from livecount.web.snapshots import Snapshot

__all__ = ["Board", "Shown"]

LOOK_EVERY_S: Final = 0.5
_LOOKED_AT_S: Final = 120.0
"""An experiment that nobody has asked for this long is not kept up to date."""
_FIRST_S: Final = 60.0
_COST: Final = 4.0
"""Snapshots take at most a fifth of a core: the next waits this often the time of the last."""
_AT_MOST_EVERY_S: Final = 2.0
_ANYWAY_S: Final = 60.0
"""What changes without a trace in the marks, as times that became known late, shows after this."""

Listener = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class Shown:
    """One experiment as it is shown at present.

    Attributes
    ----------
    snapshot, number
        The latest, and how many there were.
    fresh
        Curves with counts later than the snapshot, by the number of their track.
    """

    name: str
    snapshot: Snapshot | None = None
    number: int = 0
    fresh: dict[int, FreshCurve] = field(default_factory=dict)
    seen_count_id: int = 0
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
        self._shown: dict[str, Shown] = {}
        self._fits: dict[tuple[str, int, Window | None], Future[list[GrowthRow]]] = {}
        self._lock = threading.RLock()
        self._ready = threading.Condition(self._lock)
        self._end = threading.Event()
        self._log = structlog.get_logger("livecount.web")
        self._thread = threading.Thread(target=self._watch, name="board", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._end.set()
        self._analyst.close()

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
            shown = self._of(experiment.name)
            shown.asked_s = time.monotonic()
            self._ready.wait_for(lambda: shown.snapshot or shown.failure, _FIRST_S)
            if shown.snapshot is None and shown.failure is not None:
                failure, shown.failure = shown.failure, None
                raise failure
            if shown.snapshot is None:
                raise RequestError(
                    "The run is being read for the first time", hint="Ask again soon", status=503
                )
            return shown

    def glance(self, experiment: Experiment) -> Snapshot | None:
        """Give the snapshot that there is without waiting; if none, it will be made."""
        with self._lock:
            shown = self._of(experiment.name)
            shown.asked_s = time.monotonic()
            return shown.snapshot

    def growth(self, shown: Shown, window: Window | None) -> list[GrowthRow]:
        """Fit the curves over a window; a fit is made once for each snapshot."""
        snapshot = shown.snapshot
        assert snapshot is not None
        key = (shown.name, shown.number, window)
        with self._lock:
            if key not in self._fits:
                stale = [old for old in self._fits if old[:2] != key[:2] and old[0] == key[0]]
                for old in stale:
                    del self._fits[old]
                self._fits[key] = self._analyst.growth(shown.name, snapshot.analysis.id, window)
            fit = self._fits[key]
        try:
            return fit.result(timeout=_FIRST_S)
        except FutureTimeoutError as error:
            raise RequestError("The fits take long", hint="Ask again soon", status=503) from error

    def listen(self, name: str, listener: Listener) -> Callable[[], None]:
        """Tell a viewer what is new of an experiment; returns what ends it."""
        with self._lock:
            shown = self._of(name)
            shown.asked_s = time.monotonic()
            shown.listeners.append(listener)

        def end() -> None:
            with self._lock:
                shown.listeners.remove(listener)

        return end

    def _of(self, name: str) -> Shown:
        return self._shown.setdefault(name, Shown(name))

    def _watch(self) -> None:
        while not self._end.wait(LOOK_EVERY_S if self._is_settled() else 0.02):
            with self._lock:
                looked_at = [one for one in self._shown.values() if self._is_looked_at(one)]
            for shown in looked_at:
                try:
                    self._bring_up_to_date(shown)
                except LivecountError as error:
                    self._fail(shown, error)
                except Exception as fault:  # the next look may succeed; viewers keep what they have
                    self._log.exception("not brought up to date", experiment=shown.name)
                    self._fail(shown, RequestError(repr(fault), status=500))

    def _is_settled(self) -> bool:
        with self._lock:
            return all(one.pending is None and one.snapshot for one in self._shown.values())

    def _is_looked_at(self, shown: Shown) -> bool:
        return bool(shown.listeners) or time.monotonic() - shown.asked_s < _LOOKED_AT_S

    def _fail(self, shown: Shown, error: LivecountError) -> None:
        with self._ready:
            shown.failure, shown.pending = error, None
            shown.taken_s = time.monotonic()
            self._ready.notify_all()

    def _bring_up_to_date(self, shown: Shown) -> None:
        if shown.pending is not None and shown.pending.done():
            self._take_in(shown)
        if shown.snapshot is None:
            waited_s = time.monotonic() - shown.taken_s
            if shown.pending is None and (shown.failure is None or waited_s > LOOK_EVERY_S):
                self._start(shown)
            return
        with self.opened() as store:
            snapshot = shown.snapshot
            marks = store.change_marks(snapshot.experiment, snapshot.analysis)
            self._add_fresh(shown, store, marks.last_count_id)
        age_s = time.monotonic() - shown.taken_s
        is_due = age_s > max(_AT_MOST_EVERY_S, _COST * shown.cost_s)
        if shown.pending is None and is_due and (marks != snapshot.marks or age_s > _ANYWAY_S):
            self._start(shown)

    def _start(self, shown: Shown) -> None:
        shown.started_s = time.monotonic()
        shown.pending = self._analyst.snapshot(shown.name)

    def _take_in(self, shown: Shown) -> None:
        assert shown.pending is not None
        snapshot = shown.pending.result()
        with self._ready:
            shown.pending = None
            shown.taken_s = time.monotonic()
            shown.cost_s = shown.taken_s - shown.started_s
            shown.snapshot, shown.failure = snapshot, None
            shown.number += 1
            shown.fresh = {}
            shown.seen_count_id = snapshot.marks.last_count_id
            self._ready.notify_all()
        self._tell(shown, {"kind": "snapshot", "number": shown.number})

    def _add_fresh(self, shown: Shown, store: CountReader, last_count_id: int) -> None:
        snapshot = shown.snapshot
        if snapshot is None or last_count_id <= shown.seen_count_id:
            return
        new = store.counts(snapshot.analysis, after=snapshot.marks.last_count_id)
        shown.seen_count_id = last_count_id
        curves = fresh_curves(snapshot, new)
        changed = {n: one for n, one in curves.items() if not one.equals(shown.fresh.get(n))}
        shown.fresh = curves
        if changed:
            told = {str(number): one.as_json() for number, one in changed.items()}
            self._tell(shown, {"kind": "counts", "snapshot": shown.number, "tracks": told})

    def _tell(self, shown: Shown, message: dict[str, Any]) -> None:
        with self._lock:
            listeners = list(shown.listeners)
        for listener in listeners:
            listener(message)
