"""Peaks of the inner distance map and how far each one stands out: its prominence.

The prominence (dynamics; Grimaud, 1992) of a peak is the height that one has to go down to reach a
higher one. The regional maxima that survive the h-maxima transform are the peaks with prominence
>= h, so one pass over the map answers for every h at once (8-connected throughout).

How: every pixel drains uphill to one peak; two basins meet at their highest pair of neighbouring
pixels, the saddle; saddles are then taken from high to low and join what they connect, which ends
the lower of the two peaks (Kruskal's algorithm over basins instead of pixels).

Where a cell lies is told by its body: what is connected to its peak above all that leads to others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from livecount.compiling import compiled
from livecount.frame import APART_H, BODY_SHARE, MIN_PROMINENCE, Candidates, FloatArray
from livecount.locating import Components, locate

__all__ = ["find_peaks"]

_Int32Array = npt.NDArray[np.int32]
_Int64Array = npt.NDArray[np.int64]
_Float64Array = npt.NDArray[np.float64]
_BoolArray = npt.NDArray[np.bool_]

_BACKGROUND: Final = np.int32(-1)


@dataclass(frozen=True, slots=True, eq=False)
class Joining:
    """What joining the basins of some peaks tells of each; all of shape (n,).

    Attributes
    ----------
    value
        Of the map at the peak.
    ends_at
        Saddle that leads to a higher peak; the map's minimum for the highest.
    touches_at
        Highest saddle that leads from below to a peak that stands apart (``APART_H``), minus
        infinity where there is none.
    lowest
        The map's minimum.
    """

    value: FloatArray
    ends_at: FloatArray
    touches_at: FloatArray
    lowest: float

    def prominences(self) -> FloatArray:
        """Give how far peaks stand out above the saddles that end them.

        Rounded to float32 towards zero, so that ``prominence >= h`` holds iff it holds exactly.
        """
        exact = self.value.astype(np.float64) - self.ends_at
        rounded = exact.astype(np.float32)
        return np.where(rounded > exact, np.nextafter(rounded, np.float32(0)), rounded)

    def components(self, h: float | None) -> Components:
        """Say which pixels around each peak tell where it lies, as :func:`find_peaks` has it."""
        value = self.value.astype(np.float64)
        if h is None:
            foot = self.lowest + BODY_SHARE * (value - self.lowest)
            floor = np.maximum(np.maximum(self.touches_at, self.ends_at), foot)
            return Components(floor, np.ones(floor.shape, np.bool_), on_it=True)
        # At its own saddle the component would spill over into that of the higher peak.
        floor = value - float(np.float32(h))
        spills = floor <= self.ends_at
        return Components(np.where(spills, self.ends_at, floor), spills, on_it=False)

    def at(self, some: _BoolArray | _Int64Array) -> Joining:
        """Keep some peaks only."""
        return Joining(self.value[some], self.ends_at[some], self.touches_at[some], self.lowest)


def find_peaks(
    inner: npt.ArrayLike, *, h: float | None = None, min_prominence: float = MIN_PROMINENCE
) -> Candidates:
    """Find every peak of ``inner`` with its prominence.

    A peak's location is the centroid of its body: of all pixels that are connected to it above the
    saddles that lead to other peaks, and above ``BODY_SHARE`` of its height. Peaks with a
    prominence below ``APART_H`` are part of the body that they stand on. Where the centroid is not
    in the body, as in a crescent, the location is the nearest pixel of it.

    Parameters
    ----------
    inner
        Inner distance map, shape (y, x), float32.
    h
        None, or the location is the paper's (DeepDistance, section 3.3): the centroid of what the
        h-maxima transform makes of the peak, the pixels connected to it at or above
        ``value - h``. A peak that does not reach ``h`` is then located by the pixels connected to
        it above the saddle that ends it.
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
    >>> row = [[0.0, 0.5, 0.3, 0.9, 0.8, 0.7, 0.0]]
    >>> found = find_peaks(row)
    >>> found.x_px.tolist(), [round(float(p), 3) for p in found.prominence]
    ([4.0, 1.0], [0.9, 0.2])
    >>> find_peaks(row, h=0.15).x_px.tolist()
    [3.5, 1.0]
    """
    values = np.ascontiguousarray(inner, dtype=np.float32)
    check_map(values, h, min_prominence)
    lowest = values.min(initial=np.float32(np.inf))
    padded = np.pad(values, 1, constant_values=-np.inf)
    uphill, flat = point_uphill(padded, lowest)
    join_plateaus(padded, uphill, flat)
    peaks = label_basins(uphill)
    first, second, saddle = meeting_basins(padded, uphill, peaks.size)
    joined = join(padded.ravel()[peaks], first, second, saddle, lowest)
    prominence = joined.prominences()
    kept = np.flatnonzero((prominence >= np.float32(min_prominence)) & (prominence > 0))
    y_px, x_px, _ = locate(padded, uphill, peaks[kept], joined.at(kept).components(h))
    return candidates_of(y_px, x_px, prominence[kept])


def check_map(values: FloatArray, h: float | None, min_prominence: float) -> None:
    """Raise ValueError where a map or a threshold cannot be used."""
    if values.ndim != 2:
        raise ValueError(f"the inner distance map must have shape (y, x), not {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("the inner distance map holds NaN or infinite values")
    if (h is not None and not h > 0) or not min_prominence >= 0:
        raise ValueError(f"h must be > 0 and min_prominence >= 0, not {h} and {min_prominence}")


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


def join(
    value: FloatArray,
    first: _Int32Array,
    second: _Int32Array,
    saddle: FloatArray,
    lowest: float,
) -> Joining:
    """Join basins from the highest saddle down.

    Parameters
    ----------
    value
        Of the map at each peak, in raster order of the peaks.
    first, second, saddle
        Which basins meet, by the number of their peak, and at which value.
    lowest
        The map's minimum.
    """
    order = np.argsort(-saddle)
    ends_at, touches_at = _join_basins(value, first, second, saddle, order, lowest, APART_H)
    return Joining(value, ends_at, touches_at, float(lowest))


@compiled
def _join_basins(
    peak_value: FloatArray,
    first: _Int32Array,
    second: _Int32Array,
    saddle: FloatArray,
    order: _Int64Array,
    lowest: float,
    apart_h: float,
) -> tuple[FloatArray, FloatArray]:
    """Give the saddle that ends each peak, and the highest at which one that stands apart ends.

    Peaks are numbered in raster order, so of two equally high ones the lower number goes on.
    """
    above = np.arange(peak_value.size)
    ends_at = np.full(peak_value.size, lowest, dtype=np.float32)
    touches_at = np.full(peak_value.size, -np.inf, dtype=np.float32)
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
        # Saddles come from high to low, so that the first is the highest.
        if touches_at[other] == -np.inf and peak_value[one] - ends_at[one] >= apart_h:
            touches_at[other] = saddle[meeting]
    return ends_at, touches_at
