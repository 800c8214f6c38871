"""When a well's curve will reach a level, if it goes on as so far, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from livecount.growth.series import Series, WellCurve

__all__ = ["Forecast", "forecast_reaching"]

FORECAST_CONFIDENCE = 0.95

_FEWEST_VISITS = 8
_LONGEST_AHEAD = {True: 1 / 3, False: 1 / 4}
"""As a share of the time seen so far; further ahead, bending decides that has not begun."""
_SEEN_BEFORE = 2.0
"""How long, in times ahead, must have been seen before a past forecast for it to be judged."""
_STEPS = 400
_SMOOTHED = 5
_SCATTERS = "the curve scatters too much or bends off"
_ORIGINS = 12
_FEWEST_ORIGINS = 3
_MOST_CORRELATED = 0.9


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a level will be reached, or why that cannot be said.

    Attributes
    ----------
    at_h
        Elapsed hours; None where the curve does not come there, as far as can be seen ahead.
    low_h, high_h
        Interval around it; None where there is no saying how far off it may be: then there is no
        forecast.
    reason
        Why there is none, in words; empty where there is one.
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
    they are worth as they are autocorrelated) crosses the level; or to where a curve with one more
    bend crosses it (without a ceiling); or as far to both sides as the worst of a dozen forecasts
    was off that could have been made on this curve before, so far ahead; whichever is wider.

    How often such intervals held on simulated wells: ``docs/forecast.md``. What has not begun by
    now, as crowding or a drug's effect, no curve can foresee; therefore nothing is forecast further
    ahead than a third (without a ceiling: a quarter) of the time seen so far.

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
    heights = _straightened(values, ceiling)
    goal = float(_straightened(np.array([level]), ceiling)[0])
    longest_h = _LONGEST_AHEAD[ceiling is not None] * float(np.ptp(times_h))
    now_h = float(times_h[-1])
    at_h, low_h, high_h = _crossings(times_h, heights, goal, ceiling)
    if at_h is None or at_h - now_h > longest_h:
        return Forecast(
            reason=f"not within the next {longest_h:.0f} h, as far as can be seen ahead"
        )
    if low_h is None or high_h is None:
        return Forecast(at_h, reason=_SCATTERS)
    if ceiling is None:
        bent_h, *_ = _crossings(times_h, heights, goal, ceiling, degree=3)
        if bent_h is None:
            return Forecast(at_h, reason=_SCATTERS)
        low_h, high_h = min(low_h, bent_h), max(high_h, bent_h)
    off_h = _off_so_far(times_h, heights, at_h - now_h, ceiling)
    if off_h is None:
        return Forecast(at_h, reason="not seen for long enough to know how far off it may be")
    return Forecast(at_h, min(low_h, at_h - off_h), max(high_h, at_h + off_h))


def _off_so_far(
    times_h: Series, heights: Series, ahead_h: float, ceiling: float | None
) -> float | None:
    """Tell how far off the worst of a dozen forecasts so far ahead was, had it been made before.

    Returns
    -------
    float or None
        Hours; None where fewer than three can be judged.
    """
    smooth = np.convolve(heights, np.full(_SMOOTHED, 1 / _SMOOTHED), "valid")
    smooth_h = times_h[_SMOOTHED // 2 : -(_SMOOTHED // 2)]
    last = int(np.searchsorted(times_h, smooth_h[-1] - ahead_h, side="right"))
    seen_h = _SEEN_BEFORE * ahead_h
    first = max(int(np.searchsorted(times_h, times_h[0] + seen_h)) + 1, _FEWEST_VISITS)
    origins = np.unique(np.linspace(first, last, _ORIGINS).astype(int))
    found = []
    for origin in origins[(origins >= first) & (origins <= last)]:
        came_h = float(times_h[origin - 1]) + ahead_h
        came = float(np.interp(came_h, smooth_h, smooth))
        at_h, _, _ = _crossings(times_h[:origin], heights[:origin], came, ceiling)
        # One that said "never" was off by all that it was asked ahead.
        found.append(ahead_h if at_h is None else abs(at_h - came_h))
    if len(found) < _FEWEST_ORIGINS:
        return None
    return max(found)


def _crossings(
    times_h: Series, heights: Series, goal: float, ceiling: float | None, degree: int = 2
) -> tuple[float | None, float | None, float | None]:
    """Extend a curve to where it, and the edges of its band, reach a height; None where never.

    Parameters
    ----------
    degree
        Of the polynomial where no ceiling is known; towards one it is a straight line.
    """
    share = _LONGEST_AHEAD[ceiling is not None]
    ahead_h = np.linspace(0.0, 2 * share * float(np.ptp(times_h)), _STEPS)
    if ceiling is not None:
        later = max(_FEWEST_VISITS, math.ceil(len(times_h) / 2))
        times_h, heights = times_h[-later:], heights[-later:]
    now_h = float(times_h[-1])
    band = _band(times_h, heights, ahead_h, degree=degree if ceiling is None else 1)
    at_h, low_h, high_h = (_first(ahead_h, line, goal, now_h) for line in band)
    return at_h, low_h, high_h


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
