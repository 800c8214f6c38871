"""Tidying labels: smooth outlines, one piece a cell, no holes; carrying them to another grid."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from livecount.compiling import compiled
from livecount.frame import FloatArray

__all__ = ["OUTSIDE", "Labels", "keep_one_piece", "labels_at", "majority", "without_holes"]

Labels = npt.NDArray[np.int32]
_Int64Array = npt.NDArray[np.int64]

OUTSIDE: Final = -1
"""What stands in the border of one pixel around padded labels."""
_EIGHT: Final = np.ones((3, 3), np.bool_)


def labels_at(labels: Labels, shape: tuple[int, int]) -> Labels:
    """Carry labels to another grid over the same field with smooth outlines.

    Each new pixel takes the label with the largest weight among the 16 nearest old ones, weighted
    by the cubic B-spline, so that enlarged outlines have no stairs; then the largest piece of each
    label is kept. A cell that the new grid is too coarse for has no pixel.

    Parameters
    ----------
    shape
        Height and width of the result.
    """
    if 0 in shape or not labels.size:
        return np.zeros(shape, np.int32)
    rows, row_weights = _spline_weights(labels.shape[0], shape[0])
    columns, column_weights = _spline_weights(labels.shape[1], shape[1])
    found = np.full((shape[0] + 2, shape[1] + 2), OUTSIDE, np.int32)
    _vote(labels, rows, row_weights, columns, column_weights, found)
    no_seeds = np.zeros(int(labels.max()), np.int64)
    keep_one_piece(found.ravel(), found.shape[1], no_seeds)
    return np.ascontiguousarray(found[1:-1, 1:-1])


@compiled
def majority(labels: Labels, radius: int) -> Labels:
    """Replace each label by the most frequent one of its square; of equals, the one it had."""
    height, width = labels.shape
    result = labels.copy()
    names = np.empty((2 * radius + 1) ** 2, np.int32)
    votes = np.empty((2 * radius + 1) ** 2, np.int64)
    for y in range(height):
        for x in range(width):
            top, bottom = max(0, y - radius), min(height, y + radius + 1)
            left, right = max(0, x - radius), min(width, x + radius + 1)
            if _is_uniform(labels, top, bottom, left, right):
                continue
            names[0], votes[0], n = labels[y, x], 0, 1
            for j in range(top, bottom):
                for i in range(left, right):
                    n = _add_vote(names, votes, n, labels[j, i], 1)
            best = 0
            for k in range(1, n):
                if votes[k] > votes[best]:
                    best = k
            result[y, x] = names[best]
    return result


@compiled
def _is_uniform(labels: Labels, top: int, bottom: int, left: int, right: int) -> bool:
    label = labels[top, left]
    for j in range(top, bottom):
        for i in range(left, right):
            if labels[j, i] != label:
                return False
    return True


@compiled
def _add_vote(names: Any, votes: Any, n: int, name: int, weight: Any) -> int:
    """Add weight to a name; return how many names there are now."""
    k = 0
    while k < n and names[k] != name:
        k += 1
    if k == n:
        names[n] = name
        votes[n] = 0
        n += 1
    votes[k] += weight
    return n


@compiled
def keep_one_piece(labels: Labels, width: int, seeds: _Int64Array) -> None:
    """Of each label's 4-connected pieces keep that with its seed, else the largest."""
    piece = np.zeros(labels.size, np.int64)
    queue = np.empty(labels.size, np.int64)
    kept = np.zeros(seeds.size + 1, np.int64)
    largest = np.zeros(seeds.size + 1, np.int64)
    n_pieces = 0
    for start in range(labels.size):
        label = labels[start]
        if label <= 0 or piece[start] != 0:
            continue
        n_pieces += 1
        piece[start], queue[0] = n_pieces, start
        size, done = 1, 0
        while done < size:
            here = queue[done]
            done += 1
            for step in (-width, -1, 1, width):
                there = here + step
                if labels[there] == label and piece[there] == 0:
                    piece[there] = n_pieces
                    queue[size] = there
                    size += 1
        if piece[seeds[label - 1]] == n_pieces:
            size = labels.size
        if size > largest[label]:
            largest[label], kept[label] = size, n_pieces
    for here in range(labels.size):
        if labels[here] > 0 and piece[here] != kept[labels[here]]:
            labels[here] = 0


def without_holes(labels: Labels) -> Labels:
    """Give background that one cell alone encloses to that cell."""
    gaps, n_gaps = ndimage.label(labels == 0, _EIGHT)
    padded = np.pad(labels, 1, constant_values=OUTSIDE)
    owner = _owners(padded, np.pad(gaps, 1), n_gaps)
    return np.where(labels == 0, np.maximum(owner[gaps], 0), labels).astype(np.int32)


@compiled
def _owners(labels: Labels, gaps: npt.NDArray[np.int32], n_gaps: int) -> Labels:
    """Tell which label each gap lies in: -1 where several, or the frame's border, are beside it."""
    owner = np.zeros(n_gaps + 1, np.int32)
    for y in range(1, labels.shape[0] - 1):
        for x in range(1, labels.shape[1] - 1):
            gap = gaps[y, x]
            if gap == 0:
                continue
            for j in range(y - 1, y + 2):
                for i in range(x - 1, x + 2):
                    beside = labels[j, i]
                    if beside != 0 and owner[gap] != beside:
                        owner[gap] = beside if owner[gap] == 0 else -1
    return owner


def _spline_weights(n_in: int, n_out: int) -> tuple[_Int64Array, FloatArray]:
    """Give the four nearest old pixels of each new one and their weights, shapes (n_out, 4)."""
    centre = (np.arange(n_out) + 0.5) * (n_in / n_out) - 0.5
    t = centre - np.floor(centre)
    weights = np.stack(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1
    )
    nearest = np.floor(centre).astype(np.int64)[:, None] + np.arange(-1, 3)
    return np.clip(nearest, 0, n_in - 1), (weights / 6).astype(np.float32)


@compiled
def _vote(
    labels: Labels,
    rows: _Int64Array,
    row_weights: FloatArray,
    columns: _Int64Array,
    column_weights: FloatArray,
    found: Labels,
) -> None:
    """Fill ``found`` inside its border of one pixel."""
    names, votes = np.empty(16, np.int32), np.empty(16, np.float32)
    for y in range(rows.shape[0]):
        for x in range(columns.shape[0]):
            top, left, n = rows[y, 0], columns[x, 0], 0
            if _is_uniform(labels, top, rows[y, 3] + 1, left, columns[x, 3] + 1):
                found[y + 1, x + 1] = labels[top, left]
                continue
            for j in range(4):
                for i in range(4):
                    label = labels[rows[y, j], columns[x, i]]
                    n = _add_vote(names, votes, n, label, row_weights[y, j] * column_weights[x, i])
            best = 0
            for k in range(1, n):
                if votes[k] > votes[best]:
                    best = k
            found[y + 1, x + 1] = names[best]
