"""Cell centres in CSV files: livecount's own, and what people click in Fiji or napari.

Which program wrote a file is told by its header:

- livecount: ``y_px,x_px``; the middle of the first pixel is 0, 0.
- Fiji, the multi-point tool's measurements: ``X,Y``; its corner is 0, 0.
- napari, a points layer: ``axis-0,axis-1`` (y, x); its middle is 0, 0.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from livecount.errors import AnnotationError

__all__ = [
    "FIJI",
    "LIVECOUNT",
    "NAPARI",
    "SHEET_NAME",
    "CentresForm",
    "read_centres",
    "read_numbered_centres",
    "read_text",
    "refuse_outside",
    "unreadable",
]


@dataclass(frozen=True, slots=True)
class CentresForm:
    """The columns of one program.

    Attributes
    ----------
    y_column, x_column
        Names in the header, exactly as written.
    origin_px
        What the middle of the first pixel is called in it.
    """

    y_column: str
    x_column: str
    origin_px: float = 0.0


LIVECOUNT: Final = CentresForm("y_px", "x_px")
FIJI: Final = CentresForm("Y", "X", origin_px=0.5)
NAPARI: Final = CentresForm("axis-0", "axis-1")

SHEET_NAME: Final = "fields.csv"
"""Lies beside copies of frames that a person clicks, and says which frames they are."""

_THIRD_AXIS: Final = "axis-2"


def read_centres(
    path: Path, forms: Sequence[CentresForm] = (LIVECOUNT,)
) -> npt.NDArray[np.float64]:
    """Read cell centres from a CSV file.

    Parameters
    ----------
    path
        UTF-8; other columns and empty lines are ignored, a header alone means no cells.
    forms
        Columns that are understood; the first whose both columns are there is taken.

    Returns
    -------
    numpy.ndarray
        Shape (n, 2) as (y, x), float64, in pixels (pixel centres are integers).

    Raises
    ------
    AnnotationError
        If the file cannot be read, lacks a column, or holds something that is not a number or the
        same centre twice.
    """
    return read_numbered_centres(path, forms)[1]


def read_numbered_centres(
    path: Path, forms: Sequence[CentresForm] = (LIVECOUNT,)
) -> tuple[list[int], npt.NDArray[np.float64]]:
    """Read centres as :func:`read_centres` does, together with the numbers of their lines."""
    lines: list[int] = []
    centres: list[tuple[float, float]] = []
    rows = _rows(path)
    _, header = next(rows, (1, []))
    form = _form_of(path, header, forms)
    for line, cells in rows:
        if any(cells):
            lines.append(line)
            centres.append(_centre(f"{path}, line {line}", header, cells, form))
    _refuse_doubles(path, lines, centres)
    return lines, np.array(centres, dtype=np.float64).reshape(-1, 2) - form.origin_px


def _refuse_doubles(
    path: Path, lines: Sequence[int], centres: Sequence[tuple[float, float]]
) -> None:
    """Refuse a file with equal centres: nobody clicks twice on the same fraction of a pixel."""
    first: dict[tuple[float, float], int] = {}
    doubles = [
        (first[centre], line)
        for line, centre in zip(lines, centres, strict=True)
        if first.setdefault(centre, line) != line
    ]
    if doubles:
        (one, other), more = doubles[0], len(doubles) - 1
        further = f", and {more} more are there twice" if more else ""
        raise AnnotationError(
            f"{path}, lines {one} and {other}: the same centre twice{further}",
            hint="Keep each cell once; Fiji adds all points again each time Measure is pressed",
        )


def refuse_outside(
    path: Path,
    lines: Sequence[int],
    centres: npt.NDArray[np.float64],
    image_name: str,
    shape: tuple[int, int],
) -> None:
    """Make sure that all centres lie inside an image of that height and width.

    Raises
    ------
    AnnotationError
        If one does not; its line is named.
    """
    height, width = shape
    last = np.array([height, width]) - 0.5
    outside = np.flatnonzero(((centres < -0.5) | (centres > last)).any(axis=1))
    if len(outside):
        y_px, x_px = centres[outside[0]]
        raise AnnotationError(
            f"{path}, line {lines[outside[0]]}: the centre y {y_px:g}, x {x_px:g} "
            f"lies outside {image_name}, which is {height} x {width} pixels (y, x)",
            hint="Check that the columns are not swapped and belong to the image at this size",
        )


def read_text(path: Path) -> str:
    """Read a UTF-8 text file, with or without a byte order mark.

    Raises
    ------
    AnnotationError
        If it cannot be read or is no such text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise AnnotationError(f"{path} is not UTF-8 text", hint="Save it as UTF-8") from error


def unreadable(path: Path, error: OSError) -> AnnotationError:
    """Say that a file or folder of annotations cannot be read."""
    return AnnotationError(
        f"{path} cannot be read ({error.strerror or error})",
        hint="Check that it exists and that you may read it",
    )


def _form_of(path: Path, header: list[str], forms: Sequence[CentresForm]) -> CentresForm:
    for form in forms:
        if form.y_column in header and form.x_column in header:
            if form is NAPARI and _THIRD_AXIS in header:
                raise AnnotationError(
                    f"{path}, line 1: points with three axes, but the frame has two",
                    hint="Click in a points layer over this frame alone",
                )
            return form
    raise _unknown_form(path, header, forms)


def _unknown_form(path: Path, header: list[str], forms: Sequence[CentresForm]) -> AnnotationError:
    found = ", ".join(header) or "none"
    if len(forms) == 1:
        wanted = (forms[0].y_column, forms[0].x_column)
        missing = " and ".join(name for name in wanted if name not in header)
        return AnnotationError(
            f"{path}, line 1: no column {missing} among the columns ({found})",
            hint=f"Write {','.join(wanted)}, separated by a comma, as the first line",
        )
    pairs = " or ".join(f"{form.x_column},{form.y_column}" for form in forms)
    return AnnotationError(
        f"{path}, line 1: no columns {pairs} among the columns ({found})",
        hint="Save Fiji's measurements of the points, or napari's points layer, as CSV with commas",
    )


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(read_text(path).splitlines())
    try:
        for row in reader:
            yield reader.line_num, [cell.strip() for cell in row]
    except csv.Error as error:
        raise AnnotationError(
            f"{path}, line {reader.line_num}: {error}", hint="Save it as CSV, comma-separated"
        ) from error


def _centre(
    place: str, header: list[str], cells: list[str], form: CentresForm
) -> tuple[float, float]:
    if any(cells[len(header) :]):
        raise AnnotationError(
            f"{place}: {len(cells)} values, but {len(header)} columns",
            hint="Separate values by one comma and write decimals with a point",
        )
    named = dict(zip(header, cells, strict=False))
    return _number(place, form.y_column, named), _number(place, form.x_column, named)


def _number(place: str, name: str, named: dict[str, str]) -> float:
    text = named.get(name, "")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isfinite(value):
        return value
    raise AnnotationError(
        f"{place}: {name} is {text!r}, not a number" if text else f"{place}: {name} is missing",
        hint="Write the pixel position of the cell's centre there, with a decimal point",
    )
