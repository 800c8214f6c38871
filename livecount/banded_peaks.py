"""Peaks of a map that comes band by band: what ``find_peaks`` finds, with little of it in memory.

A basin that crosses from one band to the next has a label on each side; which labels are one is
noted and resolved at the end, when saddles are joined as ever. (A plateau in two bands is two peaks
that meet at their own height: the first goes on, as in one.) Locating a cell needs the map around
it once more, so the map is written to a temporary file meanwhile.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from livecount.compiling import compiled
from livecount.detection import (
    Joining,
    candidates_of,
    check_map,
    join,
    join_plateaus,
    label_basins,
    meeting_basins,
    point_uphill,
    root_of,
)
from livecount.frame import MIN_PROMINENCE, Candidates, FloatArray
from livecount.locating import Components, locate
from livecount.rows import in_groups

__all__ = ["BandedPeaks"]

_Int32Array = npt.NDArray[np.int32]
_Int64Array = npt.NDArray[np.int64]
_FLOOR: Final = 0.0
"""Background: detection maps are nowhere below it."""
_MARGIN_PX: Final = 64
"""Rows around a peak in which its component is sought first."""


@dataclass(frozen=True, slots=True)
class _LastRow:
    """What the next band must know of the row above it, padded by a pixel on both sides.

    Attributes
    ----------
    values, labels
        Of the row itself; labels are -1 on background.
    expected
        Labels that stand for pixels of the next row, -1 where there is none.
    """

    values: FloatArray
    labels: _Int64Array
    expected: _Int64Array

    @classmethod
    def above_the_frame(cls, width: int) -> _LastRow:
        """Give the row above the first: nothing."""
        return cls(
            np.full(width + 2, -np.inf, np.float32),
            np.full(width + 2, -1, np.int64),
            np.full(width + 2, -1, np.int64),
        )


class BandedPeaks:
    """Finds the peaks of a map that is given in bands, from top to bottom.

    Its temporary file is as large as the map, and gone once it is closed.

    Parameters
    ----------
    width
        Of the map.
    h, min_prominence
        As for :func:`livecount.detection.find_peaks`.
    """

    def __init__(
        self, width: int, *, h: float | None = None, min_prominence: float = MIN_PROMINENCE
    ) -> None:
        self._width, self._h, self._min_prominence = width, h, min_prominence
        self._spool = tempfile.TemporaryFile()  # noqa: SIM115 - until it is closed itself
        self._waiting = np.empty((0, width), np.float32)
        self._last = _LastRow.above_the_frame(width)
        self._n_rows = self._n_labels = 0
        self._lowest = np.float32(np.inf)
        self._places: list[tuple[_Int64Array, _Int64Array, FloatArray]] = []
        self._same: list[tuple[_Int64Array, _Int64Array]] = []
        self._meetings: list[tuple[_Int64Array, _Int64Array, FloatArray]] = []

    def close(self) -> None:
        """Remove the temporary file."""
        self._spool.close()

    def add(self, band: FloatArray) -> None:
        """Take the next rows (y, x).

        Raises
        ------
        ValueError
            They hold NaN, infinite or negative values.
        OSError
            The temporary file cannot be written.
        """
        band = np.ascontiguousarray(band, np.float32)
        check_map(band, self._h, self._min_prominence)
        if band.min(initial=0.0) < _FLOOR:
            raise ValueError("the map holds negative values")
        self._spool.write(band.data)
        self._lowest = min(self._lowest, band.min(initial=np.float32(np.inf)))
        for start, stop in in_groups((len(band), self._width)):
            rows = np.concatenate([self._waiting, band[start:stop]])
            self._waiting = rows[-1:].copy()
            if len(rows) > 1:
                self._take(rows[:-1], below=rows[-1])

    def finish(self) -> Candidates:
        """Find every peak of what was added."""
        if len(self._waiting):
            self._take(self._waiting, below=np.full(self._width, -np.inf, np.float32))
        if not self._n_labels:
            return candidates_of(*(np.empty(0, np.float64),) * 2, np.empty(0, np.float32))
        joined, y, x = self._joined()
        prominence = joined.prominences()
        kept = (prominence >= np.float32(self._min_prominence)) & (prominence > 0)
        y_px, x_px = self._located(y[kept], x[kept], joined.at(kept).components(self._h))
        return candidates_of(y_px, x_px, prominence[kept])

    def _take(self, rows: FloatArray, below: FloatArray) -> None:
        """Label the basins of some rows, given the row that follows."""
        window = np.full((len(rows) + 2, self._width + 2), -np.inf, np.float32)
        window[0], window[1:-1, 1:-1], window[-1, 1:-1] = self._last.values, rows, below
        basin, flat = point_uphill(window, _FLOOR)
        join_plateaus(window, basin, flat)
        _end_at_rim(window, basin, _FLOOR)
        peaks = label_basins(basin)
        labels = self._labels_of(peaks, window)
        first, second, saddle = meeting_basins(window, basin, peaks.size)
        self._meetings.append((labels[first], labels[second], saddle))
        # Background is -1, which names the last entry.
        in_rows = np.append(labels, -1)[basin.reshape(window.shape)[[1, -2, -1]]]
        expected = self._last.expected
        self._same.append((expected[expected >= 0], in_rows[0][expected >= 0]))
        self._last = _LastRow(window[-2].copy(), in_rows[1], in_rows[2])
        self._n_rows += len(rows)

    def _labels_of(self, peaks: _Int32Array, window: FloatArray) -> _Int64Array:
        """Give the label of each basin; those that go up into the next row get one in advance."""
        y, x = np.divmod(peaks.astype(np.int64), window.shape[1])
        labels = np.where(y == 0, self._last.labels[x], -1)
        is_new = y > 0
        labels[is_new] = self._n_labels + np.arange(np.count_nonzero(is_new))
        self._n_labels += int(np.count_nonzero(is_new))
        # One that stands for a basin of the next row has no height of its own.
        value = np.where(y == window.shape[0] - 1, -np.inf, window[y, x])
        self._places.append(
            (self._n_rows + y[is_new] - 1, x[is_new] - 1, value[is_new].astype(np.float32))
        )
        return labels

    def _joined(self) -> tuple[Joining, _Int64Array, _Int64Array]:
        """Join the basins of all peaks, in raster order, and give the peaks' places (y, x)."""
        y, x, value = (np.concatenate(parts) for parts in zip(*self._places, strict=True))
        one, other = (np.concatenate(parts) for parts in zip(*self._same, strict=True))
        stands_for = _resolved(one, other, value)
        peaks = np.flatnonzero((stands_for == np.arange(len(value))) & np.isfinite(value))
        peaks = peaks[np.lexsort((x[peaks], y[peaks]))]
        number = np.full(len(value), -1, np.int32)
        number[peaks] = np.arange(len(peaks))
        first, second, saddle = (
            np.concatenate(parts) for parts in zip(*self._meetings, strict=True)
        )
        first, second = number[stands_for[first]], number[stands_for[second]]
        apart = first != second
        first, second, saddle = first[apart], second[apart], saddle[apart]
        joined = join(value[peaks], first, second, saddle, float(self._lowest))
        return joined, y[peaks], x[peaks]

    def _located(
        self, y: _Int64Array, x: _Int64Array, components: Components
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Locate peaks in raster order, each in the rows around it, in more where need be."""
        y_px, x_px = np.empty(len(y)), np.empty(len(y))
        for start, stop in in_groups((self._n_rows, self._width)):
            some = slice(*np.searchsorted(y, (start, stop)))
            left = np.arange(some.start, some.stop)
            margin = _MARGIN_PX
            while len(left):
                top, bottom = max(0, y[left[0]] - margin), y[left[-1]] + 1 + margin
                window = np.pad(self._rows(top, bottom), 1, constant_values=-np.inf)
                places = ((y[left] - top + 1) * window.shape[1] + x[left] + 1).astype(np.int32)
                found_y, found_x, reached = locate(
                    window, np.zeros(window.size, np.int32), places, components.at(left), top
                )
                y_px[left], x_px[left] = found_y, found_x
                cut = (reached[:, 0] == top) & (top > 0)
                cut |= (reached[:, 1] == bottom - 1) & (bottom < self._n_rows)
                left, margin = left[cut], 4 * margin
        return y_px, x_px

    def _rows(self, start: int, stop: int) -> FloatArray:
        """Read rows back."""
        stop = min(stop, self._n_rows)
        row_bytes = 4 * self._width
        self._spool.seek(start * row_bytes)
        found = np.frombuffer(self._spool.read((stop - start) * row_bytes), np.float32)
        return found.reshape(-1, self._width)


def _end_at_rim(window: FloatArray, basin: _Int32Array, floor: float) -> None:
    """Let ways uphill end in the window's first and last row."""
    pointers = basin.reshape(window.shape)
    for row in (0, -1):
        above = np.flatnonzero(window[row] > floor)
        pointers[row, above] = above + row % window.shape[0] * window.shape[1]


def _resolved(one: _Int64Array, other: _Int64Array, value: FloatArray) -> _Int64Array:
    """Name for each label the one that stands for all that are the same as it.

    It is one with a height of its own, and of those the first.
    """
    # Labels without a height come last.
    rank = np.argsort(np.where(np.isfinite(value), 0, 1), kind="stable")
    place = np.empty_like(rank)
    place[rank] = np.arange(len(rank))
    above = np.arange(len(value))
    _unite(above, place[one], place[other])
    resolved: _Int64Array = rank[above][place]
    return resolved


@compiled
def _unite(above: _Int64Array, one: _Int64Array, other: _Int64Array) -> None:
    """Unite pairs; at the end each entry names the lowest of its set."""
    for pair in range(one.size):
        first, second = root_of(above, one[pair]), root_of(above, other[pair])
        above[max(first, second)] = min(first, second)
    for entry in range(above.size):
        above[entry] = above[above[entry]]
