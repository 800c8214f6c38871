"""Where a peak lies: the centroid of pixels that are connected to it and high enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from livecount.compiling import compiled
from livecount.frame import FloatArray

__all__ = ["Components", "locate"]

_Int32Array = npt.NDArray[np.int32]
_Int64Array = npt.NDArray[np.int64]
_Float64Array = npt.NDArray[np.float64]
_BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Pixels connected to peaks: from a value on, or only above it.

    Attributes
    ----------
    floor
        The value, shape (n,).
    strictly
        Pixels that equal it are none of them, shape (n,).
    on_it
        Where the centroid is no pixel of the component, the nearest pixel of it is told instead.
    """

    floor: _Float64Array
    strictly: _BoolArray
    on_it: bool

    def at(self, some: _BoolArray | _Int64Array) -> Components:
        """Keep those of some peaks only."""
        return Components(self.floor[some], self.strictly[some], self.on_it)


def locate(
    padded: FloatArray,
    scratch: _Int32Array,
    peaks: _Int32Array,
    components: Components,
    top_px: int = 0,
) -> tuple[_Float64Array, _Float64Array, _Int64Array]:
    """Give where each peak's component lies (y, x), and its first and last row.

    Parameters
    ----------
    padded
        Some rows of a map, with a frame of minus infinity.
    scratch
        An entry a pixel, none below -1; it is overwritten.
    top_px
        Number of the first row in the whole map, in whose pixels (without padding) all is told.
    """
    rule = (components.floor, components.strictly, components.on_it)
    return _locate(padded, scratch, peaks, *rule, top_px)


@compiled
def _locate(
    padded: FloatArray,
    scratch: _Int32Array,
    peaks: _Int32Array,
    floor: _Float64Array,
    strictly: _BoolArray,
    on_it: bool,
    top_px: int,
) -> tuple[_Float64Array, _Float64Array, _Int64Array]:
    flat_map, width = padded.ravel(), padded.shape[1]
    y_px = np.empty(peaks.size, dtype=np.float64)
    x_px = np.empty(peaks.size, dtype=np.float64)
    reached = np.empty((peaks.size, 2), dtype=np.int64)
    queue = np.empty(padded.size, dtype=np.int32)
    for number in range(peaks.size):
        mark = -2 - number
        size = _flood(
            flat_map, width, scratch, mark, queue, peaks[number], floor[number], strictly[number]
        )
        sum_y, sum_x = 0, 0
        first_y, last_y = padded.shape[0], 0
        for place in queue[:size]:
            y = place // width - 1
            sum_y += y + top_px
            sum_x += place % width - 1
            first_y, last_y = min(first_y, y), max(last_y, y)
        y_px[number], x_px[number] = sum_y / size, sum_x / size
        reached[number, 0], reached[number, 1] = first_y + top_px, last_y + top_px
        row, column = int(np.rint(y_px[number])) - top_px, int(np.rint(x_px[number]))
        if on_it and scratch[(row + 1) * width + column + 1] != mark:
            nearest = _nearest(queue[:size], width, y_px[number] - top_px, x_px[number])
            y_px[number] = nearest // width - 1 + top_px
            x_px[number] = nearest % width - 1
    return y_px, x_px, reached


@compiled
def _nearest(places: _Int32Array, width: int, y: float, x: float) -> int:
    """Give the pixel nearest to a point; of equally near ones the first in raster order."""
    best, least = 0, np.inf
    for place in places:
        away = (place // width - 1 - y) ** 2 + (place % width - 1 - x) ** 2
        if away < least or (away == least and place < best):
            best, least = place, away
    return int(best)


@compiled
def _flood(
    flat_map: FloatArray,
    width: int,
    scratch: _Int32Array,
    mark: int,
    queue: _Int32Array,
    peak: int,
    floor: float,
    strictly_above: bool,
) -> int:
    """Flood from ``peak`` over the pixels at or above ``floor``, or only those above it.

    Fills ``queue`` with them, and returns how many they are.
    """
    queue[0] = peak
    scratch[peak] = mark
    size, done = 1, 0
    while done < size:
        here = queue[done]
        done += 1
        for dy in (-width, 0, width):
            for dx in (-1, 0, 1):
                there = here + dy + dx
                value = np.float64(flat_map[there])
                if value < floor or scratch[there] == mark or (strictly_above and value == floor):
                    continue
                scratch[there] = mark
                queue[size] = there
                size += 1
    return size
