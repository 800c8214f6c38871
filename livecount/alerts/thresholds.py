"""A threshold that a well has reached, or will reach: when, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from livecount.alerts.axis import Axis, Place
from livecount.alerts.curves import curves_of
from livecount.alerts.findings import Finding, ThresholdMetric
from livecount.alerts.kinds import THRESHOLD_FORECAST, THRESHOLD_REACHED
from livecount.alerts.wording import in_hours
from livecount.growth import Forecast, WellCurve, forecast_reaching

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Threshold", "forecast_of", "forecast_rows", "judge_threshold"]

_BELOW_AGAIN = 0.9
_SUDDEN = 1.3
_FURTHER_WHILE_IT_LASTS = 1.5
_UNITS: dict[ThresholdMetric, str] = {
    "confluence_percent": "% confluent",
    "density_per_mm2": "cells per mm\N{SUPERSCRIPT TWO}",
    "count": "cells per field",
}
_CEILINGS: dict[ThresholdMetric, float] = {"confluence_percent": 100.0}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A value of a metric whose reaching is told."""

    metric: ThresholdMetric
    value: float

    @property
    def words(self) -> str:
        """Name it.

        Examples
        --------
        >>> Threshold("confluence_percent", 80).words, Threshold("count", 600).words
        ('80 % confluent', '600 cells per field')
        """
        return f"{self.value:.6g} {_UNITS[self.metric]}"


def forecast_rows(
    counts: pd.DataFrame,
    metric: ThresholdMetric,
    value: float,
    zone: str,
    zero: datetime | None,
) -> list[dict[str, Any]]:
    """Give each place's forecast, or why there is none, as plain values.

    Parameters
    ----------
    counts
        A result of :func:`livecount.tables.count_table`.
    zone, zero
        The experiment's time zone, and the date of its hour 0 or None.
    """
    threshold = Threshold(metric, value)
    axis = Axis(zone, zero, float(counts["elapsed_h"].max()))
    rows = []
    for place, curve in curves_of(counts, metric).items():
        now = float(curve.values[-1])
        reached = _first_reached(curve.values, value)
        found = Forecast() if reached is not None else forecast_of(curve, threshold)
        if reached is not None:
            said = f"reached at {axis.moment(float(curve.times_h[reached]))}"
        elif found.reason:
            said = f"cannot be forecast: {found.reason}"
        else:
            said = _described(found, threshold, axis)
        times = {"at_h": found.at_h, "low_h": found.low_h, "high_h": found.high_h}
        rows.append({"place": place.words, "now": round(now, 3), **times, "said": said})
    return rows


def judge_threshold(
    place: Place,
    curve: WellCurve,
    threshold: Threshold,
    axis: Axis,
    ahead_h: float,
    lasting: frozenset[tuple[str, str]],
) -> Finding | None:
    """Tell whether a well has reached a threshold, or will within the hours ahead.

    It is reached by a value that is not a sudden one (1.3 times the one before it), or by two in a
    row; it is over after two in a row below nine tenths of it. A forecast begins within the hours
    ahead, where it is not off by more than it is ahead, and lasts while it stays within half as
    much again.

    Parameters
    ----------
    lasting
        Kind and subject of what lasts.
    """
    subject = f"{place.words}, {threshold.words}"
    values, times_h = curve.values, curve.times_h
    reached = _first_reached(values, threshold.value)
    if (THRESHOLD_REACHED, subject) in lasting:
        is_over = len(values) >= 2 and bool((values[-2:] < _BELOW_AGAIN * threshold.value).all())
        index = None if is_over else (len(values) - 1 if reached is None else reached)
    else:
        index = reached if reached is not None and _is_there(values, threshold.value) else None
    if index is not None:
        when = axis.moment(float(times_h[index]))
        text = f"{place.opening} has reached {threshold.words}: {values[index]:.4g} at {when}"
        return _finding(THRESHOLD_REACHED, place, subject, text)
    lasts = (THRESHOLD_FORECAST, subject) in lasting
    said = _announced(forecast_of(curve, threshold), threshold, axis, ahead_h, lasts=lasts)
    if said is None:
        return None
    text = f"{place.opening}: {threshold.words} {said}"
    return _finding(THRESHOLD_FORECAST, place, subject, text)


def _announced(
    found: Forecast, threshold: Threshold, axis: Axis, ahead_h: float, *, lasts: bool
) -> str | None:
    """Word a forecast that is worth being told; None where none is."""
    limit_h = ahead_h * (_FURTHER_WHILE_IT_LASTS if lasts else 1.0)
    if found.at_h is None or found.at_h - axis.newest_h > limit_h:
        return None
    if found.reason:
        return f"is ahead, but it cannot be forecast now: {found.reason}" if lasts else None
    # What may be off by more than it is ahead helps nobody to plan.
    if _half_h(found) > found.at_h - axis.newest_h and not lasts:
        return None
    return f"at {_described(found, threshold, axis)}"


def _half_h(found: Forecast) -> float:
    assert found.at_h is not None
    assert found.low_h is not None
    assert found.high_h is not None
    return max(found.at_h - found.low_h, found.high_h - found.at_h)


def forecast_of(curve: WellCurve, threshold: Threshold) -> Forecast:
    """Forecast when a well reaches a threshold, or say why that cannot be said."""
    ceiling = _CEILINGS.get(threshold.metric)
    if ceiling is not None and threshold.value >= ceiling:
        return Forecast(reason=f"{threshold.words} is never reached in finite time")
    return forecast_reaching(curve, threshold.value, ceiling)


def _described(found: Forecast, threshold: Threshold, axis: Axis) -> str:
    """Say when a threshold will be reached and within what it may lie, on what condition."""
    assert found.at_h is not None
    condition = (
        "if growth goes on as so far"
        if threshold.metric in _CEILINGS
        else "if growth does not bend off more than so far"
    )
    return f"{axis.moment(found.at_h)} \N{PLUS-MINUS SIGN} {in_hours(_half_h(found))}, {condition}"


def _is_there(values: npt.NDArray[np.float64], limit: float) -> bool:
    """Tell whether the newest value stands for the well: not sudden, or the second in a row."""
    if values[-1] < limit:
        return False
    return len(values) >= 2 and bool(values[-2] >= limit or values[-1] <= _SUDDEN * values[-2])


def _first_reached(values: npt.NDArray[np.float64], limit: float) -> int | None:
    """Give the first visit of the last unbroken time at or above the limit."""
    below = np.flatnonzero(values < limit)
    first = int(below[-1]) + 1 if len(below) else 0
    return first if first < len(values) else None


def _finding(kind: str, place: Place, subject: str, text: str) -> Finding:
    return Finding(kind, subject, text, place.plate or None, place.well or None)
