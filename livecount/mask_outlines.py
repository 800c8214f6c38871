"""From outlines along pixel edges to polygons over the frame, as they are drawn everywhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from livecount.frame import FloatArray, MaskOutlines

__all__ = ["MaskPolygons", "polygons_over"]

_HEADING_CHANGES: Final = np.array([0, 1, 3], np.uint8)
_DY: Final = np.array([0, 1, 0, -1], np.float32)
_DX: Final = np.array([1, 0, -1, 0], np.float32)
_STRETCHES: Final = (2, 4, 8, 16)
_NEAR_PX: Final = 0.15
"""A stretch of so many corners becomes one line if all lie nearer to it than this, in pixels of the
map: less than the 0.17 by which smoothed outlines pass the middle of any pixel."""

_EDGES_AT_ONCE: Final = 200_000
"""Frames with tens of thousands of cells go through in parts, so that they take little memory."""

_Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class MaskPolygons:
    """Closed polygons around masks; a cell around another one has one more inside.

    Attributes
    ----------
    cell
        Number of the candidate, from 0, shape (n,).
    n_points
        Corners of each, shape (n,); the last one joins the first.
    y_px, x_px
        Corners, polygon after polygon, in pixels of the frame (pixel centres are integers).
    """

    cell: npt.NDArray[np.int32]
    n_points: _Int64Array
    y_px: FloatArray
    x_px: FloatArray

    def split(self) -> list[FloatArray]:
        """Give each polygon's corners, shape (n, 2): y, x."""
        corners = np.stack([self.y_px, self.x_px], axis=1)
        return np.split(corners, np.cumsum(self.n_points)[:-1]) if len(self.cell) else []


def polygons_over(outlines: MaskOutlines, shape: tuple[int, int]) -> MaskPolygons:
    """Give outlines as smooth polygons over a frame.

    The corners are the middles of pixel edges, each averaged with its two neighbours (1, 2, 1), so
    that enlarged outlines have no stairs. The middle of every pixel stays on its side.

    Parameters
    ----------
    shape
        Height and width of the frame.

    Examples
    --------
    >>> four = np.array([4], np.int32)
    >>> one = MaskOutlines(2, 2, *np.zeros((3, 1), np.int32), four, np.ones(4, np.uint8))
    >>> polygons_over(one, (4, 4)).y_px.tolist()
    [0.0, 0.5, 1.0, 0.5]
    """
    parts = [_smoothed(part) for part in _parts(outlines)]
    y, x, n_points = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return MaskPolygons(
        cell=outlines.cell,
        n_points=n_points,
        y_px=y * np.float32(shape[0] / max(outlines.height, 1)) - np.float32(0.5),
        x_px=x * np.float32(shape[1] / max(outlines.width, 1)) - np.float32(0.5),
    )


def _parts(outlines: MaskOutlines) -> Iterator[MaskOutlines]:
    """Cut between outlines, where about so many edges are together; one part at least."""
    ends = np.cumsum(outlines.n_edges, dtype=np.int64)
    cuts = np.flatnonzero(np.diff(ends // _EDGES_AT_ONCE)) + 1
    edge = 0
    for first, last in itertools.pairwise((0, *cuts.tolist(), len(outlines))):
        n_edges = outlines.n_edges[first:last]
        end = edge + int(n_edges.sum(dtype=np.int64))
        yield replace(
            outlines,
            cell=outlines.cell[first:last],
            top=outlines.top[first:last],
            left=outlines.left[first:last],
            n_edges=n_edges,
            turns=outlines.turns[edge:end],
        )
        edge = end


def _smoothed(outlines: MaskOutlines) -> tuple[FloatArray, FloatArray, _Int64Array]:
    """Give the corners in pixels of the map, from its upper left corner, and their number each."""
    n_points = outlines.n_edges.astype(np.int64)
    before, after = _neighbours(n_points)
    y, x = (_averaged(axis, before, after) for axis in _edge_middles(outlines))
    return _thinned(y, x, n_points)


def _edge_middles(outlines: MaskOutlines) -> tuple[FloatArray, FloatArray]:
    """Give the middle of every edge; (0, 0) is the upper left corner of the map."""
    changes = _HEADING_CHANGES[outlines.turns]
    # A closed outline ends as it began, in heading and place: sums need not begin anew with each.
    heading = (np.cumsum(changes, dtype=np.uint8) - changes) % np.uint8(4)
    middles = []
    for steps, begins in ((_DY, outlines.top), (_DX, outlines.left)):
        step = steps[heading]
        ends = np.cumsum(step, dtype=np.float64)
        middles.append((np.repeat(begins, outlines.n_edges) + ends - step / 2).astype(np.float32))
    return middles[0], middles[1]


def _averaged(axis: FloatArray, before: _Int64Array, after: _Int64Array) -> FloatArray:
    quarter = np.float32(0.25)
    return axis * np.float32(0.5) + (axis[before] + axis[after]) * quarter


def _neighbours(n_points: _Int64Array) -> tuple[_Int64Array, _Int64Array]:
    """Give the index of the corner before and after each one, around its polygon."""
    ends = np.cumsum(n_points)
    index = np.arange(n_points.sum())
    before, after = index - 1, index + 1
    before[ends - n_points] = ends - 1
    after[ends - 1] = ends - n_points
    return before, after


def _thinned(
    y: FloatArray, x: FloatArray, n_points: _Int64Array
) -> tuple[FloatArray, FloatArray, _Int64Array]:
    """Leave out corners inside stretches that are straight, or nearly."""
    if not len(n_points):
        return y, x, n_points
    begins = np.cumsum(n_points) - n_points
    first, length = np.repeat(begins, n_points), np.repeat(n_points, n_points)
    number = np.arange(len(y)) - first
    kept = np.ones(len(y), np.bool_)
    for stretch in _STRETCHES:
        start = number // stretch * stretch
        end = np.minimum(start + stretch, length)
        # The last stretch of a polygon ends where the polygon begins.
        is_near = _distances(y, x, first + start, first + end % length) < _NEAR_PX
        starts = np.flatnonzero(number == start)
        is_straight = np.logical_and.reduceat(is_near, starts)
        inside = number != start
        kept &= ~(inside & np.repeat(is_straight, np.diff(starts, append=len(y))))
    return y[kept], x[kept], np.add.reduceat(kept, begins, dtype=np.int64)


def _distances(y: FloatArray, x: FloatArray, start: _Int64Array, end: _Int64Array) -> FloatArray:
    """Give how far each corner lies from the line between two others; far where those are one."""
    along_y, along_x = y[end] - y[start], x[end] - x[start]
    across = np.abs(along_x * (y - y[start]) - along_y * (x - x[start]))
    length = np.hypot(along_y, along_x)
    far = np.full_like(across, np.inf)
    distances: FloatArray = np.divide(across, length, out=far, where=length > 0)
    return distances
