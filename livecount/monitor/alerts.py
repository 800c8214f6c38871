"""Incidents of the run: found, kept as notices while they last, and told to people."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from livecount.alerts import (
    DATA_KINDS,
    KINDS,
    Assessment,
    Finding,
    Rules,
    disk_low,
    overdue,
)
from livecount.alerts.kinds import DISK_LOW, FRAME_OVERDUE
from livecount.alerts.wording import local_time
from livecount.config import Config
from livecount.errors import LivecountError
from livecount.monitor.assessing import assess_experiments
from livecount.monitor.errand import Errand
from livecount.monitor.postman import Postman
from livecount.plate import spell_well
from livecount.settings import AlertSettings
from livecount.storage import Audience, CountStore, Experiment, Notice

__all__ = ["Alerts", "Progress", "rules_of"]

_EVERY_S = 5.0
_ASSESS_EVERY_S = 60.0
_SHARE_OF_TIME = 20.0
"""Rules take at most a twentieth of a core's time, however many counts there are."""
_ASSESS_LIMIT_S = 600.0
_STALE_AFTER_S = 60.0
_QUIET_S = 30.0
"""A frame is not called overdue before the folders were silent for so long."""
_FLUSH_S = 60.0
_WAIT_S = 0.25
_NOT_JUDGED = "incidents_not_judged"


def rules_of(settings: AlertSettings) -> Rules:
    """Give the rules that the settings choose."""
    return Rules(
        kinds=frozenset(settings.rules),
        thresholds=settings.thresholds,
        wells=tuple(spell_well(well) for well in settings.wells),
        ahead_h=settings.forecast_ahead_h,
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an experiment is.

    Attributes
    ----------
    n_counted
        Frames counted so far in this run; as long as it stays, the counts say nothing new.
    idle_for_s
        For how long nothing was new, settling, queued or due in its folders.
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
        self._assessed: dict[str, int] = {}
        self._assessing: dict[str, int] = {}
        self._found: dict[str, Assessment] = {}
        codes = frozenset(self._settings.rules)
        calm_s = self._settings.calm_min * 60
        store.tell(Audience(tuple(self._settings.targets), codes, calm_s))
        self._postman = Postman(config, store, on_notice)

    def watch(self, experiments: Sequence[Experiment]) -> None:
        """Look at these from now on; what lasted of others is over, as nobody looks any more."""
        left = set(self._experiments) - {each.name for each in experiments}
        for name in left:
            for notice in self._lasting(self._experiments[name], (*DATA_KINDS, FRAME_OVERDUE)):
                self._store.end_notice(
                    notice.code, subject=notice.subject, experiment=self._experiments[name]
                )
            self._found.pop(name, None)
            self._assessed.pop(name, None)
        self._experiments = {each.name: each for each in experiments}

    def tick(self, progress: Mapping[str, Progress], unkept: str = "") -> None:
        """Look for incidents and have them told, every few seconds.

        Parameters
        ----------
        progress
            Experiment -> how far it is.
        unkept
            What holds up the counting and could not be kept among the notices.

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
        self._assess({name: one.n_counted for name, one in progress.items()})
        self._look_at_rhythm(progress)
        self._postman.tick(unkept)

    def finish(self, n_counted: Mapping[str, int], on_wait: Callable[[], None]) -> None:
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

    def _wait_for_assessment(
        self, n_counted: Mapping[str, int], on_wait: Callable[[], None]
    ) -> None:
        if self._errand is None or self._assessing != n_counted:
            if self._errand is not None:
                self._errand.give_up()
            self._start_assessing(n_counted)
        assert self._errand is not None
        while not self._errand.is_done():
            on_wait()
            time.sleep(_WAIT_S)
        self._take_assessment()

    def _assess(self, n_counted: Mapping[str, int]) -> None:
        """Take what an assessment found; begin another where frames came since."""
        if self._errand is not None:
            if self._errand.is_done():
                self._take_assessment()
        elif n_counted != self._assessed and time.monotonic() >= self._assess_again_s:
            self._start_assessing(n_counted)

    def _start_assessing(self, n_counted: Mapping[str, int]) -> None:
        self._assessing = dict(n_counted)
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
            self._found = errand.outcome()
        except LivecountError as error:
            self._log.error("incidents not looked for", reason=str(error))
            if self._store.begin_notice(_NOT_JUDGED, str(error)):
                self._tell(str(error))
            return
        self._store.end_notice(_NOT_JUDGED)
        with self._store.together():
            news = [
                text
                for name, found in self._found.items()
                if name in self._experiments
                for text in self._take(self._experiments[name], found)
            ]
        self._assessed = self._assessing
        for text in news:
            self._tell(text)

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

    def _look_at_rhythm(self, progress: Mapping[str, Progress]) -> None:
        """Say that the next frame is overdue, until one has come."""
        for name, found in self._found.items():
            one = progress.get(name)
            if found.rhythm is None or one is None or self._assessed.get(name) != one.n_counted:
                continue
            may_begin = one.idle_for_s >= _QUIET_S
            experiment = self._experiments[name]
            last = local_time(found.rhythm.last_at, experiment.time_zone)
            late = overdue(found.rhythm, self._settings.overdue_factor, datetime.now(UTC), last)
            if late is None or may_begin:
                self._follow(FRAME_OVERDUE, experiment, late, f"Frames of {name!r} come again")

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
