"""What the plate map says, as columns beside the counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from livecount.plate.contents import PlateMap, WellContents

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["WELL_COLUMNS", "add_well_columns"]

WELL_COLUMNS: Final = (
    "group",
    "role",
    "cell_line",
    "passage",
    "seeding_density",
    "treatment",
    "concentration",
    "concentration_unit",
    "further_treatments",
)
"""Columns that :func:`add_well_columns` adds; ``further_treatments`` in words, " + " between."""


def add_well_columns(table: pd.DataFrame, plate_map: PlateMap) -> None:
    """Add to each frame what its well holds; wells of which nobody said anything stay empty.

    Parameters
    ----------
    table
        With the columns ``plate`` and ``well``; changed in place.
    """
    import pandas as pd

    places = [tuple(map(_text, place)) for place in zip(table["plate"], table["well"], strict=True)]
    told = {place: _columns_of(plate_map.of(*place)) for place in set(places)}
    for name in WELL_COLUMNS:
        values = [told[place].get(name) for place in places]
        kind = float if name == "concentration" else object
        table[name] = pd.Series(values, table.index, dtype=kind)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _columns_of(contents: WellContents | None) -> dict[str, Any]:
    if contents is None:
        return {}
    first, *further = [*contents.treatments, None]
    given = first and first.concentration
    return {
        "group": contents.group,
        "role": str(contents.role),
        "cell_line": contents.cell_line or None,
        "passage": contents.passage or None,
        "seeding_density": contents.seeding_density or None,
        "treatment": first and first.name,
        "concentration": given and given.value,
        "concentration_unit": (given and given.unit) or None,
        "further_treatments": " + ".join(str(each) for each in further if each) or None,
    }
