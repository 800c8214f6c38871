"""The plate map as a table: one line a well, as people keep it in a spreadsheet."""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from livecount.errors import PlateMapError
from livecount.plate.concentration import Concentration
from livecount.plate.contents import PlateMap, Role, Treatment, WellContents, spell_well

__all__ = ["SHEET_COLUMNS", "contents_of", "parse_sheet", "sheet_rows", "template_rows"]

SHEET_COLUMNS: Final = (
    "plate",
    "well",
    "role",
    "cell_line",
    "passage",
    "seeding_density",
    "treatment",
    "concentration",
    "concentration_unit",
    "group",
)
"""Columns of the table; a second treatment of a well goes into ``treatment_2`` and so on."""

_TREATMENT: Final = ("treatment", "concentration", "concentration_unit")
_NUMBERED = re.compile(r"(treatment|concentration|concentration_unit)_([2-9])")
_DELIMITERS: Final = (",", ";", "\t")
_THOUSANDS: Final = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_AMBIGUOUS: Final = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
"""A decimal comma, or one between thousands: a factor of a thousand in a dose."""
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d+")
_THOUSANDS_POINT: Final = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+")


def parse_sheet(raw: bytes) -> list[WellContents]:
    """Understand a table of wells in CSV, as a spreadsheet saves it.

    Comma, semicolon or tab between the columns. Where a comma separates, one in a number stands
    between thousands; elsewhere it is a decimal comma, and what may be either is refused; so is a
    point that may stand between thousands beside decimal commas. UTF-8 or Windows' own encoding.
    Lines without anything but the well are wells of which nothing is said, and are left out.

    Raises
    ------
    PlateMapError
        It is no table, a column is unknown, a line has more cells than columns, or a well or number
        cannot be understood; the message names the line.
    """
    if b"\0" in raw:
        raise PlateMapError("it is no table of wells", hint="Save the plate map as CSV (UTF-8)")
    text = _decoded(raw)
    delimiter = _delimiter(text)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = [(lines.line_num, row) for row in lines if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise PlateMapError(
            f"line {lines.line_num} is not CSV: {error}",
            hint="Save the table as CSV from your spreadsheet",
        ) from error
    if not rows:
        raise PlateMapError("it is empty", hint="Write one with `livecount plate template`")
    columns = _columns(rows[0][1])
    numbered = [(line, _cells(row, columns, delimiter, f"line {line}")) for line, row in rows[1:]]
    _refuse_mixed_points(numbered)
    wells = []
    for line, cells in numbered:
        if any(value for name, value in cells.items() if name not in ("plate", "well")):
            wells.append(contents_of(cells, f"line {line}"))
    return wells


def _cells(
    row: Sequence[str], columns: Sequence[str], delimiter: str, where: str
) -> dict[str, str]:
    """Give the cells of a line by column, numbers with a decimal point."""
    given = [_unguarded(cell) for cell in row]
    cells = dict(zip(columns, given, strict=False))
    quoted = "Write decimal points, or quotes around what holds the sign that separates columns"
    if any(given[len(columns) :]):
        raise PlateMapError(f"{where} has more cells than there are columns", hint=quoted)
    for name, cell in cells.items():
        kind = _kind(name)
        # A decimal comma that was taken for one between columns leaves its digits here.
        if kind == "concentration_unit" and _float_or_none(cell) is not None:
            raise PlateMapError(f"{where} has the number {cell} as a unit", hint=quoted)
        if kind == "concentration":
            cells[name] = _with_point(cell, delimiter, where)
    return cells


def _kind(column: str) -> str:
    """Name the column without the number of the treatment."""
    return column.rstrip("_23456789")


def _refuse_mixed_points(numbered: Iterable[tuple[int, Mapping[str, str]]]) -> None:
    """Refuse a point that may stand between thousands where another number has a decimal comma."""
    doses = [
        (line, cell)
        for line, cells in numbered
        for name, cell in cells.items()
        if _kind(name) == "concentration"
    ]
    comma = next((dose for dose in doses if _DECIMAL_COMMA.fullmatch(dose[1])), None)
    point = next((dose for dose in doses if _THOUSANDS_POINT.fullmatch(dose[1])), None)
    if comma and point:
        raise PlateMapError(
            f"line {point[0]}: {point[1]!r} may be {point[1].replace('.', '')}, as {comma[1]!r} in "
            f"line {comma[0]} has a decimal comma",
            hint="Write all numbers with decimal points and nothing between thousands",
        )


def _with_point(cell: str, delimiter: str, where: str) -> str:
    """Write a number with a decimal point and nothing between thousands; else leave it."""
    if delimiter == ",":
        if _THOUSANDS.fullmatch(cell):
            return cell.replace(",", "")
        if "," in cell:
            raise PlateMapError(
                f"{where}: {cell!r} is no number", hint="Write it with a decimal point, as in 0.5"
            )
    elif _AMBIGUOUS.fullmatch(cell):
        raise PlateMapError(
            f"{where}: {cell!r} may be {cell.replace(',', '.')} or {cell.replace(',', '')}",
            hint="Write the one that you mean, as it stands here",
        )
    return cell


def _unguarded(cell: str) -> str:
    """Take off the apostrophe that our own CSV has before what spreadsheets take for formulas."""
    plain = cell.strip()
    return plain[1:] if re.match("'[=+\\-@]", plain) else plain


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _delimiter(text: str) -> str:
    header = text.lstrip().partition("\n")[0]
    return max(_DELIMITERS, key=header.count)


def _columns(header: Iterable[str]) -> list[str]:
    names = ["_".join(name.split()).casefold() for name in header]
    while names and not names[-1]:
        names.pop()
    for name in names:
        if name not in SHEET_COLUMNS and not _NUMBERED.fullmatch(name):
            near = difflib.get_close_matches(name, SHEET_COLUMNS, 1)
            hint = f"Call it {near[0]}" if near else f"Use {', '.join(SHEET_COLUMNS)}"
            raise PlateMapError(f"it has a column {name!r} that is not known", hint=hint)
        if names.count(name) > 1:
            raise PlateMapError(
                f"it has two columns {name!r}",
                hint="Call the columns of a second treatment treatment_2, concentration_2, "
                "concentration_unit_2",
            )
    if "well" not in names:
        raise PlateMapError("it has no column 'well'", hint="Its first line must name the columns")
    return names


def contents_of(cells: Mapping[str, str], where: str) -> WellContents:
    """Understand one line of the table.

    Parameters
    ----------
    cells
        Column name to text; absent and "" are "not stated".
    where
        The line, for messages.

    Raises
    ------
    PlateMapError
        The well is missing, or a role or number cannot be understood.
    """
    well = spell_well(cells.get("well", ""))
    if not well:
        raise PlateMapError(f"{where} names no well", hint="Write A1, B2 ... or the dish's name")
    role = cells.get("role", "").casefold() or Role.SAMPLE
    if role not in tuple(Role):
        near = difflib.get_close_matches(role, tuple(Role), 1) or [", ".join(Role)]
        raise PlateMapError(f"{where}: {role!r} is no role of a well", hint=f"Write {near[0]}")
    return WellContents(
        well=well,
        plate=cells.get("plate") or None,
        cell_line=cells.get("cell_line", ""),
        passage=cells.get("passage", ""),
        seeding_density=cells.get("seeding_density", ""),
        treatments=_treatments(cells, where),
        stated_group=cells.get("group", ""),
        role=Role(role),
    )


def _treatments(cells: Mapping[str, str], where: str) -> tuple[Treatment, ...]:
    found: dict[str, Treatment] = {}
    for suffix in ("", *(f"_{number}" for number in range(2, 10))):
        name, value, unit = (cells.get(f"{column}{suffix}", "") for column in _TREATMENT)
        if not name:
            if value and _float_or_none(value) != 0:
                raise PlateMapError(
                    f"{where} gives a concentration of {value} {unit} of nothing",
                    hint=f"Name what it is of in treatment{suffix}, or clear it",
                )
            continue
        if name.casefold() in found:
            raise PlateMapError(
                f"{where} names {name} twice", hint="Give each treatment of a well once"
            )
        found[name.casefold()] = Treatment(name, _concentration(value, unit, where))
    return tuple(found.values())


def _concentration(value: str, unit: str, where: str) -> Concentration | None:
    if not value:
        return None
    number = _float_or_none(value)
    try:
        if number is None:
            raise ValueError(f"{value!r} is no number")
        return Concentration(number, unit)
    except ValueError as error:
        raise PlateMapError(
            f"{where}: {error}", hint="Write the number alone; its unit goes beside it"
        ) from error


def _float_or_none(text: str) -> float | None:
    """Read a number with a decimal point or comma; None where it is none.

    Examples
    --------
    >>> _float_or_none("0,5"), _float_or_none("1e-3"), _float_or_none("5 uM")
    (0.5, 0.001, None)
    """
    if _AMBIGUOUS.fullmatch(text):
        return None
    try:
        return float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    except ValueError:
        return None


def sheet_rows(plate_map: PlateMap) -> list[dict[str, str]]:
    """Give a plate map as lines of the table, column name to text, all with the same columns."""
    most = max((len(each.treatments) for each in plate_map.wells), default=1)
    return [_row(each, max(most, 1)) for each in plate_map.wells]


def _row(contents: WellContents, n_treatments: int) -> dict[str, str]:
    row = {
        "plate": contents.plate or "",
        "well": contents.well,
        "role": str(contents.role),
        "cell_line": contents.cell_line,
        "passage": contents.passage,
        "seeding_density": contents.seeding_density,
    }
    for number in range(n_treatments):
        suffix = f"_{number + 1}" if number else ""
        treatment = contents.treatments[number] if number < len(contents.treatments) else None
        given = treatment and treatment.concentration
        row[f"treatment{suffix}"] = treatment.name if treatment else ""
        row[f"concentration{suffix}"] = _number(given.value) if given else ""
        row[f"concentration_unit{suffix}"] = given.unit if given else ""
    return {**row, "group": contents.stated_group}


def _number(value: float) -> str:
    """Write a number so that it is read back as it was."""
    return str(int(value)) if value.is_integer() and value < 1e15 else repr(value)


def template_rows(wells: Iterable[str]) -> list[dict[str, str]]:
    """Give an empty table with one line for each of these wells, for the user to fill in."""
    return [{name: well if name == "well" else "" for name in SHEET_COLUMNS} for well in wells]
