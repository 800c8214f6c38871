"""Curves of cells that wait before they divide: the lagged exponential and the lagged logistic."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from livecount.growth.bending import FURTHEST_PLATEAU_LN, BendingFit, judged, ln_logistic
from livecount.growth.curves import MOST_FOLDS_LN, FittedCurve, Waking
from livecount.growth.series import Series

__all__ = ["fit_lagged_exponential", "fit_lagged_logistic"]

_LnCurve = Callable[..., Series]
_Start = tuple[float, ...]

_WAKING_FROM: Final = (-0.1, math.log(1e-3))
_WAKING_TO: Final = (0.6, math.log(0.25))
"""When cells wake, as a share of the window, and ln of how far they are spread."""
_TRIED: Final = [(at, wide) for at in (0.02, 0.1, 0.2, 0.32, 0.46) for wide in (0.02, 0.06, 0.15)]
"""Wakings that fits start from; for each, what is left of a curve is found by a straight line."""
_ROOM: Final = (1.02, 1.1, 1.5)
"""Plateaus that fits start from, in units of the largest value."""
_AT_A_BOUND = 0.01
_MOST_EVALUATIONS = 100
_PRECISION = 1e-8


def fit_lagged_exponential(times_h: Series, values: Series) -> BendingFit | None:
    """Fit exponential growth of cells that wait before they divide, by least squares on ln N.

    Parameters
    ----------
    times_h, values
        One curve in time order, shape (n,), n >= 6; values > 0.

    Returns
    -------
    BendingFit or None
        A curve without a plateau; None where no such curve grows, or where cells would wake so late
        or so slowly that it is no lag but a change of rate.
    """
    window = _Window.of(times_h, values, 6)
    if window is None:
        return None
    lines = (
        (*np.polynomial.polynomial.polyfit(hours, window.logs, 1).tolist(), at, math.log(wide))
        for at, wide, hours in window.wakings()
    )
    bounds = (-FURTHEST_PLATEAU_LN, 1e-3), (FURTHEST_PLATEAU_LN, MOST_FOLDS_LN)
    found = window.fit(_ln_lagged_exponential, [start for start in lines if start[1] > 0], bounds)
    if found is None:
        return None
    level, rate, *waking = found
    value = math.exp(level) * window.largest
    curve = FittedCurve(
        rate / window.span_h, window.start_h, value, None, waking=window.waking(*waking)
    )
    return judged("lagged exponential", curve, times_h, values)


def fit_lagged_logistic(times_h: Series, values: Series) -> BendingFit | None:
    """Fit a logistic whose cells wait before they divide, by least squares on ln N.

    Its rate is that of cells that are awake and not crowded, which the steepest rate of a Gompertz
    does not reach: while the last cells wake, the first crowd each other.

    Parameters
    ----------
    times_h, values
        As for :func:`fit_lagged_exponential`, n >= 7.

    Returns
    -------
    BendingFit or None
        None as for :func:`fit_lagged_exponential`.
    """
    window = _Window.of(times_h, values, 7)
    if window is None:
        return None
    bounds = (-FURTHEST_PLATEAU_LN, 1e-3, -10.0), (FURTHEST_PLATEAU_LN, MOST_FOLDS_LN, 10.0)
    found = window.fit(_ln_lagged_logistic, list(_logistic_starts(window)), bounds)
    if found is None:
        return None
    log_plateau, rate, midpoint, *waking = found
    plateau = math.exp(log_plateau) * window.largest
    curve = FittedCurve(
        rate / window.span_h,
        window.start_h + midpoint * window.span_h,
        plateau / 2,
        plateau,
        waking=window.waking(*waking),
    )
    return judged("lagged logistic", curve, times_h, values)


def _logistic_starts(window: _Window) -> Iterator[_Start]:
    """Give logistics through the points: for a known plateau, the logit of N is a line in time."""
    for room in _ROOM:
        share = np.exp(window.logs) / room
        logits = np.log(share / (1 - share))
        rising = share < 0.95
        if rising.sum() < 3:
            continue
        for at, wide, hours in window.wakings():
            intercept, rate = np.polynomial.polynomial.polyfit(hours[rising], logits[rising], 1)
            if rate > 0 and abs(intercept) < 10 * rate:
                yield math.log(room), float(rate), float(-intercept / rate), at, math.log(wide)


class _Window:
    """The points on scaled axes: times from 0 to 1, the largest value 1."""

    def __init__(self, times_h: Series, values: Series) -> None:
        self.start_h, self.span_h = float(times_h[0]), float(np.ptp(times_h))
        self.largest = float(values.max())
        self.times = (times_h - times_h[0]) / self.span_h
        self.logs = np.log(values / self.largest)

    @classmethod
    def of(cls, times_h: Series, values: Series, fewest: int) -> _Window | None:
        if len(values) < fewest or np.ptp(times_h) <= 0 or values.min() <= 0:
            return None
        return cls(times_h, values)

    def wakings(self) -> Iterator[tuple[float, float, Series]]:
        """Give middle, width and hours of growth of the wakings to start from."""
        for at, wide in _TRIED:
            yield at, wide, Waking(at, wide).growing_h(self.times)

    def waking(self, at: float, ln_width: float) -> Waking:
        """Bring a waking to the axis of the experiment."""
        return Waking(self.start_h + at * self.span_h, math.exp(ln_width) * self.span_h)

    def fit(
        self, ln_curve: _LnCurve, starts: Sequence[_Start], bounds: tuple[_Start, _Start]
    ) -> tuple[float, ...] | None:
        """Fit from the start that lies nearest; None where cells would wake too late."""
        from scipy.optimize import least_squares

        low = np.array([*bounds[0], *_WAKING_FROM])
        high = np.array([*bounds[1], *_WAKING_TO])

        def residuals(parameters: Any) -> Series:
            return ln_curve(self.times, *parameters) - self.logs

        with np.errstate(all="ignore"):
            inside = [start for start in starts if ((low < start) & (start < high)).all()]
            if not inside:
                return None
            start = min(inside, key=lambda start: float(np.sum(residuals(start) ** 2)))
            found = least_squares(
                residuals,
                start,
                bounds=(low, high),
                ftol=_PRECISION,
                xtol=_PRECISION,
                gtol=_PRECISION,
                max_nfev=_MOST_EVALUATIONS,
            )
        late = np.array(_WAKING_TO) - found.x[-2:] < _AT_A_BOUND
        return None if late.any() or not math.isfinite(found.cost) else tuple(found.x.tolist())


def _ln_lagged_exponential(
    x: Series, level: float, rate: float, at: float, ln_width: float
) -> Series:
    return np.asarray(level + rate * Waking(at, math.exp(ln_width)).growing_h(x))


def _ln_lagged_logistic(
    x: Series, log_plateau: float, rate: float, midpoint: float, at: float, ln_width: float
) -> Series:
    return ln_logistic(Waking(at, math.exp(ln_width)).growing_h(x), log_plateau, rate, midpoint)
