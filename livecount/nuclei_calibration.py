"""How counts of cells relate to counts of stained nuclei: ln N = a + b ln P, and how surely.

N are the nuclei of a field and P the cells counted in it, both over the same area. The nuclei are
the referee: ln P is regressed on ln N, every well weighing the same, and the line is turned round
(classical calibration: Eisenhart, Ann. Math. Stat. 10, 162 (1939)). Regressing ln N on ln P instead
would flatten b by what P errs, and with it every rate.

The fields of one well are no replicates: variances are those of the jackknife that leaves out one
well at a time (CV3: MacKinnon, Nielsen & Webb, J. Appl. Econom. 38, 671 (2023)), intervals
Student's t with wells - 1 degrees of freedom.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from livecount.errors import CalibrationError

__all__ = [
    "LEAST_PAIRS",
    "LEAST_RANGE",
    "LEAST_WELLS",
    "NucleiCalibration",
    "fit_calibration",
]

LEAST_WELLS: Final = 4
LEAST_PAIRS: Final = 8
LEAST_RANGE: Final = 2.0
"""Wells, pairs, and densest over sparsest field, below which nothing is fitted."""

_CONFIDENCE: Final = 0.95
_NORMAL_95: Final = 1.96

_Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NucleiCalibration:
    """A fitted relation of counts to nuclei, on natural logarithms.

    Attributes
    ----------
    slope
        b; 1 where counting errs alike at all densities.
    level, centre
        ln N of the line at ln P = ``centre``, the mean over the pairs.
    level_variance, slope_variance, covariance
        Of ``level`` and ``slope``, between wells.
    residual_sd
        How far ln N of one field lies from the line, standard deviation.
    mean_log_ratio, mean_log_ratio_sem, log_ratio_sd
        ln(P / N): mean over wells, its standard error between wells, standard deviation over pairs.
    n_pairs, n_wells
        What it was fitted to.
    density_unit, density_low, density_high
        Cells counted per mm2 (or per field where an area is not known), over which it was fitted.
    """

    slope: float
    level: float
    centre: float
    level_variance: float
    slope_variance: float
    covariance: float
    residual_sd: float
    mean_log_ratio: float
    mean_log_ratio_sem: float
    log_ratio_sd: float
    n_pairs: int
    n_wells: int
    density_unit: Literal["per mm2", "per field"]
    density_low: float
    density_high: float

    @property
    def intercept(self) -> float:
        """The a of ln N = a + b ln P."""
        return self.level - self.slope * self.centre

    @property
    def slope_interval(self) -> tuple[float, float]:
        """The 95 % interval of b."""
        reach = self.slope_reach(_CONFIDENCE)
        return self.slope - reach, self.slope + reach

    @property
    def bias_percent(self) -> float:
        """How much the counts exceed the nuclei in the geometric mean, percent."""
        return 100 * math.expm1(self.mean_log_ratio)

    @property
    def bias_interval_percent(self) -> tuple[float, float]:
        """The 95 % interval of that mean, between wells."""
        reach = self._t(_CONFIDENCE) * self.mean_log_ratio_sem
        ends = (self.mean_log_ratio - reach, self.mean_log_ratio + reach)
        return 100 * math.expm1(ends[0]), 100 * math.expm1(ends[1])

    @property
    def limits_percent(self) -> tuple[float, float]:
        """The 95 % limits of agreement of one field (Bland & Altman 1986), percent."""
        reach = _NORMAL_95 * self.log_ratio_sd
        ends = (self.mean_log_ratio - reach, self.mean_log_ratio + reach)
        return 100 * math.expm1(ends[0]), 100 * math.expm1(ends[1])

    def slope_reach(self, confidence: float) -> float:
        """Give half the width of the interval of b."""
        return self._t(confidence) * math.sqrt(self.slope_variance)

    def covers(self, density: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Tell which densities lie where it was fitted; NaN does not."""
        values = np.asarray(density, np.float64)
        slack = 1e-9 * max(self.density_high, 1.0)
        inside: npt.NDArray[np.bool_] = (values >= self.density_low - slack) & (
            values <= self.density_high + slack
        )
        return inside

    def nuclei(self, density: npt.ArrayLike) -> tuple[_Reals, _Reals, _Reals]:
        """Give the nuclei that counted densities stand for, each with its 95 % interval.

        The interval is that of one further field: of the line, and of a field about it.

        Parameters
        ----------
        density
            In ``density_unit``, shape (n,).

        Returns
        -------
        value, low, high
            Shape (n,), in ``density_unit``; NaN where nothing was counted, of which there is no
            logarithm.
        """
        given = np.asarray(density, np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            away = np.where(given > 0, np.log(given), np.nan) - self.centre
        variance = self.level_variance + 2 * away * self.covariance
        variance = variance + away**2 * self.slope_variance + self.residual_sd**2
        reach = self._t(_CONFIDENCE) * np.sqrt(np.maximum(variance, 0))
        line = self.level + self.slope * away
        return np.exp(line), np.exp(line - reach), np.exp(line + reach)

    def rate(
        self, rate_per_h: float, ends: tuple[float, float] | None, confidence: float
    ) -> tuple[float, tuple[float, float] | None]:
        """Give the growth rate of the nuclei from that of the counts: b times it.

        The half-widths of both intervals add in quadrature, b dr and r db (the delta method on
        recovered limits: Zou & Donner, Stat. Med. 27, 1693 (2008)). The wells that gave b and those
        that gave the rate are taken to err independently.

        Parameters
        ----------
        ends
            Of the rate's interval across wells; None for a single well, which has none.
        confidence
            Of that interval, and of the result's.
        """
        value = self.slope * rate_per_h
        if ends is None:
            return value, None
        of_slope = rate_per_h * self.slope_reach(confidence)
        low, high = (self.slope * (end - rate_per_h) for end in ends)
        return value, (value - math.hypot(low, of_slope), value + math.hypot(high, of_slope))

    def to_mapping(self) -> dict[str, Any]:
        """Give it as plain values, for storing."""
        return dataclasses.asdict(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> NucleiCalibration:
        """Read it back."""
        return cls(**values)

    def _t(self, confidence: float) -> float:
        from scipy.special import stdtrit

        return float(stdtrit(self.n_wells - 1, (1 + confidence) / 2))


def fit_calibration(
    wells: Sequence[object],
    cells: npt.ArrayLike,
    nuclei: npt.ArrayLike,
    *,
    density_unit: Literal["per mm2", "per field"] = "per field",
) -> NucleiCalibration:
    """Fit ln N = a + b ln P to pairs of counts of the same fields.

    Parameters
    ----------
    wells
        The well of each pair, anything that compares equal within a well.
    cells, nuclei
        Cells and nuclei of each pair per ``density_unit``, shape (n,), all above 0.

    Raises
    ------
    CalibrationError
        Too few pairs or wells, too narrow a range of densities, or counts that do not follow the
        nuclei; it says which, and what to add.

    Examples
    --------
    >>> cells = [40, 50, 80, 100, 160, 200, 320, 400]
    >>> found = fit_calibration("AABBCCDD", cells, [1.25 * count for count in cells])
    >>> round(found.slope, 9), round(found.bias_percent, 9)
    (1.0, -20.0)
    """
    x, y = np.log(np.asarray(nuclei, np.float64)), np.log(np.asarray(cells, np.float64))
    _, members = np.unique(np.array([repr(well) for well in wells]), return_inverse=True)
    sizes = np.bincount(members) if len(members) else np.zeros(0, int)
    _refuse_too_little(len(x), len(sizes), y, density_unit)
    weights = 1 / sizes[members]
    centre = float(np.average(y, weights=weights))
    fitted = _line(x, y, weights, centre)
    without = [_line(x, y, weights * (members != well), centre) for well in range(len(sizes))]
    if fitted is None or any(one is None for one in without):
        raise CalibrationError(
            "The counts of cells do not rise with those of nuclei, or do so in one well only",
            hint="Look at both channels of the paired frames; pair wells of other densities",
        )
    away = np.array(without, np.float64) - np.array(fitted, np.float64)
    covariance = (len(sizes) - 1) / len(sizes) * away.T @ away
    ratios = y - x
    of_wells = np.bincount(members, ratios) / sizes
    mean = float(of_wells.mean())
    level, slope = fitted
    residuals = x - (level + slope * (y - centre))
    return NucleiCalibration(
        slope=slope,
        level=level,
        centre=centre,
        level_variance=float(covariance[0, 0]),
        slope_variance=float(covariance[1, 1]),
        covariance=float(covariance[0, 1]),
        residual_sd=_weighted_sd(residuals, weights, len(sizes), 2),
        mean_log_ratio=mean,
        mean_log_ratio_sem=float(of_wells.std(ddof=1)) / math.sqrt(len(sizes)),
        log_ratio_sd=_weighted_sd(ratios - mean, weights, len(sizes), 1),
        n_pairs=len(x),
        n_wells=len(sizes),
        density_unit=density_unit,
        density_low=float(np.exp(y.min())),
        density_high=float(np.exp(y.max())),
    )


def _refuse_too_little(n_pairs: int, n_wells: int, log_cells: _Reals, unit: str) -> None:
    if n_wells < LEAST_WELLS or n_pairs < LEAST_PAIRS:
        raise CalibrationError(
            f"{n_pairs} pairs of frames in {n_wells} wells are too few to calibrate: at least "
            f"{LEAST_PAIRS} in {LEAST_WELLS} wells are needed",
            hint="Wells are the replicates: take frames of nuclei in more of them",
        )
    low, high = float(np.exp(log_cells.min())), float(np.exp(log_cells.max()))
    if high < LEAST_RANGE * low:
        raise CalibrationError(
            f"The paired fields have {low:.4g} to {high:.4g} cells {unit}: too narrow a range to "
            "tell how counting changes with density",
            hint=f"Pair fields of which the densest has at least {LEAST_RANGE:g} times as many "
            "cells as the sparsest",
        )


def _line(x: _Reals, y: _Reals, weights: _Reals, centre: float) -> tuple[float, float] | None:
    """Regress y on x and turn the line round: x at y = centre, and dx/dy; None if it falls."""
    mean_x, mean_y = (float(np.average(values, weights=weights)) for values in (x, y))
    spread = float(np.sum(weights * (x - mean_x) ** 2))
    rise = float(np.sum(weights * (x - mean_x) * (y - mean_y)))
    if rise <= 1e-12 or spread <= 1e-12:
        return None
    slope = spread / rise
    return mean_x + slope * (centre - mean_y), slope


def _weighted_sd(residuals: _Reals, weights: _Reals, n_wells: int, n_fitted: int) -> float:
    """Give the standard deviation of residuals, wells weighing alike."""
    variance = float(np.average(residuals**2, weights=weights))
    return math.sqrt(variance * n_wells / max(n_wells - n_fitted, 1))
