"""What people exclude of an experiment's counts, and the list of everything that is not used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from livecount.errors import AmbiguousPlaceError
from livecount.storage import Exclusion
from livecount.time_axis import hours_from, hours_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "EXCLUSION_COLUMNS",
    "describe_exclusion",
    "exclude_as_said",
    "exclusion_table",
    "insist_on_one_plate",
    "name_rules",
    "plates_of",
]

EXCLUSION_COLUMNS: Final = (
    "experiment",
    "plate",
    "well",
    "field",
    "position",
    "time_point",
    "channel",
    "z",
    "acquired_at",
    "elapsed_h",
    "count",
    "excluded",
    "excluded_by",
    "excluded_at",
    "source",
    "page",
    "analysis_id",
)
"""Columns of ``export exclusions``; ``excluded_by`` is a person, or "rule" for livecount's own."""

_RULE: Final = "rule"
_NO_NAME: Final = "one without a name"
_SAME_TIME_H: Final = 1e-6
"""Less than a hundredth of a second: what a date and hours differ by in the last digit."""


def exclude_as_said(table: pd.DataFrame, exclusions: Sequence[Exclusion]) -> None:
    """Mark the counts that people do not want to be used, each with the first that speaks of it.

    Parameters
    ----------
    table
        Counts with their places, ``elapsed_h``, ``acquired_at`` and ``excluded`` ("" where used);
        its index is the frame's id. Changed in place; ``excluded_by`` and ``excluded_at`` stay
        empty where a rule had excluded the count before.
    exclusions
        All of the experiment; withdrawn ones mean nothing.
    """
    import pandas as pd

    table["excluded_by"] = pd.Series(None, table.index, dtype=object)
    table["excluded_at"] = pd.Series(pd.NaT, table.index, dtype="datetime64[ns, UTC]")
    for exclusion in exclusions:
        if exclusion.withdrawn is not None:
            continue
        met = _met_by(table, exclusion) & (table["excluded"] == "")
        table.loc[met, "excluded"] = exclusion.reason
        table.loc[met, "excluded_by"] = exclusion.said.made_by
        table.loc[met, "excluded_at"] = pd.Timestamp(exclusion.said.made_at)


def name_rules(table: pd.DataFrame) -> None:
    """Say that a rule excluded what no person did; changed in place."""
    by_rule = (table["excluded"] != "") & table["excluded_by"].isna()
    table.loc[by_rule, "excluded_by"] = _RULE


def _met_by(table: pd.DataFrame, exclusion: Exclusion) -> pd.Series:
    import pandas as pd

    if exclusion.frame_id is not None:
        return pd.Series(table.index == exclusion.frame_id, table.index)
    met = pd.Series(True, table.index)
    for name in ("plate", "well"):
        wanted = getattr(exclusion, name)
        if wanted is not None:
            met &= table[name] == wanted
    if exclusion.field is not None:
        met &= (table["field"] == exclusion.field) | (table["position"] == exclusion.field)
    if exclusion.start is not None:
        met &= table["elapsed_h"] >= hours_of(table, exclusion.start) - _SAME_TIME_H
    if exclusion.end is not None:
        met &= table["elapsed_h"] <= hours_of(table, exclusion.end) + _SAME_TIME_H
    return met


def plates_of(table: pd.DataFrame, wells: Sequence[str]) -> list[str]:
    """Name the plates that have frames of these wells; "without a name" is one of them."""
    if table.empty:
        return []
    plates = table.loc[table["well"].isin(list(wells)), "plate"]
    return sorted({plate if isinstance(plate, str) else _NO_NAME for plate in plates})


def insist_on_one_plate(table: pd.DataFrame, exclusion: Exclusion) -> None:
    """Refuse a well that is on several plates: who means one of them would lose the others too.

    Parameters
    ----------
    table
        Counts with their places.

    Raises
    ------
    AmbiguousPlaceError
        A well is named that several plates have, and no plate; names them.
    """
    if exclusion.well is None or exclusion.plate is not None:
        return
    plates = plates_of(table, [exclusion.well])
    if len(plates) > 1:
        raise AmbiguousPlaceError(
            f"Well {exclusion.well} is on several plates: {', '.join(plates)}",
            hint="Name the plate too (--plate), for each that is meant",
        )


def exclusion_table(counts: pd.DataFrame) -> pd.DataFrame:
    """List the counts that are not used, with the reason and who or what rule says so.

    Parameters
    ----------
    counts
        A result of :func:`livecount.tables.count_table`.
    """
    return counts.loc[counts["excluded"] != "", list(EXCLUSION_COLUMNS)]


def describe_exclusion(exclusion: Exclusion, zero: datetime | None = None) -> str:
    """Say in words which counts an exclusion speaks of.

    Parameters
    ----------
    zero
        The date of hour 0 as it is now: times that are kept with their date are said from there,
        as they are applied. None where the clock has no dates.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from livecount.storage import Instant, Said
    >>> said = Said("Ada", datetime(2026, 11, 28, tzinfo=UTC))
    >>> describe_exclusion(Exclusion("bubble", said, well="B2", start=Instant(12.0)))
    'well B2, from 12 h on'
    """
    if exclusion.frame_id is not None:
        return f"frame {exclusion.frame_id}"
    places = [
        f"{name} {getattr(exclusion, name)}"
        for name in ("plate", "well", "field")
        if getattr(exclusion, name) is not None
    ]
    start_h, end_h = (
        None if instant is None else hours_from(zero, instant)
        for instant in (exclusion.start, exclusion.end)
    )
    if start_h is not None and end_h is not None:
        places.append(f"{start_h:g} to {end_h:g} h")
    elif start_h is not None:
        places.append(f"from {start_h:g} h on")
    elif end_h is not None:
        places.append(f"up to {end_h:g} h")
    return ", ".join(places) or "everything"
