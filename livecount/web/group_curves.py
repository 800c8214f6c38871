"""Curves to draw: wells as they are, or the mean of each group of wells with its spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from livecount.growth import (
    GrowthSeries,
    Reference,
    WellSeries,
    align_series,
    base_of,
    spread_of,
    well_curve,
)

__all__ = [
    "DrawnCurve",
    "GroupLines",
    "curve_of_well",
    "line_of_group",
    "lines_of_groups",
    "relative_curve",
]

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class DrawnCurve:
    """One line of a figure.

    Attributes
    ----------
    label, group
        The well or group it is of, and its replicate group.
    hours, values
        Shape (n,).
    low, high, sd, sem
        The 95 % t-interval of the mean across wells, standard deviation and standard error, shape
        (n,); NaN under two wells, empty for a single well's curve.
    n_wells
        Wells at each visit, shape (n,); empty for a single well's curve.
    excluded_h, excluded_values
        Points that are not used, shape (m,).
    """

    label: str
    group: str
    hours: Reals
    values: Reals
    low: Reals
    high: Reals
    sd: Reals
    sem: Reals
    n_wells: Reals
    excluded_h: Reals
    excluded_values: Reals


@dataclass(frozen=True, slots=True, eq=False)
class GroupLines:
    """The mean curves of groups of wells, and which of them each well belongs to."""

    lines: tuple[DrawnCurve, ...]
    line_of: tuple[int, ...]


def curve_of_well(well: WellSeries) -> DrawnCurve:
    """Give a well's mean field over time, and its points that are not used."""
    nothing = np.empty(0)
    curve = well_curve(well.used)
    left_out = [field.excluded.usable() for field in well.fields]
    return DrawnCurve(
        label_of(well), well.group or "", curve.times_h, curve.values,
        nothing, nothing, nothing, nothing, nothing,
        np.concatenate([nothing, *(each.times_h for each in left_out)]),
        np.concatenate([nothing, *(each.counts for each in left_out)]),
    )  # fmt: skip


def relative_curve(curve: DrawnCurve, reference: Reference) -> tuple[DrawnCurve, str]:
    """Divide a well's curve by its own value at a moment; without one it is empty, and why."""
    base = base_of(curve.hours, curve.values, reference)
    if base.value is None:
        none = np.empty(0)
        empty = replace(curve, hours=none, values=none, excluded_h=none, excluded_values=none)
        return empty, base.reason
    values, excluded = curve.values / base.value, curve.excluded_values / base.value
    return replace(curve, values=values, excluded_values=excluded), ""


def label_of(well: WellSeries) -> str:
    """Name a well as people do, with its plate, channel and plane where there are several."""
    parts = (well.plate, well.well or "one place", well.channel, well.z and f"z {well.z}")
    return " ".join(part for part in parts if part)


def lines_of_groups(wells: Sequence[DrawnCurve]) -> GroupLines:
    """Give the mean of each group of wells; one without a group stands for itself."""
    named = [curve.group or curve.label for curve in wells]
    names = list(dict.fromkeys(named))
    line_of = tuple(names.index(name) for name in named)
    lines = tuple(line_of_group(name, number, wells, line_of) for number, name in enumerate(names))
    return GroupLines(lines, line_of)


def line_of_group(
    name: str, number: int, wells: Sequence[DrawnCurve], line_of: Sequence[int]
) -> DrawnCurve:
    """Give the mean over a group's wells at each visit, with its spread across wells.

    Parameters
    ----------
    number, line_of
        The wells of the group are those of this number.
    """
    members = [curve for curve, line in zip(wells, line_of, strict=True) if line == number]
    times, values = align_series([GrowthSeries(one.hours, one.values) for one in members])
    nothing = np.empty(0)
    if not times.size:
        return DrawnCurve(name, name, *(nothing for _ in range(9)))
    spreads = [spread_of(column[np.isfinite(column)].tolist()) for column in values.T]
    columns = (
        [getattr(each, part) for each in spreads]
        for part in ("mean", "low", "high", "sd", "sem", "n")
    )
    mean, low, high, sd, sem, n_wells = (np.array(column, np.float64) for column in columns)
    hours = np.nanmean(times, axis=0)
    return DrawnCurve(name, name, hours, mean, low, high, sd, sem, n_wells, nothing, nothing)
