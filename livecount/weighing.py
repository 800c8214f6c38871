"""The map on which cells are found: the inner distance map, weighed by the outer one.

The two maps of the network are drawn by decoders of their own. The inner one has a peak wherever
something may be the middle of a cell; the outer one rises only where a whole cell is seen, with a
border all round. Debris, beads on neurites and slivers of cells at the frame's edge have the first
and not the second. Where the outer map stays low, the inner one is lowered in proportion.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from livecount.frame import FloatArray

__all__ = ["OuterWeighing", "detection_bands", "detection_map"]

_SIGMAS_SEEN = 4.0


@dataclass(frozen=True, slots=True)
class OuterWeighing:
    """How the outer map weighs the inner one; all lengths in pixels at the model's scale.

    Attributes
    ----------
    full_at
        From this value of the smoothed outer map on, the inner map counts in full; below it, in
        proportion.
    sigma_px
        Standard deviation of the Gaussian that smooths the outer map before.
    """

    full_at: float = 0.5
    sigma_px: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.full_at <= 1 or not 0 <= self.sigma_px < float("inf"):
            raise ValueError(
                f"full_at must be above 0 and at most 1, and sigma_px at least 0, "
                f"not {self.full_at} and {self.sigma_px}"
            )

    @classmethod
    def from_mapping(cls, table: Mapping[str, Any]) -> OuterWeighing:
        """Read it from a card.

        Raises
        ------
        KeyError, TypeError, ValueError
            A value is missing or impossible.
        """
        return cls(float(table["outer_full_at"]), float(table["outer_sigma_px"]))


def detection_map(
    maps: FloatArray, heads: Sequence[str], weighing: OuterWeighing | None
) -> FloatArray:
    """Give the map whose peaks are candidates.

    Parameters
    ----------
    maps
        Shape (heads, y, x), a whole frame.
    heads
        Names of the maps; ``inner`` is among them.
    weighing
        None, or a model without an outer map: the inner map as it is (DeepDistance, section 3.3).

    Returns
    -------
    FloatArray
        Shape (y, x), contiguous float32, between 0 and the inner map. Where a network drew less
        than 0 (a head with a linear activation) it is 0: distances have no values below.

    Examples
    --------
    >>> maps = np.array([[[0.8, 0.8]], [[0.5, 0.1]]], np.float32)
    >>> detection_map(maps, ("inner", "outer"), OuterWeighing(0.5, 0.0)).round(2).tolist()
    [[0.800000011920929, 0.1599999964237213]]
    """
    drawn = maps[heads.index("inner")]
    inner: FloatArray = np.maximum(drawn, np.float32(0), dtype=np.float32, order="C")
    if weighing is None or "outer" not in heads:
        return inner
    from scipy import ndimage  # the monitor names weighings and computes none

    outer = ndimage.gaussian_filter(
        maps[heads.index("outer")], weighing.sigma_px, mode="reflect", truncate=_SIGMAS_SEEN
    )
    weight = np.clip(outer / np.float32(weighing.full_at), 0, 1, dtype=np.float32)
    weighed: FloatArray = inner * weight
    return weighed


def detection_bands(
    bands: Iterable[FloatArray], heads: Sequence[str], weighing: OuterWeighing | None
) -> Iterator[FloatArray]:
    """Give the map of :func:`detection_map` in bands, from maps that come in bands.

    Parameters
    ----------
    bands
        Shape (heads, y, x) each, from a frame's top to its bottom.

    Yields
    ------
    FloatArray
        Shape (y, x); bands are not those that came, as smoothing looks beyond them.
    """
    beyond = 0 if weighing is None else int(_SIGMAS_SEEN * weighing.sigma_px + 0.5)
    n_done, kept = 0, None
    for band in bands:
        kept = band if kept is None else np.concatenate([kept, band], axis=1)
        n_ready = kept.shape[1] - beyond
        if n_ready > n_done:
            yield detection_map(kept, heads, weighing)[n_done:n_ready]
            first = max(0, n_ready - beyond)
            kept, n_done = kept[:, first:], n_ready - first
    if kept is not None and kept.shape[1] > n_done:
        yield detection_map(kept, heads, weighing)[n_done:]
