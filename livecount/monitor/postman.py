"""Takes to every target what it is due to hear, until it has taken it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import structlog

from livecount.alerts import KINDS, Message, compose, is_quiet
from livecount.config import Config
from livecount.errors import AlertError, AlertServerError, LivecountError, StoreError
from livecount.monitor.errand import Errand
from livecount.monitor.sending import START_S, send
from livecount.storage import COUNTING_PAUSED, CountStore, Delivery

__all__ = ["Postman"]

_FAILING = "alert_failing"
_SAY_AFTER = 3
_MOST_AT_ONCE = 200
_LINES = (20, 5, 1, 0)
"""Lines of a kind, in a message that was refused so many times; what is short is taken in the end,
and what waits behind it is not stuck."""
_LAST_MOMENT_S = 2.0
_TICK_S = 0.05
_FIRST_WAIT_S = 60.0
_LONGEST_WAIT_S = 3600.0

Send = Callable[[str, str, Message, float], None]


class Postman:
    """Sends what is due, each target by itself, each message in a process of its own.

    Parameters
    ----------
    on_notice
        Called with what the user must know, when it begins and when it is over.
    """

    def __init__(self, config: Config, store: CountStore, on_notice: Callable[[str], None]) -> None:
        self._settings = config.alerts
        self._zone = config.experiment.time_zone
        self._store = store
        self._rounds = {
            name: _Round(name, address.get_secret_value(), config.alerts.timeout_s)
            for name, address in config.alerts.targets.items()
        }
        self._tell = on_notice
        self._log = structlog.get_logger("livecount.monitor")

    def tick(self, unkept: str = "") -> bool:
        """Note what became of messages under way, and send what is due.

        Parameters
        ----------
        unkept
            What holds up the counting and could not be kept, as on a full disk: it is sent all the
            same.

        Returns
        -------
        bool
            Whether anything is under way.

        Raises
        ------
        StoreError
            The database does not take it now; what was sent is noted at a later tick.
        """
        wanted = unkept if COUNTING_PAUSED in self._settings.rules else ""
        for one in self._rounds.values():
            one.listen(wanted)
        for one in self._rounds.values():
            self._note(one)
            if one.is_free:
                self._send_due(one)
        return any(not one.is_free for one in self._rounds.values())

    def give_up(self) -> None:
        """Note what was delivered, end what is under way after a moment; that stays due."""
        until_s = time.monotonic() + _LAST_MOMENT_S
        for one in self._rounds.values():
            one.listen("", wait_until_s=until_s)
            with suppress(StoreError):
                self._note(one)
            one.give_up()

    def _note(self, one: _Round) -> None:
        """Keep in the database what became of the last message."""
        if not one.is_over:
            return
        if one.error:
            n_failed = one.batch[0].attempts + 1
            wait_s = min(_FIRST_WAIT_S * 2.0 ** min(n_failed - 1, 20), _LONGEST_WAIT_S)
            again_at = datetime.now(UTC) + timedelta(seconds=wait_s)
            self._store.note_undelivered(one.name, one.batch, one.error, again_at)
            self._log.warning("alert not delivered", target=one.name, reason=one.error)
            self._say_if_failing(one.name, n_failed, one.error)
        else:
            self._store.note_delivered(one.batch)
            self._log.info("alerts delivered", target=one.name, number=len(one.batch))
            if self._store.end_notice(_FAILING, subject=one.name):
                self._tell(f"Alerts are delivered to {one.name!r} again")
        one.clear()

    def _say_if_failing(self, name: str, n_failed: int, error: str) -> None:
        if n_failed < _SAY_AFTER:
            return
        text = f"Alerts cannot be delivered to {name!r} ({n_failed} attempts): {error}"
        if self._store.begin_notice(_FAILING, text, subject=name):
            self._tell(text)

    def _send_due(self, one: _Round) -> None:
        now = datetime.now(UTC)
        waiting = self._store.deliveries(target=one.name, only_open=True)
        told = [each for each in waiting if one.has_told(each)]
        if told:
            self._store.note_delivered(told)
            one.told = ""
        due = [each for each in waiting if each not in told and self._is_due(each, now)]
        batch = _in_turn(due[:_MOST_AT_ONCE], waiting)
        if batch:
            lines = _LINES[min(one.n_refused, len(_LINES) - 1)]
            one.send(batch, compose(batch, self._zones(), self._zone, lines))

    def _zones(self) -> dict[str, str]:
        return {each.name: each.time_zone for each in self._store.experiments()}

    def _is_due(self, each: Delivery, now: datetime) -> bool:
        if each.due_at > now:
            return False
        if each.notice.code in self._settings.even_when_quiet:
            return True
        return not is_quiet(self._settings.quiet_span, now, self._zone)


def _in_turn(due: Sequence[Delivery], waiting: Sequence[Delivery]) -> list[Delivery]:
    """Leave out the ends of what a target has not heard, and does not hear now, to have begun."""
    hears = {each.notice.id for each in due if each.part == "begin"}
    unheard = {each.notice.id for each in waiting if each.part == "begin"} - hears
    return [each for each in due if each.part == "begin" or each.notice.id not in unheard]


class _Round:
    """What one target is sent at present."""

    def __init__(self, name: str, address: str, timeout_s: float) -> None:
        self.name = name
        self._address = address
        self._timeout_s = timeout_s
        self._errand: Errand | None = None
        self._direct: Errand | None = None
        self._direct_text = ""
        self.batch: list[Delivery] = []
        self.error = ""
        self.n_refused = 0
        self.is_over = False
        self.told = ""

    @property
    def is_free(self) -> bool:
        return self._errand is None and not self.batch

    def send(self, batch: list[Delivery], message: Message) -> None:
        self.batch, self.error, self.is_over = batch, "", False
        self._errand = self._start(message)

    def listen(self, unkept: str, wait_until_s: float = 0.0) -> None:
        """Look what became of a message, and send what the database could not take."""
        while self._errand is not None and not self._errand.is_done():
            if time.monotonic() >= wait_until_s:
                break
            time.sleep(_TICK_S)
        if self._errand is not None and self._errand.is_done():
            errand, self._errand = self._errand, None
            self._take(_outcome_of(errand))
        if self._direct is not None and self._direct.is_done():
            errand, self._direct = self._direct, None
            if _outcome_of(errand) is None:
                self.told = self._direct_text
        elif self._direct is None and unkept and unkept != self.told:
            self._direct_text = unkept
            kind = KINDS[COUNTING_PAUSED]
            body = f"{unkept}\nWhat to do now: {kind.advice}\n"
            self._direct = self._start(Message(f"livecount: {kind.title}", body))

    def _take(self, failure: LivecountError | None) -> None:
        self.error, self.is_over = "" if failure is None else failure.message, True
        if failure is None:
            self.n_refused = 0
        elif isinstance(failure, AlertError) and not isinstance(failure, AlertServerError):
            self.n_refused += 1

    def has_told(self, each: Delivery) -> bool:
        """Tell whether the target has heard of this while the database could not take it."""
        same = each.notice.code == COUNTING_PAUSED and each.notice.text == self.told
        return same and each.part == "begin"

    def clear(self) -> None:
        self.batch, self.is_over = [], False

    def give_up(self) -> None:
        for errand in (self._errand, self._direct):
            if errand is not None:
                errand.give_up()

    def _start(self, message: Message) -> Errand:
        return Errand(
            send,
            (self.name, self._address, message, self._timeout_s),
            limit_s=self._timeout_s + START_S,
            words=f"Sending to {self.name}",
        )


def _outcome_of(errand: Errand) -> LivecountError | None:
    """Give why a message was not taken; None where it was."""
    try:
        errand.outcome()
    except LivecountError as error:
        return error
    return None
