"""What the network learns to draw: the maps of the DeepDistance paper, and where they are known.

All maps are computed at the model's scale. The definitions follow Koyuncu et al., "DeepDistance:
A multi-task deep regression model for cell detection in inverted microscopy images", Medical Image
Analysis 63 (2020), with the 2-norm (not its square) in the inner distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from livecount.errors import TrainingError
from livecount.frame import FloatArray
from livecount.training.sheets import find_sheet

__all__ = [
    "TARGET_NAMES",
    "TargetMaps",
    "boundary_map",
    "cell_centroids",
    "cell_map",
    "inner_distance",
    "maps_from_centres",
    "maps_from_masks",
    "normalised_outer_distance",
]

TARGET_NAMES: Final = ("inner", "outer", "cell", "boundary")

Masks = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class TargetMaps:
    """The target of every head, and where the annotation says anything about it.

    Attributes
    ----------
    values
        Shape (heads, y, x), in the order the heads were asked for.
    known
        Shape (heads, y, x), 1 where the loss counts and 0 where nothing is annotated.
    """

    values: FloatArray
    known: FloatArray


def cell_centroids(masks: Masks) -> npt.NDArray[np.int64]:
    """Find the centroid of every cell, rounded to pixels.

    Parameters
    ----------
    masks
        Shape (y, x), 0 = background, k = cell k; labels need not be consecutive.

    Returns
    -------
    npt.NDArray[np.int64]
        Shape (n, 2) as (y, x), in the order of the labels.
    """
    labels = np.unique(masks)
    labels = labels[labels != 0]
    if labels.size == 0:
        return np.empty((0, 2), np.int64)
    centres = np.asarray(ndimage.center_of_mass(masks != 0, masks, labels))
    return np.floor(centres + 0.5).astype(np.int64)


def inner_distance(masks: Masks, alpha: float) -> FloatArray:
    """Draw ``1 / (1 + alpha * d)`` on cells, ``d`` to the nearest centroid of any cell.

    Parameters
    ----------
    masks
        Shape (y, x), 0 = background.
    alpha
        Steepness per pixel; the paper's is 0.1.

    Returns
    -------
    FloatArray
        Shape (y, x), 0 on background, in (0, 1] on cells.
    """
    centres = cell_centroids(masks)
    nearness = _nearness(centres, masks.shape, alpha)
    return np.where(masks != 0, nearness, 0).astype(np.float32)


def normalised_outer_distance(masks: Masks) -> FloatArray:
    """Draw each cell's distance to its own boundary, divided by that cell's maximum.

    The boundary is the 4-neighbouring pixels just outside the cell, those of a touching cell
    included; the edge of the frame is none. The nearest pixel outside a cell is always one of
    these, so the distance to it is the distance to the cell's complement.

    Parameters
    ----------
    masks
        Shape (y, x), 0 = background.

    Returns
    -------
    FloatArray
        Shape (y, x), 0 on background, in (0, 1] on cells.
    """
    outer = np.zeros(masks.shape, np.float32)
    compact, labels = _compact(masks)
    for index, box in enumerate(ndimage.find_objects(compact, max_label=labels)):
        wide = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)
        cell = compact[wide] == index + 1
        if cell.all():
            outer[wide] = 1.0
            continue
        distance = ndimage.distance_transform_edt(cell)
        outer[wide][cell] = (distance / distance.max())[cell]
    return outer


def cell_map(masks: Masks, gap_px: int = 1) -> FloatArray:
    """Draw 1 on cells, with widened boundaries subtracted so that touching cells come apart.

    Parameters
    ----------
    masks
        Shape (y, x), 0 = background.
    gap_px
        How far, in city-block pixels, the boundaries (the 4-neighbouring pixels just outside each
        cell, those of a touching cell included) are widened before they are subtracted.

    Returns
    -------
    FloatArray
        Shape (y, x), 0 or 1.
    """
    apart: FloatArray = np.where(masks != 0, 1 - boundary_map(masks, gap_px), 0).astype(np.float32)
    return apart


def boundary_map(masks: Masks, gap_px: int = 1) -> FloatArray:
    """Draw 1 on widened boundaries: what :func:`cell_map` leaves out.

    Parameters
    ----------
    masks
        Shape (y, x), 0 = background.
    gap_px
        As for :func:`cell_map`.

    Returns
    -------
    FloatArray
        Shape (y, x), 0 or 1.
    """
    none = np.iinfo(np.int32).max
    labels = masks.astype(np.int32)
    highest = ndimage.maximum_filter(labels, footprint=_CROSS, mode="nearest")
    lowest = ndimage.minimum_filter(
        np.where(labels == 0, none, labels), footprint=_CROSS, mode="nearest"
    )
    boundary = (highest != labels) | ((lowest != labels) & (lowest != none))
    if gap_px:
        boundary = ndimage.binary_dilation(boundary, _CROSS, iterations=gap_px)
    widened: FloatArray = boundary.astype(np.float32)
    return widened


_CROSS: Final = ndimage.generate_binary_structure(2, 1)


def maps_from_masks(masks: Masks, targets: tuple[str, ...], alpha: float) -> TargetMaps:
    """Draw the target of every head from instance masks; known everywhere.

    Parameters
    ----------
    masks
        Shape (y, x), 0 = background.
    targets
        What each head draws, out of :data:`TARGET_NAMES`.
    alpha
        Steepness of the inner distance per pixel.
    """
    drawn: list[FloatArray] = []
    for target in targets:
        if target == "inner":
            drawn.append(inner_distance(masks, alpha))
        elif target == "outer":
            drawn.append(normalised_outer_distance(masks))
        elif target == "cell":
            drawn.append(cell_map(masks))
        elif target == "boundary":
            drawn.append(boundary_map(masks))
        else:
            raise TrainingError(
                f"There is no target '{target}'",
                hint=f"Give targets out of {', '.join(TARGET_NAMES)}",
            )
    values = np.stack(drawn)
    return TargetMaps(values, np.ones_like(values))


def maps_from_centres(
    centres: npt.NDArray[np.float64],
    shape: tuple[int, int],
    targets: tuple[str, ...],
    alpha: float,
    radius_px: float,
    *,
    complete: bool = False,
    sheet_reach_px: float = 0.0,
) -> TargetMaps:
    """Draw the inner distance around centre clicks, and both distances in dense sheets of them.

    Parameters
    ----------
    centres
        Shape (n, 2) as (y, x) in pixels.
    shape
        Of the map, (y, x).
    targets
        What each head draws; everything but ``inner`` is unknown, but for ``outer`` in sheets.
    alpha
        Steepness of the inner distance per pixel.
    radius_px
        The map is known up to this distance from a click: further away may lie cells that nobody
        clicked, and calling them background would teach undercounting.
    complete
        Every cell was clicked: from twice that distance on there is no cell, and the map is 0.
        Between the two lie the outskirts of a cell whose outline nobody drew.
    sheet_reach_px
        Above 0: between clicks so close that no cell fits (a circle of this radius), the inner map
        is known too, and the outer one of cells that end half-way to their neighbours.
    """
    values = np.zeros((len(targets), *shape), np.float32)
    known = np.zeros_like(values)
    names = np.array(targets)
    inner, outer = names == "inner", names == "outer"
    sheet = find_sheet(centres, shape, sheet_reach_px) if sheet_reach_px else None
    if sheet is not None and outer.any():
        values[outer] = normalised_outer_distance(sheet.cells)
        known[outer] = sheet.cells != 0
    if inner.any() and (len(centres) or complete):
        rounded = np.floor(centres + 0.5).astype(np.int64).reshape(-1, 2)
        nearness = _nearness(rounded, shape, alpha)
        near = nearness >= 1 / (1 + alpha * radius_px)
        if sheet is not None:
            near |= sheet.between
        values[inner] = np.where(near, nearness, 0)
        known[inner] = near
        if complete:
            known[inner] = near | (nearness <= 1 / (1 + alpha * 2 * radius_px))
    return TargetMaps(values, known)


def _nearness(
    centres: npt.NDArray[np.int64], shape: tuple[int, ...], alpha: float
) -> npt.NDArray[np.float64]:
    """Compute ``1 / (1 + alpha * d)`` with ``d`` to the nearest centre within the frame."""
    height, width = shape
    y, x = centres[:, 0], centres[:, 1]
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    far = np.ones(shape, bool)
    far[y[inside], x[inside]] = False
    if far.all():
        return np.zeros(shape)
    nearness: npt.NDArray[np.float64] = 1 / (1 + alpha * ndimage.distance_transform_edt(far))
    return nearness


def _compact(masks: Masks) -> tuple[npt.NDArray[np.int32], int]:
    """Relabel cells to 1 ... n, because a loop over ``find_objects`` visits every number."""
    labels, positions = np.unique(masks, return_inverse=True)
    compact: npt.NDArray[np.int32] = positions.reshape(masks.shape).astype(np.int32)
    if labels[0] != 0:
        return (compact + 1).astype(np.int32), len(labels)
    return compact, len(labels) - 1
