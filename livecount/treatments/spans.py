"""How many times the cells of wells grew, over the same scans in all wells that are compared.

A well that is excluded from some hour on, or whose first frame failed, would else be compared over
a shorter time than its replicates, and look like an effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from livecount.growth import (
    GrowthSeries,
    Identity,
    WellCurve,
    WellSeries,
    Window,
    together,
    visit_numbers,
    well_curve,
)

__all__ = ["FoldChange", "fold_changes_of"]

_MOST: Final = 0.9
"""So many of the wells have a scan that is common to them; fewer would cut all wells short for
every one that somebody left out early."""
_JITTER: Final = 0.02
"""By so much of an interval scans come early."""

_Visits = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class FoldChange:
    """How many times a well's mean field grew over the scans that it shares with others.

    Attributes
    ----------
    value
        None where the well lacks the first or the last of them, or had no cells at the first.
    reason
        Why there is none, or that the span is shorter than the well's own; "" where all is used.
    """

    value: float | None
    reason: str = ""


def fold_changes_of(wells: Sequence[WellSeries], window: Window | None = None) -> list[FoldChange]:
    """Give the fold change of each of some wells that are compared with each other.

    Parameters
    ----------
    wells
        Of any plates. Scans are matched by the time since each well's own first frame, so that it
        matters neither how long a scan takes nor when a plate was begun.
    window
        First and last time, hours; None for all.
    """
    curves = [well_curve([field.usable(window) for field in well.used]) for well in wells]
    zeros = _zeros(wells)
    since = [curve.times_h - zero for curve, zero in zip(curves, zeros, strict=True)]
    labels = np.repeat(np.arange(len(wells)), [len(times) for times in since])
    numbers = visit_numbers(np.concatenate([np.empty(0), *since]), labels)
    visits = [numbers[labels == at] for at in range(len(wells))]
    common = _common(visits)
    if len(common) < 2:
        return [FoldChange(None, "the compared wells share no two scans")] * len(wells)
    hours = np.concatenate([curve.times_h for curve in curves])
    first, last = (float(hours[numbers == at].mean()) for at in (common[0], common[-1]))
    span = f"{first:.4g} to {last:.4g} h"
    return [
        _fold_change(curve, of_well, common, span)
        for curve, of_well in zip(curves, visits, strict=True)
    ]


def _fold_change(curve: WellCurve, visits: _Visits, common: _Visits, span: str) -> FoldChange:
    at = [np.flatnonzero(visits == end) for end in (common[0], common[-1])]
    if not (len(at[0]) and len(at[1])):
        lacking = "last" if len(at[0]) else "first"
        return FoldChange(None, f"without the {lacking} of the scans from {span} of most wells")
    start, end = (float(curve.values[index[0]]) for index in at)
    if start <= 0:
        return FoldChange(None, f"without cells at the first of the scans from {span}")
    # A scan more or less at either end is how a running experiment looks.
    is_shorter = visits[0] < common[0] - 1 or visits[-1] > common[-1] + 1
    return FoldChange(end / start, f"only over the shared scans from {span}" if is_shorter else "")


def _common(visits: Sequence[_Visits]) -> _Visits:
    """Give the scans that most of the wells have, which have any at all."""
    seen = [np.unique(of_well) for of_well in visits if len(of_well)]
    if not seen:
        return np.empty(0, dtype=np.intp)
    numbers, n_wells = np.unique(np.concatenate(seen), return_counts=True)
    return np.asarray(numbers[n_wells >= _MOST * len(seen)], dtype=np.intp)


def _zeros(wells: Sequence[WellSeries]) -> list[float]:
    """Give the time of each well in its plate's first scan, whether or not it was used there."""
    taken = {well.identity: _taken(well) for well in wells}
    zeros: dict[Identity, float] = {}
    for plate in together(wells, lambda well: (well.experiment, well.plate)):
        times = [taken[well.identity] for well in plate]
        gaps = np.concatenate([np.empty(0), *(np.diff(of_well) for of_well in times)])
        interval = float(np.median(gaps)) if len(gaps) else np.inf
        began = min((of_well[0] for of_well in times if len(of_well)), default=0.0)
        firsts = [float(of_well[0]) if len(of_well) else began for of_well in times]
        early = _JITTER * interval if np.isfinite(interval) else 0.0
        zeros |= {
            well.identity: began + float((first - began + early) % interval) - early
            for well, first in zip(plate, firsts, strict=True)
        }
    return [zeros[well.identity] for well in wells]


def _taken(well: WellSeries) -> npt.NDArray[np.float64]:
    """Give when a well was seen, excluded frames too."""
    fields = [
        GrowthSeries(
            np.concatenate([field.used.times_h, field.excluded.times_h]),
            np.concatenate([field.used.counts, field.excluded.counts]),
        )
        for field in well.fields
    ]
    return well_curve(fields).times_h
