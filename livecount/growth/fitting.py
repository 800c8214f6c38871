"""From the counts of one well, or of replicate wells, to growth rates and verdicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final, Literal, get_args

import numpy as np

from livecount.growth.bending import BendingModel
from livecount.growth.choosing import (
    BendingCandidates,
    candidates_of,
    choose_curve,
    speaks_against,
)
from livecount.growth.curves import FittedCurve, Waking, deviance_explained, fit_exponential
from livecount.growth.evidence import PreparedWell, Unusable, Window, changes, prepare
from livecount.growth.reasons import joined
from livecount.growth.series import GrowthSeries, well_curve
from livecount.growth.shape import FALLEN, falls_after, shape_of
from livecount.growth.verdicts import GrowthFit, Verdict, doubling_time, judge

__all__ = ["AFTER_A_LAG", "GrowthModel", "fit_after_a_lag", "fit_fields", "fit_series", "fit_wells"]

GrowthModel = Literal["auto", "quasi-Poisson", "log-linear"] | BendingModel
AFTER_A_LAG: Final = "quasi-Poisson after a lag"
"""Name of an exponential whose lag is that of other wells."""
_LEAST_AWAKE = 0.5
"""Hours of growth that a lag must leave a well, as a share of the hours that it was watched."""
_BENDING: Final[tuple[BendingModel, ...]] = get_args(BendingModel)
_NONE_TRIED: Final = BendingCandidates(np.empty(0), np.empty(0))


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
        "auto" takes quasi-Poisson, or a curve with a lag or a plateau where AICc favours it
        clearly (:func:`livecount.growth.choosing.choose_curve`). What cannot
        be fitted (a logistic to a shrinking population, log-linear to zeros) falls back to
        quasi-Poisson, and the reason says so.

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
    return fit_wells([fields], window, model)[0]


def fit_wells(
    wells: Sequence[Sequence[GrowthSeries]],
    window: Window | None = None,
    model: GrowthModel = "auto",
) -> list[GrowthFit]:
    """Fit replicate wells, all with the same curve, so that their rates mean the same.

    With "auto" and three wells or more, all get a curve with a plateau when at least three quarters
    of them bend; one well that bends by chance then moves no rate.

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
    usable = {
        number: candidates_of(well) if model in ("auto", *_BENDING) else _NONE_TRIED
        for number, well in enumerate(prepared)
        if isinstance(well, PreparedWell)
    }
    why = f"{model}, as asked for"
    if model == "auto":
        choice = choose_curve(list(usable.values()))
        model, why = choice.model or "quasi-Poisson", choice.reason
    return [
        _fit(well, model, why, usable[number])
        if isinstance(well, PreparedWell)
        else _unfitted(well, wells[number], window)
        for number, well in enumerate(prepared)
    ]


def fit_after_a_lag(
    fields: Sequence[GrowthSeries], window: Window | None, waking: Waking
) -> tuple[GrowthFit, float] | None:
    """Fit an exponential of hours of growth instead of hours, with the lag of other wells.

    Parameters
    ----------
    fields, window
        As in :func:`fit_fields`.
    waking
        How cells wake that were sown alike.

    Returns
    -------
    tuple or None
        The fit, named :data:`AFTER_A_LAG`, and by how much AICc speaks against it. None where that
        cannot be told, or where the well was not watched for long after the waking.
    """
    well = prepare(fields, window)
    if not isinstance(well, PreparedWell):
        return None
    hours = waking.growing_h(well.times_h)
    line = fit_exponential(hours, well.counts, well.labels)
    plain = _from_line(well, "quasi-Poisson", ("", "")).curve
    if line is None or plain is None or np.ptp(hours) < _LEAST_AWAKE * np.ptp(well.times_h):
        return None
    mean_level = float(line.levels.sum()) / well.n_fields
    curve = FittedCurve(line.rate_per_h, line.reference_h, mean_level, None, waking=waking)
    against = speaks_against(curve, plain, well.curve)
    if against is None:
        return None
    explained = deviance_explained(well.counts, line.fitted, well.labels)
    lost_h = waking.lost_h(well.start_h)
    said = ("", f"exponential after a lag of {lost_h:.1f} h, that of wells with the same cells")
    found = _concluded(well, curve, AFTER_A_LAG, explained, said, resolved=changes(well))
    why = joined("the lag is that of other wells", found.shape.shape_reason)
    shape = dataclasses.replace(found.shape, lag_h=None, shape_reason=why)
    return dataclasses.replace(found, shape=shape), against


def _unfitted(well: Unusable, fields: Sequence[GrowthSeries], window: Window | None) -> GrowthFit:
    shape = shape_of(well_curve([field.usable(window) for field in fields]), None, grows=False)
    return GrowthFit(well.n_points, well.start_h, well.end_h, reason=well.reason, shape=shape)


def _fit(
    well: PreparedWell,
    model: GrowthModel,
    why: str,
    candidates: BendingCandidates,
) -> GrowthFit:
    fit = next((fit for name, fit in candidates.fits.items() if name == model), None)
    if fit is not None:
        # A line through a long plateau hardly rises, however clearly the counts did before.
        fallen = falls_after(fit.curve, well.curve)
        rises = changes(well) or (candidates.rises(fit) and not fallen)
        said = (FALLEN if fallen else "", why)
        explained = _explained(well, fit.curve)
        return _concluded(well, fit.curve, fit.model, explained, said, resolved=rises)
    if model == "log-linear" and well.counts.min() > 0:
        return _from_line(well, "log-linear", ("", why))
    return _from_line(well, "quasi-Poisson", (_why_not(model), why))


def _why_not(model: GrowthModel) -> str:
    if model == "log-linear":
        return "log-linear cannot use counts of 0, so quasi-Poisson"
    return f"no growing {model} could be fitted, so quasi-Poisson" if model in _BENDING else ""


def _explained(well: PreparedWell, curve: FittedCurve) -> float | None:
    values, fitted = well.curve.values, curve.values(well.curve.times_h)
    return deviance_explained(values, fitted, np.zeros(len(values), dtype=np.intp))


def _from_line(
    well: PreparedWell, method: Literal["quasi-Poisson", "log-linear"], said: tuple[str, str]
) -> GrowthFit:
    line = well.exponential
    if method == "log-linear":
        line = fit_exponential(well.times_h, well.counts, well.labels, method) or line
    mean_level = float(line.levels.sum()) / well.n_fields
    curve = FittedCurve(line.rate_per_h, line.reference_h, mean_level, None)
    r_squared = deviance_explained(well.counts, line.fitted, well.labels)
    return _concluded(well, curve, method, r_squared, said, resolved=changes(well))


def _concluded(
    well: PreparedWell,
    curve: FittedCurve,
    name: str,
    r_squared: float | None,
    said: tuple[str, str],
    *,
    resolved: bool,
) -> GrowthFit:
    """Judge a fitted curve; what is said are a remark on the rate and why this curve."""
    rate = curve.rate_per_h
    verdict, reason = judge(rate, resolved=resolved, interval="the interval of the rate")
    grows = verdict is Verdict.GROWING
    return GrowthFit(
        well.n_points,
        well.start_h,
        well.end_h,
        rate_per_h=rate,
        doubling_time_h=doubling_time(rate) if grows else None,
        fit=name,
        r_squared=r_squared,
        verdict=verdict,
        reason=joined(said[0], reason),
        curve=curve,
        fit_reason=said[1],
        shape=shape_of(well.curve, curve, grows=grows),
    )
