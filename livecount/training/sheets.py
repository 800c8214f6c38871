"""What centre clicks say about the cells of a dense sheet, though nobody drew their outlines.

Where clicks lie so close that no other cell fits between them, the middle of the gap is known to be
no cell's middle, and each cell ends about half-way to its neighbours. Such gaps are the triangles
of the clicks' Delaunay triangulation whose circumcircle, which holds no click, is small. Patches
that nobody clicked are wide gaps, and stay unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import Delaunay, KDTree, QhullError

__all__ = ["Sheet", "find_sheet"]

_FEWEST_CLICKS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """Where clicks leave no room for another cell.

    Attributes
    ----------
    between
        Shape (y, x), True in gaps that are too small for a cell.
    cells
        Shape (y, x), 0 = not known; k = nearest to click k, which has such gaps all round.
    """

    between: npt.NDArray[np.bool_]
    cells: npt.NDArray[np.int32]


def find_sheet(centres: npt.NDArray[np.float64], shape: tuple[int, int], reach_px: float) -> Sheet:
    """Find the gaps between clicks that are too small for a cell, and the cells among them.

    Parameters
    ----------
    centres
        Shape (n, 2) as (y, x) in pixels; may lie outside of the map.
    shape
        Of the map, (y, x).
    reach_px
        Largest radius of a circle between three clicks in which no cell can lie.
    """
    nothing = Sheet(np.zeros(shape, np.bool_), np.zeros(shape, np.int32))
    if len(centres) < _FEWEST_CLICKS:
        return nothing
    try:
        triangles = Delaunay(centres)
    except QhullError:
        return nothing  # all on one line
    small = _circumradii_px(centres[triangles.simplices]) <= reach_px
    if not small.any():
        return nothing
    pixels = np.indices(shape).reshape(2, -1).T.astype(np.float64)
    holding = triangles.find_simplex(pixels)
    between = (holding >= 0) & small[holding]
    nearest = KDTree(centres).query(pixels)[1]
    cells = np.where(_enclosed(triangles, small)[nearest], nearest + 1, 0)
    return Sheet(between.reshape(shape), cells.reshape(shape).astype(np.int32))


def _circumradii_px(corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Compute ``abc / 4A`` of triangles of shape (n, 3, 2); infinite for flat ones."""
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
    with np.errstate(divide="ignore"):
        radii: npt.NDArray[np.float64] = sides.prod(axis=1) / (4 * area)
    return radii


def _enclosed(triangles: Delaunay, small: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Tell the clicks with small triangles all round; clicks on the outline have none outside."""
    enclosed = np.ones(len(triangles.points), np.bool_)
    enclosed[triangles.simplices[~small].ravel()] = False
    enclosed[triangles.convex_hull.ravel()] = False
    enclosed[triangles.coplanar[:, 0]] = False
    return enclosed
