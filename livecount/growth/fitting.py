"""From counts to a growth rate, a doubling time and an honest verdict."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np

from livecount.growth.comparing import spread_of
from livecount.growth.curves import (
    FittedCurve,
    LogisticFit,
    deviance_explained,
    fit_exponential,
)
from livecount.growth.evidence import (
    CONFIDENCE,
    PreparedWell,
    Unusable,
    Window,
    bends,
    changes,
    growing_logistic,
    prepare,
)
from livecount.growth.series import GrowthSeries

__all__ = [
    "GrowthFit",
    "GrowthModel",
    "Verdict",
    "Window",
    "combine_wells",
    "fit_fields",
    "fit_series",
    "fit_wells",
]

GrowthModel = Literal["auto", "quasi-Poisson", "log-linear", "logistic"]

_WELLS_THAT_AGREE = 3
_SHARE_THAT_BENDS = 0.75


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
        Specific growth rate, 1/h; the interval only from two wells on.
    doubling_time_h, doubling_time_low_h, doubling_time_high_h
        ln 2 / rate, hours; only for a population that is seen to grow.
    fit
        "quasi-Poisson", "log-linear", "logistic" or "none"; wells that differ are joined by " + ".
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


def fit_series(
    series: GrowthSeries, window: Window | None = None, model: GrowthModel = "auto"
) -> GrowthFit:
    """Estimate the growth rate of one field, or of any one curve.

    Parameters
    ----------
    series
        Counts over time, in any order.
    window
        First and last time to use, hours; default all points.
    model
        "auto" takes quasi-Poisson, or a logistic where the curve has passed half its plateau and
        the logistic explains ln N better by AICc, counting autocorrelated points for what they are
        worth. What cannot be fitted (a logistic to a shrinking population, log-linear to zeros)
        falls back to quasi-Poisson, and the reason says so.

    Returns
    -------
    GrowthFit
        Without an interval: one history, however many frames, has no replicates.

    Examples
    --------
    >>> times = np.arange(0, 49, 6.0)
    >>> fit = fit_series(GrowthSeries(times, 100 * 2 ** (times / 20)))
    >>> round(fit.doubling_time_h, 3), fit.rate_low, fit.fit
    (20.0, None, 'quasi-Poisson')
    """
    return fit_fields([series], window, model)


def fit_fields(
    fields: Sequence[GrowthSeries], window: Window | None = None, model: GrowthModel = "auto"
) -> GrowthFit:
    """Estimate one growth rate for a well from its fields, which are averaged, not replicates.

    Every field has a level of its own and all share the rate, so a field that is missing at some
    times makes no step. With all fields present this equals the fit to their mean.

    Parameters
    ----------
    fields
        One series per field.
    window, model
        As in :func:`fit_series`.

    Returns
    -------
    GrowthFit
        Without an interval; its curve is that of the mean field.
    """
    return _fit_prepared(prepare(fields, window), model)


def fit_wells(
    wells: Sequence[Sequence[GrowthSeries]],
    window: Window | None = None,
    model: GrowthModel = "auto",
) -> list[GrowthFit]:
    """Fit replicate wells, all with the same curve, so that their rates mean the same.

    With "auto" and three wells or more, all get the logistic when at least three quarters of them
    bend (better by AICc, past 0.3 of the plateau); one well that bends by chance then moves no
    rate. With fewer wells each must have passed half its plateau.

    Parameters
    ----------
    wells
        For each well its fields.
    window, model
        As in :func:`fit_series`.

    Returns
    -------
    list of GrowthFit
        One per well, in the order given.
    """
    prepared = [prepare(fields, window) for fields in wells]
    if model == "auto":
        model = _common_model([well for well in prepared if isinstance(well, PreparedWell)])
    return [_fit_prepared(well, model) for well in prepared]


def combine_wells(fits: Sequence[GrowthFit], confidence: float = CONFIDENCE) -> GrowthFit:
    """Combine the rates of replicate wells: their mean and its t-interval.

    Parameters
    ----------
    fits
        One per well of a group; wells without a rate are left out, and the reason tells how many.
    confidence
        Of the interval, between 0 and 1.

    Returns
    -------
    GrowthFit
        With an interval from two wells on. The doubling time's interval has the inverted ends of
        the rate's; it is None, like the doubling time, where the rate's interval contains 0.
    """
    used = [fit for fit in fits if fit.rate_per_h is not None]
    whole = GrowthFit(
        sum(fit.n_points for fit in used),
        min((fit.start_h for fit in used if fit.start_h is not None), default=None),
        max((fit.end_h for fit in used if fit.end_h is not None), default=None),
        fit=" + ".join(sorted({fit.fit for fit in used})) or "none",
        n_wells=len(used),
    )
    missing = f"{len(used)} of {len(fits)} wells gave a rate" if len(used) < len(fits) else ""
    if not used:
        return dataclasses.replace(whole, reason="no well gave a rate")
    if len(used) == 1:
        reason = _joined("one well has no interval", missing, used[0].reason)
        return dataclasses.replace(used[0], reason=reason, curve=None, r_squared=None)
    spread = spread_of([fit.rate_per_h or 0.0 for fit in used], confidence)
    mean, low, high = spread.mean or 0.0, spread.low or 0.0, spread.high or 0.0
    resolved = low > 0 or high < 0
    verdict, reason = _judge(mean, resolved, f"the interval of the rate across {len(used)} wells")
    grows = verdict is Verdict.GROWING
    return dataclasses.replace(
        whole,
        rate_per_h=mean,
        rate_low=low,
        rate_high=high,
        doubling_time_h=_doubling_time(mean) if grows else None,
        doubling_time_low_h=_doubling_time(high) if grows else None,
        doubling_time_high_h=_doubling_time(low) if grows else None,
        verdict=verdict,
        reason=_joined(reason, missing),
        confidence=confidence,
    )


def _joined(*reasons: str) -> str:
    return "; ".join(reason for reason in reasons if reason)


def _common_model(wells: Sequence[PreparedWell]) -> GrowthModel:
    """Choose one curve for the wells of a group."""
    alone = len(wells) < _WELLS_THAT_AGREE
    bent = 0
    for well in wells:
        logistic = growing_logistic(well)
        bent += logistic is not None and bends(well, logistic, alone=alone)
    needed = len(wells) if alone else _SHARE_THAT_BENDS * len(wells)
    return "logistic" if bent and bent >= needed else "quasi-Poisson"


def _fit_prepared(well: PreparedWell | Unusable, model: GrowthModel) -> GrowthFit:
    if isinstance(well, Unusable):
        return GrowthFit(well.n_points, well.start_h, well.end_h, reason=well.reason)
    if model in ("auto", "logistic"):
        logistic = growing_logistic(well)
        if logistic and (model == "logistic" or bends(well, logistic, alone=True)):
            return _from_logistic(well, logistic)
    if model == "log-linear" and well.counts.min() > 0:
        return _from_line(well, "log-linear")
    notes = {
        "logistic": "no growing logistic could be fitted, so quasi-Poisson",
        "log-linear": "log-linear cannot use counts of 0, so quasi-Poisson",
    }
    return _from_line(well, "quasi-Poisson", notes.get(model, ""))


def _from_logistic(well: PreparedWell, logistic: LogisticFit) -> GrowthFit:
    values = well.curve.values
    fitted = logistic.curve.values(well.curve.times_h)
    one_field = np.zeros(len(values), dtype=np.intp)
    r_squared = deviance_explained(values, fitted, one_field)
    return _concluded(well, logistic.curve, "logistic", r_squared, "")


def _from_line(
    well: PreparedWell, method: Literal["quasi-Poisson", "log-linear"], note: str = ""
) -> GrowthFit:
    line = well.exponential
    if method == "log-linear":
        line = fit_exponential(well.times_h, well.counts, well.labels, method) or line
    mean_level = float(line.levels.sum()) / well.n_fields
    curve = FittedCurve(line.rate_per_h, line.reference_h, mean_level, None)
    r_squared = deviance_explained(well.counts, line.fitted, well.labels)
    return _concluded(well, curve, method, r_squared, note)


def _concluded(
    well: PreparedWell, curve: FittedCurve, name: str, r_squared: float | None, note: str
) -> GrowthFit:
    rate = curve.rate_per_h
    verdict, reason = _judge(rate, changes(well), "the interval of the rate")
    return GrowthFit(
        well.n_points,
        well.start_h,
        well.end_h,
        rate_per_h=rate,
        doubling_time_h=_doubling_time(rate) if verdict is Verdict.GROWING else None,
        fit=name,
        r_squared=r_squared,
        verdict=verdict,
        reason=_joined(note, reason),
        curve=curve,
    )


def _judge(rate: float, resolved: bool, interval: str) -> tuple[Verdict, str]:
    if not resolved:
        return Verdict.NOT_RESOLVED, f"{interval} contains 0"
    if rate > 0:
        return Verdict.GROWING, f"{interval} lies above 0"
    return Verdict.SHRINKING, f"the population shrinks: {interval} lies below 0"


def _doubling_time(rate: float) -> float | None:
    doubling_time = math.log(2) / rate if rate > 0 else math.inf
    return doubling_time if math.isfinite(doubling_time) else None
