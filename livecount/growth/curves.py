"""The curves that are fitted to counts: exponential growth and the logistic."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from livecount.growth.series import Series

__all__ = [
    "ExponentialFit",
    "ExponentialMethod",
    "FittedCurve",
    "LogisticFit",
    "deviance_explained",
    "fit_exponential",
    "fit_logistic",
]

ExponentialMethod = Literal["quasi-Poisson", "log-linear"]

_MOST_FOLDS_LN = 500.0
"""A fit that multiplies the cells by more than e^500 over its window has run away."""


@dataclass(frozen=True, slots=True)
class FittedCurve:
    """A fitted curve that can be drawn: exponential, or logistic where it has a plateau.

    Attributes
    ----------
    rate_per_h
        Specific growth rate; for the logistic the rate before crowding.
    reference_h, reference_value
        A point of the curve; for the logistic its midpoint, at half the plateau.
    plateau
        Upper asymptote in the units of the counts, or None for an exponential.

    Examples
    --------
    >>> FittedCurve(math.log(2) / 20, 0.0, 50.0, None).values(np.array([0.0, 20.0])).round(6)
    array([ 50., 100.])
    """

    rate_per_h: float
    reference_h: float
    reference_value: float
    plateau: float | None

    def values(self, times_h: Series) -> Series:
        """Evaluate the curve at ``times_h`` (n,), hours; returns (n,) in units of the counts."""
        from scipy.special import expit

        exponent = self.rate_per_h * (np.asarray(times_h, dtype=np.float64) - self.reference_h)
        if self.plateau is not None:
            return np.asarray(self.plateau * expit(exponent), dtype=np.float64)
        return np.asarray(self.reference_value * np.exp(np.clip(exponent, -700, 700)))


@dataclass(frozen=True, slots=True, eq=False)
class ExponentialFit:
    """ln N = level of the field + rate x time, fitted to all fields of a well at once.

    Attributes
    ----------
    rate_per_h, standard_error
        Slope and its standard error, 1/h, as if all points were independent.
    degrees_of_freedom
        Points less parameters.
    levels
        Fitted count of each field at ``reference_h``, shape (fields,).
    fitted
        Fitted counts, shape (n,).
    """

    rate_per_h: float
    standard_error: float
    degrees_of_freedom: int
    reference_h: float
    levels: Series
    fitted: Series


def fit_exponential(
    times_h: Series,
    counts: Series,
    fields: npt.NDArray[np.intp],
    method: ExponentialMethod = "quasi-Poisson",
) -> ExponentialFit | None:
    """Fit one growth rate to the fields of a well, each with a level of its own.

    The generalised linear model with log link, variance proportional to the mean and the scale
    estimated by Pearson's chi-square (quasi-Poisson: McCullagh & Nelder 1989, section 6.2) takes
    zeros; ordinary least squares on ln N (log-linear) cannot. A field that is missing at some time
    makes no step, since its level is its own.

    Parameters
    ----------
    times_h, counts
        Finite, counts >= 0, shape (n,); for log-linear > 0.
    fields
        Field of each point, numbered from 0 without gaps, each with a positive count; shape (n,).

    Returns
    -------
    ExponentialFit or None
        None where the points do not determine a finite rate and its error.
    """
    n_fields = int(fields.max()) + 1
    span, middle = float(np.ptp(times_h)), float(times_h.mean())
    freedom = len(times_h) - n_fields - 1
    if freedom < 1 or span <= 0:
        return None
    largest = counts.max()
    design = np.column_stack(
        [(times_h - middle) / span, fields[:, None] == np.arange(n_fields)]
    ).astype(np.float64)
    result = _least_deviance(counts / largest, design, method)
    if result is None:
        return None
    slope, error, levels, fitted = result
    if not (math.isfinite(error) and abs(slope) <= _MOST_FOLDS_LN and np.isfinite(fitted).all()):
        return None
    return ExponentialFit(
        slope / span, error / span, freedom, middle, np.exp(levels) * largest, fitted * largest
    )


def _least_deviance(
    counts: Series, design: Series, method: ExponentialMethod
) -> tuple[float, float, Series, Series] | None:
    """Fit by statsmodels: slope, its error, the fields' log levels, the fitted counts."""
    # statsmodels takes a second to import, which no caller should pay for a mere type.
    import statsmodels.api as sm

    result: Any
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # What statsmodels warns of (separation, overflow, no convergence) is judged by the caller.
        warnings.simplefilter("ignore")
        try:
            if method == "log-linear":
                result = sm.OLS(np.log(counts), design).fit()
                fitted, scale = np.exp(np.asarray(result.fittedvalues)), 1.0
            else:
                # Judged by its parameters and scaled afterwards: with scale="X2" the deviance is
                # divided by the scale in each step and never settles where a fit is perfect.
                model = sm.GLM(counts, design, family=sm.families.Poisson())
                result = model.fit(tol_criterion="params", maxiter=60)
                if not result.converged:
                    return None
                fitted, scale = np.asarray(result.mu), result.pearson_chi2 / result.df_resid
        except (ValueError, np.linalg.LinAlgError):
            return None
        error = float(result.bse[0]) * math.sqrt(scale)
    return float(result.params[0]), error, np.asarray(result.params[1:]), fitted


@dataclass(frozen=True, slots=True, eq=False)
class LogisticFit:
    """N = plateau / (1 + exp(-rate x (t - midpoint))) and how well it explains the points.

    Attributes
    ----------
    rate_per_h, midpoint_h, plateau
        The parameters, the plateau in units of the values.
    residuals
        On the scale of the fit, shape (n,).
    plateau_reached
        Fitted value at the last point as a fraction of the plateau, 0 to 1.
    """

    rate_per_h: float
    midpoint_h: float
    plateau: float
    residuals: Series
    plateau_reached: float

    @property
    def curve(self) -> FittedCurve:
        """The fitted curve, ready to be drawn."""
        return FittedCurve(self.rate_per_h, self.midpoint_h, self.plateau / 2, self.plateau)


def fit_logistic(
    times_h: Series, values: Series, scale: Literal["log", "linear"] = "log"
) -> LogisticFit | None:
    """Fit a growing logistic by least squares, on ln N or on N itself.

    On counts the error is a share of the count, hence "log"; "linear" is for values whose error is
    the same everywhere (the certified NIST data).

    Parameters
    ----------
    times_h, values
        One curve in time order, shape (n,), n >= 5; values > 0.

    Returns
    -------
    LogisticFit or None
        None where no start leads to a finite, growing logistic.
    """
    span, largest = float(np.ptp(times_h)), float(values.max())
    if len(values) < 5 or span <= 0 or values.min() <= 0:
        return None
    scaled = (times_h - times_h[0]) / span
    transform: Callable[[Series], Series] = np.log if scale == "log" else _unchanged
    fits = [
        _logistic_from(scaled, values / largest, transform, above, rate)
        for above in (0.1, 1.0)
        for rate in (3.0, 8.0)
    ]
    found = [fit for fit in fits if fit is not None]
    if not found:
        return None
    log_plateau, rate, midpoint = min(found, key=lambda fit: fit[1])[0]
    plateau = math.exp(log_plateau)
    fitted = plateau * np.exp(-np.logaddexp(0.0, -rate * (scaled - midpoint)))
    return LogisticFit(
        rate / span,
        float(times_h[0]) + midpoint * span,
        plateau * largest,
        transform(values / largest) - transform(fitted),
        float(fitted[-1]) / plateau,
    )


def _unchanged(values: Series) -> Series:
    return values


def _logistic_from(
    times: Series,
    values: Series,
    transform: Callable[[Series], Series],
    above: float,
    rate: float,
) -> tuple[tuple[float, float, float], float] | None:
    """Fit from one start: (ln plateau, rate, midpoint) on scaled axes and the sum of squares."""
    from scipy.optimize import OptimizeWarning, curve_fit

    def logistic(x: Series, log_plateau: float, rate: float, midpoint: float) -> Series:
        log_value = log_plateau - np.logaddexp(0.0, -rate * (x - midpoint))
        return log_value if transform is np.log else np.exp(log_value)

    start = (math.log1p(above), rate, 1.0 + math.log(above) / rate)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", OptimizeWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            found, _ = curve_fit(
                logistic, times, transform(values), p0=start, maxfev=1000, ftol=1e-12, xtol=1e-12
            )
        except (RuntimeError, ValueError, np.linalg.LinAlgError):
            return None
        squares = float(np.sum((transform(values) - logistic(times, *found)) ** 2))
    log_plateau, rate, midpoint = (float(value) for value in found)
    sane = math.isfinite(squares) and 0 < rate <= _MOST_FOLDS_LN and abs(log_plateau) < 50
    return ((log_plateau, rate, midpoint), squares) if sane else None


def deviance_explained(
    counts: Series, fitted: Series, fields: npt.NDArray[np.intp]
) -> float | None:
    """Tell which share of the Poisson deviance about each field's mean a fit explains.

    The R squared of Cameron & Windmeijer (1997): 1 - D(fit) / D(mean); it allows zeros and equals
    the usual R squared in the Gaussian case.

    Parameters
    ----------
    counts, fitted
        Shape (n,), in the same units.
    fields
        Field of each point, numbered from 0; shape (n,).

    Returns
    -------
    float or None
        At most 1; None where the counts of every field are all equal.
    """
    means = np.bincount(fields, counts) / np.maximum(np.bincount(fields), 1)
    about_mean = _deviance(counts, means[fields])
    if about_mean <= 1e-12 * counts.sum():
        return None
    return 1.0 - _deviance(counts, fitted) / about_mean


def _deviance(counts: Series, fitted: Series) -> float:
    from scipy.special import xlogy

    safe = np.maximum(fitted, 1e-300)
    return float(2 * np.sum(xlogy(counts, np.maximum(counts, 1e-300) / safe) - counts + fitted))
