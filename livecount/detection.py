"""Peaks of the inner distance map and how far each one stands out: its prominence.

The prominence (dynamics; Grimaud, 1992) of a peak is the height that one has to go down to reach a
higher one. The regional maxima that survive the h-maxima transform are the peaks with prominence
>= h, so one pass over the map answers for every h at once (8-connected throughout).

How: every pixel drains uphill to one peak; two basins meet at their highest pair of neighbouring
pixels, the saddle; saddles are then taken from high to low and join what they connect, which ends
the lower of the two peaks (Kruskal's algorithm over basins instead of pixels).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from livecount.compiling import compiled
from livecount.frame import LOCATION_H, MIN_PROMINENCE, Candidates, FloatArray

__all__ = ["LOCATION_H", "find_peaks"]

_Int32Array = npt.NDArray[np.int32]
_Int64Array = npt.NDArray[np.int64]
_Float64Array = npt.NDArray[np.float64]

_BACKGROUND: Final = np.int32(-1)


def find_peaks(
    inner: npt.ArrayLike, *, h: float, min_prominence: float = MIN_PROMINENCE
) -> Candidates:
    """Find every peak of ``inner`` with its prominence.

    A peak's location is the centroid of what the h-maxima transform makes of it (DeepDistance,
    section 3.3): the pixels connected to the peak at or above ``value - h``. A peak that does not
    reach ``h`` is located by the pixels connected to it above the saddle that ends it.

    Parameters
    ----------
    inner
        Inner distance map, shape (y, x), float32.
    h
        Depth of the component whose centroid is the location, in units of the map.
    min_prominence
        Peaks with a lower prominence are left out.

    Returns
    -------
    Candidates
        Positions in pixels of the map, prominences from high to low. Of several equally high peaks
        that join, the first in raster order goes on. The highest peak's prominence is its height
        above the map's minimum; a constant map has no peak.

    Raises
    ------
    ValueError
        If the map is not two-dimensional or holds NaN or infinite values, or ``h`` is not positive.

    Examples
    --------
    >>> row = [[0.0, 0.5, 0.3, 0.9, 0.0]]
    >>> found = find_peaks(row, h=0.3)
    >>> found.x_px.tolist(), [round(float(p), 3) for p in found.prominence]
    ([3.0, 1.0], [0.9, 0.2])
    """
    values = np.ascontiguousarray(inner, dtype=np.float32)
    check_map(values, h, min_prominence)
    lowest = values.min(initial=np.float32(np.inf))
    padded = np.pad(values, 1, constant_values=-np.inf)
    uphill, flat = point_uphill(padded, lowest)
    join_plateaus(padded, uphill, flat)
    peaks = label_basins(uphill)
    first, second, saddle = meeting_basins(padded, uphill, peaks.size)
    order = np.argsort(-saddle)
    ends_at = join_basins(padded.ravel()[peaks], first, second, saddle, order, lowest)
    prominence = prominences(padded.ravel()[peaks], ends_at)
    kept = np.flatnonzero((prominence >= np.float32(min_prominence)) & (prominence > 0))
    y_px, x_px, _ = locate(padded, uphill, peaks[kept], ends_at[kept], h)
    return candidates_of(y_px, x_px, prominence[kept])


def check_map(values: FloatArray, h: float, min_prominence: float) -> None:
    """Raise ValueError where a map or a threshold cannot be used."""
    if values.ndim != 2:
        raise ValueError(f"the inner distance map must have shape (y, x), not {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("the inner distance map holds NaN or infinite values")
    if not h > 0 or not min_prominence >= 0:
        raise ValueError(f"h must be > 0 and min_prominence >= 0, not {h} and {min_prominence}")


def prominences(peak_value: FloatArray, ends_at: FloatArray) -> FloatArray:
    """Give how far peaks stand out above the saddles that end them.

    Rounded to float32 towards zero, so that ``prominence >= h`` holds iff it holds exactly.
    """
    exact = peak_value.astype(np.float64) - ends_at
    rounded = exact.astype(np.float32)
    return np.where(rounded > exact, np.nextafter(rounded, np.float32(0)), rounded)


def candidates_of(y_px: _Float64Array, x_px: _Float64Array, prominence: FloatArray) -> Candidates:
    """Make candidates of peaks, from the most to the least prominent."""
    y32, x32 = y_px.astype(np.float32), x_px.astype(np.float32)
    order = np.lexsort((x32, y32, -prominence))
    return Candidates(y32[order], x32[order], prominence[order])


@compiled
def point_uphill(padded: FloatArray, lowest: float) -> tuple[_Int32Array, _Int32Array]:
    """Point each pixel to its highest neighbour, or to itself where none is higher.

    Pixels at the map's minimum are background: whatever is joined only by them is joined there.
    """
    height, width = padded.shape
    flat_map = padded.ravel()
    uphill = np.full(padded.size, _BACKGROUND, dtype=np.int32)
    flat = []
    for y in range(1, height - 1):
        for here in range(y * width + 1, (y + 1) * width - 1):
            value = flat_map[here]
            if value <= lowest:
                continue
            best, level = here, False
            top = value
            for dy in (-width, 0, width):
                for dx in (-1, 0, 1):
                    there = here + dy + dx
                    if flat_map[there] > top:
                        top, best = flat_map[there], there
                    elif flat_map[there] == value and there != here:
                        level = True
            uphill[here] = best
            if best == here and level:
                flat.append(np.int32(here))
    flat_pixels = np.empty(len(flat), dtype=np.int32)
    for index in range(len(flat)):
        flat_pixels[index] = flat[index]
    return uphill, flat_pixels


@compiled
def join_plateaus(padded: FloatArray, uphill: _Int32Array, flat: _Int32Array) -> None:
    """Make each connected set of ``flat`` pixels one basin, of the first of them in raster order.

    ``flat`` lists the pixels that have an equal and no higher neighbour, in raster order. Beside a
    plateau's rim that leads higher, such a basin ends at its own height: no prominence, no peak.
    """
    width = padded.shape[1]
    flat_map = padded.ravel()
    is_flat = np.zeros(padded.size, dtype=np.bool_)
    is_flat[flat] = True
    queue = np.empty(len(flat), dtype=np.int32)
    for start in flat:
        if not is_flat[start]:
            continue
        queue[0] = start
        is_flat[start] = False
        size, done = 1, 0
        while done < size:
            here = queue[done]
            done += 1
            uphill[here] = start
            for dy in (-width, 0, width):
                for dx in (-1, 0, 1):
                    there = here + dy + dx
                    if is_flat[there] and flat_map[there] == flat_map[start]:
                        is_flat[there] = False
                        queue[size] = there
                        size += 1


@compiled
def label_basins(uphill: _Int32Array) -> _Int32Array:
    """Replace each pixel's pointer by the number of its peak; return the peaks in raster order."""
    peaks = _follow_to_peaks(uphill)
    # The peaks' own entries hold their numbers, told apart from pointers by a negative sign, until
    # every other pixel has been labelled.
    for number in range(peaks.size):
        uphill[peaks[number]] = -2 - number
    for here in range(uphill.size):
        if uphill[here] >= 0:
            uphill[here] = -2 - uphill[uphill[here]]
    for number in range(peaks.size):
        uphill[peaks[number]] = number
    return peaks


@compiled
def _follow_to_peaks(uphill: _Int32Array) -> _Int32Array:
    n_peaks = 0
    for here in range(uphill.size):
        peak = uphill[here]
        n_peaks += peak == here
        if peak == _BACKGROUND:
            continue
        while uphill[peak] != peak:
            peak = uphill[peak]
        step = here
        while uphill[step] != peak:
            uphill[step], step = peak, uphill[step]
    peaks = np.empty(n_peaks, dtype=np.int32)
    n_peaks = 0
    for here in range(uphill.size):
        if uphill[here] == here:
            peaks[n_peaks] = here
            n_peaks += 1
    return peaks


@compiled
def meeting_basins(
    padded: FloatArray, basin: _Int32Array, n_peaks: int
) -> tuple[_Int32Array, _Int32Array, FloatArray]:
    """List which basins touch and their saddle: the best lower value of two neighbouring pixels.

    A pair may be listed more than once; consecutive mentions (in raster order) are joined.
    """
    height, width = padded.shape
    flat_map = padded.ravel()
    lower = np.empty(4 * width, dtype=np.int32)
    upper = np.empty(4 * width, dtype=np.int32)
    saddle = np.empty(4 * width, dtype=np.float32)
    latest = np.full(n_peaks, -1, dtype=np.int32)
    n = 0
    for y in range(1, height - 1):
        if n + 4 * width > saddle.size:
            lower, upper, saddle = _doubled(lower), _doubled(upper), _doubled(saddle)
        for here in range(y * width + 1, (y + 1) * width - 1):
            mine = basin[here]
            if mine == _BACKGROUND:
                continue
            for step in (1, width - 1, width, width + 1):
                other = basin[here + step]
                if other in (mine, _BACKGROUND):
                    continue
                value = min(flat_map[here], flat_map[here + step])
                one, two = min(mine, other), max(mine, other)
                known = latest[one]
                if known < 0 or upper[known] != two:
                    known = latest[two]
                if known >= 0 and lower[known] == one and upper[known] == two:
                    saddle[known] = max(saddle[known], value)
                    continue
                lower[n], upper[n], saddle[n] = one, two, value
                latest[one] = latest[two] = n
                n += 1
    return lower[:n], upper[:n], saddle[:n]


@compiled
def _doubled(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    bigger = np.empty(2 * array.size, dtype=array.dtype)
    bigger[: array.size] = array
    return bigger


@compiled
def root_of(above: _Int64Array, entry: int) -> int:
    """Follow ``above`` to the entry that stands for a set, halving the way for the next time."""
    while above[entry] != entry:
        above[entry] = above[above[entry]]
        entry = above[entry]
    return entry


@compiled
def join_basins(
    peak_value: FloatArray,
    first: _Int32Array,
    second: _Int32Array,
    saddle: FloatArray,
    order: _Int64Array,
    lowest: float,
) -> FloatArray:
    """Join basins from the highest saddle down; return the saddle value that ends each peak.

    Peaks are numbered in raster order, so of two equally high ones the lower number goes on.
    """
    above = np.arange(peak_value.size)
    ends_at = np.full(peak_value.size, lowest, dtype=np.float32)
    for meeting in order:
        one, other = root_of(above, first[meeting]), root_of(above, second[meeting])
        if one == other:
            continue
        if peak_value[one] > peak_value[other] or (
            peak_value[one] == peak_value[other] and one < other
        ):
            one, other = other, one
        above[one] = other
        ends_at[one] = saddle[meeting]
    return ends_at


def locate(
    padded: FloatArray,
    scratch: _Int32Array,
    peaks: _Int32Array,
    ends_at: FloatArray,
    h: float,
    top_px: int = 0,
) -> tuple[_Float64Array, _Float64Array, _Int64Array]:
    """Give the centroid (y, x) of each peak's component, and its first and last row.

    Parameters
    ----------
    padded
        Some rows of a map, with a frame of minus infinity.
    scratch
        An entry a pixel, none below -1; it is overwritten.
    top_px
        Number of the first row in the whole map, in whose pixels (without padding) all is told.
    """
    return _locate(padded, scratch, peaks, ends_at, float(np.float32(h)), top_px)


@compiled
def _locate(
    padded: FloatArray,
    scratch: _Int32Array,
    peaks: _Int32Array,
    ends_at: FloatArray,
    h: float,
    top_px: int,
) -> tuple[_Float64Array, _Float64Array, _Int64Array]:
    flat_map, width = padded.ravel(), padded.shape[1]
    y_px = np.empty(peaks.size, dtype=np.float64)
    x_px = np.empty(peaks.size, dtype=np.float64)
    reached = np.empty((peaks.size, 2), dtype=np.int64)
    queue = np.empty(padded.size, dtype=np.int32)
    for number in range(peaks.size):
        floor = np.float64(flat_map[peaks[number]]) - h
        # At its own saddle the component would spill over into that of the higher peak.
        above_saddle = floor <= ends_at[number]
        if above_saddle:
            floor = np.float64(ends_at[number])
        size = _flood(
            flat_map, width, scratch, -2 - number, queue, peaks[number], floor, above_saddle
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
    return y_px, x_px, reached


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
