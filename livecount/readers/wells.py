"""Well names: one spelling, and an order in which A2 comes before A10."""

from __future__ import annotations

import re

__all__ = ["natural_key", "normalise_well", "well_and_field", "well_from_numbers", "well_sort_key"]

_WELL = re.compile(r"\s*([A-Za-z]{1,2})[ _-]?0*([1-9][0-9]?)\s*")
_POSITION = re.compile(r"([A-P][0-9]{1,2})(?:(?:-Site_|_Site_|_[fsp]?|-)([0-9]{1,4}))?")
_N_ROWS = 32
_N_COLUMNS = 48
_DIGITS = re.compile(r"(\d+)")


def normalise_well(name: str) -> str | None:
    """Write a well name as rows ``A`` to ``AF`` and columns 1 to 48 without padding.

    Parameters
    ----------
    name
        The name as written by a microscope or a person.

    Returns
    -------
    str or None
        The well, or None where the name is no well of a plate with up to 1,536 wells.

    >>> normalise_well("c04"), normalise_well("AF48"), normalise_well("ZZ9")
    ('C4', 'AF48', None)
    """
    match = _WELL.fullmatch(name)
    if match is None:
        return None
    return well_from_numbers(_row_number(match[1].upper()), int(match[2]))


def well_from_numbers(row: int, column: int) -> str | None:
    """Name the well at ``row`` and ``column``, both from 1; None outside 32 x 48.

    >>> well_from_numbers(27, 3)
    'AA3'
    """
    if not (1 <= row <= _N_ROWS and 1 <= column <= _N_COLUMNS):
        return None
    prefix, letter = divmod(row - 1, 26)
    return ("A" if prefix else "") + chr(ord("A") + letter) + str(column)


def well_sort_key(well: str | None) -> tuple[int, int, int, tuple[tuple[int, int, str], ...]]:
    """Order wells by row, then column; other names after them in natural order; None last.

    >>> sorted(["A10", "B1", "A2", "flask 2", "A1", "flask 10"], key=well_sort_key)
    ['A1', 'A2', 'A10', 'B1', 'flask 2', 'flask 10']
    """
    if well is None:
        return (2, 0, 0, ())
    name = normalise_well(well)
    if name is None:
        return (1, 0, 0, natural_key(well))
    letters = name.rstrip("0123456789")
    return (0, _row_number(letters), int(name[len(letters) :]), ())


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Order text so that numbers within it count as numbers.

    >>> sorted(["c10", "c9", "c"], key=natural_key)
    ['c', 'c9', 'c10']
    """
    parts = _DIGITS.split(text)
    return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts if p)


def _row_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def well_and_field(position: str) -> tuple[str | None, str | None]:
    """Read well and field out of a position name, as plate plug-ins of Micro-Manager write it.

    >>> well_and_field("C4-Site_2"), well_and_field("B12_0003"), well_and_field("Pos1")
    (('C4', '2'), ('B12', '3'), (None, None))
    """
    match = _POSITION.fullmatch(position)
    if match is None:
        return None, None
    field = match[2]
    return normalise_well(match[1]), None if field is None else str(int(field))
