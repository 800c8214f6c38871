"""Plate maps: which cells, at which passage and density, got which treatment in which well.

A map comes from the user's table (CSV), an Incucyte's ``.PlateMap`` file or the settings, is held
against the wells that appear, and says which wells are replicates of each other. It says nothing of
frames and counts; :mod:`livecount.tables` joins the two.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from livecount.plate.columns import WELL_COLUMNS, add_well_columns
from livecount.plate.concentration import Concentration
from livecount.plate.contents import (
    PlateMap,
    Role,
    Treatment,
    WellContents,
    spell_well,
    wells_in_words,
)
from livecount.plate.incucyte import looks_like_incucyte, read_incucyte
from livecount.plate.sheet import (
    SHEET_COLUMNS,
    contents_of,
    read_sheet,
    sheet_rows,
    template_rows,
)
from livecount.plate.vessels import PLATE_SHAPES, wells_of_plate

__all__ = [
    "PLATE_SHAPES",
    "SHEET_COLUMNS",
    "WELL_COLUMNS",
    "Concentration",
    "PlateMap",
    "Role",
    "Treatment",
    "WellContents",
    "add_well_columns",
    "contents_of",
    "map_of_lines",
    "read_plate_map",
    "sheet_rows",
    "spell_well",
    "template_rows",
    "wells_in_words",
    "wells_of_plate",
]


def map_of_lines(lines: Iterable[Mapping[str, str]], where: str) -> PlateMap:
    """Give the plate map that lines of its table state, as :func:`sheet_rows` writes them.

    Parameters
    ----------
    where
        What the lines are of, for messages.

    Raises
    ------
    PlateMapError
        A line cannot be understood, or the map contradicts itself.
    """
    return PlateMap(tuple(contents_of(line, where) for line in lines))


def read_plate_map(path: Path) -> PlateMap:
    """Read a plate map from a file of either kind.

    Raises
    ------
    PlateMapError
        It cannot be read, or contradicts itself.
    """
    return read_incucyte(path) if looks_like_incucyte(path) else read_sheet(path)
