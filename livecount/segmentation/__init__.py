"""From a network's maps to one mask a cell, and confluence (DeepDistance, section 4.7).

Pure functions on arrays of shape (y, x) at the model's scale; :func:`labels_at` carries masks to
the scale of the frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from livecount.frame import Candidates, FloatArray
from livecount.segmentation.growing import grow, place_markers
from livecount.segmentation.outlines import (
    OUTSIDE,
    Labels,
    keep_one_piece,
    labels_at,
    majority,
    without_holes,
)
from livecount.segmentation.shapes import measure_shapes
from livecount.segmentation.tracing import trace_masks

__all__ = [
    "Labels",
    "SegmentationRule",
    "confluence_percent",
    "find_foreground",
    "labels_at",
    "measure_shapes",
    "segment",
    "trace_masks",
]

_Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SegmentationRule:
    """What is cell, and how markers grow; chosen on training and validation frames (ADR 0016).

    Attributes
    ----------
    foreground_outer
        The normalised outer distance map is above this where there is a cell; a model's card may
        name its own in the table ``segmentation``.
    foreground_cell
        Likewise for the cell map of a model that has one; the outer map then does not decide.
    marker_outer
        A location is widened to a marker over connected pixels of the outer map above this. The
        paper has 0.5, on maps that reach higher.
    least_free
        A marker rests while less than this share of the pixels adjacent to it is free foreground.
        The paper has 0.5, which on cells with processes stops far inside their outline.
    smoothing_px
        Half the edge of the majority filter that smooths outlines.
    """

    foreground_outer: float = 0.08
    foreground_cell: float = 0.5
    marker_outer: float = 0.3
    least_free: float = 0.0
    smoothing_px: int = 2

    @classmethod
    def of_card(cls, card: Mapping[str, Any]) -> SegmentationRule:
        """Take what a model's card says, else the defaults.

        >>> SegmentationRule.of_card({"segmentation": {"foreground_outer": 0.1}}).foreground_outer
        0.1
        """
        said = card.get("segmentation", {})
        return cls(**{name: said[name] for name in said if name in cls.__slots__})


def find_foreground(
    maps: FloatArray, heads: tuple[str, ...], rule: SegmentationRule
) -> npt.NDArray[np.bool_]:
    """Tell which pixels are cell: by the cell map where the model has one, else the outer map.

    Parameters
    ----------
    maps
        Shape (head, y, x).
    heads
        Names of the maps; ``cell`` or ``outer`` must be among them.
    """
    if "cell" in heads:
        return np.asarray(maps[heads.index("cell")] > rule.foreground_cell)
    return np.asarray(maps[heads.index("outer")] > rule.foreground_outer)


def confluence_percent(labels: npt.NDArray[np.integer[Any]]) -> float:
    """Give the share of the area that cells cover, in percent.

    >>> confluence_percent(np.array([[0, 1], [2, 2]]))
    75.0
    """
    return 100 * float(np.mean(labels > 0)) if labels.size else 0.0


def segment(
    outer: FloatArray,
    foreground: npt.NDArray[np.bool_],
    cells: Candidates,
    rule: SegmentationRule | None = None,
) -> Labels:
    """Give every cell its pixels: widen its location to a marker, grow all markers, smooth.

    The order of growing is the paper's: the marker whose adjacent free foreground has the highest
    mean outer value takes all of it, and so on until none has any. It differs in this: locations
    widen together, each pixel going to the nearest, so that two in one blob stay two; no marker is
    dropped for being small, because every counted cell should be seen; pixels are adjacent by
    edges; a region cut by the smoothing keeps the piece with its location, and holes are filled.

    Parameters
    ----------
    outer
        Normalised outer distance map, shape (y, x).
    foreground
        Where there are cells, shape (y, x).
    cells
        Locations in pixels of the maps.

    Returns
    -------
    Labels
        Shape (y, x), int32: ``k`` on the cell at ``cells[k - 1]``, 0 elsewhere. A cell whose
        location is not on the foreground has no pixel. Every label is one 4-connected piece
        without holes that holds its location.

    Raises
    ------
    ValueError
        The shapes differ.

    Examples
    --------
    >>> outer = np.array([[0, 0.2, 0.9, 0.2, 0.3, 0.7, 0]], np.float32)
    >>> two = Candidates(*np.array([[0, 0], [2, 5], [1, 1]], np.float32))
    >>> segment(outer, outer > 0.1, two, SegmentationRule(smoothing_px=0)).tolist()
    [[0, 1, 1, 1, 2, 2, 0]]
    """
    rule = rule or SegmentationRule()
    if outer.ndim != 2 or outer.shape != foreground.shape:
        raise ValueError(f"maps of shapes {outer.shape} and {foreground.shape} do not fit")
    heights = np.pad(outer.astype(np.float32, copy=False), 1).ravel()
    free = np.pad(foreground.astype(np.bool_, copy=False), 1).ravel()
    padded = np.pad(np.zeros(outer.shape, np.int32), 1, constant_values=OUTSIDE)
    seeds, width = _seeds(cells, outer.shape), padded.shape[1]
    place_markers(padded.ravel(), width, heights, free, seeds, rule.marker_outer)
    grow(padded.ravel(), width, heights, free, len(seeds), rule.least_free)
    smooth = np.pad(majority(padded[1:-1, 1:-1], rule.smoothing_px), 1, constant_values=OUTSIDE)
    owned = padded.ravel()[seeds] == np.arange(1, len(seeds) + 1)
    smooth.ravel()[seeds[owned]] = padded.ravel()[seeds[owned]]
    keep_one_piece(smooth.ravel(), width, seeds)
    return without_holes(np.ascontiguousarray(smooth[1:-1, 1:-1]))


def _seeds(cells: Candidates, shape: tuple[int, ...]) -> _Int64Array:
    """Give the pixel of each location, as a flat index into the map with its border of one."""
    y = np.clip(np.rint(cells.y_px), 0, shape[0] - 1).astype(np.int64) + 1
    x = np.clip(np.rint(cells.x_px), 0, shape[1] - 1).astype(np.int64) + 1
    return y * (shape[1] + 2) + x
