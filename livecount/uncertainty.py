"""How many cells a frame may hold, from what is stored of it: each candidate's prominence.

A peak far above h is nearly always a cell, one near h may be one or not, and of those far below a
few are. How often a peak of a given prominence is a cell was fitted on annotated images and stands
in the model's card; with it a frame's candidates give a distribution of the true number of cells.

What the interval is: the 95 % range of the number of cells **on images like those of the fit**. It
comes from peaks near h, cells missed at the rate seen there, and how far single frames lay from
what their peaks promised. What it is not: it knows nothing of a line on which the network is blind
or sees cells in debris. Only a person's clicks tell that (:mod:`livecount.validation`), and where
there are some, the interval is widened by what they showed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from livecount.frame import Candidates

__all__ = [
    "Calibration",
    "FittedFrame",
    "cells_among",
    "count_interval",
    "find_doubts",
    "fit_calibration",
    "widen",
]

_UPPER = 0.975
_SURE = 0.7
"""What is counted is a cell with this probability in the mean, or the count is doubtful. On frames
of eleven sets the mean was 0.84 to 0.93 for lines that the network had learnt, 0.73 and more for
cells of others and for sheets, 0.62 and 0.68 where most of what was counted was debris, and mostly
below 0.7 on painted debris without cells."""
_FAIRLY_SURE = 0.8
_PLAIN = 0.958
"""Where the mean is below 0.8, some peak must be this plainly a cell, as one is in most frames with
cells, however faint the others: of eleven sets frames of two only, ``sartorius-astro`` and
``-cort``, are called doubtful by this and the 0.7. What it finds of painted debris:
``docs/repeatability.md``."""
_Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """How often a peak is a cell, and what else makes counts uncertain.

    Attributes
    ----------
    intercept, slope
        P(cell | prominence) = 1 / (1 + exp(-(intercept + slope ln(prominence)))).
    found_share
        Share of the cells that have a candidate at all.
    frame_sd
        Root mean square of ln(annotated / expected) over frames: what their peaks do not tell.
    n_frames
        Frames of the fit; with few of them the interval is wider.
    """

    intercept: float
    slope: float
    found_share: float
    frame_sd: float
    n_frames: int

    def __post_init__(self) -> None:
        numbers = (self.intercept, self.slope, self.frame_sd, self.found_share)
        if not all(map(math.isfinite, numbers)) or self.slope < 0 or self.frame_sd < 0:
            raise ValueError("a calibration needs finite numbers, slope and frame_sd >= 0")
        if not 0 < self.found_share <= 1 or self.n_frames < 2:
            raise ValueError("a calibration needs 0 < found_share <= 1 and at least two frames")

    @classmethod
    def from_mapping(cls, values: Mapping[str, float]) -> Calibration:
        """Read a calibration from a card or a database; other keys are ignored.

        Raises
        ------
        KeyError, TypeError, ValueError
            A value is missing or impossible.
        """
        return cls(
            intercept=float(values["intercept"]),
            slope=float(values["slope"]),
            found_share=float(values["found_share"]),
            frame_sd=float(values["frame_sd"]),
            n_frames=int(values["n_frames"]),
        )

    def to_mapping(self) -> dict[str, float]:
        """Give the values by name, for a card or a database."""
        return asdict(self)

    def probability(self, prominence: npt.ArrayLike) -> _Float64Array:
        """Give P(cell) of peaks of these prominences, shape (n,)."""
        from scipy.special import expit

        logs = np.log(np.asarray(prominence, np.float64))
        found: _Float64Array = expit(self.intercept + self.slope * logs)
        return found

    def moments(self, prominence: npt.ArrayLike) -> tuple[float, float]:
        """Give mean and variance of the number of cells in a frame with these peaks.

        The cells among the peaks are Poisson-binomial. Given m of them, the cells without a peak
        are negative binomial, as every cell has one with probability ``found_share`` and no number
        of cells is likelier than another before the frame is seen. Frames differ by ``frame_sd``.
        """
        p = self.probability(prominence)
        q = self.found_share
        among, among_variance = float(p.sum()), float((p * (1 - p)).sum())
        mean = among + (among + 1) * (1 - q) / q
        variance = among_variance / q**2 + (among + 1) * (1 - q) / q**2
        return mean, variance + (self.frame_sd * mean) ** 2


@dataclass(frozen=True, slots=True, eq=False)
class FittedFrame:
    """One annotated frame: its peaks, which of them are cells, and how many cells there are.

    Attributes
    ----------
    prominence
        Shape (n,).
    is_cell
        Shape (n,), bool.
    annotated
        Cells in the frame.
    """

    prominence: npt.NDArray[np.float32]
    is_cell: npt.NDArray[np.bool_]
    annotated: int


def find_doubts(calibration: Calibration, prominence: npt.NDArray[np.floating]) -> tuple[str, ...]:
    """Name what makes a count doubtful, judged by the peaks that are counted.

    ``doubtful_cells``: in the mean they are cells with a probability below 0.7, as among debris or
    on images of a kind that the network has not learnt from; or below 0.8, and none of them is
    plainly a cell.

    Parameters
    ----------
    calibration
        Of the model that counted.
    prominence
        Shape (n,), of the peaks that are counted.
    """
    if not len(prominence):
        return ()
    sure = calibration.probability(prominence)
    needed = _SURE if sure.max() >= _PLAIN else _FAIRLY_SURE
    return () if float(sure.mean()) >= needed else ("doubtful_cells",)


def count_interval(
    calibration: Calibration, prominence: npt.ArrayLike, count: int
) -> tuple[int, int]:
    """Give the 95 % interval of the number of cells in a frame.

    Mean +- t standard deviations of :meth:`Calibration.moments`, t with as many degrees of freedom
    as the fit had frames less one, rounded outward to whole cells, never below
    0, and widened to hold ``count`` itself.

    Parameters
    ----------
    prominence
        Of all candidates of the frame, shape (n,).
    count
        The number of peaks with prominence >= h.

    Returns
    -------
    low, high
        ``0 <= low <= count <= high``.

    Examples
    --------
    >>> sure = Calibration(3.6, 2.2, 0.97, 0.04, 6)
    >>> count_interval(sure, [], 0), count_interval(sure, [0.9] * 50 + [0.16] * 6, 56)
    ((0, 1), (44, 61))
    """
    from scipy.special import stdtrit

    mean, variance = calibration.moments(prominence)
    reach = float(stdtrit(calibration.n_frames - 1, _UPPER)) * math.sqrt(variance)
    low, high = math.floor(mean - reach), math.ceil(mean + reach)
    return max(0, min(low, count)), max(high, count)


def widen(
    interval: tuple[int, int] | None, count: int, log_limits: tuple[float, float]
) -> tuple[int, int]:
    """Widen an interval by what a person's clicks showed of such counts.

    Parameters
    ----------
    interval
        From peaks, or None where the model has no calibration.
    log_limits
        Where ln(count / truth) of a further frame lies
        (:attr:`livecount.agreement.Agreement.log_limits_of_new`).

    Returns
    -------
    low, high
        Holds ``interval``, ``count``, and every truth that the limits allow.

    Examples
    --------
    >>> widen((95, 108), 100, (-0.25, 0.05))
    (95, 128)
    """
    low, high = interval or (count, count)
    # Beyond what a count can be, an exponential would overflow.
    lowest, highest = (count * math.exp(min(-limit, 50.0)) for limit in reversed(log_limits))
    return min(low, count, math.floor(lowest + 0.5)), max(high, count, math.floor(highest + 0.5))


def cells_among(
    candidates: Candidates, annotated_yx: npt.ArrayLike, radius_px: float
) -> npt.NDArray[np.bool_]:
    """Tell which candidates are annotated cells: the most prominent choose first.

    Parameters
    ----------
    candidates
        Sorted by prominence, as always.
    annotated_yx
        Shape (m, 2), in pixels of the frame; each is the cell of one candidate at most.
    radius_px
        A candidate may be a cell that lies no farther.

    Returns
    -------
    numpy.ndarray
        Shape (n,), bool.
    """
    from scipy.spatial import KDTree

    annotated = np.asarray(annotated_yx, np.float64).reshape(-1, 2)
    is_cell = np.zeros(len(candidates), bool)
    if not len(annotated):
        return is_cell
    tree, free = KDTree(annotated), np.ones(len(annotated), bool)
    places = np.column_stack([candidates.y_px, candidates.x_px]).astype(np.float64)
    for number, place in enumerate(places):
        open_ones = [index for index in tree.query_ball_point(place, radius_px) if free[index]]
        if open_ones:
            away = np.linalg.norm(annotated[open_ones] - place, axis=1)
            free[open_ones[int(away.argmin())]] = False
            is_cell[number] = True
    return is_cell


def fit_calibration(frames: Sequence[FittedFrame]) -> Calibration:
    """Fit how often a peak is a cell, by maximum likelihood, on annotated frames.

    Logistic regression on ln(prominence); the slope is kept from falling below 0.

    Raises
    ------
    ValueError
        Fewer than two frames with cells, or no cell is among their candidates.
    """
    from scipy.optimize import minimize

    filled = [frame for frame in frames if frame.annotated]
    if len(filled) < 2 or not any(frame.is_cell.any() for frame in filled):
        raise ValueError("a calibration needs at least two frames with annotated cells")
    logs = np.log(np.concatenate([frame.prominence for frame in frames]).astype(np.float64))
    is_cell = np.concatenate([frame.is_cell for frame in frames])

    def surprise(values: _Float64Array) -> float:
        z = values[0] + values[1] * logs
        # A weak pull to 0 keeps the slope finite where prominence parts cells perfectly.
        return float(np.sum(np.logaddexp(0, z) - is_cell * z) + 1e-3 * values @ values)

    best = minimize(surprise, np.array([0.0, 1.0]), bounds=[(-50, 50), (0, 50)]).x
    found = sum(int(frame.is_cell.sum()) for frame in frames)
    share = found / sum(frame.annotated for frame in frames)
    fitted = Calibration(float(best[0]), float(best[1]), share, 0.0, len(filled))
    logs_off = [
        math.log(frame.annotated * share / float(fitted.probability(frame.prominence).sum()))
        for frame in filled
    ]
    spread = math.sqrt(math.fsum(log * log for log in logs_off) / len(logs_off))
    return Calibration(fitted.intercept, fitted.slope, share, spread, len(filled))
