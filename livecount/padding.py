"""Which part of a frame shows anything: stitched mosaics are padded where no field was taken."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["shown_fraction"]

_BLOCK_PX: Final = 32
"""Of 156 real frames, 18 have 16 x 16 pixels alike at their edge (8 bits, little noise), at a grey
value in the middle; none has 24 x 24."""

_Pixels = npt.NDArray[Any]


def shown_fraction(pixels: _Pixels) -> float:
    """Give the share of a frame's area that shows anything.

    Padding is what has exactly one value, the frame's darkest or brightest, in squares of 32 x 32
    pixels, from the frame's edge on inward: so stitching programs fill what no field has shown.
    Thinner strips, and padding that a lossy format has blurred, are not told from the picture.

    Parameters
    ----------
    pixels
        Shape (y, x), as decoded.

    Returns
    -------
    float
        Above 0, up to 1; 1 also where the whole frame has one value, which is no padding.

    Examples
    --------
    >>> mosaic = np.arange(6400).reshape(80, 80)
    >>> mosaic[:, :32] = 0
    >>> shown_fraction(mosaic)
    0.6
    """
    value = _value_along_the_edge(pixels)
    if value is None or value not in (pixels.min(), pixels.max()):
        return 1.0
    alike, area = _alike_in_blocks(pixels, value)
    padded = _from_the_edge_on(alike == area)
    n_alike = int(alike[_with_neighbours(padded)].sum())
    return 1.0 if not padded.any() or n_alike == pixels.size else 1 - n_alike / pixels.size


def _value_along_the_edge(pixels: _Pixels) -> Any:
    """Find the value that most pixels of the edge have in stretches of a block's length, or None.

    Frames without padding, nearly all, are done with here.
    """
    found: dict[Any, int] = {}
    for line in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        starts = np.flatnonzero(np.concatenate([[True], line[1:] != line[:-1]]))
        lengths = np.diff(np.append(starts, len(line)))
        for start, length in zip(starts, lengths, strict=True):
            if length >= _BLOCK_PX:
                found[line[start]] = found.get(line[start], 0) + int(length)
    return max(found, key=lambda value: found[value]) if found else None


def _alike_in_blocks(pixels: _Pixels, value: Any) -> tuple[npt.NDArray[np.int64], Any]:
    """Count the pixels of a value in each block, and all pixels of each block."""
    height, width = pixels.shape
    tops, lefts = (np.arange(0, size, _BLOCK_PX) for size in (height, width))
    alike = np.empty((len(tops), len(lefts)), np.int64)
    for row, top in enumerate(tops):
        in_columns = np.count_nonzero(pixels[top : top + _BLOCK_PX] == value, axis=0)
        alike[row] = np.add.reduceat(in_columns, lefts)
    sides = (np.diff(np.append(starts, size)) for starts, size in ((tops, height), (lefts, width)))
    return alike, np.outer(*sides)


def _from_the_edge_on(full: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Keep the blocks of one value that hang together with the frame's edge."""
    from scipy.ndimage import label

    labels, _ = label(full)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    reached: npt.NDArray[np.bool_] = np.isin(labels, edge[edge > 0])
    return reached


def _with_neighbours(blocks: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Add the blocks around: the padding's own edge runs through them."""
    from scipy.ndimage import binary_dilation

    grown: npt.NDArray[np.bool_] = binary_dilation(blocks, np.ones((3, 3), bool))
    return grown
