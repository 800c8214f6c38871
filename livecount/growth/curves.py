"""The curves that are fitted to counts, and exponential growth; :mod:`bending` has others."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from livecount.growth.series import Series

__all__ = [
    "MOST_FOLDS_LN",
    "ExponentialFit",
    "ExponentialMethod",
    "FittedCurve",
    "Waking",
    "deviance_explained",
    "fit_exponential",
]

ExponentialMethod = Literal["quasi-Poisson", "log-linear"]

MOST_FOLDS_LN = 500.0
"""A fit that multiplies the cells by more than e^500 over its window has run away."""


@dataclass(frozen=True, slots=True)
class Waking:
    """How cells that wait after seeding begin to divide, one after another.

    The share that divides rises as 1 / (1 + exp(-(t - middle) / width)). What a cell has had of
    growth by then is its integral, width ln(1 + exp((t - middle) / width)): a line with a slope of
    1 that begins smoothly at the middle.

    Attributes
    ----------
    middle_h
        When half of them divide, on the axis of the experiment.
    width_h
        How far they are spread, above 0.
    """

    middle_h: float
    width_h: float

    def growing_h(self, times_h: Series) -> Series:
        """Give the hours at which cells that never waited would have grown as far, shape (n,)."""
        since = np.asarray(times_h, dtype=np.float64) - self.middle_h
        return self.middle_h + self.width_h * np.logaddexp(0.0, since / self.width_h)

    def lost_h(self, start_h: float) -> float:
        """Tell how many hours of growth are lost from ``start_h`` on."""
        return self.width_h * float(np.logaddexp(0.0, (self.middle_h - start_h) / self.width_h))

    def clock_h(self, growing_h: float) -> float | None:
        """Invert :meth:`growing_h`; None for what lies before all growth."""
        since = (growing_h - self.middle_h) / self.width_h
        if since <= 0:
            return None
        return self.middle_h + self.width_h * (since + math.log(-math.expm1(-since)))


@dataclass(frozen=True, slots=True)
class FittedCurve:
    """A fitted curve that can be drawn: exponential or logistic, perhaps with a lag, or Gompertz.

    The Gompertz, which has a floor, is Zwietering's (1990, equation 11), a sigmoid in ln N between
    floor and plateau: ln(N / floor) = A exp(-exp(-rate e / A (t - inflection))) with
    A = ln(plateau / floor).

    Attributes
    ----------
    rate_per_h
        Specific growth rate; of a logistic that of cells that are awake and not crowded, of the
        Gompertz the steepest.
    reference_h, reference_value
        A point of the curve; of the logistic its midpoint, at half the plateau; of the Gompertz the
        inflection of ln N.
    plateau
        Upper asymptote in the units of the counts, or None for an exponential.
    floor
        Lower asymptote of a Gompertz, else None.
    waking
        Of a curve whose cells wait at first: it takes their hours of growth for time, also in
        ``reference_h``; else None.

    Examples
    --------
    >>> FittedCurve(math.log(2) / 20, 0.0, 50.0, None).values(np.array([0.0, 20.0])).round(6)
    array([ 50., 100.])
    """

    rate_per_h: float
    reference_h: float
    reference_value: float
    plateau: float | None
    floor: float | None = None
    waking: Waking | None = None

    def divided(self, base: float) -> FittedCurve:
        """Give the curve of the same values, each divided by ``base``."""
        return replace(
            self,
            reference_value=self.reference_value / base,
            plateau=None if self.plateau is None else self.plateau / base,
            floor=None if self.floor is None else self.floor / base,
        )

    def values(self, times_h: Series) -> Series:
        """Evaluate the curve at ``times_h`` (n,), hours; returns (n,) in units of the counts."""
        from scipy.special import expit

        times = np.asarray(times_h, dtype=np.float64)
        if self.waking is not None:
            times = self.waking.growing_h(times)
        exponent = self.rate_per_h * (times - self.reference_h)
        if self.plateau is None:
            return np.asarray(self.reference_value * np.exp(np.clip(exponent, -700, 700)))
        if self.floor is None:
            return np.asarray(self.plateau * expit(exponent), dtype=np.float64)
        folds = math.log(self.plateau / self.floor)
        fallen = np.exp(np.clip(-math.e / folds * exponent, -700, 700))
        return np.asarray(self.floor * np.exp(folds * np.exp(-fallen)), dtype=np.float64)


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
    if not (math.isfinite(error) and abs(slope) <= MOST_FOLDS_LN and np.isfinite(fitted).all()):
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
