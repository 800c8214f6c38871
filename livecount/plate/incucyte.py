"""The plate map that an Incucyte exports (``.PlateMap``, XML)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from livecount.errors import PlateMapError
from livecount.plate.contents import PlateMap, WellContents
from livecount.plate.sheet import contents_of
from livecount.readers.wells import well_from_numbers

__all__ = ["looks_like_incucyte", "read_incucyte"]

_LARGEST_BYTES: Final = 10_000_000


def looks_like_incucyte(path: Path) -> bool:
    """Tell whether a file begins as XML, whatever it is called."""
    try:
        with path.open("rb") as file:
            return file.read(256).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    except OSError:
        return False


def read_incucyte(path: Path) -> PlateMap:
    """Read an Incucyte's plate map: compounds, cell types and growth conditions of each well.

    A growth condition is a treatment without a concentration. What a well is for is not in these
    files: a well of nothing is left out, and controls have to be named in livecount.

    Raises
    ------
    PlateMapError
        The file is no plate map of an Incucyte, or it contradicts itself.
    """
    root = _root(path)
    wells = []
    for number, element in enumerate(root.iter("well"), 1):
        contents = _contents(element, f"{path}, well {number}")
        if contents is not None:
            wells.append(contents)
    if root.tag != "plateMap" or root.find(".//well") is None:
        raise PlateMapError(
            f"{path} is no plate map of an Incucyte",
            hint="Export the plate map from the Incucyte's plate map editor, or give a CSV",
        )
    try:
        return PlateMap(tuple(wells))
    except PlateMapError as error:
        raise PlateMapError(f"{path}: {error.message}", hint=error.hint) from error


def _root(path: Path) -> ElementTree.Element:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise PlateMapError(
            f"{path} cannot be read: {error.strerror or error}", hint="Name the plate map's file"
        ) from error
    # A plate map defines no entities; a file that does may be made to fill the memory.
    if len(raw) > _LARGEST_BYTES or b"<!ENTITY" in raw or b"<!DOCTYPE" in raw:
        raise PlateMapError(f"{path} is no plate map of an Incucyte", hint="Export it again")
    try:
        return ElementTree.fromstring(raw)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise PlateMapError(
            f"{path} is damaged: {error}", hint="Export the plate map again"
        ) from error


def _contents(element: ElementTree.Element, where: str) -> WellContents | None:
    row, column = (element.get(name, "") for name in ("row", "col"))
    well = None
    if row.isdecimal() and column.isdecimal():
        well = well_from_numbers(int(row) + 1, int(column) + 1)
    if well is None:
        raise PlateMapError(
            f"{where} lies in row {row or 'none'}, column {column or 'none'}",
            hint="Export the plate map again",
        )
    cells = {"well": well}
    suffixes = iter(("", *(f"_{number}" for number in range(2, 10))))
    for item in element.iter("wellItem"):
        kind, name = item.get("type", ""), _name(item)
        if kind == "CellType":
            cells |= {"cell_line": name, "passage": item.get("passage", "")}
            cells["seeding_density"] = _seeding(item)
        elif name:
            cells |= _treatment(item, name, suffixes, where)
    return contents_of(cells, f"{where} ({well})") if len(cells) > 1 else None


def _name(item: ElementTree.Element) -> str:
    reference = item.find("referenceItem")
    if reference is None:
        return ""
    return (reference.get("displayName") or reference.get("description") or "").strip()


def _seeding(item: ElementTree.Element) -> str:
    density = item.get("seedingDensity", "").strip()
    return f"{density} {item.get('seedingDensityUnits', '').strip()}".strip() if density else ""


def _treatment(
    item: ElementTree.Element, name: str, suffixes: Iterator[str], where: str
) -> dict[str, str]:
    suffix = next(suffixes, None)
    if suffix is None:
        raise PlateMapError(f"{where} holds more than nine treatments", hint="Give a CSV instead")
    return {
        f"treatment{suffix}": name,
        f"concentration{suffix}": item.get("concentration", "").strip(),
        f"concentration_unit{suffix}": item.get("concentrationUnits", "").strip(),
    }
