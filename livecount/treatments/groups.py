"""Groups of replicate wells against their controls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from livecount.growth import (
    Comparison,
    GrowthRow,
    Spread,
    compare_with_control,
    gr_of_wells,
    joined,
    spread_of,
    together,
)
from livecount.treatments.wells import (
    APART,
    TreatedWell,
    ends,
    fold_changes,
    fold_reasons,
    in_common,
    rates,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GROUP_COLUMNS", "group_table", "replicates_in_words", "spread_columns"]

GROUP_COLUMNS: Final = (
    *APART,
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
    "level",
    "independent_experiment",
    "n_experiments",
    "replicates",
)
"""Columns of ``export groups``: means over wells with SD, SEM and 95 % intervals across wells; the
difference of rates from the control with Welch's p and Holm's correction; the GR value. Rows of
the level "experiments" have the same across independent experiments."""


def group_table(wells: Sequence[TreatedWell], growth: Sequence[GrowthRow]) -> pd.DataFrame:
    """Summarise each replicate group and compare it with the controls of its cells.

    Parameters
    ----------
    wells
        A result of :func:`treated_wells`.
    growth
        The growth table that they were made of.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`GROUP_COLUMNS`, in plate order; empty where no well has a group. A group that
        holds different cells has no control, and its row says so.
    """
    import pandas as pd

    groups = together([w for w in wells if w.row.group], lambda w: (w.apart, w.row.group))
    compared = _compared(wells, groups)
    combined = {(*_apart(row), row.group): row for row in growth if row.level == "group"}
    rows = [
        _group_row(
            members,
            _controls(wells, members),
            compared.get(number, Comparison()),
            combined.get((*members[0].apart, members[0].row.group)),
        )
        for number, members in enumerate(groups)
    ]
    return pd.DataFrame(rows, columns=list(GROUP_COLUMNS))


def _apart(row: GrowthRow) -> tuple[str | None, ...]:
    return tuple(getattr(row, name) for name in APART)


def _controls(
    wells: Iterable[TreatedWell], members: Sequence[TreatedWell]
) -> list[TreatedWell] | None:
    """Find the controls of a group's cells; None where it holds different cells."""
    kinds = {well.kin for well in members}
    if len(kinds) > 1:
        return None
    return [well for well in wells if well.is_control and well.kin in kinds]


def _compared(
    wells: Sequence[TreatedWell], groups: Sequence[Sequence[TreatedWell]]
) -> dict[int, Comparison]:
    """Compare all groups of the same cells with their controls at once, for Holm's correction."""
    families: dict[Any, dict[str, int]] = {}
    for number, members in enumerate(groups):
        if not any(well.is_control for well in members) and _controls(wells, members) is not None:
            families.setdefault(members[0].kin, {})[str(number)] = number
    found: dict[int, Comparison] = {}
    for numbers in families.values():
        values = {name: rates(groups[number]) for name, number in numbers.items()}
        controls = _controls(wells, groups[next(iter(numbers.values()))]) or []
        compared = compare_with_control(rates(controls), values)
        found |= {numbers[name]: one for name, one in compared.items()}
    return found


def _group_row(
    members: Sequence[TreatedWell],
    controls: Sequence[TreatedWell] | None,
    comparison: Comparison,
    combined: GrowthRow | None,
) -> dict[str, Any]:
    is_control = any(well.is_control for well in members)
    rate, fold = spread_of(rates(members)), spread_of(fold_changes(members))
    reference = rates(controls or [])
    return {
        **in_common(members),
        "group": members[0].row.group,
        "metric": members[0].row.metric,
        "n_wells": rate.n,
        "n_wells_without_rate": len(members) - rate.n,
        "start_h": _extreme(min, (well.row.start_h for well in members)),
        "end_h": _extreme(max, (well.row.end_h for well in members)),
        **spread_columns("rate", rate, "rate_per_h"),
        **{
            name: getattr(combined, name, None)
            for name in ("doubling_time_h", "doubling_time_low_h", "doubling_time_high_h", "fit")
        },
        **spread_columns("fold_change", fold, "fold_change"),
        **ends("gr", None if is_control else gr_of_wells(reference, rates(members))),
        "rate_difference": comparison.difference,
        "rate_difference_low": comparison.low,
        "rate_difference_high": comparison.high,
        "p_value": comparison.p_value,
        "p_adjusted": comparison.p_adjusted,
        "n_control_wells": len(reference),
        "reason": joined(_reasons(controls, comparison, combined), fold_reasons(members)),
        "level": "wells",
        "independent_experiment": members[0].row.experiment,
        "n_experiments": 1,
        "replicates": replicates_in_words(1, rate.n),
    }


def replicates_in_words(n_experiments: int, n_wells: int) -> str:
    """Say what the replicates behind a row are.

    Examples
    --------
    >>> replicates_in_words(1, 4)
    '1 independent experiment, 4 wells are technical replicates'
    >>> replicates_in_words(3, 1)
    '3 independent experiments, 1 well in all'
    """
    experiments = f"{n_experiments} independent experiment" + "s" * (n_experiments != 1)
    if n_wells < 2:
        return f"{experiments}, {n_wells} well" + "s" * (n_wells != 1) + " in all"
    return f"{experiments}, {n_wells} wells are technical replicates"


def _reasons(
    controls: Sequence[TreatedWell] | None, comparison: Comparison, combined: GrowthRow | None
) -> str:
    if controls is None:
        without = "its wells hold different cells, so that no control is theirs"
    else:
        without = "" if controls else "no well of these cells is a control"
    compared = "" if without else comparison.reason
    return joined(combined.reason if combined else "", compared, without)


def spread_columns(name: str, found: Spread, mean: str) -> dict[str, float | None]:
    """Write a spread as five columns, of which ``mean`` names the first."""
    return {
        mean: found.mean,
        f"{name}_sd": found.sd,
        f"{name}_sem": found.sem,
        f"{name}_low": found.low,
        f"{name}_high": found.high,
    }


def _extreme(
    choose: Callable[[Iterable[float]], float], values: Iterable[float | None]
) -> float | None:
    known = [value for value in values if value is not None]
    return choose(known) if known else None
