"""Annotated images on disk: which data sets a folder holds, their centres and masks.

A data set is a ``dataset.toml`` and, in its folder or below, images ``NAME.tif`` with
``NAME.centres.csv`` (columns ``y_px,x_px``) and perhaps ``NAME.cells.png`` (masks, 0 = background).
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import imagecodecs
import numpy as np
import numpy.typing as npt

from livecount.centres import (
    read_centres,
    read_numbered_centres,
    read_text,
    refuse_outside,
    unreadable,
)
from livecount.errors import AnnotationError

__all__ = [
    "AnnotatedImage",
    "AnnotatedPixels",
    "Dataset",
    "find_datasets",
    "load_image",
    "read_centres",
    "read_masks",
]

_CARD_NAME: Final = "dataset.toml"
_CENTRES_SUFFIX: Final = ".centres.csv"
_MASKS_SUFFIX: Final = ".cells.png"
_IMAGE_SUFFIXES: Final = (".tif", ".tiff")
_MASKS_HINT: Final = "Save masks as a 16-bit grey PNG file, 0 = background, k = cell k"
_FRAME_SUFFIXES: Final = (*_IMAGE_SUFFIXES, ".png", ".jpg", ".jpeg", ".czi", ".lif", ".nd2")


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """An image and the files that say where its cells are."""

    path: Path
    centres_path: Path
    masks_path: Path | None


@dataclass(frozen=True, slots=True)
class Dataset:
    """Images that are scored together.

    Attributes
    ----------
    card_path
        The ``dataset.toml`` that describes them.
    cell_diameter_px
        Median diameter of the cells, in pixels of the images.
    match_radius_px
        A detection closer than this to an annotated centre may be that cell.
    edge_margin_px
        Cells nearer than this to an image's border are not annotated reliably.
    pixel_size_um
        Edge length of a pixel, micrometre, or None where it is not known.
    """

    name: str
    card_path: Path
    cell_diameter_px: float
    match_radius_px: float
    edge_margin_px: float = 0.0
    pixel_size_um: float | None = None
    images: list[AnnotatedImage] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedPixels:
    """What an annotated image holds.

    Attributes
    ----------
    pixels, masks
        Shape (y, x), as decoded; ``masks`` is None where there are only centres.
    centres_yx
        Shape (n, 2), in pixels (pixel centres are integers).
    """

    pixels: npt.NDArray[Any]
    centres_yx: npt.NDArray[np.float64]
    masks: npt.NDArray[np.uint16] | None


def find_datasets(
    roots: Iterable[Path], *, assumed_diameter_px: float | None = None
) -> tuple[list[Dataset], list[Path]]:
    """Find every annotated image in some folders and below, grouped into data sets.

    Parameters
    ----------
    roots
        Folders; where one lies in another, its images still count once. A data set's
        ``dataset.toml`` may also lie above them.
    assumed_diameter_px
        Cell diameter of folders without a ``dataset.toml``; matches lie within half of it. None
        refuses such folders.

    Returns
    -------
    datasets
        In the order of their names, each with its images in the order of their paths.
    skipped
        Folders with frames of which none is annotated, and frames without annotations elsewhere.

    Raises
    ------
    AnnotationError
        If a root is no folder, centres have no image or no ``dataset.toml``, or that file is wrong.
    """
    datasets: dict[Path, Dataset] = {}
    skipped: list[Path] = []
    seen: set[Path] = set()
    for folder, names in _folders(roots):
        if folder.resolve() in seen:
            continue
        seen.add(folder.resolve())
        images = list(_annotated_images(folder, names))
        skipped += _without_annotations(folder, names, images)
        if images:
            card = _card_of(folder, assumed_diameter_px)
            dataset = datasets.setdefault(card.card_path.resolve(), card)
            dataset.images.extend(images)
    _refuse_equal_names(datasets.values())
    return sorted(datasets.values(), key=lambda dataset: dataset.name), skipped


def load_image(
    image: AnnotatedImage, read_pixels: Callable[[Path], npt.NDArray[Any]]
) -> AnnotatedPixels:
    """Read an image with its annotations and check that they belong together.

    Parameters
    ----------
    image
        Where everything lies.
    read_pixels
        Decodes an image file to shape (y, x).

    Returns
    -------
    AnnotatedPixels
        Pixels, centres and masks that fit each other.

    Raises
    ------
    AnnotationError
        If a centre lies outside the image or the masks have another size.
    ReadError
        If the image cannot be read.
    """
    pixels = read_pixels(image.path)
    height, width = pixels.shape
    lines, centres = read_numbered_centres(image.centres_path)
    refuse_outside(image.centres_path, lines, centres, image.path.name, (height, width))
    masks = read_masks(image.masks_path) if image.masks_path else None
    if masks is not None and masks.shape != pixels.shape:
        raise AnnotationError(
            f"{image.masks_path} is {masks.shape[0]} x {masks.shape[1]} pixels (y, x), "
            f"but {image.path.name} is {height} x {width}",
            hint="Save the masks at the image's own size",
        )
    return AnnotatedPixels(pixels, centres, masks)


def read_masks(path: Path) -> npt.NDArray[np.uint16]:
    """Read instance masks from an 8- or 16-bit grey PNG file.

    Parameters
    ----------
    path
        Pixel values number the cells; 0 is background.

    Returns
    -------
    numpy.ndarray
        Shape (y, x), uint16.

    Raises
    ------
    AnnotationError
        If the file cannot be read or is not a grey PNG image.
    """
    try:
        masks = imagecodecs.png_decode(path.read_bytes())
    except OSError as error:
        raise unreadable(path, error) from error
    except (imagecodecs.PngError, ValueError) as error:
        message = f"{path} is no PNG image that can be decoded ({error})"
        raise AnnotationError(message, hint=_MASKS_HINT) from error
    if masks.ndim != 2:
        raise AnnotationError(f"{path} is a colour image, not masks", hint=_MASKS_HINT)
    return masks.astype(np.uint16)


def _folders(roots: Iterable[Path]) -> Iterator[tuple[Path, list[str]]]:
    """Yield every visible folder in the roots and below, in order, with its visible files."""
    for root in roots:
        if not root.is_dir():
            raise AnnotationError(
                f"{root} is not a folder" if root.exists() else f"There is no folder {root}",
                hint="Give a folder that holds annotated images",
            )
        for folder, below, names in os.walk(root, onerror=_refuse_walk):
            below[:] = sorted(name for name in below if not name.startswith("."))
            yield Path(folder), sorted(name for name in names if not name.startswith("."))


def _refuse_walk(error: OSError) -> None:
    raise unreadable(Path(error.filename), error) from error


def _annotated_images(folder: Path, names: list[str]) -> Iterator[AnnotatedImage]:
    """Yield the images that belong to the folder's centre files."""
    present = set(names)
    for name in names:
        if not name.endswith(_CENTRES_SUFFIX):
            continue
        stem = name.removesuffix(_CENTRES_SUFFIX)
        found = [
            other
            for other in names
            if other.startswith(stem) and other[len(stem) :].lower() in _IMAGE_SUFFIXES
        ]
        if not found:
            raise AnnotationError(
                f"{folder / name} has no image {stem}.tif beside it",
                hint="Put the image there, or remove the centres",
            )
        masks_path = folder / (stem + _MASKS_SUFFIX) if stem + _MASKS_SUFFIX in present else None
        yield AnnotatedImage(folder / found[0], folder / name, masks_path)


def _without_annotations(
    folder: Path, names: list[str], images: list[AnnotatedImage]
) -> list[Path]:
    taken = {image.path.name for image in images}
    frames = [
        folder / name
        for name in names
        if name.lower().endswith(_FRAME_SUFFIXES)
        and not (name.endswith(_MASKS_SUFFIX) or name in taken)
    ]
    return frames if images else [folder] * bool(frames)


def _card_of(folder: Path, assumed_diameter_px: float | None) -> Dataset:
    for parent in (folder.resolve(), *folder.resolve().parents):
        if (parent / _CARD_NAME).is_file():
            return _read_card(parent / _CARD_NAME)
    if assumed_diameter_px is not None:
        radius_px = assumed_diameter_px / 2
        return Dataset(folder.name, folder / _CARD_NAME, assumed_diameter_px, radius_px)
    raise AnnotationError(
        f"{folder} holds annotated images, but no {_CARD_NAME} lies there or in a folder above",
        hint=f"Write a {_CARD_NAME} with name, cell_diameter_px and match_radius_px",
    )


def _read_card(path: Path) -> Dataset:
    try:
        table = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise AnnotationError(f"{path}: {error}", hint="Correct that line") from error
    name = table.get("name")
    if not isinstance(name, str) or not name.strip():
        raise AnnotationError(
            f"{path}: name is {_said(name)}, not a text", hint='Write name = "..." into it'
        )
    has_margin = table.get("edge_margin_px") not in (None, 0)
    return Dataset(
        name=name,
        card_path=path,
        cell_diameter_px=_length(path, table, "cell_diameter_px"),
        match_radius_px=_length(path, table, "match_radius_px"),
        edge_margin_px=_length(path, table, "edge_margin_px") if has_margin else 0.0,
        pixel_size_um=_length(path, table, "pixel_size_um") if "pixel_size_um" in table else None,
    )


def _length(path: Path, table: dict[str, Any], key: str) -> float:
    value = table.get(key)
    if isinstance(value, int | float) and value is not True and 0 < value < math.inf:
        return float(value)
    raise AnnotationError(
        f"{path}: {key} is {_said(value)}, not a positive number", hint=f"Write {key} = ... into it"
    )


def _said(value: object) -> str:
    return "missing" if value is None else repr(value)


def _refuse_equal_names(datasets: Iterable[Dataset]) -> None:
    named: dict[str, Path] = {}
    for dataset in datasets:
        other = named.setdefault(dataset.name, dataset.card_path)
        if other != dataset.card_path:
            raise AnnotationError(
                f"{other} and {dataset.card_path} both have the name {dataset.name!r}",
                hint="Give each data set a name of its own",
            )
