"""How the run is, out of the database: for people, for scripts, and for Prometheus."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from livecount.alerts.wording import in_hours
from livecount.storage import COUNTING_PAUSED, CountReader, Experiment, Tally
from livecount.web.problems import sendable

__all__ = ["Health", "is_watched", "metrics", "read_health", "watched_folders"]

STALE_AFTER_S = 30.0
"""The monitor's heart beats every five seconds; three times as long again is not chance."""

_HOUR_S = 3600.0
_DAYS_FROM_H = 72.0


@dataclass(frozen=True, slots=True)
class Health:
    """What the monitor and its database say.

    Attributes
    ----------
    is_well
        The heart beats and nothing is amiss; a monitor that was stopped in an orderly way is not
        well either: frames are not being counted.
    reason
        Why not, in words; empty where all is well.
    beat_age_s, count_age_s
        Seconds since the last heartbeat and the last count, None where there was none.
    """

    is_well: bool
    reason: str
    doing: str
    engine: str
    beat_age_s: float | None
    count_age_s: float | None
    frames: Tally
    folders: dict[str, str]
    notices: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Give all of it as plain values."""
        folders = {sendable(name): state for name, state in self.folders.items()}
        return asdict(self) | {
            "reason": sendable(self.reason),
            "folders": folders,
            "frames": asdict(self.frames) | {"seen": self.frames.seen},
            "notices": [sendable(notice) for notice in self.notices],
        }


def read_health(store: CountReader, now: datetime | None = None) -> Health:
    """Ask the database how the run is; no file of the experiment is touched."""
    now = now or datetime.now(UTC)
    beat = store.monitor()
    tally = store.tally()
    lasting = [notice for notice in store.notices() if notice.until is None]
    notices = tuple(notice.text for notice in lasting)
    if beat is None:
        reason = "no monitor has run on this database"
        return Health(False, reason, "never started", "", None, None, tally, {}, notices)
    age_s = _age_s(now, beat.beat_at)
    assert age_s is not None
    reason = ""
    if beat.stopped_at is not None:
        reason = "the monitor was stopped"
    elif age_s > STALE_AFTER_S:
        reason = f"the monitor has not been heard of for {_in_words(age_s)}"
    elif offline := [name for name, state in beat.source_states.items() if _is_away(state)]:
        reason = f"{', '.join(offline)} cannot be reached"
    elif paused := [notice.text for notice in lasting if notice.code == COUNTING_PAUSED]:
        reason = f"counting pauses: {paused[0]}"
    return Health(
        is_well=not reason,
        reason=reason,
        doing=beat.doing,
        engine=beat.engine,
        beat_age_s=age_s,
        count_age_s=_age_s(now, beat.progress_at),
        frames=tally,
        folders=dict(beat.source_states),
        notices=notices,
    )


def watched_folders(store: CountReader, now: datetime | None = None) -> frozenset[str]:
    """Give the folders that a living monitor watches at present."""
    beat = store.monitor()
    if beat is None or beat.stopped_at is not None:
        return frozenset()
    age_s = ((now or datetime.now(UTC)) - beat.beat_at).total_seconds()
    return frozenset() if age_s > STALE_AFTER_S else frozenset(beat.source_states)


def is_watched(store: CountReader, experiment: Experiment) -> bool:
    """Tell whether a living monitor watches one of an experiment's folders."""
    watched = watched_folders(store)
    return any(source.folder in watched for source in store.sources(experiment))


def metrics(health: Health, database_bytes: dict[str, int]) -> bytes:
    """Write the same as Prometheus reads it (text exposition format 0.0.4).

    Parameters
    ----------
    database_bytes
        Size of the database's files, by kind.
    """
    registry = CollectorRegistry()

    def gauge(name: str, words: str, values: dict[str, float], label: str = "") -> None:
        made = Gauge(f"livecount_{name}", words, [label] if label else [], registry=registry)
        for key, value in values.items():
            (made.labels(key) if label else made).set(value)

    states = {state: float(n) for state, n in asdict(health.frames).items()}
    gauge("frames", "Frames ever seen, by what became of them.", states, "state")
    gauge("up", "1 while the monitor's heart beats and nothing is amiss.", {"": health.is_well})
    ages = {"heartbeat": health.beat_age_s, "count": health.count_age_s}
    known = {what: age_s for what, age_s in ages.items() if age_s is not None}
    gauge("age_seconds", "Seconds since the last heartbeat or count.", known, "what")
    reachable = {name: float(not _is_away(state)) for name, state in health.folders.items()}
    gauge("folder_reachable", "1 while a watched folder can be reached.", reachable, "folder")
    gauge("notices", "What the monitor has to say at present.", {"": len(health.notices)})
    sizes = {kind: float(n_bytes) for kind, n_bytes in database_bytes.items()}
    gauge("database_bytes", "Size of the database and of its log.", sizes, "file")
    return generate_latest(registry)


def _in_words(age_s: float) -> str:
    hours = age_s / _HOUR_S
    if hours >= _DAYS_FROM_H:
        return f"{hours / 24:.0f} days"
    return f"{age_s:.0f} s" if hours < 2 else in_hours(hours)


def _is_away(state: str) -> bool:
    return state.startswith(("offline", "does not answer"))


def _age_s(now: datetime, then: datetime | None) -> float | None:
    return None if then is None else max(0.0, (now - then).total_seconds())
