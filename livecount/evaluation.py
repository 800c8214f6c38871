"""How well detections agree with annotations: matching, f-scores, bias of the count.

Two ways to pair detections with annotated centres, both only where they lie closer than a radius:
the paper's rule (DeepDistance, section 4.2), which counts a pair only if neither has a second
partner in reach and so discards crowded cells however well they are found, and the optimal
one-to-one assignment. Pure functions; reading annotated folders is in :mod:`livecount.annotations`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import KDTree

from livecount.frame import Candidates

__all__ = [
    "FrameScore",
    "Matches",
    "SweepFrame",
    "inside_margin",
    "match_assignment",
    "match_paper",
    "score_at",
    "score_frame",
    "summarise",
    "sweep_h",
]

_Float64Array = npt.NDArray[np.float64]
_IndexArray = npt.NDArray[np.int64]

_FRAMES_FOR_A_SLOPE = 3


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Which detection belongs to which annotation.

    Attributes
    ----------
    detected, annotated
        Row numbers of the paired points, both of shape (n,), in the order of ``detected``.
    """

    detected: _IndexArray
    annotated: _IndexArray

    def __len__(self) -> int:
        return len(self.detected)


@dataclass(frozen=True, slots=True)
class FrameScore:
    """One frame's cells, found and annotated, inside its edge margin.

    Attributes
    ----------
    area_px
        Area in which cells were compared, in pixels.
    tp_paper
        Pairs by the paper's rule.
    tp_assignment
        Pairs by optimal one-to-one assignment.
    ceiling_tp
        Pairs by the paper's rule if the annotations themselves were the detections.
    """

    name: str
    area_px: float
    annotated: int
    detected: int
    tp_paper: int
    tp_assignment: int
    ceiling_tp: int


@dataclass(frozen=True, slots=True, eq=False)
class SweepFrame:
    """What is needed to score one frame at any h.

    Attributes
    ----------
    candidates
        Peaks in pixels of the frame.
    annotated_yx
        Annotated centres, shape (n, 2), in pixels of the frame.
    shape
        Height and width of the frame in pixels.
    """

    name: str
    candidates: Candidates
    annotated_yx: _Float64Array
    shape: tuple[int, int]


def match_paper(
    detected_yx: npt.ArrayLike, annotated_yx: npt.ArrayLike, radius_px: float
) -> Matches:
    """Pair points that have exactly each other within the radius (DeepDistance, section 4.2).

    Parameters
    ----------
    detected_yx, annotated_yx
        Shapes (n, 2) and (m, 2), in pixels.
    radius_px
        Points match if they are closer than this.

    Returns
    -------
    Matches
        The true positives: a detection that matches one annotation only, which matches it only.

    Examples
    --------
    >>> len(match_paper([[0, 0], [9, 9]], [[0, 1]], radius_px=2))
    1
    >>> len(match_paper([[0, 0], [0, 2]], [[0, 1]], radius_px=2))
    0
    """
    detected, annotated = _points(detected_yx), _points(annotated_yx)
    pairs = _pairs_within(detected, annotated, radius_px)
    detections_met = np.bincount(pairs["i"], minlength=len(detected))
    annotations_met = np.bincount(pairs["j"], minlength=len(annotated))
    alone = (detections_met[pairs["i"]] == 1) & (annotations_met[pairs["j"]] == 1)
    return _matches(pairs["i"][alone], pairs["j"][alone])


def match_assignment(
    detected_yx: npt.ArrayLike, annotated_yx: npt.ArrayLike, radius_px: float
) -> Matches:
    """Pair as many points one to one as lie within the radius, with the least total distance.

    Parameters
    ----------
    detected_yx, annotated_yx
        Shapes (n, 2) and (m, 2), in pixels.
    radius_px
        Points may be paired if they are closer than this.

    Returns
    -------
    Matches
        A matching of the largest possible size and, among those, of the smallest summed distance.

    Examples
    --------
    >>> len(match_assignment([[0, 0], [0, 2]], [[0, 1]], radius_px=2))
    1
    """
    detected, annotated = _points(detected_yx), _points(annotated_yx)
    pairs = _pairs_within(detected, annotated, radius_px)
    if not len(pairs):
        return _matches(pairs["i"], pairs["j"])
    n, m = len(detected), len(annotated)
    # Every detection may also stay single, with a partner of its own that costs more than all
    # distances together: so a full matching always exists and the cheapest one pairs the most.
    # Weights are >= 1 because the solver takes a zero for a missing edge.
    single = 2.0 + min(n, m)
    rows = np.concatenate([pairs["i"], np.arange(n)])
    columns = np.concatenate([pairs["j"], m + np.arange(n)])
    weights = np.concatenate([1 + pairs["v"] / radius_px, np.full(n, single)])
    graph = coo_array((weights, (rows, columns)), shape=(n, m + n)).tocsr()
    row, column = min_weight_full_bipartite_matching(graph)
    paired = column < m
    return _matches(row[paired], column[paired])


def score_frame(
    name: str,
    detected_yx: npt.ArrayLike,
    annotated_yx: npt.ArrayLike,
    shape: tuple[int, int],
    *,
    radius_px: float,
    edge_margin_px: float = 0,
) -> FrameScore:
    """Compare one frame's detections with its annotations.

    Parameters
    ----------
    detected_yx, annotated_yx
        Shapes (n, 2) and (m, 2), in pixels of the frame (pixel centres are integers).
    shape
        Height and width of the frame in pixels.
    radius_px
        A detection and an annotation match if they are closer than this.
    edge_margin_px
        Detections and annotations nearer to the frame's border than this count neither way.

    Returns
    -------
    FrameScore
        Counts from which :func:`summarise` makes the scores of a set of frames.
    """
    detected, annotated = _points(detected_yx), _points(annotated_yx)
    detected = detected[inside_margin(detected, shape, edge_margin_px)]
    annotated = annotated[inside_margin(annotated, shape, edge_margin_px)]
    height, width = (max(0.0, length - 2 * edge_margin_px) for length in shape)
    return FrameScore(
        name=name,
        area_px=height * width,
        annotated=len(annotated),
        detected=len(detected),
        tp_paper=len(match_paper(detected, annotated, radius_px)),
        tp_assignment=len(match_assignment(detected, annotated, radius_px)),
        ceiling_tp=len(match_paper(annotated, annotated, radius_px)),
    )


def summarise(frames: Sequence[FrameScore]) -> dict[str, float | int | None]:
    """Score a set of frames, all cells together, in percent.

    ``precision``, ``recall`` and ``f_score`` follow the paper's rule, ``f_score_ceiling`` is the
    best that this rule allows (the annotations against themselves); ``..._assignment`` pair by
    optimal assignment. Where nothing was detected, precision and scores are 0; where nothing is
    annotated, what divides by it is None.

    Parameters
    ----------
    frames
        Scores of the frames of one data set.

    Returns
    -------
    dict
        ``images``, ``annotated``, ``detected``, ``true_positives``, ``precision``, ``recall``,
        ``f_score``, ``f_score_ceiling``, ``precision_assignment``, ``recall_assignment``,
        ``f_score_assignment``, ``count_bias_percent``, ``bias_slope_percent_per_doubling``.
    """
    annotated = sum(frame.annotated for frame in frames)
    detected = sum(frame.detected for frame in frames)
    paper = sum(frame.tp_paper for frame in frames)
    assigned = sum(frame.tp_assignment for frame in frames)
    ceiling = sum(frame.ceiling_tp for frame in frames)
    return {
        "images": len(frames),
        "annotated": annotated,
        "detected": detected,
        "true_positives": paper,
        "precision": _precision(paper, detected, annotated),
        "recall": _percent(paper, annotated),
        "f_score": _f_score(paper, detected, annotated),
        "f_score_ceiling": _percent(ceiling, annotated),
        "precision_assignment": _precision(assigned, detected, annotated),
        "recall_assignment": _percent(assigned, annotated),
        "f_score_assignment": _f_score(assigned, detected, annotated),
        "count_bias_percent": _percent(detected - annotated, annotated),
        "bias_slope_percent_per_doubling": _bias_slope(frames),
    }


def sweep_h(
    frames: Sequence[SweepFrame],
    h_values: Iterable[float],
    *,
    radius_px: float,
    edge_margin_px: float = 0,
) -> dict[float, dict[str, float | int | None]]:
    """Score a set of frames at several h from the same candidates, without any inference.

    Parameters
    ----------
    frames
        Candidates and annotations of each frame.
    h_values
        The h to score; none below the candidates' smallest prominence means anything.
    radius_px, edge_margin_px
        As for :func:`score_frame`.

    Returns
    -------
    dict
        h -> what :func:`summarise` gives, in the order of ``h_values``.

    Notes
    -----
    The candidates keep the locations of the h that they were found with; their number is exact.
    """
    return {
        h: summarise([score_at(frame, h, radius_px, edge_margin_px) for frame in frames])
        for h in h_values
    }


def score_at(
    frame: SweepFrame, h: float, radius_px: float, edge_margin_px: float = 0
) -> FrameScore:
    """Compare one frame's candidates that are cells at ``h`` with its annotations.

    Parameters
    ----------
    frame
        Candidates and annotations.
    h
        Peaks with at least this prominence are cells.
    radius_px, edge_margin_px
        As for :func:`score_frame`.
    """
    cells = frame.candidates.at(h)
    detected = np.column_stack([cells.y_px, cells.x_px])
    return score_frame(
        frame.name,
        detected,
        frame.annotated_yx,
        frame.shape,
        radius_px=radius_px,
        edge_margin_px=edge_margin_px,
    )


def _points(yx: npt.ArrayLike) -> _Float64Array:
    points = np.asarray(yx, dtype=np.float64)
    if not points.size:
        return np.empty((0, 2))
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points must have shape (n, 2), not {points.shape}")
    return points


def _pairs_within(first: _Float64Array, second: _Float64Array, radius_px: float) -> Any:
    """List all pairs closer than the radius: records ``i`` (in first), ``j``, ``v`` (distance)."""
    if not radius_px > 0:
        raise ValueError(f"the match radius must be positive, not {radius_px}")
    if not len(first) or not len(second):
        return np.empty(0, dtype=[("i", np.intp), ("j", np.intp), ("v", np.float64)])
    pairs = KDTree(first).sparse_distance_matrix(KDTree(second), radius_px, output_type="ndarray")
    return pairs[pairs["v"] < radius_px]


def _matches(detected: npt.NDArray[Any], annotated: npt.NDArray[Any]) -> Matches:
    order = np.argsort(detected)
    return Matches(detected[order].astype(np.int64), annotated[order].astype(np.int64))


def inside_margin(
    points: _Float64Array, shape: tuple[int, int], margin_px: float
) -> npt.NDArray[np.bool_]:
    """Tell which points are not nearer than the margin to the outer edge of a border pixel.

    Parameters
    ----------
    points
        Shape (n, 2) as (y, x), in pixels of a frame of height and width ``shape``.
    """
    to_border = np.minimum(points + 0.5, np.array(shape) - 0.5 - points).min(axis=1, initial=np.inf)
    kept: npt.NDArray[np.bool_] = (to_border >= margin_px) | (margin_px <= 0)
    return kept


def _percent(part: float, whole: float) -> float | None:
    return 100.0 * part / whole if whole else None


def _precision(true_positives: int, detected: int, annotated: int) -> float | None:
    if not detected:
        return 0.0 if annotated else None
    return 100.0 * true_positives / detected


def _f_score(true_positives: int, detected: int, annotated: int) -> float | None:
    return 200.0 * true_positives / (detected + annotated) if annotated else None


def _bias_slope(frames: Sequence[FrameScore]) -> float | None:
    """Fit ln(detected / annotated) against log2(annotated per area); in percent (100 x slope).

    A count that falls behind as cells get denser makes a doubling time too long, which a mean bias
    does not show. None where the slope is undefined: fewer than three frames with annotations, the
    same density throughout, or a frame with cells of which none was found.
    """
    annotated = [frame for frame in frames if frame.annotated]
    if len(annotated) < _FRAMES_FOR_A_SLOPE or not all(frame.detected for frame in annotated):
        return None
    density = np.array([math.log2(frame.annotated / frame.area_px) for frame in annotated])
    ratio = np.array([math.log(frame.detected / frame.annotated) for frame in annotated])
    centred = density - density.mean()
    spread = float(centred @ centred)
    return 100.0 * float(centred @ ratio) / spread if spread > 1e-12 else None
