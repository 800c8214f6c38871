"""The vessels that cells grow in, and the wells they have."""

from __future__ import annotations

import itertools
from typing import Final

from livecount.readers.wells import well_from_numbers

__all__ = ["PLATE_SHAPES", "wells_of_plate"]

PLATE_SHAPES: Final = {
    1: (1, 1),
    4: (2, 2),
    6: (2, 3),
    12: (3, 4),
    24: (4, 6),
    48: (6, 8),
    96: (8, 12),
    384: (16, 24),
    1536: (32, 48),
}
"""Rows and columns of a plate with so many wells, as they are sold."""


def wells_of_plate(n_wells: int) -> list[str]:
    """Name the wells of a plate, row by row.

    Examples
    --------
    >>> wells_of_plate(6)
    ['A1', 'A2', 'A3', 'B1', 'B2', 'B3']
    """
    rows, columns = PLATE_SHAPES[n_wells]
    places = itertools.product(range(1, rows + 1), range(1, columns + 1))
    return [name for name in itertools.starmap(well_from_numbers, places) if name is not None]
