"""Curves that bend in ln N: logistic and Gompertz; those of :mod:`lagged` do so too."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from livecount.growth.curves import MOST_FOLDS_LN, FittedCurve
from livecount.growth.series import Series

__all__ = [
    "FURTHEST_PLATEAU_LN",
    "BendingFit",
    "BendingModel",
    "fit_gompertz",
    "fit_logistic",
    "judged",
    "ln_logistic",
]

BendingModel = Literal["lagged exponential", "logistic", "lagged logistic", "Gompertz"]
_PARAMETERS: Final = {"lagged exponential": 4, "logistic": 3, "lagged logistic": 5, "Gompertz": 4}
_Parameters = tuple[float, ...]
_LnCurve = Callable[..., Series]

FURTHEST_PLATEAU_LN = 50.0
_SMALLEST_RISE_LN = 1e-3
_MOST_EVALUATIONS = 200
"""A fit that needs more is on its way to infinity, as that of a plateau far beyond the points."""


@dataclass(frozen=True, slots=True, eq=False)
class BendingFit:
    """A curve with a lag or a plateau, and how well it explains the points.

    Attributes
    ----------
    model, curve
        Which curve it is; plateau and reference value in units of the values.
    n_parameters
        Parameters of the curve.
    residuals
        On the scale of the fit, shape (n,).
    plateau_reached
        Fitted value at the last point as a fraction of the plateau, 0 to 1; None without one.
    """

    model: BendingModel
    curve: FittedCurve
    n_parameters: int
    residuals: Series
    plateau_reached: float | None


def fit_logistic(
    times_h: Series, values: Series, scale: Literal["log", "linear"] = "log"
) -> BendingFit | None:
    """Fit a growing logistic by least squares, on ln N or on N itself.

    On counts the error is a share of the count, hence "log"; "linear" is for values whose error is
    the same everywhere (the certified NIST data).

    Parameters
    ----------
    times_h, values
        One curve in time order, shape (n,), n >= 5; values > 0.

    Returns
    -------
    BendingFit or None
        N = plateau / (1 + exp(-rate (t - midpoint))); None where no start leads to a finite,
        growing logistic.
    """
    span, largest = float(np.ptp(times_h)), float(values.max())
    if len(values) < 5 or span <= 0 or values.min() <= 0:
        return None
    scaled = (times_h - times_h[0]) / span
    starts = [
        (math.log1p(above), rate, 1.0 + math.log(above) / rate)
        for above in (0.1, 1.0)
        for rate in (3.0, 8.0)
    ]
    found = _least_squares(scaled, values / largest, ln_logistic, starts, scale)
    if found is None:
        return None
    log_plateau, rate, midpoint = found
    plateau = math.exp(log_plateau) * largest
    middle_h = float(times_h[0]) + midpoint * span
    curve = FittedCurve(rate / span, middle_h, plateau / 2, plateau)
    return judged("logistic", curve, times_h, values, scale)


def fit_gompertz(
    times_h: Series, values: Series, scale: Literal["log", "linear"] = "log"
) -> BendingFit | None:
    """Fit a growing Gompertz by least squares, with lower asymptote and lag.

    The sigmoid in ln N of Zwietering et al. (1990, Applied and Environmental Microbiology 56:1875,
    equation 11): floor, plateau, steepest rate and the time of the inflection.

    Parameters
    ----------
    times_h, values, scale
        As for :func:`fit_logistic`, n >= 6.

    Returns
    -------
    BendingFit or None
        None where no start leads to a finite, growing Gompertz with its inflection among the
        points.
    """
    span, largest = float(np.ptp(times_h)), float(values.max())
    if len(values) < 6 or span <= 0 or values.min() <= 0:
        return None
    scaled = (times_h - times_h[0]) / span
    rise = max(math.log(largest / float(values.min())), 0.1)
    starts = [
        (0.02, rise, steepness, inflection) for steepness, inflection in ((6.0, 0.35), (4.0, 0.6))
    ]
    found = _least_squares(scaled, values / largest, _ln_gompertz, starts, scale)
    if found is None or not (0 <= found[3] <= 1):
        return None
    log_plateau, rise, steepness, inflection = found
    plateau, floor = math.exp(log_plateau) * largest, math.exp(log_plateau - rise) * largest
    curve = FittedCurve(
        steepness * rise / math.e / span,
        float(times_h[0]) + inflection * span,
        floor * math.exp(rise / math.e),
        plateau,
        floor,
    )
    return judged("Gompertz", curve, times_h, values, scale)


def ln_logistic(x: Series, log_plateau: float, rate: float, midpoint: float) -> Series:
    """Give ln N of a logistic, shape (n,), on any axes; ``rate`` per unit of ``x``."""
    return np.asarray(log_plateau - np.logaddexp(0.0, -rate * (x - midpoint)))


def _ln_gompertz(
    x: Series, log_plateau: float, rise: float, steepness: float, inflection: float
) -> Series:
    fallen = np.exp(-np.exp(-steepness * (x - inflection)))
    return np.asarray(log_plateau - rise + rise * fallen)


def _least_squares(
    times: Series,
    values: Series,
    ln_curve: _LnCurve,
    starts: Iterable[_Parameters],
    scale: Literal["log", "linear"],
) -> _Parameters | None:
    """Fit from every start and take the best; the parameters are those of scaled axes."""
    from scipy.optimize import OptimizeWarning, curve_fit

    measured = np.log(values) if scale == "log" else values

    def curve(x: Series, *parameters: float) -> Series:
        ln_value = ln_curve(x, *parameters)
        return ln_value if scale == "log" else np.exp(ln_value)

    found: list[tuple[float, _Parameters]] = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", OptimizeWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        for start in starts:
            try:
                at, _ = curve_fit(
                    curve,
                    times,
                    measured,
                    p0=start,
                    maxfev=_MOST_EVALUATIONS,
                    ftol=1e-12,
                    xtol=1e-12,
                )
            except (RuntimeError, ValueError, np.linalg.LinAlgError):
                continue
            squares = float(np.sum((measured - curve(times, *at)) ** 2))
            if math.isfinite(squares) and _is_sane(at):
                found.append((squares, tuple(map(float, at))))
    return min(found)[1] if found else None


def _is_sane(parameters: Sequence[float]) -> bool:
    """Tell whether a curve grows and its plateau is not out of the world."""
    log_plateau, *between, _ = parameters
    return (
        abs(log_plateau) < FURTHEST_PLATEAU_LN
        and all(0 < value <= MOST_FOLDS_LN for value in between)
        and (len(between) == 1 or _SMALLEST_RISE_LN < between[0] < FURTHEST_PLATEAU_LN)
    )


def judged(
    model: BendingModel,
    curve: FittedCurve,
    times_h: Series,
    values: Series,
    scale: Literal["log", "linear"] = "log",
) -> BendingFit | None:
    """Hold a curve against the points; None where it is not finite and above 0 at all of them."""
    fitted = curve.values(times_h)
    if not (np.isfinite(fitted).all() and fitted.min() > 0):
        return None
    residuals = np.log(values / fitted) if scale == "log" else values - fitted
    reached = None if curve.plateau is None else float(fitted[-1]) / curve.plateau
    return BendingFit(model, curve, _PARAMETERS[model], residuals, reached)
