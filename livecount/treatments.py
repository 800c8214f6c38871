"""What treatments do: groups of replicate wells against their controls, and dose responses.

A well is one value: its growth rate, and how many times its count grew over the window. Its frames
and fields are no replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from livecount.growth import (
    Comparison,
    DoseResponse,
    GrowthRow,
    Interval,
    Spread,
    WellSeries,
    Window,
    compare_with_control,
    fit_dose_response,
    gr_of_rates,
    gr_of_wells,
    spread_of,
    well_curve,
    wells_of,
)
from livecount.plate import WELL_COLUMNS, Role

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DOSE_COLUMNS", "GROUP_COLUMNS", "dose_table", "gr_points", "group_table"]

_CONFIDENCE: Final = 0.95
_APART: Final = ("experiment", "channel", "z", "analysis_id")
_CELLS: Final = ("cell_line", "seeding_density")
"""What a control must share with the wells that it is the control of."""

GROUP_COLUMNS: Final = (
    *_APART,
    "group",
    "role",
    "cell_line",
    "seeding_density",
    "treatment",
    "concentration",
    "concentration_unit",
    "further_treatments",
    "metric",
    "n_wells",
    "n_wells_without_rate",
    "start_h",
    "end_h",
    "rate_per_h",
    "rate_sd",
    "rate_sem",
    "rate_low",
    "rate_high",
    "doubling_time_h",
    "doubling_time_low_h",
    "doubling_time_high_h",
    "fit",
    "fold_change",
    "fold_change_sd",
    "fold_change_sem",
    "fold_change_low",
    "fold_change_high",
    "gr",
    "gr_low",
    "gr_high",
    "rate_difference",
    "rate_difference_low",
    "rate_difference_high",
    "p_value",
    "p_adjusted",
    "n_control_wells",
    "reason",
)
"""Columns of ``export groups``: means over wells with SD, SEM and 95 % intervals across wells; the
difference of rates from the control with Welch's p and Holm's correction; the GR value."""

_OF_SCALE: Final = ("", "_low", "_high")
DOSE_COLUMNS: Final = (
    *_APART,
    *_CELLS,
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


@dataclass(frozen=True, slots=True, eq=False)
class _Well:
    """One well's values and contents."""

    row: GrowthRow
    contents: Mapping[str, Any]
    fold_change: float | None

    @property
    def apart(self) -> tuple[str | None, ...]:
        return tuple(getattr(self.row, name) for name in _APART)

    @property
    def kin(self) -> tuple[Any, ...]:
        """What wells share that may be compared."""
        return (*self.apart, *(self.contents.get(name) for name in _CELLS))

    @property
    def is_control(self) -> bool:
        return self.contents.get("role") == Role.CONTROL


def group_table(
    counts: pd.DataFrame, growth: Sequence[GrowthRow], window: Window | None = None
) -> pd.DataFrame:
    """Summarise each replicate group and compare it with its control.

    Parameters
    ----------
    counts
        A result of :func:`livecount.tables.count_table` of an experiment with a plate map.
    growth
        Its growth table, computed with the same window.
    window
        First and last time, hours; None for all.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`GROUP_COLUMNS`, in plate order; empty where no well has a group.
    """
    import pandas as pd

    wells = _wells(counts, growth, window)
    rows = []
    for kin in _together(wells, lambda well: well.kin):
        controls = [well for well in kin if well.is_control]
        groups = _together([w for w in kin if w.row.group], lambda well: well.row.group)
        compared = compare_with_control(
            _rates(controls),
            {str(g[0].row.group): _rates(g) for g in groups if not g[0].is_control},
        )
        for members in groups:
            comparison = compared.get(str(members[0].row.group))
            rows.append(_group_row(members, controls, comparison, growth))
    return pd.DataFrame(rows, columns=list(GROUP_COLUMNS))


def _group_row(
    members: Sequence[_Well],
    controls: Sequence[_Well],
    comparison: Comparison | None,
    growth: Sequence[GrowthRow],
) -> dict[str, Any]:
    rates = spread_of(_rates(members), _CONFIDENCE)
    folds = spread_of(_folds(members), _CONFIDENCE)
    combined = _combined(members[0], growth)
    gr = None if members[0].is_control else gr_of_wells(_rates(controls), _rates(members))
    said = comparison or Comparison()
    reasons = [
        combined.reason if combined else "",
        said.reason,
        "" if controls else "no well of these cells is a control",
    ]
    return {
        **_shared(members),
        "group": members[0].row.group,
        "metric": members[0].row.metric,
        "n_wells": rates.n,
        "n_wells_without_rate": len(members) - rates.n,
        "start_h": _extreme(min, (well.row.start_h for well in members)),
        "end_h": _extreme(max, (well.row.end_h for well in members)),
        **_spread("rate", rates, "rate_per_h"),
        **{
            name: getattr(combined, name, None)
            for name in ("doubling_time_h", "doubling_time_low_h", "doubling_time_high_h", "fit")
        },
        **_spread("fold_change", folds, "fold_change"),
        **_ends("gr", gr),
        "rate_difference": said.difference,
        "rate_difference_low": said.low,
        "rate_difference_high": said.high,
        "p_value": said.p_value,
        "p_adjusted": said.p_adjusted,
        "n_control_wells": len(_rates(controls)),
        "reason": "; ".join(dict.fromkeys(reason for reason in reasons if reason)),
    }


def dose_table(
    counts: pd.DataFrame, growth: Sequence[GrowthRow], window: Window | None = None
) -> pd.DataFrame:
    """Fit the dose response of each treatment of each kind of cells.

    Parameters
    ----------
    counts, growth, window
        As for :func:`group_table`.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`DOSE_COLUMNS`; where something cannot be computed, the reason says why.
    """
    import pandas as pd

    found = _dosed(_wells(counts, growth, window))
    rows = [_dose_row(series, controls) for series, controls in found]
    return pd.DataFrame(rows, columns=list(DOSE_COLUMNS))


def gr_points(
    counts: pd.DataFrame, growth: Sequence[GrowthRow], window: Window | None = None
) -> list[list[tuple[float, float]]]:
    """Give the wells behind each row of :func:`dose_table` as (dose, GR value), controls at 0.

    Parameters
    ----------
    counts, growth, window
        As for :func:`group_table`.
    """
    return [
        _points(series, controls) for series, controls in _dosed(_wells(counts, growth, window))
    ]


def _points(series: Sequence[_Well], controls: Sequence[_Well]) -> list[tuple[float, float]]:
    rates = _rates(controls)
    level = sum(rates) / len(rates) if rates else 0.0
    doses = [(0.0, well) for well in controls]
    doses += [(float(well.contents["concentration"]), well) for well in series]
    values = [(dose, gr_of_rates(rate, level)) for dose, well in doses
              if (rate := _rate(well)) is not None]  # fmt: skip
    return [(dose, gr) for dose, gr in values if gr is not None]


def _dosed(wells: Sequence[_Well]) -> list[tuple[list[_Well], list[_Well]]]:
    """Give the wells of each treatment of each kind of cells, with their controls."""
    found = []
    for kin in _together(wells, lambda well: well.kin):
        controls = [well for well in kin if well.is_control]
        dosed = [w for w in kin if not w.is_control and w.contents.get("concentration") is not None]
        found += [(series, controls) for series in _together(dosed, _what_was_given)]
    return found


def _what_was_given(well: _Well) -> tuple[Any, ...]:
    return tuple(well.contents.get(name) for name in ("treatment", "further_treatments"))


def _dose_row(series: Sequence[_Well], controls: Sequence[_Well]) -> dict[str, Any]:
    doses = [float(well.contents["concentration"]) for well in series]
    positive = [dose for dose in doses if dose > 0]
    untreated = [*controls, *(w for w, dose in zip(series, doses, strict=True) if dose == 0)]
    treated = [w for w, dose in zip(series, doses, strict=True) if dose > 0]
    highest = max(positive, default=None)
    at_highest = [w for w, dose in zip(series, doses, strict=True) if dose == highest]
    gr, ic = (
        _response(untreated, treated, value_of, scale)
        for value_of, scale in ((_rate, "rate"), (_fold, "count"))
    )
    return {
        **_shared(series),
        "n_wells": len(series),
        "n_control_wells": len(controls),
        "n_doses": len(set(positive)),
        "lowest_dose": min(positive, default=None),
        "highest_dose": highest,
        **_ends("gr50", gr.half_dose),
        **_ends("gr_inf", gr.at_infinity),
        **_ends("gr_max", gr_of_wells(_rates(untreated), _rates(at_highest))),
        "gec50": gr.middle_dose,
        "gr_hill": gr.hill,
        "gr_p_value": gr.p_value,
        "gr_reason": gr.reason,
        **_ends("ic50", ic.half_dose),
        **_ends("e_inf", ic.at_infinity),
        "ec50": ic.middle_dose,
        "ic_hill": ic.hill,
        "ic_p_value": ic.p_value,
        "ic_reason": ic.reason,
    }


def _response(
    untreated: Sequence[_Well],
    treated: Sequence[_Well],
    value_of: Callable[[_Well], float | None],
    scale: Any,
) -> DoseResponse:
    points = [
        *((0.0, value_of(well)) for well in untreated),
        *((float(well.contents["concentration"]), value_of(well)) for well in treated),
    ]
    known = [(dose, value) for dose, value in points if value is not None]
    return fit_dose_response([dose for dose, _ in known], [value for _, value in known], scale)


def _wells(counts: pd.DataFrame, growth: Sequence[GrowthRow], window: Window | None) -> list[_Well]:
    """Join the growth rows of wells with what the wells hold; wells that hold blanks stay out."""
    if counts.empty or "group" not in counts:
        return []
    told = counts.drop_duplicates(["experiment", "plate", "well"])
    contents = {
        (row["experiment"], _text(row["plate"]), _text(row["well"])): _known(row)
        for row in told.to_dict("records")
    }
    series = {_identity(well): well for well in wells_of(counts)}
    found = []
    for row in growth:
        if row.level != "well":
            continue
        held = contents.get((row.experiment, row.plate, row.well), {})
        if held.get("role") not in (None, Role.BLANK):
            found.append(_Well(row, held, _fold_change(series.get(_identity(row)), window)))
    return found


def _known(row: Mapping[Any, Any]) -> dict[str, Any]:
    kept = {name: row.get(name) for name in WELL_COLUMNS}
    return {name: value for name, value in kept.items() if value is not None and value == value}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _identity(item: GrowthRow | WellSeries) -> tuple[str | None, ...]:
    return (item.experiment, item.plate, item.well, item.channel, item.z, item.analysis_id)


def _fold_change(well: WellSeries | None, window: Window | None) -> float | None:
    """Tell how many times a well's mean field grew from the first to the last visit."""
    if well is None:
        return None
    curve = well_curve([field.usable(window) for field in well.used])
    if len(curve.values) < 2 or curve.values[0] <= 0:
        return None
    return float(curve.values[-1] / curve.values[0])


def _rate(well: _Well) -> float | None:
    return well.row.rate_per_h


def _fold(well: _Well) -> float | None:
    return well.fold_change


def _rates(wells: Iterable[_Well]) -> list[float]:
    return [rate for rate in map(_rate, wells) if rate is not None]


def _folds(wells: Iterable[_Well]) -> list[float]:
    return [fold for fold in map(_fold, wells) if fold is not None]


def _combined(well: _Well, growth: Sequence[GrowthRow]) -> GrowthRow | None:
    for row in growth:
        same = tuple(getattr(row, name) for name in _APART) == well.apart
        if row.level == "group" and row.group == well.row.group and same:
            return row
    return None


def _shared(wells: Sequence[_Well]) -> dict[str, Any]:
    """Give what all of some wells have in common; empty where they differ."""
    first = wells[0]
    names = [name for name in WELL_COLUMNS if name not in ("group", "passage")]
    common = {
        name: first.contents.get(name)
        for name in names
        if len({well.contents.get(name) for well in wells}) == 1
    }
    return {**dict(zip(_APART, first.apart, strict=True)), **common}


def _spread(name: str, found: Spread, mean: str) -> dict[str, float | None]:
    return {
        mean: found.mean,
        f"{name}_sd": found.sd,
        f"{name}_sem": found.sem,
        f"{name}_low": found.low,
        f"{name}_high": found.high,
    }


def _ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    values = (None,) * 3 if interval is None else (interval.value, interval.low, interval.high)
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))


def _extreme(
    choose: Callable[[Iterable[float]], float], values: Iterable[float | None]
) -> float | None:
    known = [value for value in values if value is not None]
    return choose(known) if known else None


def _together(items: Sequence[_Well], key: Callable[[_Well], Any]) -> list[list[_Well]]:
    gathered: dict[Any, list[_Well]] = {}
    for item in items:
        gathered.setdefault(key(item), []).append(item)
    return list(gathered.values())
