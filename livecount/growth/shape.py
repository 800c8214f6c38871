"""What a curve looks like besides its rate: lag, plateau, and the area under it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from livecount.growth.comparing import spread_of
from livecount.growth.curves import FittedCurve
from livecount.growth.evidence import CONFIDENCE
from livecount.growth.reasons import joined
from livecount.growth.series import WellCurve

__all__ = ["FALLEN", "SHAPE_COLUMNS", "CurveShape", "combine_shapes", "falls_after", "shape_of"]

_PLATEAU_REACHED = 0.9
_LARGEST_FALL = 0.1
_FEWEST_AT_PLATEAU = 3
_SAME_WINDOW = 0.05
_MOST_REASONS = 2


FALLEN: Final = "the counts fall after the plateau: choose the hours to fit (--to-h)"


@dataclass(frozen=True, slots=True)
class CurveShape:
    """Lag, plateau and area under the curve; None is "not known", and the reason says why.

    Attributes
    ----------
    lag_h, lag_low_h, lag_high_h
        Of cells that wait (lagged exponential, lagged logistic) the hours of growth that they lost
        by it, from the first count used on. Of a Gompertz the hours from there to where the tangent
        at the steepest point of the fitted ln N meets the level of the fit at that first count
        (Zwietering et al. 1990, Applied and Environmental Microbiology 56:1875).
    plateau, plateau_low, plateau_high
        Upper asymptote of the fit, in units of the metric, where the fit has reached 0.9 of it.
    half_plateau_h, half_plateau_low_h, half_plateau_high_h
        When the fit passes half the plateau, on the axis of the experiment.
    area_under_curve, area_under_curve_low, area_under_curve_high
        Of the well's mean field from its first visit to its last by trapezoids, metric x hours.
    shape_reason
        Why something is missing.

    The intervals are t-intervals across wells, from two wells on; those of lag, plateau and area
    are cut at 0.
    """

    lag_h: float | None = None
    lag_low_h: float | None = None
    lag_high_h: float | None = None
    plateau: float | None = None
    plateau_low: float | None = None
    plateau_high: float | None = None
    half_plateau_h: float | None = None
    half_plateau_low_h: float | None = None
    half_plateau_high_h: float | None = None
    area_under_curve: float | None = None
    area_under_curve_low: float | None = None
    area_under_curve_high: float | None = None
    shape_reason: str = ""


SHAPE_COLUMNS: Final = tuple(item.name for item in dataclasses.fields(CurveShape))
"""The last columns of ``export growth``."""

_WITH_ENDS: Final = {
    "lag_h": ("lag_low_h", "lag_high_h"),
    "plateau": ("plateau_low", "plateau_high"),
    "half_plateau_h": ("half_plateau_low_h", "half_plateau_high_h"),
    "area_under_curve": ("area_under_curve_low", "area_under_curve_high"),
}
_LEAST: Final = {
    "lag_h": 0.0,
    "plateau": 0.0,
    "half_plateau_h": -math.inf,
    "area_under_curve": 0.0,
}
_IN_WORDS: Final = {
    "lag_h": "a lag",
    "plateau": "a plateau",
    "half_plateau_h": "a half plateau",
    "area_under_curve": "an area",
}


def shape_of(measured: WellCurve, curve: FittedCurve | None, *, grows: bool) -> CurveShape:
    """Describe one well's curve, without intervals.

    Parameters
    ----------
    measured
        The well's mean field over time.
    curve
        What was fitted to it; None where nothing could be.
    grows
        Whether growth is resolved; else neither lag nor plateau mean anything.
    """
    area, no_area = _area_under(measured)
    lag = plateau = half_plateau = None
    if curve is None:
        why = "no curve could be fitted, hence neither lag nor plateau"
    elif not grows:
        why = "no growth resolved, hence neither lag nor plateau"
    elif curve.plateau is None and curve.waking is None:
        why = "an exponential has neither lag nor plateau"
    elif curve.plateau is None:
        lag, _ = _lag(curve, float(measured.times_h[0]))
        why = "an exponential has no plateau"
    else:
        lag, no_lag = _lag(curve, float(measured.times_h[0]))
        plateau, no_plateau = _plateau(curve, measured)
        half_plateau, no_half = (None, "") if plateau is None else _half_plateau(curve, measured)
        why = joined(no_lag, no_plateau, no_half)
    return CurveShape(
        lag_h=lag,
        plateau=plateau,
        half_plateau_h=half_plateau,
        area_under_curve=area,
        shape_reason=joined(why, no_area),
    )


def _area_under(measured: WellCurve) -> tuple[float | None, str]:
    from scipy.integrate import trapezoid

    if len(measured.times_h) < 2:
        return None, "less than two visits have no area under them"
    return float(trapezoid(measured.values, measured.times_h)), ""


def _lag(curve: FittedCurve, start_h: float) -> tuple[float | None, str]:
    if curve.waking is not None:
        return curve.waking.lost_h(start_h), ""
    if curve.floor is None:
        return None, "a logistic without a lag was fitted"
    at_start = float(curve.values(np.array([start_h]))[0])
    climbed_h = math.log(curve.reference_value / at_start) / curve.rate_per_h
    return max(curve.reference_h - start_h - climbed_h, 0.0), ""


def _plateau(curve: FittedCurve, measured: WellCurve) -> tuple[float | None, str]:
    """Give the plateau where the points have come to it and stay."""
    reached = curve.values(measured.times_h) / (curve.plateau or math.inf)
    if reached[-1] < _PLATEAU_REACHED:
        return None, f"the last count lies at {100 * reached[-1]:.0f} % of the fitted plateau"
    n_there = int((reached >= _PLATEAU_REACHED).sum())
    if n_there < _FEWEST_AT_PLATEAU:
        return None, f"only {n_there} visits lie at the plateau"
    return (None, FALLEN) if falls_after(curve, measured) else (curve.plateau, "")


def falls_after(curve: FittedCurve, measured: WellCurve) -> bool:
    """Tell whether the counts fall by a tenth or more, and not by chance, once at the plateau."""
    from scipy.stats import linregress

    if curve.plateau is None:
        return False
    there = curve.values(measured.times_h) >= _PLATEAU_REACHED * curve.plateau
    if there.sum() < _FEWEST_AT_PLATEAU:
        return False
    times, values = measured.times_h[there], measured.values[there] / curve.plateau
    line = linregress(times, values)
    return bool(line.slope * np.ptp(times) < -_LARGEST_FALL and line.pvalue < 1 - CONFIDENCE)


def _half_plateau(curve: FittedCurve, measured: WellCurve) -> tuple[float | None, str]:
    at_h: float | None = curve.reference_h
    if curve.waking is not None:
        at_h = curve.waking.clock_h(curve.reference_h)
    elif curve.floor is not None:
        folds = math.log((curve.plateau or math.inf) / curve.floor)
        if folds <= math.log(2):
            return None, "the counts start above half the plateau"
        steepness = curve.rate_per_h * math.e / folds
        at_h = curve.reference_h - math.log(-math.log1p(-math.log(2) / folds)) / steepness
    if at_h is None or at_h < measured.times_h[0]:
        return None, "the counts start above half the plateau"
    return at_h, ""


def combine_shapes(
    shapes: Sequence[CurveShape],
    windows: Sequence[tuple[float | None, float | None]],
    confidence: float = CONFIDENCE,
) -> CurveShape:
    """Combine the shapes of replicate wells: means and t-intervals across wells.

    Parameters
    ----------
    shapes
        One per well; what a well lacks is left out, and the reason tells how many have it.
    windows
        First and last hour of each well. Areas over different windows are not averaged.
    """
    found: dict[str, float | None] = {}
    reasons: list[str] = []
    for name, (low, high) in _WITH_ENDS.items():
        values = [value for shape in shapes if (value := getattr(shape, name)) is not None]
        if name == "area_under_curve" and values and not _are_alike(windows):
            reasons.append("areas of wells over different hours have no mean")
            continue
        spread = spread_of(values, confidence)
        least = None if spread.low is None else max(spread.low, _LEAST[name])
        found |= {name: spread.mean, low: least, high: spread.high}
        if 0 < len(values) < len(shapes):
            reasons.append(f"{len(values)} of {len(shapes)} wells have {_IN_WORDS[name]}")
    of_wells = list(dict.fromkeys(shape.shape_reason for shape in shapes if shape.shape_reason))
    if len(of_wells) > _MOST_REASONS:
        of_wells = [*of_wells[:_MOST_REASONS], "and others, which stand in the wells' rows"]
    return CurveShape(**found, shape_reason=joined(*reasons, *of_wells))


def _are_alike(windows: Sequence[tuple[float | None, float | None]]) -> bool:
    starts = [start for start, _ in windows if start is not None]
    ends = [end for _, end in windows if end is not None]
    if not starts or not ends:
        return False
    allowed = _SAME_WINDOW * (max(ends) - min(starts))
    return bool(np.ptp(starts) <= allowed and np.ptp(ends) <= allowed)
