"""All rules on an experiment's counts at once."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from livecount.alerts.axis import Axis
from livecount.alerts.curves import curves_of, fields_of
from livecount.alerts.findings import Assessment, Finding, Rules
from livecount.alerts.kinds import (
    FOCUS_DRIFTING,
    FRAME_OVERDUE,
    GROWTH_STOPPED,
    THRESHOLD_FORECAST,
    THRESHOLD_REACHED,
    WELL_MISSING,
)
from livecount.alerts.scans import missing_wells, rhythm_of, visits_of
from livecount.alerts.thresholds import Threshold, judge_threshold
from livecount.alerts.trends import judge_focus, judge_growth

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["assess"]


def assess(
    counts: pd.DataFrame,
    rules: Rules,
    zone: str,
    zero: datetime | None,
    now: datetime,
    *,
    declared_interval_h: float | None = None,
    waiting_since: datetime | None = None,
    lasting: frozenset[tuple[str, str]] = frozenset(),
) -> Assessment:
    """Tell what an experiment's counts say now.

    Parameters
    ----------
    counts
        A result of :func:`livecount.tables.count_table` with a column ``counted_at`` (UTC, without
        a zone).
    zone, zero
        The experiment's time zone, and the date of its hour 0 or None.
    now
        The present moment.
    waiting_since
        Since when frames wait to be counted; None where none does.
    lasting
        Kind and subject of what lasts: what has begun ends later than it would begin.
    """
    timed = counts[counts["elapsed_h"].notna()]
    if timed.empty:
        return Assessment()
    axis = Axis(zone, zero, float(timed["elapsed_h"].max()))
    visits = visits_of(timed)
    declared = declared_interval_h
    rhythm = rhythm_of(visits, declared) if FRAME_OVERDUE in rules.kinds else None
    findings: list[Finding] = []
    undecided: set[tuple[str, str]] = set()
    if WELL_MISSING in rules.kinds:
        known = _subjects(lasting, WELL_MISSING)
        found, unclear = missing_wells(visits, axis, now, waiting_since, known)
        findings += found
        undecided |= {(WELL_MISSING, subject) for subject in unclear}
    findings += _thresholds(timed, rules, axis, lasting)
    findings += _trends(timed, rules, axis, lasting)
    return Assessment(tuple(findings), frozenset(undecided & lasting), rhythm)


def _subjects(lasting: frozenset[tuple[str, str]], kind: str) -> frozenset[str]:
    return frozenset(subject for known, subject in lasting if known == kind)


def _thresholds(
    counts: pd.DataFrame, rules: Rules, axis: Axis, lasting: frozenset[tuple[str, str]]
) -> list[Finding]:
    told = {THRESHOLD_REACHED, THRESHOLD_FORECAST} & rules.kinds
    found = [
        judge_threshold(place, curve, Threshold(metric, value), axis, rules.ahead_h, lasting)
        for metric, value in rules.thresholds.items()
        for place, curve in curves_of(counts, metric, rules.wells).items()
        if told
    ]
    return [one for one in found if one is not None and one.kind in told]


def _trends(
    counts: pd.DataFrame, rules: Rules, axis: Axis, lasting: frozenset[tuple[str, str]]
) -> list[Finding]:
    found: list[Finding | None] = []
    if FOCUS_DRIFTING in rules.kinds:
        known = _subjects(lasting, FOCUS_DRIFTING)
        found += [
            judge_focus(place, curve, axis, lasts=place.words in known)
            for place, curve in curves_of(counts, "focus").items()
        ]
    if GROWTH_STOPPED in rules.kinds:
        known = _subjects(lasting, GROWTH_STOPPED)
        measure = "count" if counts["density_per_mm2"].isna().any() else "density_per_mm2"
        found += [
            judge_growth(place, fields, axis, lasts=place.words in known)
            for place, fields in fields_of(counts, measure).items()
        ]
    return [one for one in found if one is not None]
