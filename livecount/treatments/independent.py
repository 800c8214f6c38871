"""The same treatment in independent experiments: n is the number of experiments, not of wells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from livecount.growth import Comparison, compare_paired, doubling_of, joined, spread_of
from livecount.treatments.groups import GROUP_COLUMNS, replicates_in_words, spread_columns
from livecount.treatments.units import in_common_units

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Repeat", "across_experiments"]

_CELLS: Final = ("cell_line", "seeding_density", "z")
_SAME: Final = (
    "group",
    "role",
    *_CELLS,
    "treatment",
    "concentration",
    "concentration_unit",
    "further_treatments",
)
"""What groups of several experiments share that are one group."""
_DOUBLING: Final = ("doubling_time_h", "doubling_time_low_h", "doubling_time_high_h")

_Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Repeat:
    """One independent experiment.

    Attributes
    ----------
    name
        Of the experiment, or of a plate that its user calls independent.
    groups
        Its group table, a result of :func:`livecount.treatments.group_table`.
    counted_by
        Model and threshold, in words; experiments should share them.
    """

    name: str
    groups: pd.DataFrame
    counted_by: str = ""


def across_experiments(repeats: Sequence[Repeat]) -> pd.DataFrame:
    """Put the groups of independent experiments side by side, and combine them.

    Wells are averaged within each experiment first; mean, SD, SEM and t-interval are those of the
    experiments' means. The difference from the control is taken within each experiment, and its
    mean tested by Student's t, with Holm's correction among the groups of the same cells. Doses are
    in the units of the first experiment that gives them.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`GROUP_COLUMNS`: all rows of the experiments, then a row of the level
        "experiments" for each group. With one experiment there is no interval, and it says so.
    """
    import pandas as pd

    rows = in_common_units(
        {**_told(row), "independent_experiment": repeat.name}
        for repeat in repeats
        for row in repeat.groups.to_dict("records")
    )
    counted_by = {repeat.name: repeat.counted_by for repeat in repeats}
    groups: dict[tuple[Any, ...], list[_Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(name) for name in _SAME), []).append(row)
    compared = _compared(list(groups.values()))
    combined = [
        _combined(
            members, comparison, {counted_by[row["independent_experiment"]] for row in members}
        )
        for members, comparison in zip(groups.values(), compared, strict=True)
    ]
    return pd.DataFrame([*rows, *combined], columns=list(GROUP_COLUMNS))


def _told(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {name: None if value != value else value for name, value in row.items()}


def _compared(groups: Sequence[Sequence[_Row]]) -> list[Comparison]:
    """Compare all groups of the same cells at once, for Holm's correction."""
    families: dict[tuple[Any, ...], dict[str, list[float]]] = {}
    for number, members in enumerate(groups):
        if members[0].get("role") != "control":
            family = families.setdefault(tuple(members[0].get(name) for name in _CELLS), {})
            family[str(number)] = _values(members, "rate_difference")
    found = {
        name: one for family in families.values() for name, one in compare_paired(family).items()
    }
    return [found.get(str(number), Comparison()) for number in range(len(groups))]


def _values(members: Sequence[_Row], name: str) -> list[float]:
    return [row[name] for row in members if row.get(name) is not None]


def _combined(
    members: Sequence[_Row], comparison: Comparison, counted_by: set[str]
) -> dict[str, Any]:
    with_rate = [row for row in members if row.get("rate_per_h") is not None]
    rates = spread_of(_values(members, "rate_per_h"))
    gr = spread_of(_values(members, "gr"))
    doubling, reason = _doubling(with_rate, len(members))
    n_wells = int(sum(_values(members, "n_wells")))
    return {
        **{name: members[0].get(name) for name in _SAME},
        "metric": " + ".join(sorted({row["metric"] for row in members})),
        "n_wells": n_wells,
        "n_wells_without_rate": sum(_values(members, "n_wells_without_rate")),
        "start_h": min(_values(members, "start_h"), default=None),
        "end_h": max(_values(members, "end_h"), default=None),
        **spread_columns("rate", rates, "rate_per_h"),
        **doubling,
        "fit": " + ".join(sorted({row["fit"] for row in with_rate if row.get("fit")})) or "none",
        **spread_columns("fold_change", spread_of(_values(members, "fold_change")), "fold_change"),
        "gr": gr.mean,
        "gr_low": gr.low,
        "gr_high": gr.high,
        "rate_difference": comparison.difference,
        "rate_difference_low": comparison.low,
        "rate_difference_high": comparison.high,
        "p_value": comparison.p_value,
        "p_adjusted": comparison.p_adjusted,
        "n_control_wells": sum(_values(members, "n_control_wells")),
        "reason": joined(reason, comparison.reason, _why_not_alike(members, counted_by)),
        "level": "experiments",
        "independent_experiment": "; ".join(row["independent_experiment"] for row in members),
        "n_experiments": len(with_rate),
        "replicates": replicates_in_words(len(with_rate), n_wells),
    }


def _doubling(with_rate: Sequence[_Row], n_experiments: int) -> tuple[dict[str, Any], str]:
    """Judge the mean rate across experiments; one experiment has an estimate and no interval."""
    missing = (
        f"{len(with_rate)} of {n_experiments} experiments gave a rate"
        if len(with_rate) < n_experiments
        else ""
    )
    if not with_rate:
        return {}, "no experiment gave a rate"
    if len(with_rate) == 1:
        reason = joined("one independent experiment has no interval", missing)
        return {"doubling_time_h": with_rate[0].get("doubling_time_h")}, reason
    rates = spread_of(_values(with_rate, "rate_per_h"))
    found = doubling_of(rates, f"{len(with_rate)} independent experiments")
    return {name: getattr(found, name) for name in _DOUBLING}, joined(found.reason, missing)


def _why_not_alike(members: Sequence[_Row], counted_by: set[str]) -> str:
    controlled = _values(members, "rate_difference")
    is_control = members[0].get("role") == "control"
    without = (
        ""
        if is_control or len(controlled) in (0, len(members))
        else (f"{len(controlled)} of {len(members)} experiments have a control")
    )
    differ = "counted by different models or thresholds" if len(counted_by) > 1 else ""
    return joined(without, differ)
