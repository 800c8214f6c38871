"""The images by which a model's other runtimes are judged (:mod:`livecount.inference.golden`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from livecount.inference import open_engine, read_model
from livecount.inference.golden import write_golden
from livecount.training.recipe import read_recipe
from livecount.training.run_folder import RECIPE_NAME
from livecount.training.views import paint_view

__all__ = ["paint_golden_tiles"]

_TILES: Final = 2
_EDGE_MULTIPLES: Final = 20
"""320 px for the shipped model: some hundred cells in all, and 100 kB."""
_SEED: Final = 1


def paint_golden_tiles(model_folder: Path) -> Path:
    """Paint images and keep them with the cells that ONNX Runtime finds in them.

    Parameters
    ----------
    model_folder
        Holds the model, its card and its recipe; receives ``golden.npz``.

    Returns
    -------
    Path
        The golden tiles.
    """
    model, recipe = read_model(model_folder), read_recipe(model_folder / RECIPE_NAME)
    edge_px = _EDGE_MULTIPLES * model.multiple_px
    # Sparse to dense, never bare: an image without a cell proves nothing.
    painted = replace(
        recipe,
        augmentation=replace(recipe.augmentation, view_px=edge_px),
        painting=replace(recipe.painting, empty=0.0, coverage=(0.3, 0.9)),
    )
    images = [
        paint_view(painted, np.random.default_rng([_SEED, number])).image
        for number in range(_TILES)
    ]
    reference = open_engine(model, runtime="onnxruntime")
    return write_golden(model, reference, images)
