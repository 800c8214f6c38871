"""Annotated images for training, as they lie on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from livecount.annotations import AnnotatedPixels, Dataset, find_datasets, load_image
from livecount.errors import TrainingError
from livecount.readers import read_pixels
from livecount.training.recipe import ImagesRecipe

__all__ = ["AnnotatedFrame", "load_frames"]

_SUFFIXES: Final = {
    "masks": "cells.png and NAME.centres.csv",
    "centres": "centres.csv",
    "either": "centres.csv",
}


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedFrame:
    """One image with what people marked on it, at its own scale.

    What lies within the data set's edge margin, where cells are not marked reliably, is cut off:
    else it would be learnt as background.

    Attributes
    ----------
    pixels
        Shape (y, x), as decoded.
    masks
        Shape (y, x), 0 = background; None where only centres were clicked.
    centres
        Shape (n, 2) as (y, x) in pixels.
    complete
        Whether every cell is among the centres.
    """

    name: str
    pixels: npt.NDArray[Any]
    masks: npt.NDArray[np.integer[Any]] | None
    centres: npt.NDArray[np.float64]
    cell_diameter_px: float
    match_radius_px: float
    complete: bool = False


def load_frames(recipe: ImagesRecipe, data_root: Path) -> list[AnnotatedFrame]:
    """Read the annotated images of one entry of a recipe.

    Parameters
    ----------
    recipe
        Folder, split and kind of annotation.
    data_root
        What the recipe's folders are relative to.

    Raises
    ------
    TrainingError
        There is no such folder, or no annotated image in it.
    AnnotationError
        Image and annotation do not belong together.
    """
    folder = data_root / recipe.root / recipe.split
    if not folder.is_dir():
        raise TrainingError(
            f"The recipe's folder {folder} does not exist",
            hint="Give the folder that holds the recipe's data sets with --data or LIVECOUNT_DATA",
        )
    frames: list[AnnotatedFrame] = []
    assumed = recipe.cell_diameter_px
    for dataset in find_datasets([folder], assumed_diameter_px=assumed)[0]:
        for image in dataset.images:
            if recipe.annotation == "masks" and image.masks_path is None:
                continue
            frames.append(_frame(load_image(image, read_pixels), image.path.stem, dataset, recipe))
    if not frames:
        raise TrainingError(
            f"No image with {recipe.annotation} was found in {folder}",
            hint=f"Put NAME.tif with NAME.{_SUFFIXES[recipe.annotation]} there",
        )
    return frames


def _frame(
    annotated: AnnotatedPixels, name: str, dataset: Dataset, recipe: ImagesRecipe
) -> AnnotatedFrame:
    inside = _inside(annotated.pixels.shape, dataset.edge_margin_px, name)
    masks = None if recipe.annotation == "centres" else annotated.masks
    origin = np.array([side.start for side in inside], np.float64)
    centres = annotated.centres_yx - origin
    shape = annotated.pixels[inside].shape
    return AnnotatedFrame(
        name=name,
        pixels=annotated.pixels[inside],
        masks=None if masks is None else masks[inside],
        centres=centres[((centres >= -0.5) & (centres < np.array(shape) - 0.5)).all(axis=1)],
        cell_diameter_px=recipe.cell_diameter_px or dataset.cell_diameter_px,
        match_radius_px=dataset.match_radius_px,
        complete=recipe.complete,
    )


def _inside(shape: tuple[int, ...], margin_px: float, name: str) -> tuple[slice, slice]:
    margin = int(np.ceil(margin_px))
    height, width = shape
    if min(height, width) <= 2 * margin:
        raise TrainingError(
            f"Image {name} has {height} x {width} pixels, no more than twice its edge margin",
            hint="Lower edge_margin_px in its dataset.toml",
        )
    return slice(margin, height - margin), slice(margin, width - margin)
