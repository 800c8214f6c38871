"""When a well's curve will reach a level, if it goes on as so far, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from livecount.growth.series import Series, WellCurve

__all__ = ["Forecast", "forecast_reaching"]

FORECAST_CONFIDENCE = 0.95

_FEWEST_VISITS = 8
_LONGEST_AHEAD = {True: 0.5, False: 0.25}
"""As a share of the time seen so far; further ahead, bending decides that has not begun."""
_STEPS = 400
_MOST_CORRELATED = 0.9


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a level will be reached; None with a reason where that cannot be said.

    Attributes
    ----------
    at_h, low_h, high_h
        Elapsed hours: the most likely time, and the interval around it.
    reason
        Why there is no forecast, in words; empty where there is one.
    """

    at_h: float | None = None
    low_h: float | None = None
    high_h: float | None = None
    reason: str = ""


def forecast_reaching(curve: WellCurve, level: float, ceiling: float | None = None) -> Forecast:
    """Forecast when a well reaches a level.

    Towards a known ceiling (100 % confluence) ln(v / (ceiling - v)) is taken to go on in a straight
    line through the later half of the visits: logistic growth. Without one, ln v is taken to go on
    along the parabola through all visits, which lets growth that slows down slow down further. The
    interval is where the band in which the curve itself lies (95 %, its residuals counted for what
    they are worth as they are autocorrelated) crosses the level, widened to where a curve with one
    more bend crosses it: the time of a later *measurement* may differ by its own scatter.

    How often such intervals held on simulated wells: ``docs/forecast.md``. What has not begun by
    now, as crowding or a drug's effect, no curve can foresee; therefore nothing is forecast further
    ahead than half (without a ceiling: a quarter) of the time seen so far.

    Parameters
    ----------
    curve
        A well's mean over time, as of :func:`livecount.growth.well_curve`.
    level
        In the units of the curve, above 0 and below the ceiling.
    ceiling
        The highest value there can be, or None where that is not known.

    Examples
    --------
    >>> times = np.arange(0, 49, 2.0)
    >>> values = 50 * 2 ** (times / 20) * (1 + 0.02 * (-1) ** np.arange(25))
    >>> curve = WellCurve(times, values, times * np.nan, np.ones(25, int))
    >>> found = forecast_reaching(curve, 300)
    >>> bool(found.low_h < 20 * np.log2(6) < found.high_h), round(found.at_h)
    (True, 52)
    """
    usable = curve.values > 0
    if ceiling is not None:
        usable &= curve.values < ceiling
    times_h, values = curve.times_h[usable], curve.values[usable]
    if len(times_h) < _FEWEST_VISITS:
        return Forecast(reason=f"fewer than {_FEWEST_VISITS} scans")
    span_h = float(np.ptp(times_h))
    longest_h = _LONGEST_AHEAD[ceiling is not None] * span_h
    if ceiling is not None:
        later = max(_FEWEST_VISITS, math.ceil(len(times_h) / 2))
        times_h, values = times_h[-later:], values[-later:]
    ahead_h = np.linspace(0.0, 2 * longest_h, _STEPS)
    band = _band(
        times_h, _straightened(values, ceiling), ahead_h, degree=2 if ceiling is None else 1
    )
    goal = float(_straightened(np.array([level]), ceiling)[0])
    now_h = float(times_h[-1])
    at_h, low_h, high_h = (_first(ahead_h, line, goal, now_h) for line in band)
    if at_h is None or at_h - now_h > longest_h:
        return Forecast(
            reason=f"not within the next {longest_h:.0f} h, as far as can be seen ahead"
        )
    if low_h is None or high_h is None:
        return Forecast(reason="the curve scatters too much or bends off")
    if ceiling is None:
        bent, *_ = _band(times_h, np.log(values), ahead_h, degree=3)
        bent_h = _first(ahead_h, bent, goal, now_h)
        if bent_h is None:
            return Forecast(reason="the curve scatters too much or bends off")
        low_h, high_h = min(low_h, bent_h), max(high_h, bent_h)
    return Forecast(at_h, low_h, high_h)


def _straightened(values: Series, ceiling: float | None) -> Series:
    logs: Series = np.log(values)
    return logs if ceiling is None else logs - np.log(ceiling - values)


def _band(
    times_h: Series, heights: Series, ahead_h: Series, *, degree: int
) -> tuple[Series, Series, Series]:
    """Fit a polynomial by least squares; it and its band, upper edge first, after the last time."""
    from scipy import stats

    scale_h = max(float(np.ptp(times_h)), 1e-9)
    design = np.vander((times_h - times_h[-1]) / scale_h, degree + 1)
    found, *_ = np.linalg.lstsq(design, heights, rcond=None)
    residuals = heights - design @ found
    freedom = len(heights) - degree - 1
    squares = float(residuals @ residuals)
    lagged = float(residuals[1:] @ residuals[:-1]) / squares if squares > 0 else 0.0
    correlated = min(max(lagged, 0.0), _MOST_CORRELATED)
    variance = squares / freedom * (1 + correlated) / (1 - correlated)
    further = np.vander(ahead_h / scale_h, degree + 1)
    spread = np.einsum("ij,jk,ik->i", further, np.linalg.inv(design.T @ design), further)
    half = float(stats.t.ppf((1 + FORECAST_CONFIDENCE) / 2, freedom)) * np.sqrt(variance * spread)
    middle = further @ found
    return middle, middle + half, middle - half


def _first(ahead_h: Series, heights: Series, goal: float, now_h: float) -> float | None:
    reached = np.flatnonzero(heights >= goal)
    if not len(reached):
        return None
    after = int(reached[0])
    if after == 0:
        return now_h
    before_it, at_it = heights[after - 1], heights[after]
    share = (goal - before_it) / (at_it - before_it)
    return now_h + float(ahead_h[after - 1] + share * (ahead_h[after] - ahead_h[after - 1]))
