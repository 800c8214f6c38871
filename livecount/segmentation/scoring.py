"""How well masks agree with annotated ones: intersection over union, and confluence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["MaskScore", "score_masks"]

_Masks = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class MaskScore:
    """One frame's masks against its annotated ones.

    Attributes
    ----------
    iou
        For each annotated cell the intersection over union with the mask that fits it best, 0
        where none overlaps it; shape (n,).
    is_matched
        Whether that mask in turn fits no other annotated cell better; shape (n,).
    confluence_percent, annotated_confluence_percent
        Share of the area that masks cover.
    """

    iou: npt.NDArray[np.float64]
    is_matched: npt.NDArray[np.bool_]
    confluence_percent: float
    annotated_confluence_percent: float

    @property
    def confluence_difference(self) -> float:
        """Confluence found minus annotated, in percentage points."""
        return self.confluence_percent - self.annotated_confluence_percent


def score_masks(found: _Masks, annotated: _Masks) -> MaskScore:
    """Compare masks with annotated ones.

    Parameters
    ----------
    found, annotated
        Labels of the same shape (y, x), 0 where there is no cell.

    Raises
    ------
    ValueError
        The shapes differ.

    Examples
    --------
    >>> score = score_masks(np.array([[1, 1, 2, 0]]), np.array([[3, 3, 3, 0]]))
    >>> score.iou.round(3).tolist(), score.confluence_difference
    ([0.667], 0.0)
    """
    if found.shape != annotated.shape:
        raise ValueError(f"masks of shapes {found.shape} and {annotated.shape} do not fit")
    found_index, n_found = _numbered(found)
    annotated_index, n_annotated = _numbered(annotated)
    pairs = found_index.astype(np.int64) * n_annotated + annotated_index
    overlap = np.bincount(pairs, minlength=n_found * n_annotated).reshape(n_found, n_annotated)
    union = overlap.sum(axis=1)[:, None] + overlap.sum(axis=0)[None, :] - overlap
    iou = (overlap / np.maximum(union, 1))[1:, 1:]
    if not iou.size:
        iou = np.zeros((1, n_annotated - 1))
    best = iou.argmax(axis=0)
    cells = np.arange(n_annotated - 1)
    is_matched = (iou[best, cells] > 0) & (iou.argmax(axis=1)[best] == cells)
    return MaskScore(iou[best, cells], is_matched, _percent(found), _percent(annotated))


def _numbered(masks: _Masks) -> tuple[npt.NDArray[np.int64], int]:
    """Give labels other numbers, from 0, the background, without gaps; and how many there are."""
    there = np.bincount(masks.ravel()) > 0
    there[:1] = True
    return (np.cumsum(there) - 1)[masks.ravel()], int(there.sum())


def _percent(masks: _Masks) -> float:
    return 100 * float(np.mean(masks > 0)) if masks.size else 0.0
