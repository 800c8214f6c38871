"""The growth table of an experiment: one row per position, well and group."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar, cast, get_args

import pandas as pd

from livecount.growth.bending import BendingModel
from livecount.growth.combining import combine_wells
from livecount.growth.curves import FittedCurve
from livecount.growth.evidence import CONFIDENCE, Window
from livecount.growth.fitting import (
    AFTER_A_LAG,
    GrowthModel,
    fit_after_a_lag,
    fit_series,
    fit_wells,
)
from livecount.growth.normalising import Reference, bases_of, relative_fit
from livecount.growth.shape import SHAPE_COLUMNS, CurveShape
from livecount.growth.shared_lag import share_lag
from livecount.growth.verdicts import GrowthFit, Verdict
from livecount.growth.wells import Identity, Metric, WellSeries, groups_in, together, wells_of

__all__ = [
    "ALL_WELLS",
    "GROWTH_COLUMNS",
    "GrowthRow",
    "growth_of_wells",
    "growth_table",
]

_T = TypeVar("_T")

ALL_WELLS = "all wells"
"""Group of an experiment's wells as long as nobody has said which are replicates."""


@dataclass(frozen=True, slots=True)
class GrowthRow:
    """One row of the growth table; None is "not known" and is exported as empty.

    Attributes
    ----------
    experiment, group, well, position
        Whose growth it is; rows of wells have no position, rows of groups no well either.
    metric
        "density_per_mm2" where every count has one, else "count" (cells per field); or
        "density_inside_per_mm2" and "count_inside", where edges and overlaps are left out.
    n_points, start_h, end_h, rate_per_h, rate_low, rate_high
        As in :class:`GrowthFit`; so are the doubling time, ``fit``, ``r_squared``, ``verdict``,
        ``reason``, ``n_wells``, ``confidence``, ``curve``, ``fit_reason`` and ``shape``.
    level
        "position", "well" or "group".
    plate, channel, z, analysis_id
        What else keeps curves apart.
    relative_to
        Name of the moment that plateau, area and curve are relative to, or None.
    """

    experiment: str | None
    group: str | None
    well: str | None
    position: str | None
    metric: Metric
    n_points: int
    start_h: float | None
    end_h: float | None
    rate_per_h: float | None
    rate_low: float | None
    rate_high: float | None
    doubling_time_h: float | None
    doubling_time_low_h: float | None
    doubling_time_high_h: float | None
    fit: str
    r_squared: float | None
    level: Literal["position", "well", "group"]
    plate: str | None
    channel: str | None
    z: str | None
    analysis_id: str | None
    n_wells: int
    confidence: float | None
    verdict: Verdict
    reason: str
    fit_reason: str = ""
    relative_to: str | None = None
    shape: CurveShape = field(default_factory=CurveShape)
    curve: FittedCurve | None = None

    @property
    def identity(self) -> Identity:
        """What keeps the row's curve apart from others; that of its :class:`WellSeries`."""
        return (
            *(self.experiment, self.plate, self.well),
            *(self.channel, self.z, self.analysis_id),
        )

    def as_record(self) -> dict[str, str | float | int | None]:
        """Return the row as a mapping whose keys are ``GROWTH_COLUMNS``, in their order."""
        return {
            name: getattr(self.shape if name in SHAPE_COLUMNS else self, name)
            for name in GROWTH_COLUMNS
        }


GROWTH_COLUMNS = (
    *(item.name for item in dataclasses.fields(GrowthRow) if item.name not in ("curve", "shape")),
    *SHAPE_COLUMNS,
)
"""Columns of ``export growth``; the first 16 are fixed, later additions follow them."""


def growth_table(
    counts: pd.DataFrame,
    *,
    groups: Mapping[str, str] | None = None,
    window: Window | None = None,
    model: GrowthModel = "auto",
    confidence: float = CONFIDENCE,
    reference: Reference | None = None,
) -> list[GrowthRow]:
    """Compute growth per position, well and group from exported counts.

    A well's rate comes from all its fields at once, each with a level of its own
    (:func:`fit_fields`); a group's from its wells (:func:`combine_wells`). Where no groups are
    stated, an experiment's wells form one group, ``ALL_WELLS``. A well that shows no lag is fitted
    with that of wells sown with the same cells on its plate, so that its rate may change with them.
    Without wells, the fields act as one unnamed well, which has no interval.

    Parameters
    ----------
    counts
        The columns of ``export counts``; needed are ``elapsed_h`` and ``count`` or
        ``density_per_mm2``. Rows with an ``excluded`` reason are left out. A column ``group``
        names replicate groups.
    groups
        Well name to group; goes before the column ``group``.
    window, model
        As in :func:`fit_series`.
    confidence
        Of the interval across wells.
    reference
        The moment that plateaus and areas are relative to; None for values as measured. Rates,
        times and lags are the same either way.

    Returns
    -------
    list of GrowthRow
        Per experiment: each well's positions and then the well, in plate order; then the groups.

    Raises
    ------
    LivecountError
        When a needed column is missing.
    """
    return growth_of_wells(
        wells_of(counts, groups=groups),
        window=window,
        model=model,
        confidence=confidence,
        reference=reference,
    )


def growth_of_wells(
    wells: Sequence[WellSeries],
    *,
    window: Window | None = None,
    model: GrowthModel = "auto",
    confidence: float = CONFIDENCE,
    reference: Reference | None = None,
    positions: bool = True,
) -> list[GrowthRow]:
    """Compute growth as :func:`growth_table` does, of counts that are arranged already.

    Parameters
    ----------
    wells
        As :func:`wells_of` gives them.
    window, model, confidence, reference
        As in :func:`growth_table`.
    positions
        Whether each position is fitted too; wells and groups do not need it.
    """
    bases = bases_of(wells, reference) if reference else {}
    rows: list[GrowthRow] = []
    for members in together(wells, lambda well: well.replicate_key):
        fits = _fits_of(members, window, model)
        for number, well in enumerate(members):
            parts = _position_fits(well, fits[number], window, model) if positions else {}
            if reference:
                base = bases[well.identity]
                fits[number] = relative_fit(fits[number], base)
                parts = {label: relative_fit(fit, base) for label, fit in parts.items()}
            rows += [
                dataclasses.replace(_row("position", well, fit), position=label)
                for label, fit in parts.items()
            ]
            rows.append(_row("well", well, fits[number]))
        rows += _group_rows(members, fits, confidence)
    if reference is None:
        return rows
    return [dataclasses.replace(row, relative_to=reference.name) for row in rows]


def _fits_of(
    wells: Sequence[WellSeries], window: Window | None, model: GrowthModel
) -> list[GrowthFit]:
    """Fit the wells in their order; those of a stated group with one kind of curve.

    Rates are compared between groups. Where some wells show a lag, those that were sown with the
    same cells and show none are fitted with that lag, lest their rates include it.
    """
    fits: dict[int, GrowthFit] = {}
    for members in groups_in(wells):
        found = fit_wells([well.used for well in members], window, model)
        fits.update(zip(map(id, members), found, strict=True))
    if model == "auto":
        for members in together(wells, lambda well: well.sown_with):
            fits |= share_lag(members, fits, window)
    return [fits[id(well)] for well in wells]


def _position_fits(
    well: WellSeries, fit: GrowthFit, window: Window | None, model: GrowthModel
) -> dict[str, GrowthFit]:
    """Fit each named field with its well's kind of curve, so that the two can be compared."""
    named = [part for part in well.fields if part.label is not None]
    waking = fit.curve.waking if fit.fit == AFTER_A_LAG and fit.curve else None
    as_well = waking is not None or fit.fit in ("quasi-Poisson", *get_args(BendingModel))
    of_well = cast(GrowthModel, "quasi-Poisson" if waking else fit.fit if as_well else model)
    fits: dict[str, GrowthFit] = {}
    for part in named:
        after = fit_after_a_lag([part.used], window, waking) if waking else None
        one = after[0] if after else fit_series(part.used, window, of_well)
        same = as_well and one.fit == fit.fit
        fits[part.label or ""] = (
            dataclasses.replace(one, fit_reason="the curve of its well") if same else one
        )
    return fits


def _group_rows(
    wells: Sequence[WellSeries], fits: Sequence[GrowthFit], confidence: float
) -> list[GrowthRow]:
    stated = any(well.group is not None for well in wells)
    by_group: dict[str, list[int]] = {}
    for index, well in enumerate(wells):
        name = well.group if stated else ALL_WELLS
        if name is not None and well.well is not None:
            by_group.setdefault(name, []).append(index)
    rows = []
    for name, members in by_group.items():
        if not stated and len(members) < 2:
            continue
        combined = combine_wells([fits[index] for index in members], confidence)
        metrics = {wells[index].metric for index in members}
        shared = dataclasses.replace(
            wells[members[0]],
            group=name,
            well=None,
            plate=None,
            metric=_common_metric(metrics),
        )
        rows.append(_row("group", shared, combined))
    return rows


def _common_metric(metrics: set[Metric]) -> Metric:
    """Name what the wells of a group have in common: counts, where not all have densities."""
    if len(metrics) == 1:
        return next(iter(metrics))
    return "count_inside" if "count_inside" in metrics else "count"


def _row(
    level: Literal["position", "well", "group"], well: WellSeries, fit: GrowthFit
) -> GrowthRow:
    values = {item.name: getattr(fit, item.name) for item in dataclasses.fields(fit)}
    return GrowthRow(
        experiment=well.experiment,
        group=well.group,
        well=well.well,
        position=None,
        metric=well.metric,
        level=level,
        plate=well.plate,
        channel=well.channel,
        z=well.z,
        analysis_id=well.analysis_id,
        **values,
    )
