"""Curves relative to the well's own value at time zero, at an event, or at an hour."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from livecount.growth.reasons import joined
from livecount.growth.series import GrowthSeries, Series, well_curve
from livecount.growth.verdicts import GrowthFit
from livecount.growth.wells import Identity, WellSeries, values_of, wells_of

__all__ = [
    "RELATIVE_COLUMNS",
    "Base",
    "Reference",
    "add_relative",
    "base_of",
    "bases_of",
    "relative_fit",
    "relative_wells",
]

RELATIVE_COLUMNS: Final = ("relative", "relative_to", "relative_reason")
"""What :func:`add_relative` puts at the end of the counts."""

_LATEST_INTERVALS: Final = 1.5
_SAME_TIME_H: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Reference:
    """The moment whose value is 1: its name in words, and its hour on the experiment's axis."""

    name: str
    at_h: float


@dataclass(frozen=True, slots=True)
class Base:
    """The value that a well's values are divided by; None where there is none, and why."""

    value: float | None
    reason: str = ""


def bases_of(wells: Sequence[WellSeries], reference: Reference) -> dict[Identity, Base]:
    """Find each well's own value at the reference: its mean field at the first visit from then on.

    A visit counts where it lies at the moment or after it, so that cells which were washed away
    with the medium are gone, and no later than one and a half of the well's usual intervals. All
    wells are taken at the same moment, also those that the event did not happen to.

    Parameters
    ----------
    wells
        As measured; what is excluded is no reference.
    """
    curves = {well.identity: well_curve(well.used) for well in wells}
    return {name: base_of(one.times_h, one.values, reference) for name, one in curves.items()}


def base_of(times_h: Series, values: Series, reference: Reference) -> Base:
    """Find one well's own value at the reference, as :func:`bases_of` does for all.

    Parameters
    ----------
    times_h, values
        The well's mean field at each visit, shape (n,).
    """
    said = f"not relative to {reference.name}"
    if len(times_h) < 2:
        return Base(None, f"{said}: less than two visits")
    late_h = _LATEST_INTERVALS * float(np.median(np.diff(times_h)))
    after = np.flatnonzero(times_h >= reference.at_h - _SAME_TIME_H)
    if not len(after) or times_h[after[0]] - reference.at_h > late_h:
        return Base(None, f"{said}: no count from {reference.at_h:.2f} h to {late_h:.2f} h later")
    value, at_h = float(values[after[0]]), float(times_h[after[0]])
    return Base(value) if value > 0 else Base(None, f"{said}: no cells at {at_h:.2f} h")


def relative_wells(
    wells: Sequence[WellSeries], bases: Mapping[Identity, Base], reference: Reference
) -> list[WellSeries]:
    """Divide every value of every well by the well's base; without one a well has no values.

    Parameters
    ----------
    wells, bases, reference
        As measured, and what :func:`bases_of` found for them.
    """
    return [_relative(well, bases[well.identity].value, reference.name) for well in wells]


def _relative(well: WellSeries, base: float | None, name: str) -> WellSeries:
    fields = tuple(
        dataclasses.replace(
            field, used=_divided(field.used, base), excluded=_divided(field.excluded, base)
        )
        for field in well.fields
    )
    return dataclasses.replace(well, fields=fields, relative_to=name)


def _divided(series: GrowthSeries, base: float | None) -> GrowthSeries:
    if base is None:
        return GrowthSeries(np.empty(0), np.empty(0))
    return GrowthSeries(series.times_h, series.counts / base)


def relative_fit(fit: GrowthFit, base: Base) -> GrowthFit:
    """Divide what a fit to the counts says of their size; its rates, times and lag stay.

    Parameters
    ----------
    fit
        Of one well or field, to the values as measured.
    """
    if base.value is None:
        shape = dataclasses.replace(
            fit.shape,
            plateau=None,
            area_under_curve=None,
            shape_reason=joined(fit.shape.shape_reason, base.reason),
        )
        return dataclasses.replace(fit, curve=None, shape=shape)
    plateau, area = fit.shape.plateau, fit.shape.area_under_curve
    shape = dataclasses.replace(
        fit.shape,
        plateau=plateau and plateau / base.value,
        area_under_curve=area and area / base.value,
    )
    curve = fit.curve and fit.curve.divided(base.value)
    return dataclasses.replace(fit, curve=curve, shape=shape)


def add_relative(counts: pd.DataFrame, reference: Reference) -> pd.DataFrame:
    """Put each count relative to its well's own value at the end of the counts.

    Parameters
    ----------
    counts
        The columns of ``export counts``.

    Returns
    -------
    pandas.DataFrame
        With the columns :data:`RELATIVE_COLUMNS`: the density per mm2 where every count has one,
        else the count, divided by that of the well's mean field at the reference.
    """
    if counts.empty:
        return counts.assign(**dict.fromkeys(RELATIVE_COLUMNS))
    bases = bases_of(wells_of(counts), reference)
    values = values_of(counts)
    found = [bases[identity] for identity in values["identity"]]
    divisors = np.array([base.value or np.nan for base in found])
    return counts.assign(
        relative=values["value"].to_numpy() / divisors,
        relative_to=reference.name,
        relative_reason=[base.reason for base in found],
    )
