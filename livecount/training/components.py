"""Cells as connected parts of a cell map: how networks that classify pixels are compared.

Nothing that counts frames uses this; livecount counts peaks of the inner distance map.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import ndimage

from livecount.frame import Candidates, FloatArray

__all__ = ["find_components"]

_CERTAIN: Final = 0.5
_EIGHT: Final = ndimage.generate_binary_structure(2, 2)


def find_components(cell: FloatArray, boundary: FloatArray | None = None) -> Candidates:
    """Find the connected parts of a cell map, 8-connected, each with its area.

    DeepDistance, section 4.4 (*MultiClassificationBoundary*): the boundary map is subtracted from
    the cell map, what stays above 0.5 is cell, and small parts are dropped afterwards.

    Parameters
    ----------
    cell
        Certainty that a pixel belongs to a cell, shape (y, x).
    boundary
        Certainty that it belongs to a boundary, shape (y, x).

    Returns
    -------
    Candidates
        Centroids in pixels of the map; ``prominence`` holds the area in pixels, so that
        ``at(area)`` drops the parts that are smaller.

    Examples
    --------
    >>> import numpy as np
    >>> found = find_components(np.array([[1, 1, 0, 1]], np.float32))
    >>> found.x_px.tolist(), found.prominence.tolist()
    ([0.5, 3.0], [2.0, 1.0])
    """
    certainty = cell if boundary is None else cell - boundary
    labels, count = ndimage.label(certainty > _CERTAIN, _EIGHT)
    if not count:
        nothing = np.empty(0, np.float32)
        return Candidates(nothing, nothing, nothing)
    numbers = np.arange(1, count + 1)
    area_px = np.bincount(labels.ravel(), minlength=count + 1)[1:].astype(np.float32)
    centres = np.asarray(ndimage.center_of_mass(labels > 0, labels, numbers), np.float32)
    y_px, x_px = centres.T
    order = np.lexsort((x_px, y_px, -area_px))
    return Candidates(y_px[order], x_px[order], area_px[order])
