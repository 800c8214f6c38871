"""What a rate says: growing, shrinking, or nothing that the counts can tell."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

from livecount.growth.comparing import Spread
from livecount.growth.curves import FittedCurve
from livecount.growth.shape import CurveShape

__all__ = ["Doubling", "GrowthFit", "Verdict", "doubling_of", "doubling_time", "judge"]


class Verdict(StrEnum):
    """What a fit says of a population, in words that users read."""

    GROWING = "growing"
    SHRINKING = "shrinking"
    NOT_RESOLVED = "no growth resolved"
    NOT_COMPUTED = "cannot be computed"


@dataclass(frozen=True, slots=True)
class GrowthFit:
    """A growth rate and what follows from it; None is "not known", never 0.

    Attributes
    ----------
    n_points
        Counts that were used.
    start_h, end_h
        First and last time used, hours.
    rate_per_h, rate_low, rate_high
        Specific growth rate, 1/h; the interval only from two wells on. Of a curve with a lag or
        plateau it is the rate after the one and before the other, of a Gompertz the steepest.
    doubling_time_h, doubling_time_low_h, doubling_time_high_h
        ln 2 / rate, hours; only for a population that is seen to grow.
    fit
        "quasi-Poisson", "quasi-Poisson after a lag", "log-linear", "lagged exponential",
        "logistic", "lagged logistic", "Gompertz" or "none"; wells that differ are joined by " + ".
    r_squared
        Share of the deviance about the mean that the fit explains; None across wells.
    verdict, reason
        The outcome, and why, in words.
    n_wells
        Wells behind the rate.
    confidence
        Of the interval; None where there is none.
    curve
        The fitted curve of one well or field, for drawing.
    fit_reason
        Why this curve was fitted, in words.
    shape
        Lag, plateau and area under the curve.
    """

    n_points: int
    start_h: float | None
    end_h: float | None
    rate_per_h: float | None = None
    rate_low: float | None = None
    rate_high: float | None = None
    doubling_time_h: float | None = None
    doubling_time_low_h: float | None = None
    doubling_time_high_h: float | None = None
    fit: str = "none"
    r_squared: float | None = None
    verdict: Verdict = Verdict.NOT_COMPUTED
    reason: str = ""
    n_wells: int = 1
    confidence: float | None = None
    curve: FittedCurve | None = None
    fit_reason: str = ""
    shape: CurveShape = field(default_factory=CurveShape)


def judge(rate_per_h: float, *, resolved: bool, interval: str) -> tuple[Verdict, str]:
    """Put a rate into words.

    Parameters
    ----------
    resolved
        Whether the interval lies on one side of 0.
    interval
        What it is the interval of, for the reason.
    """
    if not resolved:
        return Verdict.NOT_RESOLVED, f"{interval} contains 0"
    if rate_per_h > 0:
        return Verdict.GROWING, f"{interval} lies above 0"
    return Verdict.SHRINKING, f"the population shrinks: {interval} lies below 0"


def doubling_time(rate_per_h: float) -> float | None:
    """Give ln 2 / rate, hours, where that is a number."""
    found = math.log(2) / rate_per_h if rate_per_h > 0 else math.inf
    return found if math.isfinite(found) else None


@dataclass(frozen=True, slots=True)
class Doubling:
    """The doubling time of a mean rate, hours; None where no growth is resolved, and why."""

    verdict: Verdict
    reason: str
    doubling_time_h: float | None = None
    doubling_time_low_h: float | None = None
    doubling_time_high_h: float | None = None


def doubling_of(rates: Spread, across: str) -> Doubling:
    """Judge a mean rate by its interval, whose inverted ends are the doubling time's.

    Parameters
    ----------
    rates
        Of the growth rates, 1/h, of at least two wells or experiments.
    across
        What the mean was taken over, for the reason.
    """
    mean, low, high = rates.mean or 0.0, rates.low or 0.0, rates.high or 0.0
    interval = f"the interval of the rate across {across}"
    verdict, reason = judge(mean, resolved=low > 0 or high < 0, interval=interval)
    if verdict is not Verdict.GROWING:
        return Doubling(verdict, reason)
    return Doubling(verdict, reason, *map(doubling_time, (mean, high, low)))
