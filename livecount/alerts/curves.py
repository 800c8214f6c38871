"""The curves of any measure, place by place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from livecount.alerts.axis import Place
from livecount.growth import GrowthSeries, WellCurve, well_curve, wells_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["curves_of", "fields_of"]


def fields_of(
    counts: pd.DataFrame, measure: str, wells: Sequence[str] = ()
) -> dict[Place, list[GrowthSeries]]:
    """Arrange a measure as one series a field of each place; a field without a well is a place.

    Parameters
    ----------
    counts
        A result of :func:`livecount.tables.count_table`; what is excluded is not used.
    measure
        Its column.
    wells
        Only these; empty for all.
    """
    chosen = counts[counts["well"].isin(wells)] if wells else counts
    # Given as the count, and with no densities that would be taken instead.
    single = chosen.assign(count=chosen[measure]).drop(columns="density_per_mm2")
    found: dict[Place, list[GrowthSeries]] = {}
    for well in wells_of(single):
        for field in well.fields:
            place = Place(well.plate or "", well.well or "", "" if well.well else field.label or "")
            if len(field.used):
                found.setdefault(place, []).append(field.used)
    return found


def curves_of(
    counts: pd.DataFrame, measure: str, wells: Sequence[str] = ()
) -> dict[Place, WellCurve]:
    """Average the same over each place's fields."""
    fields = fields_of(counts, measure, wells)
    curves = {place: well_curve(series) for place, series in fields.items()}
    return {place: curve for place, curve in curves.items() if len(curve.values)}
