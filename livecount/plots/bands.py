"""How far counts may be off, as a band under a well's curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from livecount.growth import INSIDE, Identity, WellSeries, well_curve, wells_of
from livecount.growth.series import Series

__all__ = ["Band", "bands_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """The mean ends of the fields' intervals at each visit, shape (n,) each.

    What makes one field's count too high makes its neighbour's too high as well, so that the ends
    are averaged and do not draw together with the number of fields.
    """

    times_h: Series
    low: Series
    high: Series

    def divided(self, base: float | None) -> Band:
        """Give the band of values that are divided by ``base``; empty without one."""
        if base is None:
            return Band(np.empty(0), np.empty(0), np.empty(0))
        return Band(self.times_h, self.low / base, self.high / base)


def bands_of(counts: pd.DataFrame, groups: Mapping[str, str] | None = None) -> dict[Identity, Band]:
    """Give each well's band, where its counts have intervals.

    Parameters
    ----------
    counts
        The columns of ``export counts``.
    groups
        As for :func:`livecount.growth.wells_of`.

    Returns
    -------
    dict
        Wells of which a count has no interval are not in it; none is where curves are made of the
        counts inside, since intervals are those of whole frames.
    """
    if "curves_from" in counts and (counts["curves_from"] == INSIDE).any():
        return {}
    if not {"count_low", "count_high"} <= set(counts) or counts["count_low"].isna().all():
        return {}
    ends = [
        {well.identity: well for well in wells_of(_with_values(counts, name), groups=groups)}
        for name in ("count", "count_low", "count_high")
    ]
    found = {}
    for key in ends[0]:
        middle, low, high = (well_curve(wells[key].used) for wells in ends)
        same = len(middle.times_h) == len(low.times_h) == len(high.times_h)
        if same and _is_complete([wells[key] for wells in ends]):
            found[key] = Band(middle.times_h, low.values, high.values)
    return found


def _with_values(counts: pd.DataFrame, name: str) -> pd.DataFrame:
    """Put other numbers in the place of the counts, and of the densities likewise."""
    values = pd.to_numeric(counts[name], errors="coerce")
    if "density_per_mm2" not in counts:
        return counts.assign(count=values)
    density = pd.to_numeric(counts["density_per_mm2"], errors="coerce")
    count = pd.to_numeric(counts["count"], errors="coerce")
    # A frame without cells does not tell its area: it is taken from the others.
    per_cell = (density / count).where(count > 0)
    per_cell = per_cell.fillna(per_cell.median()).where(density.notna())
    return counts.assign(count=values, density_per_mm2=values * per_cell)


def _is_complete(wells: Sequence[WellSeries]) -> bool:
    numbers = [[len(series) for series in well.used] for well in wells]
    return numbers[0] == numbers[1] == numbers[2] and bool(np.sum(numbers[0]))
