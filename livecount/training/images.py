"""Annotated images for training, as they lie on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from livecount.annotations import (
    AnnotatedImage,
    AnnotatedPixels,
    Dataset,
    find_datasets,
    load_image,
)
from livecount.centres import unreadable
from livecount.errors import TrainingError
from livecount.learnt import hashes_of_image
from livecount.readers.grey import content_hash
from livecount.scoring import read_only_frame
from livecount.training.recipe import ImagesRecipe

__all__ = ["AnnotatedFrame", "count_frames", "hash_images", "load_frames"]

_SUFFIXES: Final = {
    "masks": "cells.png and NAME.centres.csv",
    "centres": "centres.csv",
    "either": "centres.csv",
}
_ANNOTATIONS: Final = {"masks": "masks", "centres": "clicks", "either": "clicks or masks"}


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
    content_hashes
        Under which the whole image may be counted, see :func:`livecount.learnt.hashes_of_image`.
    """

    name: str
    pixels: npt.NDArray[Any]
    masks: npt.NDArray[np.integer[Any]] | None
    centres: npt.NDArray[np.float64]
    cell_diameter_px: float
    match_radius_px: float
    complete: bool = False
    content_hashes: tuple[str, ...] = ()


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
        There is no such folder, or no annotated image in it, or fewer than blocks to part them in.
    AnnotationError
        Image and annotation do not belong together, or a file holds several images.
    """
    return [
        _frame(load_image(image, _pixels_of), image.path, dataset, recipe)
        for dataset, image in _taken(_listed(recipe, data_root), recipe)
    ]


def _pixels_of(path: Path) -> npt.NDArray[Any]:
    return read_only_frame(path).pixels


def count_frames(recipe: ImagesRecipe, data_root: Path) -> int:
    """Count the images of an entry without reading them, whatever it leaves out.

    Raises
    ------
    TrainingError
        There is no such folder, or no annotated image in it.
    """
    return len(_listed(recipe, data_root))


def hash_images(entries: Iterable[ImagesRecipe], data_root: Path) -> str:
    """Hash what some entries consist of: images, clicks, masks and what is said of their cells.

    Copies elsewhere have the same hash.

    Raises
    ------
    TrainingError, AnnotationError
        As :func:`load_frames`; or a file cannot be read.
    """
    digest = hashlib.sha256()
    for entry in entries:
        for dataset, image in _taken(_listed(entry, data_root), entry):
            sizes = dataset.cell_diameter_px, dataset.match_radius_px, dataset.edge_margin_px
            digest.update(repr((entry.split, image.path.name, sizes)).encode())
            for path in (image.path, image.centres_path, image.masks_path):
                digest.update(_hash_of(path) if path else b"none")
    return digest.hexdigest()


def _hash_of(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").digest()
    except OSError as error:
        raise unreadable(path, error) from error


def _listed(recipe: ImagesRecipe, data_root: Path) -> list[tuple[Dataset, AnnotatedImage]]:
    folder = data_root / recipe.root / recipe.split
    if not folder.is_dir():
        raise TrainingError(
            f"The recipe's folder {folder} does not exist",
            hint="Give the folder that holds the recipe's data sets with --data or LIVECOUNT_DATA",
        )
    listed = [
        (dataset, image)
        for dataset in find_datasets([folder], assumed_diameter_px=recipe.cell_diameter_px)[0]
        for image in dataset.images
        if recipe.annotation != "masks" or image.masks_path is not None
    ]
    if not listed:
        raise TrainingError(
            f"No image with {_ANNOTATIONS[recipe.annotation]} was found in {folder}",
            hint=f"Put NAME.tif with NAME.{_SUFFIXES[recipe.annotation]} there",
        )
    return listed


def _taken(
    listed: list[tuple[Dataset, AnnotatedImage]], recipe: ImagesRecipe
) -> list[tuple[Dataset, AnnotatedImage]]:
    """Keep the block that the entry asks for, or what lies around the one it leaves out."""
    parting = recipe.leave_out or recipe.only
    if parting is None:
        return listed
    block, blocks = parting
    if len(listed) < blocks:
        raise TrainingError(
            f"{recipe.root}/{recipe.split} has {len(listed)} frames, too few for {blocks} blocks",
            hint="Give fewer blocks in leave_out and only",
        )
    first, last = (len(listed) * edge // blocks for edge in (block - 1, block))
    return listed[first:last] if recipe.only else listed[:first] + listed[last:]


def _frame(
    annotated: AnnotatedPixels, path: Path, dataset: Dataset, recipe: ImagesRecipe
) -> AnnotatedFrame:
    inside = _inside(annotated.pixels.shape, dataset.edge_margin_px, path.stem)
    masks = None if recipe.annotation == "centres" else annotated.masks
    origin = np.array([side.start for side in inside], np.float64)
    centres = annotated.centres_yx - origin
    shape = annotated.pixels[inside].shape
    return AnnotatedFrame(
        name=path.stem,
        pixels=annotated.pixels[inside],
        masks=None if masks is None else masks[inside],
        centres=centres[((centres >= -0.5) & (centres < np.array(shape) - 0.5)).all(axis=1)],
        cell_diameter_px=recipe.cell_diameter_px or dataset.cell_diameter_px,
        match_radius_px=dataset.match_radius_px,
        complete=recipe.complete,
        content_hashes=hashes_of_image(path, content_hash(annotated.pixels)),
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
