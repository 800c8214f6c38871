"""The shape of each segmented cell, and which cells are bright and rounded.

Pure functions on labels of shape (y, x), as :func:`livecount.segmentation.segment` gives them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from livecount.compiling import compiled
from livecount.frame import CellShapes, FloatArray

__all__ = ["circularity", "measure_shapes"]

BRIGHT: Final = 1.0
"""Brightness from which a cell counts as bright: deviations of the normalised frame above the
median of what is not cell. Chosen by eye on training frames (ADR 0016)."""
ROUND: Final = 0.75
"""Circularity from which a cell counts as rounded: below 0.8 or so two daughters are included."""

_Labels = npt.NDArray[np.int32]
_Float64Array = npt.NDArray[np.float64]

_STEPS: Final = ((0, 1), (1, 0), (1, 1), (1, -1))


def measure_shapes(
    labels: _Labels, normalised: FloatArray, n_cells: int, *, px_per_label_px: float = 1.0
) -> CellShapes:
    """Measure every cell's shape, and tell which are bright and rounded.

    In phase contrast a cell that rounds up to divide or to die becomes a bright disc, while
    spread cells are about as bright as the ground on average. So a cell is *bright rounded* if its
    mean in the normalised frame exceeds the median of what is not cell by :data:`BRIGHT`, and its
    circularity is at least :data:`ROUND`.

    Parameters
    ----------
    labels
        Shape (y, x), int32: ``k`` on cell ``k - 1``, 0 elsewhere.
    normalised
        The frame as the network saw it (:func:`livecount.normalisation.normalise`), shape (y, x).
    n_cells
        How many cells there are, with and without a label.
    px_per_label_px
        Edge length of a pixel of ``labels`` in pixels of the frame as acquired.

    Returns
    -------
    CellShapes
        One entry a cell; NaN where it has no pixel.

    Notes
    -----
    Perimeter by the Cauchy-Crofton formula over four directions; the frame's border counts as
    outline. Axes are those of the ellipse with the same second moments, pixels being unit squares.
    """
    sums, crossings = _measure(np.pad(labels, 1), n_cells)
    area = np.where(sums[:, 0] > 0, sums[:, 0], np.nan)
    perimeter = np.pi / 8 * (crossings[:, 0] + crossings[:, 1] / np.sqrt(2))
    long_axis, short_axis = _axes(sums, area)
    is_bright = _brightness(labels, normalised, sums[:, 0]) >= BRIGHT
    is_bright_rounded = is_bright & (circularity(area, perimeter) >= ROUND)
    columns = (
        area * px_per_label_px**2,
        np.where(np.isnan(area), np.nan, perimeter * px_per_label_px),
        long_axis / short_axis,
        np.sqrt(1 - (short_axis / long_axis) ** 2),
        is_bright_rounded,
    )
    return CellShapes(*(column.astype(np.float32) for column in columns))


def circularity(area: npt.ArrayLike, perimeter: npt.ArrayLike) -> _Float64Array:
    """Give ``4 pi area / perimeter^2``: 1 for a disc, less the further from it.

    >>> float(circularity(np.pi, 2 * np.pi))
    1.0
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: _Float64Array = (
            4 * np.pi * np.asarray(area, np.float64) / np.square(np.asarray(perimeter, np.float64))
        )
    return ratio


def _axes(sums: _Float64Array, area: _Float64Array) -> tuple[_Float64Array, _Float64Array]:
    """Give the axes of each cell's ellipse, up to a common factor, the longer first."""
    y, x = sums[:, 1] / area, sums[:, 2] / area
    # A pixel is a square: its own second moment is 1/12.
    yy = sums[:, 3] / area - y * y + 1 / 12
    xx = sums[:, 4] / area - x * x + 1 / 12
    yx = sums[:, 5] / area - y * x
    spread = np.sqrt(np.square(yy - xx) / 4 + yx * yx)
    return np.sqrt((yy + xx) / 2 + spread), np.sqrt(np.maximum((yy + xx) / 2 - spread, 1 / 12))


def _brightness(labels: _Labels, normalised: FloatArray, area: _Float64Array) -> _Float64Array:
    """Give each cell's mean above the median of what is not cell."""
    ground = normalised[labels == 0]
    level = float(np.median(ground)) if ground.size else 0.0
    total = ndimage.sum_labels(normalised, labels, np.arange(1, len(area) + 1))
    brightness: _Float64Array = np.asarray(total) / np.maximum(area, 1) - level
    return brightness


@compiled
def _measure(padded: _Labels, n_cells: int) -> tuple[_Float64Array, _Float64Array]:
    """Sum up each cell's pixels, and what lines in four directions cross of its outline.

    Returns (n, 6): area and the sums of y, x, y y, x x, y x; and (n, 2): crossings along the axes
    and along the diagonals. ``padded`` has a border of one pixel without cells.
    """
    sums = np.zeros((n_cells + 1, 6))
    crossings = np.zeros((n_cells + 1, 2))
    height, width = padded.shape
    for y in range(height - 1):
        for x in range(width):
            here = padded[y, x]
            if here > 0:
                sums[here, 0] += 1
                sums[here, 1] += y
                sums[here, 2] += x
                sums[here, 3] += y * y
                sums[here, 4] += x * x
                sums[here, 5] += y * x
            for direction in range(4):
                other_y, other_x = y + _STEPS[direction][0], x + _STEPS[direction][1]
                if other_x < 0 or other_x == width:
                    continue
                other = padded[other_y, other_x]
                if here != other:
                    crossings[here, direction // 2] += 1
                    crossings[other, direction // 2] += 1
    return sums[1:], crossings[1:]
