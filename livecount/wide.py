"""Curves side by side, as Prism takes them: a row a visit, a column a well, replicates together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livecount.growth import (
    GrowthSeries,
    Reference,
    WellSeries,
    align_series,
    bases_of,
    relative_wells,
    well_curve,
    wells_of,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["wide_table"]


def wide_table(counts: pd.DataFrame, reference: Reference | None = None) -> pd.DataFrame:
    """Give the mean curve of every well in a column of its own.

    Replicates stand side by side under the name of their group, which Prism takes for the title of
    a data set; wells without a group stand under their own name, after them.

    Parameters
    ----------
    counts
        A result of :func:`livecount.tables.count_table`; what is excluded is left out.
    reference
        The moment whose value is 1 in every well; None for values as measured. A well that has no
        value then has a column without values.

    Returns
    -------
    pandas.DataFrame
        ``elapsed_h``, then a column a well in density per mm2 where every count has one, else cells
        per field; several columns may bear one name. A well that is missing in a visit is absent.
    """
    import numpy as np
    import pandas as pd

    wells = _side_by_side([well for well in wells_of(counts) if any(map(len, well.used))])
    if reference:
        wells = relative_wells(wells, bases_of(wells, reference), reference)
    curves = [well_curve(well.used) for well in wells]
    times, values = align_series([GrowthSeries(one.times_h, one.values) for one in curves])
    if not wells:
        return pd.DataFrame({"elapsed_h": pd.Series(dtype=float)})
    table = pd.DataFrame(values.T, columns=[_title(well, wells) for well in wells])
    table.insert(0, "elapsed_h", np.nanmean(times, axis=0), allow_duplicates=True)
    return table


def _side_by_side(wells: list[WellSeries]) -> list[WellSeries]:
    order = {name: place for place, name in enumerate(dict.fromkeys(w.group for w in wells))}
    return sorted(wells, key=lambda well: (well.group is None, order[well.group]))


def _title(well: WellSeries, wells: list[WellSeries]) -> str:
    if well.group is not None:
        return well.group
    names = ("experiment", "plate", "channel", "z", "analysis_id")
    telling = [name for name in names if len({getattr(one, name) for one in wells}) > 1]
    parts = [getattr(well, name) for name in telling] + [well.well]
    return " ".join(part for part in parts if part) or "field"
