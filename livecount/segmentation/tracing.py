"""From a label map to the outlines of its masks, along pixel edges, without loss."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from livecount.compiling import compiled
from livecount.frame import MaskOutlines
from livecount.segmentation.outlines import Labels

__all__ = ["trace_masks"]

_RIGHTWARDS, _DOWNWARDS, _LEFTWARDS = 0, 1, 2
_ON, _RIGHT, _LEFT = 0, 1, 2


def trace_masks(labels: Labels) -> MaskOutlines:
    """Follow the outline of every mask.

    Pixels that touch at a corner only are not joined, as in growing.

    Parameters
    ----------
    labels
        Shape (y, x), int32: ``k`` on the cell of candidate ``k - 1``, 0 elsewhere.

    Examples
    --------
    >>> one = trace_masks(np.array([[0, 1, 1]], np.int32))
    >>> int(one.left[0]), one.turns.tolist()
    (1, [0, 1, 1, 0, 1, 1])
    """
    starts, cells, n_edges, turns = _followed(np.ascontiguousarray(labels, np.int32))
    width = max(labels.shape[1], 1)
    return MaskOutlines(
        height=labels.shape[0],
        width=labels.shape[1],
        cell=cells,
        top=(starts // width).astype(np.int32),
        left=(starts % width).astype(np.int32),
        n_edges=n_edges,
        turns=turns,
    )


@compiled
def _followed(
    labels: Labels,
) -> tuple[
    npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.uint8]
]:
    """Give each outline's first pixel as a flat index, its cell and length, and all turns.

    Every outline, also an inner one, has an edge along the top of a pixel; those that were passed
    are marked, so that no outline is followed twice.
    """
    height, width = labels.shape
    passed = np.zeros((height, width), np.bool_)
    starts = np.empty(16, np.int64)
    cells = np.empty(16, np.int32)
    lengths = np.empty(16, np.int32)
    turns = np.empty(1024, np.uint8)
    n, n_turns = 0, 0
    for top in range(height):
        for left in range(width):
            label = labels[top, left]
            if label <= 0 or passed[top, left] or _label_at(labels, top - 1, left) == label:
                continue
            if n == starts.size:
                starts = np.append(starts, np.empty_like(starts))
                cells = np.append(cells, np.empty_like(cells))
                lengths = np.append(lengths, np.empty_like(lengths))
            y, x, heading, first = top, left, _RIGHTWARDS, n_turns
            while n_turns == first or y != top or x != left or heading != _RIGHTWARDS:
                if heading == _RIGHTWARDS:
                    passed[y, x] = True
                y, x = _stepped(y, x, heading)
                turn = _turn(labels, y, x, heading, label)
                heading = (heading + (3 if turn == _LEFT else turn)) % 4
                if n_turns == turns.size:
                    turns = np.append(turns, np.empty_like(turns))
                turns[n_turns] = turn
                n_turns += 1
            starts[n], cells[n], lengths[n] = top * width + left, label - 1, n_turns - first
            n += 1
    return starts[:n].copy(), cells[:n].copy(), lengths[:n].copy(), turns[:n_turns].copy()


@compiled
def _stepped(y: int, x: int, heading: int) -> tuple[int, int]:
    """Go along one edge from the corner at the upper left of pixel (y, x)."""
    if heading == _RIGHTWARDS:
        return y, x + 1
    if heading == _DOWNWARDS:
        return y + 1, x
    if heading == _LEFTWARDS:
        return y, x - 1
    return y - 1, x


@compiled
def _turn(labels: Labels, y: int, x: int, heading: int, label: int) -> int:
    """Tell where an outline goes on at a corner, by the two pixels ahead."""
    if heading == _RIGHTWARDS:
        right, left = _label_at(labels, y, x), _label_at(labels, y - 1, x)
    elif heading == _DOWNWARDS:
        right, left = _label_at(labels, y, x - 1), _label_at(labels, y, x)
    elif heading == _LEFTWARDS:
        right, left = _label_at(labels, y - 1, x - 1), _label_at(labels, y, x - 1)
    else:
        right, left = _label_at(labels, y - 1, x), _label_at(labels, y - 1, x - 1)
    if right != label:
        return _RIGHT
    return _LEFT if left == label else _ON


@compiled
def _label_at(labels: Labels, y: int, x: int) -> int:
    """Give the label of a pixel; outside the map there is none."""
    if y < 0 or x < 0 or y >= labels.shape[0] or x >= labels.shape[1]:
        return 0
    return int(labels[y, x])
