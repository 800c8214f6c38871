"""What a well's points can carry: whether a rate follows from them, and whether they grow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from livecount.growth.curves import ExponentialFit, fit_exponential
from livecount.growth.series import GrowthSeries, Series, WellCurve, well_curve

__all__ = ["CONFIDENCE", "PreparedWell", "Unusable", "Window", "changes", "prepare"]

Window = tuple[float | None, float | None]
"""First and last time of a fit, hours, both included; None is open."""

CONFIDENCE = 0.95

_FEWEST_POINTS = 3
_SAME_TIME_H = 1e-6
_STRETCHES = 6
_SMALLEST_CHANGE_LN = 1e-6


@dataclass(frozen=True, slots=True)
class Unusable:
    """Points from which no rate follows, and why."""

    n_points: int
    start_h: float | None
    end_h: float | None
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class PreparedWell:
    """The points of a well that can be fitted, and the exponential through them.

    Attributes
    ----------
    n_points, start_h, end_h
        Of all usable points, those of fields without a single cell included.
    times_h, counts, labels
        Points of the fields that hold cells, and the field of each, shape (n,).
    n_fields
        Fields with usable points.
    exponential
        Quasi-Poisson fit to the points.
    curve
        The well's mean field over time.
    """

    n_points: int
    start_h: float
    end_h: float
    times_h: Series
    counts: Series
    labels: npt.NDArray[np.intp]
    n_fields: int
    exponential: ExponentialFit
    curve: WellCurve


def prepare(fields: Sequence[GrowthSeries], window: Window | None) -> PreparedWell | Unusable:
    """Gather what can be fitted in a well, or say why nothing can."""
    cleaned = [field for field in (item.usable(window) for item in fields) if len(field)]
    times = np.concatenate([np.empty(0), *(field.times_h for field in cleaned)])
    n, start = len(times), float(times.min(initial=np.inf))
    end = float(times.max(initial=-np.inf))
    if n < _FEWEST_POINTS:
        reason = f"fewer than {_FEWEST_POINTS} points"
        return Unusable(n, start if n else None, end if n else None, reason)
    alive = [field for field in cleaned if field.counts.any()]
    reason = _why_not(times, alive)
    if reason:
        return Unusable(n, start, end, reason)
    counts = np.concatenate([field.counts for field in alive])
    times = np.concatenate([field.times_h for field in alive])
    labels = np.repeat(np.arange(len(alive)), [len(field) for field in alive])
    exponential = fit_exponential(times, counts, labels)
    if exponential is None:
        return Unusable(n, start, end, "the points do not determine a rate")
    levels = iter(exponential.levels)
    started = [next(levels) if field.counts.any() else 0.0 for field in cleaned]
    curve = well_curve(cleaned, started)
    return PreparedWell(n, start, end, times, counts, labels, len(cleaned), exponential, curve)


def _why_not(times: Series, alive: Sequence[GrowthSeries]) -> str:
    if np.ptp(times) <= _SAME_TIME_H:
        return "all points were taken at one time"
    if not alive:
        return "all counts are zero"
    with_cells = np.concatenate([field.times_h[field.counts > 0] for field in alive])
    return "cells were seen at one time only" if np.ptp(with_cells) <= _SAME_TIME_H else ""


def changes(well: PreparedWell) -> bool:
    """Tell whether one well's counts change beyond their own scatter.

    Neighbouring frames are not independent, so from 12 visits on the curve is judged by the means
    of six consecutive stretches. Measured on constant populations of about 100 cells with
    autocorrelated variation (correlation time a thirtieth of the run): the plain fit saw growth in
    50 % of runs, the six stretches in 9 %. The interval is a criterion only and is never shown.
    """
    from scipy import stats

    if abs(well.exponential.rate_per_h) * np.ptp(well.times_h) < _SMALLEST_CHANGE_LN:
        return False
    times, values = well.curve.times_h, well.curve.values
    if len(times) >= 2 * _STRETCHES:
        parts = np.array_split(np.arange(len(times)), _STRETCHES)
        times = np.array([times[part].mean() for part in parts])
        values = np.array([values[part].mean() for part in parts])
    judged = well.exponential
    if len(times) >= _FEWEST_POINTS and values.any():
        judged = fit_exponential(times, values, np.zeros(len(times), dtype=np.intp)) or judged
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, judged.degrees_of_freedom))
    return abs(judged.rate_per_h) > half * judged.standard_error
