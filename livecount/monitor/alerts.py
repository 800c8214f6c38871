"""Incidents of the run: found, kept as notices while they last, and told to people."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from livecount.alerts import (
    DATA_KINDS,
    KINDS,
    Assessment,
    Finding,
    Rhythm,
    Rules,
    disk_low,
    overdue,
)
from livecount.alerts.kinds import DISK_LOW, FRAME_OVERDUE, INCIDENTS_NOT_JUDGED
from livecount.alerts.wording import local_time
from livecount.config import Config
from livecount.errors import LivecountError
from livecount.monitor.assessing import assess_experiments
from livecount.monitor.errand import Errand
from livecount.monitor.postman import Postman
from livecount.plate import spell_well
from livecount.settings import AlertSettings
from livecount.storage import Audience, CountStore, Experiment, Notice

__all__ = ["Alerts", "Pace", "rules_of"]

_EVERY_S = 5.0
_ASSESS_EVERY_S = 60.0
_SHARE_OF_TIME = 20.0
"""Rules take at most a twentieth of a core's time, however many counts there are."""
_ASSESS_LIMIT_S = 600.0
_TRY_AGAIN_S = 3600.0
"""What failed is tried again after this at the latest, however long it took."""
_STALE_AFTER_S = 60.0
_QUIET_S = 30.0
"""A frame is not called overdue before the folders were silent for so long."""
_FLUSH_S = 60.0
_WAIT_S = 0.25


def rules_of(settings: AlertSettings) -> Rules:
    """Give the rules that the settings choose."""
    return Rules(
        kinds=frozenset(settings.rules),
        thresholds=settings.thresholds,
        wells=tuple(spell_well(well) for well in settings.wells),
        ahead_h=settings.forecast_ahead_h,
    )


@dataclass(frozen=True, slots=True)
class Pace:
    """How one experiment goes on.

    Attributes
    ----------
    n_counted
        Frames counted so far in this run; as long as it stays, the counts say nothing new.
    idle_for_s
        For how long nothing was new, settling, queued or due.
    """

    n_counted: int
    idle_for_s: float


class Alerts:
    """Looks for incidents, begins and ends their notices, and has them told.

    Every notice of the monitor is an incident, whoever begins it; this adds those that follow from
    the counts, and ends those of an earlier monitor that nobody finds any more.

    Parameters
    ----------
    experiments
        Those that are being watched.
    on_notice
        Called with what the user must know, when it begins and when it is over.
    """

    def __init__(
        self,
        config: Config,
        store: CountStore,
        experiments: Sequence[Experiment],
        on_notice: Callable[[str], None],
    ) -> None:
        self._settings = config.alerts
        self._store = store
        self._experiments = {each.name: each for each in experiments}
        self._tell = on_notice
        self._log = structlog.get_logger("livecount.monitor")
        self._started_at = datetime.now(UTC)
        self._started_s = time.monotonic()
        self._ticked_s = -_EVERY_S
        self._is_swept = False
        self._errand: Errand | None = None
        self._assess_again_s = self._started_s
        self._assessed = self._assessing = -1
        self._paces: dict[str, Pace] = {}
        self._counted_at: dict[str, datetime] = {}
        self._found: dict[str, Assessment] = {}
        codes = frozenset(self._settings.rules)
        calm_s = self._settings.calm_min * 60
        store.tell(Audience(tuple(self._settings.targets), codes, calm_s))
        self._postman = Postman(config, store, on_notice)

    def watch(self, experiments: Sequence[Experiment]) -> None:
        """Look for incidents of these experiments from now on."""
        self._experiments = {each.name: each for each in experiments}
        self._found = {
            name: found for name, found in self._found.items() if name in self._experiments
        }
        self._assessed = -1

    def tick(
        self,
        n_counted: int,
        idle_for_s: float,
        unkept: str = "",
        paces: Mapping[str, Pace] | None = None,
    ) -> None:
        """Look for incidents and have them told, every few seconds.

        Parameters
        ----------
        n_counted
            Frames counted so far in this run; as long as it stays, the counts say nothing new.
        idle_for_s
            For how long nothing was new, settling, queued or due.
        unkept
            What holds up the counting and could not be kept among the notices.
        paces
            How each experiment goes on, by name, where there are several: one that waits for its
            next frame is not hidden by another that is being counted.

        Raises
        ------
        StoreError
            The database does not take it now.
        """
        if time.monotonic() - self._ticked_s < _EVERY_S:
            return
        self._ticked_s = time.monotonic()
        if time.monotonic() - self._started_s > _STALE_AFTER_S:
            self._sweep()
        self._look_at_disk()
        of_all = Pace(n_counted, idle_for_s)
        self._note_paces({name: (paces or {}).get(name, of_all) for name in self._experiments})
        self._assess(n_counted)
        self._look_at_rhythm()
        self._postman.tick(unkept)

    def finish(self, n_counted: int, on_wait: Callable[[], None]) -> None:
        """Judge all counts, and have told what is due, before a run that was to end when idle ends.

        Where nobody is to be told and no threshold is set, the counts are not judged once more.
        """
        if self._settings.targets or self._settings.thresholds:
            self._wait_for_assessment(n_counted, on_wait)
        self._sweep()
        until_s = time.monotonic() + _FLUSH_S
        while self._postman.tick() and time.monotonic() < until_s:
            on_wait()
            time.sleep(_WAIT_S)

    def give_up(self) -> None:
        """End what is under way; what was not told stays due for the next start."""
        self._postman.give_up()
        if self._errand is not None:
            self._errand.give_up()

    def _note_paces(self, paces: dict[str, Pace]) -> None:
        """Note how experiments go on, and when frames of each were counted, as far as was seen."""
        now = datetime.now(UTC)
        for name, pace in paces.items():
            before = self._paces.get(name)
            if pace.n_counted > (0 if before is None else before.n_counted):
                self._counted_at[name] = now
        self._paces = paces

    def _wait_for_assessment(self, n_counted: int, on_wait: Callable[[], None]) -> None:
        if self._errand is None or self._assessing != n_counted:
            if self._errand is not None:
                self._errand.give_up()
            self._start_assessing(n_counted)
        assert self._errand is not None
        while not self._errand.is_done():
            on_wait()
            time.sleep(_WAIT_S)
        self._take_assessment()

    def _assess(self, n_counted: int) -> None:
        """Take what an assessment found; begin another where frames came since."""
        if self._errand is not None:
            if self._errand.is_done():
                self._take_assessment()
        elif n_counted != self._assessed and time.monotonic() >= self._assess_again_s:
            self._start_assessing(n_counted)

    def _start_assessing(self, n_counted: int) -> None:
        self._assessing = n_counted
        self._errand = Errand(
            assess_experiments,
            (self._store.database, tuple(self._experiments), rules_of(self._settings)),
            limit_s=_ASSESS_LIMIT_S,
            words="Looking for incidents in the counts",
        )

    def _take_assessment(self) -> None:
        assert self._errand is not None
        errand, self._errand = self._errand, None
        wait_s = max(_ASSESS_EVERY_S, _SHARE_OF_TIME * errand.took_s)
        self._assess_again_s = time.monotonic() + wait_s
        try:
            found: dict[str, Assessment] = errand.outcome()
        except LivecountError as error:
            self._try_again_soon()
            for text in self._not_judged("", str(error)):
                self._tell(text)
            return
        # What was stopped meanwhile is not judged any more.
        found = {name: one for name, one in found.items() if name in self._experiments}
        with self._store.together():
            news = self._judged("")
            for name, one in found.items():
                news += self._take_one(name, one)
        self._assessed = self._assessing
        if any(one.failure for one in found.values()):
            self._try_again_soon()
        for text in news:
            self._tell(text)

    def _take_one(self, name: str, found: Assessment) -> list[str]:
        """Take what one experiment's counts say; where they were not judged, all stays as it is."""
        if found.failure:
            before = self._found.get(name, Assessment())
            self._found[name] = replace(before, rhythm=found.rhythm or before.rhythm)
            return self._not_judged(name, f"Counts of {name!r} cannot be judged: {found.failure}")
        self._found[name] = found
        return self._judged(name) + self._take(self._experiments[name], found)

    def _try_again_soon(self) -> None:
        """Judge again although no frame has come, and not only after hours."""
        self._assessed = -1
        self._assess_again_s = min(self._assess_again_s, time.monotonic() + _TRY_AGAIN_S)

    def _not_judged(self, name: str, text: str) -> list[str]:
        """Say that the counts of an experiment, or of all (""), could not be judged."""
        self._log.error("incidents not looked for", experiment=name, reason=text)
        experiment = self._experiments.get(name)
        kind = INCIDENTS_NOT_JUDGED
        is_news = self._store.begin_notice(kind, text, subject=name, experiment=experiment)
        return [text] if is_news else []

    def _judged(self, name: str) -> list[str]:
        if not self._store.end_notice(INCIDENTS_NOT_JUDGED, subject=name):
            return []
        return [f"Counts of {name!r} are judged again" if name else "Counts are judged again"]

    def _take(self, experiment: Experiment, found: Assessment) -> list[str]:
        """Begin and end the notices of what follows from counts; give what is news."""
        news = [each.text for each in found.findings if self._begin(each, experiment)]
        so = {(each.kind, each.subject) for each in found.findings} | found.undecided
        for notice in self._lasting(experiment, DATA_KINDS):
            if (notice.code, notice.subject) not in so:
                self._store.end_notice(notice.code, subject=notice.subject, experiment=experiment)
                self._log.info("incident over", incident=notice.code, subject=notice.subject)
                news.append(f"Over: {notice.text}")
        return news

    def _begin(self, finding: Finding, experiment: Experiment | None) -> bool:
        is_news = self._store.begin_notice(
            finding.kind,
            finding.text,
            subject=finding.subject,
            experiment=experiment,
            plate=finding.plate,
            well=finding.well,
        )
        if is_news:
            self._log.warning("incident", incident=finding.kind, text=finding.text)
        return is_news

    def _lasting(self, experiment: Experiment | None, kinds: Sequence[str]) -> list[Notice]:
        name = None if experiment is None else experiment.name
        return [
            each for each in self._store.notices() if each.code in kinds and each.experiment == name
        ]

    def _look_at_rhythm(self) -> None:
        """Say that the next frame is overdue, until one has come."""
        for name, experiment in self._experiments.items():
            rhythm = self._rhythm_of(experiment)
            if rhythm is None:
                continue
            last = local_time(rhythm.last_at, experiment.time_zone)
            late = overdue(rhythm, self._settings.overdue_factor, datetime.now(UTC), last)
            if late is None or self._paces[name].idle_for_s >= _QUIET_S:
                self._follow(FRAME_OVERDUE, experiment, late, f"Frames of {name!r} come again")

    def _rhythm_of(self, experiment: Experiment) -> Rhythm | None:
        """Give the rhythm that was learnt, or was declared, up to the last frame counted here.

        What was judged may be old, or nothing: a microscope that stops is noticed all the same.
        """
        found = self._found.get(experiment.name, Assessment())
        counted_at = self._counted_at.get(experiment.name)
        if found.rhythm is not None:
            last_at = found.rhythm.last_at
            return replace(found.rhythm, last_at=max(last_at, counted_at or last_at))
        interval_min = experiment.frame_interval_min
        is_wanted = FRAME_OVERDUE in self._settings.rules
        if counted_at is None or interval_min is None or not is_wanted:
            return None
        return Rhythm(interval_min / 60, counted_at)

    def _look_at_disk(self) -> None:
        if DISK_LOW not in self._settings.rules:
            return
        folder = self._store.database.parent
        try:
            free_bytes = shutil.disk_usage(folder).free
        except OSError:  # whatever is wrong there, writing to the database says it better
            return
        lasts = bool(self._lasting(None, [DISK_LOW]))
        limit_gb = self._settings.disk_low_gb
        found = disk_low(free_bytes, limit_gb, str(folder), lasts=lasts)
        self._follow(DISK_LOW, None, found, f"There is space again on the disk of {folder}")

    def _follow(
        self, kind: str, experiment: Experiment | None, found: Finding | None, over: str
    ) -> None:
        """Begin or end the one notice of a kind."""
        lasting = self._lasting(experiment, [kind])
        if found is not None:
            if not lasting and self._begin(found, experiment):
                self._tell(found.text)
        elif lasting:
            self._store.end_notice(kind, experiment=experiment)
            self._log.info("incident over", incident=kind)
            self._tell(over)

    def _sweep(self) -> None:
        """End, once, what an earlier monitor had said and this one does not find any more."""
        if self._is_swept:
            return
        self._is_swept = True
        known = {each.name: each for each in self._store.experiments()}
        found_again = {*DATA_KINDS, FRAME_OVERDUE, DISK_LOW} & set(self._settings.rules)
        for notice in self._store.notices():
            is_watched = notice.experiment is None or notice.experiment in self._experiments
            if notice.said_at >= self._started_at or (notice.code in found_again and is_watched):
                continue
            about = known.get(notice.experiment or "")
            self._store.end_notice(notice.code, subject=notice.subject, experiment=about)
            if notice.code in KINDS:
                self._tell(f"Over: {notice.text}")
