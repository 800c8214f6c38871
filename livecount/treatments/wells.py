"""Wells as what treatments are judged on: each one value, joined with what it holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from livecount.growth import (
    GrowthRow,
    Identity,
    Interval,
    WellSeries,
    Window,
    joined,
    together,
    wells_of,
)
from livecount.plate import WELL_COLUMNS, Role
from livecount.treatments.spans import FoldChange, fold_changes_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "APART",
    "CELLS",
    "TreatedWell",
    "ends",
    "fold_changes",
    "fold_reasons",
    "in_common",
    "rates",
    "treated_wells",
]

APART: Final = ("experiment", "channel", "z", "analysis_id")
"""What never stands in one comparison."""
CELLS: Final = ("cell_line", "seeding_density")
"""What a control must share with the wells that it is the control of."""
_MOST_NAMES: Final = 3
_UNKNOWN: Final = FoldChange(None)


@dataclass(frozen=True, slots=True, eq=False)
class TreatedWell:
    """One well that holds cells: its growth, and what it holds.

    Attributes
    ----------
    row
        Its row of the growth table.
    contents
        Column of the plate map to value; what is not stated is not in it.
    fold
        How many times its mean field grew over the scans that it shares with the wells of its kin.
    """

    row: GrowthRow
    contents: Mapping[str, Any]
    fold: FoldChange = _UNKNOWN

    @property
    def fold_change(self) -> float | None:
        """How many times its mean field grew, or None."""
        return self.fold.value

    @property
    def apart(self) -> tuple[str | None, ...]:
        """Values of :data:`APART`."""
        return tuple(getattr(self.row, name) for name in APART)

    @property
    def kin(self) -> tuple[Any, ...]:
        """What wells share that may be compared."""
        return (*self.apart, *(self.contents.get(name) for name in CELLS))

    @property
    def is_control(self) -> bool:
        """Whether it is what others are compared with."""
        return self.contents.get("role") == Role.CONTROL

    @property
    def dose(self) -> float | None:
        """Concentration of its first treatment, in the plate map's unit; None where not stated."""
        return self.contents.get("concentration")


def treated_wells(
    counts: pd.DataFrame, growth: Sequence[GrowthRow], window: Window | None = None
) -> list[TreatedWell]:
    """Join the growth of wells with what they hold; blanks, and wells not described, stay out.

    Parameters
    ----------
    counts
        A result of :func:`livecount.tables.count_table`.
    growth
        Its growth table, computed with the same window.
    window
        First and last time, hours; None for all.

    Returns
    -------
    list of TreatedWell
        In plate order; empty without a plate map.
    """
    if counts.empty or "group" not in counts:
        return []
    keys = ["experiment", "plate", "well"]
    told = counts.astype(dict.fromkeys(keys, object)).drop_duplicates(keys).to_dict("records")
    contents = {tuple(_known(row, keys).get(name) for name in keys): row for row in told}
    series = {well.identity: well for well in wells_of(counts)}
    found = []
    for row in growth:
        held = _known(contents.get((row.experiment, row.plate, row.well), {}), WELL_COLUMNS)
        if row.level == "well" and held.get("role") not in (None, Role.BLANK):
            found.append(TreatedWell(row, held))
    return _with_fold_changes(found, series, window)


def _known(row: Mapping[Any, Any], names: Iterable[str]) -> dict[str, Any]:
    kept = {name: row.get(name) for name in names}
    return {name: value for name, value in kept.items() if value is not None and value == value}


def _with_fold_changes(
    wells: Sequence[TreatedWell], series: Mapping[Identity, WellSeries], window: Window | None
) -> list[TreatedWell]:
    """Give each well its fold change over the scans that it shares with its kin."""
    found: dict[Identity, FoldChange] = {}
    for kin in together(wells, lambda well: well.kin):
        known = [well.row.identity for well in kin if well.row.identity in series]
        folds = fold_changes_of([series[identity] for identity in known], window)
        found |= dict(zip(known, folds, strict=True))
    return [replace(well, fold=found.get(well.row.identity, _UNKNOWN)) for well in wells]


def rates(wells: Iterable[TreatedWell]) -> list[float]:
    """Give the growth rates (1/h) of the wells that have one."""
    return [well.row.rate_per_h for well in wells if well.row.rate_per_h is not None]


def fold_changes(wells: Iterable[TreatedWell]) -> list[float]:
    """Give how many times the counts grew, of the wells of which that is known."""
    return [well.fold_change for well in wells if well.fold_change is not None]


def fold_reasons(wells: Iterable[TreatedWell]) -> str:
    """Say of which wells the fold change is unknown or spans less than was seen, and why."""
    told = [well for well in wells if well.fold.reason]
    return joined(
        *(
            f"{_fold_in_words(alike[0].fold)} ({_listed([well.row.well or '' for well in alike])})"
            for alike in together(told, lambda well: _fold_in_words(well.fold))
        )
    )


def _fold_in_words(fold: FoldChange) -> str:
    return f"{'no fold change' if fold.value is None else 'fold change'} {fold.reason}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    return shown if len(names) <= _MOST_NAMES else f"{shown} and {len(names) - _MOST_NAMES} more"


def in_common(wells: Sequence[TreatedWell]) -> dict[str, Any]:
    """Give what all of some wells have in common of what keeps them apart and what they hold."""
    first = wells[0]
    names = [name for name in WELL_COLUMNS if name not in ("group", "passage")]
    common = {
        name: first.contents.get(name)
        for name in names
        if len({well.contents.get(name) for well in wells}) == 1
    }
    return {**dict(zip(APART, first.apart, strict=True)), **common}


def ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    """Write an estimate and its interval as three columns."""
    values = (None,) * 3 if interval is None else (interval.value, interval.low, interval.high)
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
