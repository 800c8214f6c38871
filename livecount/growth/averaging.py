"""The mean curve of a group of replicate wells, and how far it may be off at each visit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from livecount.growth.curves import FittedCurve
from livecount.growth.evidence import CONFIDENCE
from livecount.growth.series import GrowthSeries, Series, well_curve

__all__ = ["GroupCurve", "SpreadKind", "group_curve", "mean_line"]

SpreadKind = Literal["interval", "sd", "sem"]
"""What a band is: the t-interval of the mean, or one SD or SEM on either side of it."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupCurve:
    """The mean over the wells of a group at each visit, and its band.

    Attributes
    ----------
    times_h, values
        Mean time of a visit and mean over the wells, shape (n,).
    low, high
        Ends of the band, shape (n,); NaN where a visit has a single well.
    n_wells
        Wells present, shape (n,).
    """

    times_h: Series
    values: Series
    low: Series
    high: Series
    n_wells: npt.NDArray[np.intp]


def group_curve(
    wells: Sequence[GrowthSeries],
    spread: SpreadKind = "interval",
    confidence: float = CONFIDENCE,
) -> GroupCurve:
    """Average wells at the visits that they have in common, with the spread across them.

    The mean is that of :func:`well_curve`, so that a well that is missing at a visit makes no step;
    the band is what :func:`spread_of` gives for the wells present.

    Parameters
    ----------
    wells
        The mean curve of each well, which counts once however many fields it has.
    confidence
        Of the interval.
    """
    from scipy import stats

    mean = well_curve(wells)
    n = mean.n_fields
    half = mean.sd.copy()
    several = n > 1
    if spread != "sd":
        half[several] /= np.sqrt(n[several])
    if spread == "interval":
        half[several] *= stats.t.ppf((1 + confidence) / 2, n[several] - 1)
    return GroupCurve(mean.times_h, mean.values, mean.values - half, mean.values + half, n)


def mean_line(
    curves: Sequence[FittedCurve], start_h: float, end_h: float, n_points: int = 60
) -> tuple[Series, Series]:
    """Average the fitted curves of a group's wells, to be drawn over their common window.

    Parameters
    ----------
    curves
        One per well, in equal units.
    start_h, end_h
        The window, hours.

    Returns
    -------
    tuple of ndarray
        Times in hours and mean values, shape (n_points,); empty without a curve.
    """
    if not curves or end_h <= start_h:
        return np.empty(0), np.empty(0)
    times = np.linspace(start_h, end_h, n_points)
    return times, np.mean([curve.values(times) for curve in curves], axis=0)
