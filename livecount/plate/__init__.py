"""Plate maps: which cells, at which passage and density, got which treatment in which well.

A map comes from the user's table (CSV), an Incucyte's ``.PlateMap`` file or the settings, is held
against the wells that appear, and says which wells are replicates of each other. It says nothing of
frames and counts; :mod:`livecount.tables` joins the two.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from livecount.errors import PlateMapError
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
from livecount.plate.incucyte import looks_like_xml, parse_incucyte
from livecount.plate.sheet import (
    SHEET_COLUMNS,
    contents_of,
    parse_sheet,
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

_LARGEST_BYTES: Final = 10_000_000


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
    """Read a plate map from a file: a table in CSV, or what an Incucyte exports.

    Raises
    ------
    PlateMapError
        It cannot be read, or contradicts itself; the message names the file and the line.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise PlateMapError(
            f"{path} cannot be read: {error.strerror or error}", hint="Name the plate map's file"
        ) from error
    try:
        if len(raw) > _LARGEST_BYTES:
            raise PlateMapError("it is too large", hint="Name the plate map's file")
        return PlateMap(tuple(parse_incucyte(raw) if looks_like_xml(raw) else parse_sheet(raw)))
    except PlateMapError as error:
        raise PlateMapError(f"{path}: {error.message}", hint=error.hint) from error
