"""The typical cell diameter, read off a frame by the network itself."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from livecount.counting_rule import DiameterEstimate
from livecount.detection import find_peaks
from livecount.errors import EngineError, RefusedFrameError
from livecount.frame import Frame
from livecount.inference import Engine, Model, TileLimits, infer_tiled
from livecount.normalisation import normalise
from livecount.resampling import resize
from livecount.segmentation import SegmentationRule, find_foreground, segment
from livecount.weighing import detection_map

__all__ = ["DiameterEstimate", "estimate_cell_diameter"]

_DIAMETERS_TRIED_PX: Final = tuple(12 * 1.25**step for step in range(10))
_ESTIMATE_CELLS: Final = 24
"""The estimate looks at a square of at most so many diameters."""
_FEWEST_CELLS: Final = 5
"""Fewer say nothing about a typical size."""


def estimate_cell_diameter(frame: Frame, model: Model, engine: Engine) -> DiameterEstimate:
    """Read the typical cell diameter off a frame: the one that the cells it finds then have.

    The middle of the frame is brought to the model's scale as if its cells had each of several
    diameters from 12 to 90 px, and cells are found and segmented. Taken for too small, cells come
    out larger than the model's, because it sees them whole, or fall into parts; taken for too
    large, they come out smaller. The estimate is where their median diameter falls to the model's,
    upward from the diameter at which it is largest.

    Parameters
    ----------
    frame
        Any frame of the experiment with cells in it.

    Returns
    -------
    DiameterEstimate
        To be shown on an overlay and locked, never used silently.

    Raises
    ------
    RefusedFrameError
        Nothing in the frame looks like a cell at any size.
    EngineError
        The model has no outer distance map.
    """
    if "outer" not in model.heads:
        raise EngineError(
            f"Model {model.name!r} cannot estimate the cell diameter",
            hint="Give it with --cell-diameter-um or --cell-diameter-px",
        )
    seen = [_relative_size(frame, tried, model, engine) for tried in _DIAMETERS_TRIED_PX]
    found = [pair for pair in zip(_DIAMETERS_TRIED_PX, seen, strict=True) if pair[1] > 0]
    if not found:
        raise RefusedFrameError(
            f"{frame.key.display_path}: nothing looks like a cell, so that their diameter cannot "
            "be estimated",
            hint="Give it with --cell-diameter-um or --cell-diameter-px",
        )
    return _crossing(np.log([pair[0] for pair in found]), np.log([pair[1] for pair in found]))


def _relative_size(frame: Frame, diameter_px: float, model: Model, engine: Engine) -> float:
    """Give the median diameter of the cells found over the model's, 0 where there are too few."""
    middle = _middle(frame.pixels, _ESTIMATE_CELLS * diameter_px)
    scaled = resize(middle, model.cell_diameter_px / diameter_px)
    maps = infer_tiled(
        engine.infer,
        normalise(scaled, model.normalisation),
        TileLimits.of(model, engine),
    )
    cells = find_peaks(detection_map(maps, model.heads, model.weighing)).at(model.h)
    if len(cells) < _FEWEST_CELLS:
        return 0.0
    rule = SegmentationRule.of_card(model.card)
    labels = segment(
        maps[model.heads.index("outer")], find_foreground(maps, model.heads, rule), cells, rule
    )
    areas = np.bincount(labels.ravel())[1:]
    areas = areas[areas > 0]
    if not areas.size:
        return 0.0
    return float(np.median(np.sqrt(4 * areas / np.pi))) / model.cell_diameter_px


def _crossing(tried: npt.NDArray[np.float64], seen: npt.NDArray[np.float64]) -> DiameterEstimate:
    """Find where the size seen falls to the model's, from its largest on; all as logarithms."""
    largest = int(seen.argmax())
    below = np.flatnonzero(seen[largest:] < 0) + largest
    if seen[largest] < 0 or not below.size:
        # Smaller or larger than what was tried: what is seen at that end says by how much.
        end = largest if seen[largest] < 0 else len(seen) - 1
        return DiameterEstimate(float(np.exp(tried[end] + seen[end])), 0.0)
    after = int(below[0])
    slope = float((seen[after] - seen[after - 1]) / (tried[after] - tried[after - 1]))
    return DiameterEstimate(float(np.exp(tried[after] - seen[after] / slope)), -slope)


def _middle(pixels: npt.NDArray[Any], edge_px: float) -> npt.NDArray[Any]:
    """Cut at most ``edge_px`` squared out of the middle."""
    windows = []
    for length in pixels.shape:
        start = max(0, (length - round(edge_px)) // 2)
        windows.append(slice(start, length - start))
    return pixels[windows[0], windows[1]]
