"""When each place was visited, in what rhythm, and which is missing from a scan of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from livecount.alerts.axis import Axis, Place
from livecount.alerts.findings import Finding, Rhythm
from livecount.alerts.kinds import WELL_MISSING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PlaceVisits", "missing_wells", "rhythm_of", "visits_of"]

_Reals = npt.NDArray[np.float64]
_Moments = npt.NDArray[np.datetime64]

_GAPS = 20
_LONGER_GAPS = 0.9
_SAME_VISIT = 0.5
_MISSED = 1.5
_WAITED_AT_MOST = 0.6
_FEWEST_VISITS = 3
_SAME_TIME_H = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class PlaceVisits:
    """When a place was visited.

    Attributes
    ----------
    times_h
        When each frame of it was taken, in order, hours, shape (n,).
    counted_at
        When each was counted, UTC, shape (n,).
    interval_h
        Typical time from one visit to the next, NaN where there was only one.
    """

    place: Place
    times_h: _Reals
    counted_at: _Moments
    interval_h: float

    def visits_h(self, interval_h: float) -> _Reals:
        """Give when each visit began: its fields are taken one after the other."""
        first = np.diff(self.times_h, prepend=-np.inf) > _SAME_VISIT * interval_h
        return self.times_h[first]


def visits_of(counts: pd.DataFrame) -> list[PlaceVisits]:
    """Arrange counts as the visits of each place; what is excluded was visited all the same.

    Parameters
    ----------
    counts
        A result of :func:`livecount.tables.count_table` with a column ``counted_at`` (UTC, without
        a zone).
    """
    timed = counts[counts["elapsed_h"].notna()]
    named = {name: timed[name].fillna("").astype(str) for name in ("plate", "well")}
    positions = timed["position"].fillna(timed["field"]).fillna("").astype(str)
    named["position"] = positions.where(named["well"] == "", "")
    fields = [positions, timed["channel"].fillna("").astype(str)]
    found = []
    in_order = timed.sort_values("elapsed_h", kind="stable")
    keys = [name.loc[in_order.index] for name in named.values()]
    for key, part in in_order.groupby(keys, sort=True):
        gaps = [
            np.diff(np.unique(field["elapsed_h"].to_numpy(np.float64)))
            for _, field in part.groupby([name.loc[part.index] for name in fields], sort=False)
        ]
        pooled = np.concatenate([each[each > _SAME_TIME_H][-_GAPS:] for each in gaps])
        found.append(
            PlaceVisits(
                Place(*(str(name) for name in key)),
                part["elapsed_h"].to_numpy(np.float64),
                part["counted_at"].to_numpy("datetime64[us]"),
                float(np.median(pooled)) if len(pooled) else float("nan"),
            )
        )
    return found


def rhythm_of(visits: Sequence[PlaceVisits], declared_h: float | None = None) -> Rhythm | None:
    """Learn in what rhythm frames come; from two gaps on, else as declared, else not at all.

    Parameters
    ----------
    declared_h
        The interval that the user stated, for a run that has just begun.
    """
    if not visits:
        return None
    gaps = [np.diff(place.visits_h(place.interval_h))[-_GAPS:] for place in visits]
    pooled = np.concatenate(gaps)
    interval_h = declared_h
    if max(len(each) for each in gaps) >= _FEWEST_VISITS - 1:
        # The longer of the usual ones: a pause each night is no alarm each night.
        interval_h = float(np.quantile(pooled, _LONGER_GAPS))
    if interval_h is None:
        return None
    last = max(place.counted_at.max() for place in visits)
    return Rhythm(interval_h, _utc(last))


def missing_wells(
    visits: Sequence[PlaceVisits],
    axis: Axis,
    now: datetime,
    waiting_since: datetime | None,
    lasting: frozenset[str],
) -> tuple[list[Finding], set[str]]:
    """Find the places that are missing from a scan that most of the others are in.

    A place is missing if its last visit, or the one between its last two, was left out: half an
    interval late, while at least half of the other places were visited in that time. One that was
    missing is back after two visits in their time, so that one frame in two is one incident.

    Parameters
    ----------
    waiting_since
        Since when frames wait to be counted, None where none does. A place is not called missing
        while its frame may be among them.
    lasting
        Subjects that are missing already.

    Returns
    -------
    findings, undecided
        What is missing, and subjects of what lasts and cannot be told now.
    """
    findings: list[Finding] = []
    undecided: set[str] = set()
    if len(visits) < 2:
        return findings, undecided
    newest = max(visits, key=lambda place: place.times_h[-1])
    for place in visits:
        subject = place.place.words
        gap = _gap_of(place, _reached_h(newest, place.interval_h, now), subject in lasting)
        if gap is None:
            continue
        others = [_within(other, gap) for other in visits if other is not place]
        seen = [part for part in others if len(part)]
        if 2 * len(seen) < len(others):
            continue
        counted = _utc(max(part.max() for part in seen))
        if waiting_since is not None and waiting_since < counted:
            undecided.add(subject)
            continue
        when = axis.moment(gap[0] + place.interval_h * (1 - _SAME_VISIT))
        text = (
            f"{place.place.opening} has no counted frame from the scan at {when}; "
            f"{len(seen)} of {len(others)} others have"
        )
        findings.append(_finding(place.place, text))
    return findings, undecided


def _finding(place: Place, text: str) -> Finding:
    return Finding(WELL_MISSING, place.words, text, place.plate or None, place.well or None)


def _reached_h(newest: PlaceVisits, interval_h: float, now: datetime) -> float:
    """Give how far the experiment has got by now, also while no new frame comes."""
    waited_h = (now - _utc(newest.counted_at.max())).total_seconds() / 3600
    return float(newest.times_h[-1]) + min(max(waited_h, 0.0), _WAITED_AT_MOST * interval_h)


def _gap_of(place: PlaceVisits, now_h: float, lasts: bool) -> tuple[float, float] | None:
    """Give the time in which a visit is missing, hours; None where none is."""
    interval_h = place.interval_h
    visits_h = place.visits_h(interval_h)
    if not interval_h > 0 or len(visits_h) < _FEWEST_VISITS:
        return None
    margin_h = _SAME_VISIT * interval_h
    if now_h - place.times_h[-1] > _MISSED * interval_h:
        return float(place.times_h[-1]) + margin_h, now_h
    for back in range(1, 3 if lasts else 2):
        before_h, after_h = visits_h[-back - 1], visits_h[-back]
        if after_h - before_h > _MISSED * interval_h:
            return float(before_h) + margin_h, float(after_h) - margin_h
    return None


def _within(place: PlaceVisits, gap: tuple[float, float]) -> _Moments:
    start, end = np.searchsorted(place.times_h, gap)
    return place.counted_at[start:end]


def _utc(moment: np.datetime64) -> datetime:
    plain: datetime = moment.astype("datetime64[us]").item()
    return plain.replace(tzinfo=UTC)
