"""Fits of the curves that are shown: made once a snapshot, nobody waits for those of a new one."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from livecount.errors import RequestError
from livecount.growth import GrowthRow, Window
from livecount.web.analyst import Analyst

if TYPE_CHECKING:
    from livecount.web.board import Shown

__all__ = ["Fits", "Made"]

_FIRST_S: Final = 60.0
_SOON_S: Final = 0.2
"""So long may a request wait for new fits where older ones are at hand."""
_LOOKED_AT_S: Final = 120.0
_MOST_WINDOWS: Final = 32

_Key = tuple[str, Window | None]


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """The fits of one snapshot, by its number."""

    number: int
    rows: list[GrowthRow]


@dataclass(slots=True)
class _Asked:
    """What is known of one experiment's fits over one window."""

    asked_s: float
    made: Made | None = None
    number: int = 0
    pending: Future[list[GrowthRow]] | None = None

    def take_in(self) -> None:
        """Take what has been made; a failure is said to who asks first, and then asked anew."""
        if self.pending is not None and self.pending.done():
            pending, self.pending = self.pending, None
            self.made = Made(self.number, pending.result())


class Fits:
    """The fits of every experiment that somebody looks at, by window."""

    def __init__(self, analyst: Analyst) -> None:
        self._analyst = analyst
        self._asked: OrderedDict[_Key, _Asked] = OrderedDict()
        self._lock = threading.Lock()

    def prepare(self, shown: Shown) -> None:
        """Have the whole run fitted where somebody looks at fits, or for the first who will."""
        with self._lock:
            asked = self._asked.get((shown.name, None))
            if asked is None or time.monotonic() - asked.asked_s < _LOOKED_AT_S:
                self._started(shown, None)

    def get(self, shown: Shown, window: Window | None) -> Made:
        """Give the fits over a window: those of the snapshot, else the last until they are made.

        Raises
        ------
        RequestError
            There are none yet and they take long.
        LivecountError
            They cannot be made.
        """
        with self._lock:
            asked = self._started(shown, window)
            asked.asked_s = time.monotonic()
            pending = asked.pending
            patience_s = _SOON_S if asked.made else _FIRST_S
        if pending is not None:
            try:
                pending.exception(timeout=patience_s)
            except FutureTimeoutError as error:
                if asked.made is None:
                    raise RequestError(
                        "The fits take long", hint="Ask again soon", status=503
                    ) from error
        with self._lock:
            asked.take_in()
            if asked.made is None:  # it failed, and who else waited has been told why
                raise RequestError("The fits were not made", hint="Ask again soon", status=503)
            return asked.made

    def _started(self, shown: Shown, window: Window | None) -> _Asked:
        key = (shown.name, window)
        asked = self._asked.pop(key, None) or _Asked(time.monotonic())
        self._asked[key] = asked
        while len(self._asked) > _MOST_WINDOWS:
            self._asked.popitem(last=False)
        if asked.pending is not None and asked.pending.done() and not asked.pending.exception():
            asked.take_in()
        is_due = asked.made is None or asked.made.number != shown.number
        if is_due and (asked.pending is None or asked.pending.done()):
            wells = [track.series for track in shown.snapshot.tracks]
            asked.pending = self._analyst.growth(wells, window)
            asked.number = shown.number
        return asked
