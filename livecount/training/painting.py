"""Cells that never lived, painted in the styles of many microscopes, with their true masks.

A network that saw three cell lines knows three looks. Painted frames show it cells of every
outline, contrast and density between dust, scratches and empty dishes (domain randomisation:
Tobin et al., IROS 2017). Nothing in them is measured from an image, and they are never evidence of
how well real cells are counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from livecount.frame import FloatArray
from livecount.training.bodies import place_bodies
from livecount.training.dish import grain, paint_dish
from livecount.training.painted_cells import PaintedCells, contact_lines, nuclei
from livecount.training.phase_contrast import cell_phase, photograph
from livecount.training.recipe import PaintingRecipe

__all__ = ["PaintedFrame", "paint_frame"]


@dataclass(frozen=True, slots=True, eq=False)
class PaintedFrame:
    """A frame at the model's scale.

    Attributes
    ----------
    pixels
        Shape (y, x), float32, arbitrary units.
    masks
        Shape (y, x), 0 = background, k = cell k.
    """

    pixels: FloatArray
    masks: npt.NDArray[np.int32]


def paint_frame(
    size_px: int,
    diameter_px: tuple[float, float],
    recipe: PaintingRecipe,
    rng: np.random.Generator,
) -> PaintedFrame:
    """Paint one frame in a style of its own.

    Parameters
    ----------
    size_px
        Side of the square frame.
    diameter_px
        Smallest and largest diameter of a frame's typical cell.
    recipe
        How often a dish is empty, how crowded, noisy and dirty it may be.
    rng
        Everything random comes from here.
    """
    diameter = float(np.exp(rng.uniform(*np.log(diameter_px))))
    bodies = place_bodies(size_px, diameter, recipe, rng)
    cells = PaintedCells.grown(size_px, bodies, rng)
    if rng.random() < recipe.arms:
        cells = cells.with_arms(bodies, diameter, rng)
    if recipe.phase_contrast and rng.random() < recipe.phase_contrast:
        image = _by_phase(cells, diameter, recipe, rng)
    else:
        signal = _optics(_composed(cells, diameter, rng), cells, diameter, rng)
        image = signal + paint_dish(size_px, diameter, recipe, rng)
    blur_px = max(0.0, float(rng.uniform(-0.4, 1.3)))
    if blur_px > 0.2:
        image = ndimage.gaussian_filter(image, blur_px)
    image = image + _noise(size_px, recipe, rng)
    return PaintedFrame(image.astype(np.float32), cells.labels)


def _by_phase(
    cells: PaintedCells, diameter: float, recipe: PaintingRecipe, rng: np.random.Generator
) -> FloatArray:
    """Photograph cells and dish together in phase contrast; dirt delays the light as cells do."""
    phase = cell_phase(cells, diameter, rng)
    typical = float(phase[cells.drawn_as > 0].mean()) if cells.n else 0.0
    dish = paint_dish(len(phase), diameter, recipe, rng)
    phase += np.float32(rng.uniform(0.2, 1.0) * np.clip(typical, 0.3, 1.5)) * dish
    return _unit_contrast(photograph(phase, diameter, rng), cells)


def _composed(cells: PaintedCells, diameter: float, rng: np.random.Generator) -> FloatArray:
    """Mix what a cell is made of (sheet, dome, rim, nucleus, grain) in the frame's own shares."""
    depth = cells.depth
    inside = (depth > 0).astype(np.float32)
    parts = [
        contact_lines(cells.drawn_as, rng),
        np.minimum(depth * np.float32(rng.uniform(3, 12)), 1),
        np.sqrt(np.maximum(0, 1 - np.square(1 - depth))) * inside,
        np.exp(-np.square((depth - rng.uniform(0.02, 0.2)) / rng.uniform(0.05, 0.15))) * inside,
        nuclei(cells, rng) * inside,
        grain(depth.shape, rng.uniform(0.6, 1.6), rng) * inside,
        grain(depth.shape, diameter * rng.uniform(0.06, 0.15), rng) * inside,
    ]
    shares = rng.normal(0, 1, len(parts)) * (rng.random(len(parts)) < 0.7)
    # Grain alone tells no cell from its neighbour: something that has a shape is always there.
    shares[int(rng.integers(len(parts) - 2))] += rng.choice((-1.0, 1.0))
    shares[-2:] *= 0.5
    vary = float(rng.uniform(0.05, 0.35))
    mixed = np.zeros(depth.shape, np.float32)
    for share, part in zip(shares, parts, strict=True):
        mixed += np.float32(share) * part * cells.drawn(rng, 1.0, vary)
    rounded = cells.of_each(rng.random(cells.n) < rng.choice((0.0, 0.05, 0.2)))
    ball = np.sqrt(np.maximum(0, 1 - np.square((1 - depth) / 0.75))) * rounded
    shine = np.float32(rng.normal(0, 2.0))
    whole: FloatArray = mixed * (1 - 0.7 * rounded) + shine * ball
    return whole


def _optics(
    body: FloatArray, cells: PaintedCells, diameter: float, rng: np.random.Generator
) -> FloatArray:
    """Add halo, shade-off and slanted light, then bring the cells to unit contrast."""
    if cells.n == 0:
        return body
    image = body.copy()
    if rng.random() < 0.75:
        sheet = body if rng.random() < 0.5 else (cells.depth > 0).astype(np.float32)
        for width, most in ((rng.uniform(0.05, 0.15), 1.5), (rng.uniform(0.2, 0.6), 0.8)):
            halo = ndimage.gaussian_filter(sheet, width * diameter)
            image -= np.float32(rng.uniform(0, most)) * halo
    if rng.random() < 0.25:
        direction = rng.uniform(0, 2 * np.pi)
        slope_y, slope_x = np.gradient(ndimage.gaussian_filter(body, 0.8))
        slanted = np.cos(direction) * slope_y + np.sin(direction) * slope_x
        image = np.float32(rng.uniform(0, 1)) * image + np.float32(6.0) * slanted
    return _unit_contrast(image, cells)


def _unit_contrast(image: FloatArray, cells: PaintedCells) -> FloatArray:
    """Bring the cells to unit contrast; an empty dish stays as it is."""
    visible = ndimage.binary_dilation(cells.drawn_as > 0, iterations=2)
    deviation = float(image[visible].std()) if visible.any() else 0.0
    level = np.sqrt(deviation**2 + 0.3 * float(np.mean(image[visible])) ** 2) if deviation else 1.0
    painted: FloatArray = (image / np.float32(max(level, 1e-3))).astype(np.float32)
    return painted


def _noise(size_px: int, recipe: PaintingRecipe, rng: np.random.Generator) -> FloatArray:
    """Camera noise; coarse-grained where a small image was enlarged."""
    strength = float(np.exp(rng.uniform(*np.log(recipe.noise))))
    grain_px = 0.0 if rng.random() < 0.4 else float(rng.uniform(0.3, 1.6))
    return grain((size_px, size_px), grain_px, rng) * np.float32(strength)
