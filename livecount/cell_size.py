"""The typical cell diameter, read off a frame by the network itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from livecount.errors import EngineError, RefusedFrameError
from livecount.frame import Frame
from livecount.inference import Engine, Model, infer_tiled
from livecount.normalisation import normalise, resize

__all__ = ["DiameterEstimate", "estimate_cell_diameter"]

_DIAMETERS_TRIED_PX = tuple(12 * 1.25**step for step in range(10))
_ESTIMATE_CELLS = 30
"""The estimate looks at a square of at most so many diameters."""
_RISEN = 0.2


@dataclass(frozen=True, slots=True)
class DiameterEstimate:
    """A cell diameter read off the frames themselves, and how clearly.

    Attributes
    ----------
    diameter_px
        The estimate.
    confidence
        Evidence at the estimate relative to the runner-up at least a factor 1.5 away; near 1 means
        that two sizes explain the frame about as well.
    """

    diameter_px: float
    confidence: float


def estimate_cell_diameter(frame: Frame, model: Model, engine: Engine) -> DiameterEstimate:
    """Read the typical cell diameter off a frame: the size at which the network sees best shapes.

    The middle of the frame is brought to the model's scale as if its cells had each of several
    diameters from 12 to 90 px. The normalised outer distance map rises from 0 at a cell's border
    to 1 in its middle, but only where the network recognises whole cells; its mean where it rises
    at all is highest near the right scale. A rough estimate: sizes 1.5 apart may be confused.

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
    clearness = np.array([_clearness(frame, d, model, engine) for d in _DIAMETERS_TRIED_PX])
    best = int(clearness.argmax())
    if clearness[best] == 0:
        raise RefusedFrameError(
            f"{frame.key.display_path}: nothing looks like a cell, so that their diameter cannot "
            "be estimated",
            hint="Give it with --cell-diameter-um or --cell-diameter-px",
        )
    apart = np.abs(np.log(_DIAMETERS_TRIED_PX) - np.log(_DIAMETERS_TRIED_PX[best])) > np.log(1.5)
    runner_up = float(clearness[apart].max(initial=1e-6))
    return DiameterEstimate(_vertex(clearness, best), float(clearness[best]) / runner_up)


def _clearness(frame: Frame, diameter_px: float, model: Model, engine: Engine) -> float:
    """Give the mean of the outer distance map where it rises, 0 where there are no cells."""
    middle = _middle(frame.pixels, _ESTIMATE_CELLS * diameter_px)
    scaled = resize(middle, model.cell_diameter_px / diameter_px)
    maps = infer_tiled(
        engine.infer,
        normalise(scaled, model.normalisation),
        max_px=1_000_000,
        halo_px=model.halo_px,
        multiple_px=model.multiple_px,
    )
    outer = maps[model.heads.index("outer")]
    risen = outer[outer > _RISEN]
    return float(risen.mean()) if len(risen) > model.cell_diameter_px**2 else 0.0


def _middle(pixels: npt.NDArray[Any], edge_px: float) -> npt.NDArray[Any]:
    """Cut at most ``edge_px`` squared out of the middle."""
    windows = []
    for length in pixels.shape:
        start = max(0, (length - round(edge_px)) // 2)
        windows.append(slice(start, length - start))
    return pixels[windows[0], windows[1]]


def _vertex(clearness: npt.NDArray[np.float64], best: int) -> float:
    """Refine the best diameter by a parabola through it and its neighbours, on a log scale."""
    tried = np.log(_DIAMETERS_TRIED_PX)
    if 0 < best < len(tried) - 1:
        left, middle, right = clearness[best - 1 : best + 2]
        bend = left - 2 * middle + right
        shift = 0.0 if bend == 0 else 0.5 * (left - right) / bend
        return float(np.exp(tried[best] + shift * (tried[1] - tried[0])))
    return float(_DIAMETERS_TRIED_PX[best])
