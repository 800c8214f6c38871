"""Counts and growth as the nuclei say them: further columns, beside what was counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from livecount.growth import GrowthRow, Spread, doubling_of
from livecount.nuclei_calibration import NucleiCalibration
from livecount.storage import KeptCalibration

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CALIBRATED_COLUMNS",
    "CALIBRATED_GROWTH_COLUMNS",
    "add_calibrated",
    "add_calibrated_growth",
    "describe_calibrations",
]

CALIBRATED_COLUMNS: Final = (
    "calibrated_count",
    "calibrated_count_low",
    "calibrated_count_high",
    "calibration",
)
"""Columns that :func:`add_calibrated` fills; empty where counts were never calibrated."""

CALIBRATED_GROWTH_COLUMNS: Final = (
    "calibrated_rate_per_h",
    "calibrated_rate_low",
    "calibrated_rate_high",
    "calibrated_doubling_time_h",
    "calibrated_doubling_time_low_h",
    "calibrated_doubling_time_high_h",
    "calibration",
)
"""Columns that :func:`add_calibrated_growth` puts behind those of the growth table."""

_WITHIN: Final = "calibrated"
_BEYOND: Final = "extrapolated"


def describe_calibrations(kept: Sequence[KeptCalibration]) -> str:
    """Say in one line how an analysis' counts compare to nuclei, by the latest calibration."""
    if not kept:
        return "none"
    found = kept[0].calibration
    bias, slope = found.bias_interval_percent, found.slope_interval
    return (
        f"counts {found.bias_percent:+.1f} % of the nuclei ({bias[0]:+.1f} to {bias[1]:+.1f} %), "
        f"growth rates times {found.slope:.3f} ({slope[0]:.3f} to {slope[1]:.3f}), from "
        f"{found.density_low:.4g} to {found.density_high:.4g} cells {found.density_unit} "
        f"({found.n_wells} wells, {kept[0].made_by}, {kept[0].made_at:%Y-%m-%d})"
    )


def add_calibrated(table: pd.DataFrame, calibration: NucleiCalibration | None) -> None:
    """Fill the calibrated columns of a count table, in place; counts stay what they are.

    Parameters
    ----------
    table
        With ``count``, ``density_per_mm2`` and ``excluded`` as in ``export counts``.
    calibration
        None where there is none; the columns are then empty.
    """
    for name in CALIBRATED_COLUMNS[:3]:
        table[name] = np.nan
    table["calibration"] = ""
    if calibration is None or table.empty:
        return
    density = _density(table, calibration)
    counted = table["count"].to_numpy(float)
    per_area = calibration.density_unit == "per mm2"
    with np.errstate(invalid="ignore", divide="ignore"):
        area = counted / density if per_area else np.ones(len(table))
    for name, values in zip(CALIBRATED_COLUMNS, calibration.nuclei(density), strict=False):
        table[name] = values * area
    table["calibration"] = np.where(calibration.covers(density), _WITHIN, _BEYOND)
    table.loc[np.isnan(density), "calibration"] = "no pixel size, which the calibration needs"


def add_calibrated_growth(
    growth: pd.DataFrame,
    rows: Sequence[GrowthRow],
    counts: pd.DataFrame,
    calibration: NucleiCalibration | None,
) -> pd.DataFrame:
    """Put rates and doubling times of the nuclei behind those of the counts.

    ln N = a + b ln P makes the rate of N that of P times b, whatever curve was fitted; the interval
    takes in that of b (:meth:`NucleiCalibration.rate`). A single well has none, as ever.

    Parameters
    ----------
    growth, rows
        The growth table, and the rows behind it in the same order.
    counts
        The counts that the rows came from.
    """
    records = [_grown(row, counts, calibration) for row in rows]
    for name in CALIBRATED_GROWTH_COLUMNS:
        growth[name] = [record.get(name) for record in records]
    return growth


def _grown(
    row: GrowthRow, counts: pd.DataFrame, calibration: NucleiCalibration | None
) -> dict[str, Any]:
    if calibration is None or row.rate_per_h is None:
        return {"calibration": ""}
    known = row.rate_low is not None and row.rate_high is not None
    ends = (row.rate_low or 0.0, row.rate_high or 0.0) if known else None
    rate, limits = calibration.rate(row.rate_per_h, ends, row.confidence or 0.95)
    found: dict[str, Any] = {
        "calibrated_rate_per_h": rate,
        "calibration": _covered(row, counts, calibration),
    }
    if limits is None:
        grows = rate > 0 and row.doubling_time_h is not None
        return {**found, "calibrated_doubling_time_h": math.log(2) / rate if grows else None}
    doubling = doubling_of(Spread(row.n_wells, rate, low=limits[0], high=limits[1]), "wells")
    return {
        **found,
        "calibrated_rate_low": limits[0],
        "calibrated_rate_high": limits[1],
        "calibrated_doubling_time_h": doubling.doubling_time_h,
        "calibrated_doubling_time_low_h": doubling.doubling_time_low_h,
        "calibrated_doubling_time_high_h": doubling.doubling_time_high_h,
    }


def _covered(row: GrowthRow, counts: pd.DataFrame, calibration: NucleiCalibration) -> str:
    """Say how many of the counts behind a row lie outside the densities of the calibration."""
    hours = counts["elapsed_h"].astype(float)
    within = hours.between(row.start_h or 0.0, row.end_h or 0.0)
    used = counts[(counts["excluded"] == "") & within]
    for name in ("plate", "well"):
        if getattr(row, name) is not None:
            used = used[used[name] == getattr(row, name)]
    if row.level == "group" and row.group is not None and (counts["group"] == row.group).any():
        used = used[used["group"] == row.group]
    if row.position is not None:
        used = used[(used["position"] == row.position) | (used["field"] == row.position)]
    beyond = int((~calibration.covers(_density(used, calibration))).sum())
    if not beyond:
        return _WITHIN
    low, high = calibration.density_low, calibration.density_high
    return (
        f"{_BEYOND}: {beyond} of {len(used)} counts lie outside {low:.4g} to {high:.4g} cells "
        f"{calibration.density_unit}"
    )


def _density(table: pd.DataFrame, calibration: NucleiCalibration) -> Any:
    per_area = calibration.density_unit == "per mm2"
    return table["density_per_mm2" if per_area else "count"].to_numpy(float)
