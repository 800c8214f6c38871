"""The plate map that an Incucyte exports (``.PlateMap``, XML)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from xml.etree import ElementTree

from livecount.errors import PlateMapError
from livecount.plate.contents import WellContents
from livecount.plate.sheet import contents_of
from livecount.readers.wells import well_from_numbers

__all__ = ["looks_like_xml", "parse_incucyte"]

_CELLS: Final = "CellType"
_SOWN: Final = ("cell_line", "passage", "seeding_density")
_EXPORT: Final = "Export the plate map from the Incucyte's plate map editor, or give a CSV"


def looks_like_xml(raw: bytes) -> bool:
    """Tell whether a file begins as XML, whatever it is called."""
    return raw[:256].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def parse_incucyte(raw: bytes) -> list[WellContents]:
    """Understand an Incucyte's plate map: compounds, cell types and growth conditions of wells.

    Several cell types of a well are a co-culture: "A549 + HeLa", their passages and densities in
    the same order, "?" where one is not stated. A growth condition is a treatment without a
    concentration. What a well is for is not in these files: a well of nothing is left out, and
    controls have to be named in a table (``livecount plate show -o`` writes one).

    Raises
    ------
    PlateMapError
        It is no plate map of an Incucyte, or damaged.
    """
    # A plate map defines no entities; a file that does may be made to fill the memory.
    if b"<!ENTITY" in raw or b"<!DOCTYPE" in raw:
        raise PlateMapError("it is no plate map of an Incucyte", hint=_EXPORT)
    try:
        root = ElementTree.fromstring(raw)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise PlateMapError(f"it is damaged: {error}", hint=_EXPORT) from error
    if root.tag != "plateMap" or root.find(".//well") is None:
        raise PlateMapError("it is no plate map of an Incucyte", hint=_EXPORT)
    found = (_contents(each, f"well {number}") for number, each in enumerate(root.iter("well"), 1))
    return [contents for contents in found if contents is not None]


def _contents(element: ElementTree.Element, where: str) -> WellContents | None:
    row, column = (element.get(name, "") for name in ("row", "col"))
    well = None
    if row.isdecimal() and column.isdecimal():
        well = well_from_numbers(int(row) + 1, int(column) + 1)
    if well is None:
        raise PlateMapError(
            f"{where} lies in row {row or 'none'}, column {column or 'none'}",
            hint=_EXPORT,
        )
    items = list(element.iter("wellItem"))
    cells = {"well": well, **_cells_of(items)}
    suffixes = iter(("", *(f"_{number}" for number in range(2, 10))))
    for item in items:
        name = _name(item)
        if item.get("type", "") != _CELLS and name:
            cells |= _treatment(item, name, suffixes, where)
    return contents_of(cells, f"{where} ({well})") if len(cells) > 1 else None


def _cells_of(items: Sequence[ElementTree.Element]) -> dict[str, str]:
    """Give the cells that were sown: those of a co-culture by name, with " + " in between."""
    sown = sorted(
        (_name(item), item.get("passage", "").strip(), _seeding(item))
        for item in items
        if item.get("type", "") == _CELLS
    )
    columns = zip(*sown, strict=True)
    return {
        column: " + ".join(value or "?" for value in values) if any(values) else ""
        for column, values in zip(_SOWN, columns, strict=False)
    }


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
