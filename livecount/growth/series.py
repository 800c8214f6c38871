"""Counts over time, as measured: series of one field, and the mean curve of a well's fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["GrowthSeries", "Series", "WellCurve", "align_series", "visit_numbers", "well_curve"]

Series = npt.NDArray[np.float64]

_LONGEST_TIME_H = 1e6
_LARGEST_COUNT = 1e15
"""What lies beyond (a century, a litre of cells) is damage, not a measurement."""
_SHARE_ITERATIONS = 50


@dataclass(frozen=True, slots=True, eq=False)
class GrowthSeries:
    """Counts (or densities) of one field over time, in any order; NaN or None is "not known".

    Attributes
    ----------
    times_h
        Elapsed time of each frame, hours, shape (n,).
    counts
        Cells per frame or per mm2, shape (n,).

    Raises
    ------
    ValueError
        When the two are not one-dimensional and equally long.

    Examples
    --------
    >>> GrowthSeries([1, 0, 2], [20, None, 40]).usable().counts.tolist()
    [20.0, 40.0]
    """

    times_h: Series
    counts: Series

    def __post_init__(self) -> None:
        times = np.asarray(self.times_h, dtype=np.float64)
        counts = np.asarray(self.counts, dtype=np.float64)
        if times.ndim != 1 or times.shape != counts.shape:
            raise ValueError(f"times_h {times.shape} and counts {counts.shape} must be (n,) alike")
        object.__setattr__(self, "times_h", times)
        object.__setattr__(self, "counts", counts)

    def __len__(self) -> int:
        return len(self.times_h)

    def usable(self, window: tuple[float | None, float | None] | None = None) -> GrowthSeries:
        """Keep the points that a fit can use, in time order.

        Parameters
        ----------
        window
            First and last time, hours, both included; None on either side is open.

        Returns
        -------
        GrowthSeries
            Finite times and finite counts >= 0 within the window; what is unknown is left out.
        """
        start, end = window or (None, None)
        with np.errstate(invalid="ignore"):
            kept = np.isfinite(self.times_h) & (np.abs(self.times_h) <= _LONGEST_TIME_H)
            kept &= np.isfinite(self.counts) & (self.counts >= 0)
            kept &= self.counts <= _LARGEST_COUNT
            kept &= self.times_h >= (-np.inf if start is None else start)
            kept &= self.times_h <= (np.inf if end is None else end)
        times, counts = self.times_h[kept], self.counts[kept]
        order = np.lexsort((counts, times))
        return GrowthSeries(times[order], counts[order])


@dataclass(frozen=True, slots=True, eq=False)
class WellCurve:
    """The mean over a well's fields at each visit of the microscope.

    Attributes
    ----------
    times_h, values
        Mean time of a visit and mean count or density per field, shape (n,).
    sd
        Standard deviation between the fields present, shape (n,); NaN under two fields.
    n_fields
        Number of fields present, shape (n,).
    """

    times_h: Series
    values: Series
    sd: Series
    n_fields: npt.NDArray[np.intp]


def well_curve(fields: Sequence[GrowthSeries], levels: Sequence[float] | None = None) -> WellCurve:
    """Average the fields of a well so that a field that is missing at a visit makes no step.

    The counts follow a two-way multiplicative model, count = level of the field x size of the well,
    whose Poisson likelihood is maximised by proportional fitting in turn: size = sum of the present
    counts / sum of the present levels. Where every field is present this is the plain mean.

    Parameters
    ----------
    fields
        One series per field, any units; only their usable points are averaged.
    levels
        Relative level of each field to start from; it decides only between fields that are never
        seen in the same visits, directly or through others. Default: all equal.

    Returns
    -------
    WellCurve
        In time order; empty where no field has a usable point.
    """
    times, table = align_series(fields)
    present = np.isfinite(table)
    if not present.any():
        empty = np.empty(0)
        return WellCurve(empty, empty, empty, np.empty(0, dtype=np.intp))
    seen = present.any(axis=1)
    table, times, present = table[seen], times[seen], present[seen]
    start = np.ones(len(fields)) if levels is None else np.asarray(levels, dtype=np.float64)
    values = _two_way(table, present, start[seen])
    # A visit that shows only fields without a single cell says nothing of the others.
    told = np.isfinite(values)
    return WellCurve(
        (np.nansum(times, axis=0) / present.sum(axis=0))[told],
        values[told],
        _sd_between(table, present)[told],
        present.sum(axis=0)[told],
    )


def align_series(series: Sequence[GrowthSeries]) -> tuple[Series, Series]:
    """Put the points of several series that were taken in one visit of the microscope together.

    Parameters
    ----------
    series
        Any number; only their usable points count, those of equal times averaged.

    Returns
    -------
    tuple of ndarray
        Times in hours and counts, both of shape (series, visits), in time order; NaN where a series
        has no point in a visit.
    """
    cleaned = [_without_duplicates(each.usable()) for each in series]
    visits = _visits(cleaned)
    counts = np.full((len(cleaned), int(visits.max(initial=-1)) + 1), np.nan)
    times = np.full_like(counts, np.nan)
    offset = 0
    for row, each in enumerate(cleaned):
        columns = visits[offset : offset + len(each)]
        counts[row, columns], times[row, columns] = each.counts, each.times_h
        offset += len(each)
    return times, counts


def _without_duplicates(series: GrowthSeries) -> GrowthSeries:
    times, inverse = np.unique(series.times_h, return_inverse=True)
    if len(times) == len(series):
        return series
    return GrowthSeries(times, np.bincount(inverse, series.counts) / np.bincount(inverse))


def _visits(fields: Sequence[GrowthSeries]) -> npt.NDArray[np.intp]:
    times = np.concatenate([np.empty(0), *(field.times_h for field in fields)])
    labels = np.repeat(np.arange(len(fields)), [len(field) for field in fields])
    return visit_numbers(times, labels)


def visit_numbers(times_h: Series, fields: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Assign each frame to a visit: no field twice, and no longer than half an interval.

    Parameters
    ----------
    times_h
        When each frame was taken, hours, shape (n,), finite.
    fields
        The number of the field that each frame shows, shape (n,).

    Returns
    -------
    ndarray
        Numbers from 0 in order of time, shape (n,).
    """
    order = np.lexsort((times_h, fields))
    gaps = np.diff(times_h[order])[np.diff(fields[order]) == 0]
    longest = float(np.median(gaps)) / 2 if len(gaps) else 0.0
    visits = np.empty(len(times_h), dtype=np.intp)
    visit, began, present = -1, -np.inf, set[int]()
    for index in np.argsort(times_h, kind="stable"):
        if times_h[index] - began > longest or int(fields[index]) in present:
            visit, began, present = visit + 1, times_h[index], set()
        present.add(int(fields[index]))
        visits[index] = visit
    return visits


def _two_way(table: Series, present: npt.NDArray[np.bool_], levels: Series) -> Series:
    """Fit count = share of the field x size of the well; the shares have mean 1."""
    filled, weights = np.where(present, table, 0.0), present.astype(np.float64)
    shares = np.where(filled.sum(axis=1) > 0, np.maximum(levels, 1e-12), 0.0)
    if not shares.any():
        return np.zeros(table.shape[1])
    for _ in range(1 if present.all() else _SHARE_ITERATIONS):
        sizes = _ratio(filled.sum(axis=0), weights.T @ shares, 0.0)
        shares = _ratio(filled.sum(axis=1), weights @ sizes, 0.0)
        shares *= len(shares) / shares.sum()
    return _ratio(filled.sum(axis=0), weights.T @ shares, np.nan)


def _ratio(numerator: Series, denominator: Series, otherwise: float) -> Series:
    out = np.full_like(numerator, otherwise)
    return np.divide(numerator, denominator, out=out, where=denominator > 0)


def _sd_between(table: Series, present: npt.NDArray[np.bool_]) -> Series:
    n = present.sum(axis=0)
    mean = np.nansum(table, axis=0) / np.maximum(n, 1)
    squares = np.nansum((table - mean) ** 2, axis=0)
    return np.where(n > 1, np.sqrt(squares / np.maximum(n - 1, 1)), np.nan)
