"""Dose responses of the treatments of each kind of cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from livecount.growth import (
    DoseResponse,
    Scale,
    fit_dose_response,
    gr_of_rates,
    gr_of_wells,
    joined,
    together,
)
from livecount.plate import Concentration
from livecount.treatments.wells import (
    APART,
    CELLS,
    TreatedWell,
    ends,
    fold_reasons,
    in_common,
    rates,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DOSE_COLUMNS", "dose_table", "gr_points"]

_OF_SCALE: Final = ("", "_low", "_high")
DOSE_COLUMNS: Final = (
    *APART,
    *CELLS,
    "treatment",
    "further_treatments",
    "concentration_unit",
    "n_wells",
    "n_control_wells",
    "n_doses",
    "lowest_dose",
    "highest_dose",
    *(f"gr50{end}" for end in _OF_SCALE),
    *(f"gr_inf{end}" for end in _OF_SCALE),
    *(f"gr_max{end}" for end in _OF_SCALE),
    "gec50",
    "gr_hill",
    "gr_p_value",
    "gr_reason",
    *(f"ic50{end}" for end in _OF_SCALE),
    *(f"e_inf{end}" for end in _OF_SCALE),
    "ec50",
    "ic_hill",
    "ic_p_value",
    "ic_reason",
)
"""Columns of ``export doses``: GR from growth rates, IC from counts relative to the control's."""


def dose_table(wells: Sequence[TreatedWell]) -> pd.DataFrame:
    """Fit the dose response of each treatment of each kind of cells.

    Parameters
    ----------
    wells
        A result of :func:`treated_wells`.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`DOSE_COLUMNS`; where something cannot be computed, the reason says why.
    """
    import pandas as pd

    rows = [_dose_row(series) for series in _series(wells)]
    return pd.DataFrame(rows, columns=list(DOSE_COLUMNS))


def gr_points(wells: Sequence[TreatedWell]) -> list[list[tuple[float, float]]]:
    """Give the wells behind each row of :func:`dose_table` as (dose, GR value), untreated at 0."""
    return [_points(series.untreated, series.treated) for series in _series(wells)]


@dataclass(frozen=True, slots=True, eq=False)
class _DoseSeries:
    """One treatment of one kind of cells; ``baseline`` says what its untreated wells are."""

    untreated: list[TreatedWell]
    treated: list[TreatedWell]
    baseline: str = ""


def _series(wells: Sequence[TreatedWell]) -> list[_DoseSeries]:
    """Give untreated and treated wells of each treatment; a dose of 0 is untreated."""
    found = []
    for kin in together(wells, lambda well: well.kin):
        dosed = [well for well in kin if not well.is_control and well.dose is not None]
        for series in together(dosed, _what_was_given):
            treated = [well for well in series if well.dose]
            if treated:
                untreated, baseline = _baseline(kin, treated)
                found.append(_DoseSeries(untreated, treated, baseline))
    return found


def _baseline(
    kin: Sequence[TreatedWell], treated: Sequence[TreatedWell]
) -> tuple[list[TreatedWell], str]:
    """Find the untreated wells: of a combination those that got all but the treatment itself.

    Controls without the further treatments are another population than the combination at dose 0.
    """
    given = _what_was_given(treated[0])
    controls = [well for well in kin if well.is_control]
    undosed = [well for well in kin if well.dose == 0 and _what_was_given(well) == given]
    further = given[1]
    if further is None:
        return [*controls, *(well for well in undosed if not well.is_control)], ""
    undosed += [well for well in kin if _in_words(well) == further]
    if undosed:
        return undosed, f"the dose of 0 is wells with {further} alone, not the controls"
    without = f"the dose of 0 is controls without {further}, as no well has it alone"
    return controls, without if controls else ""


def _in_words(well: TreatedWell) -> str | None:
    """Write all that a well got as further treatments are written; None where that is several."""
    if well.contents.get("further_treatments") is not None or "treatment" not in well.contents:
        return None
    name, unit = well.contents["treatment"], well.contents.get("concentration_unit", "")
    return name if well.dose is None else f"{name} {Concentration(well.dose, unit)}"


def _what_was_given(well: TreatedWell) -> tuple[Any, ...]:
    return tuple(well.contents.get(name) for name in ("treatment", "further_treatments"))


def _dose_row(series: _DoseSeries) -> dict[str, Any]:
    untreated, treated = series.untreated, series.treated
    doses = [well.dose or 0.0 for well in treated]
    at_highest = [well for well in treated if well.dose == max(doses)]
    gr = _response(untreated, treated, "rate")
    ic = _response(untreated, treated, "count")
    return {
        **in_common(treated),
        "n_wells": len(treated),
        "n_control_wells": len(untreated),
        "n_doses": len(set(doses)),
        "lowest_dose": min(doses),
        "highest_dose": max(doses),
        **ends("gr50", gr.half_dose),
        **ends("gr_inf", gr.at_infinity),
        **ends("gr_max", gr_of_wells(rates(untreated), rates(at_highest))),
        "gec50": gr.middle_dose,
        "gr_hill": gr.hill,
        "gr_p_value": gr.p_value,
        "gr_reason": joined(series.baseline, gr.reason),
        **ends("ic50", ic.half_dose),
        **ends("e_inf", ic.at_infinity),
        "ec50": ic.middle_dose,
        "ic_hill": ic.hill,
        "ic_p_value": ic.p_value,
        "ic_reason": joined(series.baseline, ic.reason, fold_reasons([*untreated, *treated])),
    }


def _response(
    untreated: Sequence[TreatedWell], treated: Sequence[TreatedWell], scale: Scale
) -> DoseResponse:
    points = [
        (0.0 if at < len(untreated) else well.dose or 0.0, value)
        for at, well in enumerate([*untreated, *treated])
        if (value := well.row.rate_per_h if scale == "rate" else well.fold_change) is not None
    ]
    return fit_dose_response([dose for dose, _ in points], [value for _, value in points], scale)


def _points(
    untreated: Sequence[TreatedWell], treated: Sequence[TreatedWell]
) -> list[tuple[float, float]]:
    controls = rates(untreated)
    level = sum(controls) / len(controls) if controls else 0.0
    doses = [*((0.0, well) for well in untreated), *((well.dose or 0.0, well) for well in treated)]
    values = [
        (dose, gr_of_rates(well.row.rate_per_h, level))
        for dose, well in doses
        if well.row.rate_per_h is not None
    ]
    return [(dose, gr) for dose, gr in values if gr is not None]
