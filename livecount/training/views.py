"""Annotated frames at the model's scale: as they are, or varied as microscopes and cells vary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from livecount.frame import FloatArray
from livecount.normalisation import normalise
from livecount.resampling import resize
from livecount.training.images import AnnotatedFrame
from livecount.training.painting import paint_frame
from livecount.training.recipe import AugmentationRecipe, Recipe
from livecount.training.targets import TargetMaps, maps_from_centres, maps_from_masks

__all__ = ["View", "draw_view", "paint_view", "whole_view"]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """An image at the model's scale, normalised, with the maps to be learned.

    Attributes
    ----------
    image
        Shape (y, x).
    maps
        Targets and where they are known, each of shape (heads, y, x).
    """

    image: FloatArray
    maps: TargetMaps


def whole_view(frame: AnnotatedFrame, recipe: Recipe) -> View:
    """Bring a whole frame to the model's scale, without any variation (for validation)."""
    factor = recipe.scale.cell_diameter_px / frame.cell_diameter_px
    image = normalise(resize(frame.pixels, factor), recipe.normalisation)
    if frame.masks is not None:
        masks = _nearest(frame.masks, image.shape)
        maps = maps_from_masks(masks, recipe.targets, recipe.scale.alpha)
    else:
        centres = _scaled(frame.centres, frame.pixels.shape, image.shape)
        maps = _click_maps(centres, image, recipe, frame)
    return View(image, maps)


def _click_maps(
    centres: npt.NDArray[np.float64], image: FloatArray, recipe: Recipe, frame: AnnotatedFrame
) -> TargetMaps:
    height, width = image.shape
    scale = recipe.scale
    return maps_from_centres(
        centres,
        (height, width),
        recipe.targets,
        scale.alpha,
        scale.click_radius_px,
        complete=frame.complete,
        sheet_reach_px=scale.sheet_reach_px,
    )


def _nearest(
    masks: npt.NDArray[np.integer[Any]], shape: tuple[int, ...]
) -> npt.NDArray[np.integer[Any]]:
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.int64), old - 1)
        for new, old in zip(shape, masks.shape, strict=True)
    )
    return masks[np.ix_(rows, columns)]


def _scaled(
    centres: npt.NDArray[np.float64], old: tuple[int, ...], new: tuple[int, ...]
) -> npt.NDArray[np.float64]:
    factor = np.array(new) / np.array(old)
    scaled: npt.NDArray[np.float64] = (centres + 0.5) * factor - 0.5
    return scaled


def draw_view(frame: AnnotatedFrame, recipe: Recipe, rng: np.random.Generator) -> View:
    """Vary a window of a frame: scale, rotation, aspect, light; then normalise and draw targets.

    Light is varied before normalisation, as a microscope would, and crops after it.

    Parameters
    ----------
    frame
        An image with masks or centres.
    recipe
        Scale, augmentation and heads.
    rng
        Everything random comes from here.
    """
    augmentation = recipe.augmentation
    smallest, largest = np.log(augmentation.diameter_px)
    factor = float(np.exp(rng.uniform(smallest, largest))) / frame.cell_diameter_px
    window = _window(frame.pixels.shape, factor, augmentation.view_px, rng)
    pixels = resize(frame.pixels[window], factor)
    origin = np.array([side.start for side in window], np.float64)
    centres = _scaled(frame.centres - origin, frame.pixels[window].shape, pixels.shape)
    transform = _Transform.drawn(pixels.shape, augmentation, rng)
    image = transform.image(pixels)
    covered = transform.covered(pixels.shape)
    image = normalise(_relit(image, augmentation, rng), recipe.normalisation)
    if frame.masks is not None:
        masks = transform.labels(_nearest(frame.masks[window], pixels.shape))
        maps = maps_from_masks(masks, recipe.targets, recipe.scale.alpha)
    else:
        maps = _click_maps(transform.points(centres), image, recipe, frame)
    return View(image, TargetMaps(maps.values, maps.known * covered))


def paint_view(recipe: Recipe, rng: np.random.Generator) -> View:
    """Paint a frame that nobody took, normalise it and draw its targets.

    Parameters
    ----------
    recipe
        Scale, painting, augmentation and heads.
    rng
        Everything random comes from here.
    """
    augmentation = recipe.augmentation
    painted = paint_frame(augmentation.view_px, augmentation.diameter_px, recipe.painting, rng)
    image = normalise(_relit(painted.pixels, augmentation, rng), recipe.normalisation)
    maps = maps_from_masks(painted.masks, recipe.targets, recipe.scale.alpha)
    return View(image, maps)


def _window(
    shape: tuple[int, ...], factor: float, view_px: int, rng: np.random.Generator
) -> tuple[slice, slice]:
    sides: list[slice] = []
    for size in shape:
        length = min(size, int(np.ceil(view_px / factor)))
        start = int(rng.integers(0, size - length + 1))
        sides.append(slice(start, start + length))
    return sides[0], sides[1]


@dataclass(frozen=True, slots=True, eq=False)
class _Transform:
    """A rotation with a change of aspect about the centre; ``matrix`` maps output to input."""

    matrix: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]

    @classmethod
    def drawn(
        cls, shape: tuple[int, ...], augmentation: AugmentationRecipe, rng: np.random.Generator
    ) -> _Transform:
        angle = np.deg2rad(rng.uniform(-1, 1) * augmentation.rotation_deg)
        stretch = np.exp(rng.uniform(-1, 1) * np.log(augmentation.aspect) / 2)
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = rotation @ np.diag([stretch, 1 / stretch])
        middle = (np.array(shape) - 1) / 2
        return cls(matrix, middle - matrix @ middle)

    def image(self, pixels: FloatArray) -> FloatArray:
        turned: FloatArray = ndimage.affine_transform(
            pixels, self.matrix, self.offset, order=1, mode="mirror"
        )
        return turned

    def labels(self, masks: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.integer[Any]]:
        turned: npt.NDArray[np.integer[Any]] = ndimage.affine_transform(
            masks, self.matrix, self.offset, order=0, mode="constant", cval=0
        )
        return turned

    def covered(self, shape: tuple[int, ...]) -> FloatArray:
        """1 where the output comes from inside the input: only there is the annotation known."""
        covered: FloatArray = ndimage.affine_transform(
            np.ones(shape, np.float32), self.matrix, self.offset, order=0, mode="constant", cval=0
        )
        return covered

    def points(self, centres: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        back = np.linalg.inv(self.matrix)
        moved: npt.NDArray[np.float64] = (centres - self.offset) @ back.T
        return moved


def _relit(
    pixels: FloatArray, augmentation: AugmentationRecipe, rng: np.random.Generator
) -> FloatArray:
    """Change gamma, light across the view and sharpness, as another microscope would show it.

    Pixels that are not finite stay unknown, for normalisation to take as it does in use.
    """
    finite = np.isfinite(pixels)
    if finite.all():
        return _relit_finite(pixels, augmentation, rng)
    if not finite.any():
        return pixels
    filled = np.where(finite, pixels, np.median(pixels[finite])).astype(np.float32)
    relit = _relit_finite(filled, augmentation, rng)
    relit[~finite] = np.nan
    return relit


def _relit_finite(
    pixels: FloatArray, augmentation: AugmentationRecipe, rng: np.random.Generator
) -> FloatArray:
    low, high = np.quantile(pixels[::3, ::3], (0.001, 0.999))
    unit = np.clip((pixels - low) / max(float(high - low), 1e-6), 0, 1.5)
    unit = unit ** np.exp(rng.uniform(*np.log(augmentation.gamma)))
    height, width = unit.shape
    slope_y, slope_x = rng.uniform(-0.5, 0.5, 2) * augmentation.illumination
    light = 1 + slope_y * np.linspace(-1, 1, height)[:, None] + slope_x * np.linspace(-1, 1, width)
    lit = unit * light.astype(np.float32)
    sigma = max(0.0, rng.uniform(-1, 1)) * augmentation.blur_px
    if sigma > 0.2:
        lit = ndimage.gaussian_filter(lit, sigma)
    if augmentation.flattened and rng.random() < augmentation.flattened:
        sigma = np.exp(rng.uniform(*np.log(augmentation.flattening_px)))
        lit = lit - np.float32(rng.uniform(0.6, 1.0)) * ndimage.gaussian_filter(lit, sigma)
    if augmentation.recorded and rng.random() < augmentation.recorded:
        lit = _recorded(lit, augmentation.grey_levels, rng)
    relit: FloatArray = lit.astype(np.float32)
    return relit


def _recorded(
    pixels: FloatArray, grey_levels: tuple[float, float], rng: np.random.Generator
) -> FloatArray:
    """Round to few grey levels, as exports to 8 bit do, and in half of the views to JPEG."""
    low, high = float(pixels.min()), float(pixels.max())
    levels = np.exp(rng.uniform(*np.log(grey_levels)))
    step = max(high - low, 1e-6) / levels
    whole = np.rint((pixels - low) / step)
    if rng.random() < 0.5:
        grey = np.clip(whole, 0, 255).astype(np.uint8)
        quality = int(rng.integers(60, 98))
        whole = imagecodecs.jpeg_decode(imagecodecs.jpeg_encode(grey, quality))
    recorded: FloatArray = (whole * step + low).astype(np.float32)
    return recorded
