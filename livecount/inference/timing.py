"""How long engines take for one frame, in turns, so that what else runs meets all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from livecount.inference.tiling import TileLimits, infer_tiled

if TYPE_CHECKING:
    from livecount.frame import FloatArray
    from livecount.inference import Engine
    from livecount.inference.models import Model

__all__ = ["draw_image", "time_in_turns"]


def draw_image(model: Model, shape: tuple[int, int], cell_diameter_px: float) -> FloatArray:
    """Draw noise of the size that a frame (y, x) has at the model's scale; values do not count."""
    scale = model.cell_diameter_px / cell_diameter_px
    height, width = (max(1, round(side * scale)) for side in shape)
    return np.random.default_rng(1).normal(size=(height, width)).astype(np.float32)


def time_in_turns(
    model: Model,
    engines: Mapping[str, Engine],
    image: FloatArray,
    *,
    repeats: int,
    memory_limit_mb: float,
    on_done: Callable[[], object] = lambda: None,
) -> dict[str, list[float]]:
    """Time a frame's inference with each engine, tiled as in a run.

    Parameters
    ----------
    image
        Normalised (y, x) at the model's scale.
    repeats
        How often; one more time before them, which does not count.
    on_done
        Called after each time.

    Returns
    -------
    dict
        Name -> milliseconds of each repeat.
    """
    took_ms: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(repeats + 1):
        for name, engine in engines.items():
            limits = TileLimits.of(model, engine, memory_limit_mb)
            began = time.perf_counter()
            infer_tiled(engine.infer, image, limits)
            took_ms[name].append(1000 * (time.perf_counter() - began))
            on_done()
    return {name: taken[1:] for name, taken in took_ms.items()}
