"""What holds up the counting for now: said when it begins, kept as a notice, and said when over."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from livecount.errors import DatabaseUnavailableError, LivecountError
from livecount.storage import COUNTING_PAUSED, CountStore

__all__ = ["Trouble"]

_OVER_AFTER_S = 60.0
"""Trouble that did not come back for so long, though work was tried, is over."""


class Trouble:
    """A full disk, a locked database, a worker that does not start.

    Parameters
    ----------
    on_notice
        Called with what the user must know, when it begins and when it is over.
    """

    def __init__(self, store: CountStore, on_notice: Callable[[str], None]) -> None:
        self._store = store
        self._tell = on_notice
        self._log = structlog.get_logger("livecount.monitor")
        self._said = ""
        self._is_kept = False
        self._met_s = 0.0

    @property
    def unkept(self) -> str:
        """What holds up the counting, while the database does not take it; else empty."""
        return "" if self._is_kept else self._said

    def meet(self, error: LivecountError) -> None:
        """Say what holds up the counting, once for as long as it lasts."""
        self._met_s = time.monotonic()
        if self._said != str(error):
            self._said, self._is_kept = str(error), False
            self._log.error("counting pauses", reason=str(error))
            self._tell(str(error))
        self.keep()

    def keep(self) -> None:
        """Put it among the notices as soon as the database takes it."""
        if self._said and not self._is_kept:
            with suppress(DatabaseUnavailableError):
                self._store.begin_notice(COUNTING_PAUSED, self._said)
                self._is_kept = True

    def went_well(self, *, counted: bool) -> None:
        """Take note of a turn without trouble; one that dealt with a frame ends it.

        A turn in which nothing was due proves little: that a disk is full shows only when something
        is written to it.
        """
        if not self._said or not (counted or time.monotonic() - self._met_s > _OVER_AFTER_S):
            return
        with suppress(DatabaseUnavailableError):
            self._store.end_notice(COUNTING_PAUSED)
            self._said = ""
            self._log.info("counting goes on")
            self._tell("Over; counting goes on")
