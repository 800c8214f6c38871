"""Cells that never lived, painted in the styles of many microscopes, with their true masks.

A network that saw three cell lines knows three looks. Painted frames show it cells of every
outline, contrast and density between dust, scratches and empty dishes (domain randomisation:
Tobin et al., IROS 2017). Nothing in them is measured from an image, and they are never evidence of
how well real cells are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from livecount.frame import FloatArray
from livecount.training.dish import grain, paint_dish
from livecount.training.protrusions import draw_arms
from livecount.training.recipe import PaintingRecipe

__all__ = ["PaintedFrame", "paint_frame"]

_ANGLES: Final = 180
_HARMONICS: Final = (2, 3, 4, 5)


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
    bodies = _place(size_px, diameter, recipe, rng)
    cells = _Cells.grown(size_px, bodies, rng)
    if rng.random() < recipe.arms:
        cells = cells.with_arms(bodies, diameter, rng)
    signal = _optics(_composed(cells, diameter, rng), cells, diameter, rng)
    dish = paint_dish(size_px, diameter, recipe, rng)
    blur_px = max(0.0, float(rng.uniform(-0.4, 1.3)))
    image = ndimage.gaussian_filter(signal + dish, blur_px) if blur_px > 0.2 else signal + dish
    image = image + _noise(size_px, recipe, rng)
    return PaintedFrame(image.astype(np.float32), cells.labels)


@dataclass(frozen=True, slots=True, eq=False)
class _Bodies:
    """Where cells lie and what outline they have.

    ``radius`` has shape (n, angles): the outline over the angle from the long axis.
    """

    centres: npt.NDArray[np.float64]
    angle: npt.NDArray[np.float64]
    radius: FloatArray


def _place(
    size_px: int, diameter: float, recipe: PaintingRecipe, rng: np.random.Generator
) -> _Bodies:
    area = np.pi / 4 * diameter**2
    covered = 0.0
    if rng.random() >= recipe.empty:
        covered = float(np.exp(rng.uniform(*np.log(recipe.coverage))))
    wanted = round(covered * size_px**2 / area)
    if rng.random() < recipe.colonies:
        centres = _colonies(size_px, diameter, wanted, rng)
    else:
        centres = _centres(size_px, diameter, wanted, rng)
    n = len(centres)
    heading = rng.uniform(0, np.pi)
    aligned = rng.random() < 0.4
    angle = heading + rng.normal(0, 0.35 if aligned else 10.0, n)
    return _Bodies(centres, angle, _outlines(n, diameter, recipe, rng))


def _centres(
    size_px: int, diameter: float, wanted: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Throw cells into the dish, alone or in clumps, never closer than a part of a diameter."""
    apart = diameter * rng.uniform(0.5, 0.95)
    clumped = rng.random() < 0.4
    hubs = rng.uniform(0, size_px, (int(rng.integers(1, 12)), 2))
    spread = diameter * rng.uniform(1.0, 4.0)
    placed = np.empty((wanted, 2))
    n = 0
    for _ in range(4 * wanted):
        if n == wanted:
            break
        if clumped and rng.random() < 0.9:
            at = hubs[rng.integers(len(hubs))] + rng.normal(0, spread, 2)
        else:
            at = rng.uniform(-0.5 * diameter, size_px + 0.5 * diameter, 2)
        if n == 0 or np.square(placed[:n] - at).sum(axis=1).min() > apart**2:
            placed[n] = at
            n += 1
    return placed[:n]


def _colonies(
    size_px: int, diameter: float, wanted: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Fill round islands with cells that touch all round, as an epithelium grows."""
    apart = diameter * rng.uniform(0.62, 0.8)
    number = int(rng.integers(1, 9))
    hubs = rng.uniform(0, size_px, (number, 2))
    # Thrown at random, discs fill little more than half of an area before none fits any more.
    reach = apart * np.sqrt(wanted / number / 0.5) / 2 * rng.lognormal(0, 0.3, number)
    thrown = min(8 * wanted, 4000)
    hub = rng.integers(number, size=thrown)
    theta = rng.uniform(0, 2 * np.pi, thrown)
    bulge = 1 + 0.25 * np.cos(3 * theta + hub) + 0.15 * np.cos(5 * theta + 2 * hub)
    radius = reach[hub] * np.sqrt(rng.random(thrown)) * bulge
    placed = hubs[hub] + radius[:, None] * np.stack([np.sin(theta), np.cos(theta)], axis=1)
    kept = np.empty((wanted, 2))
    n = 0
    for at in placed:
        if n == wanted:
            break
        if n == 0 or np.square(kept[:n] - at).sum(axis=1).min() > apart**2:
            kept[n] = at
            n += 1
    return kept[:n]


def _outlines(
    n: int, diameter: float, recipe: PaintingRecipe, rng: np.random.Generator
) -> FloatArray:
    """Draw ellipses that bulge, and spindles; each of its own area."""
    theta = np.arange(_ANGLES) * (2 * np.pi / _ANGLES)
    typical = np.exp(abs(rng.normal(0, 0.5)))
    aspect = np.clip(typical * rng.lognormal(0, 0.25, n), 1.0, recipe.longest_aspect)[:, None]
    radius = 1 / np.sqrt(np.cos(theta) ** 2 / aspect + aspect * np.sin(theta) ** 2)
    wobble = rng.uniform(0, 0.28)
    for k in _HARMONICS:
        amplitude = wobble * rng.standard_normal((n, 1)) / (k - 1)
        radius = radius * (1 + amplitude * np.cos(k * theta + rng.uniform(0, 6.3, (n, 1))))
    radius = np.maximum(radius, 0.15)
    size = rng.lognormal(0, rng.uniform(*recipe.size_spread), (n, 1))
    # What is less than about half a typical cell wide is debris, of which there is enough.
    size = np.maximum(size, recipe.smallest)
    scale = 0.5 * diameter * np.sqrt(size / np.square(radius).mean(axis=1, keepdims=True))
    outlines: FloatArray = (scale * radius).astype(np.float32)
    return outlines


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """Which cell every pixel belongs to and where in that cell it lies.

    Attributes
    ----------
    labels
        Shape (y, x), 0 = background: what a person would mask.
    drawn_as
        Shape (y, x), 0 = background: what shows; beside the masks, arms as thin as a hair.
    depth
        Shape (y, x), 0 at the outline to 1 in the middle; 0 outside.
    u, v
        Shape (y, x), along and across the cell's long axis, in units of its typical radius.
    n
        Number of cells drawn.
    """

    labels: npt.NDArray[np.int32]
    drawn_as: npt.NDArray[np.int32]
    depth: FloatArray
    u: FloatArray
    v: FloatArray
    n: int

    @classmethod
    def grown(cls, size_px: int, bodies: _Bodies, rng: np.random.Generator) -> _Cells:
        """Give each pixel to the cell whose outline is relatively furthest from it."""
        n = len(bodies.centres)
        labels = np.zeros((size_px, size_px), np.int32)
        nearest = np.ones((size_px, size_px), np.float32)
        u, v = np.zeros_like(nearest), np.zeros_like(nearest)
        for cell in rng.permutation(n):
            window, along, across, ratio = _patch(size_px, bodies, int(cell))
            won = ratio < nearest[window]
            nearest[window][won] = ratio[won]
            labels[window][won] = cell + 1
            u[window][won] = along[won]
            v[window][won] = across[won]
        depth = np.where(labels > 0, 1 - nearest, 0).astype(np.float32)
        return cls(labels, labels, depth, u, v, n)

    def with_arms(self, bodies: _Bodies, diameter: float, rng: np.random.Generator) -> _Cells:
        """Let arms grow from the cells, over the dish and never over another cell."""
        arms = draw_arms(len(self.labels), bodies.centres, bodies.angle, diameter, rng)
        free = self.depth[arms.y, arms.x] == 0
        y, x = arms.y[free], arms.x[free]
        # An arm that reaches in from a cell outside the frame is not what is counted.
        masked = arms.masked[free] & np.isin(arms.cell[free] + 1, self.labels)
        drawn, depth = self.drawn_as.copy(), self.depth.copy()
        u, v, labels = self.u.copy(), self.v.copy(), self.labels.copy()
        drawn[y, x] = arms.cell[free] + 1
        depth[y, x] = 0.7 * arms.depth[free]
        # Far from the cell's middle in its own coordinates: an arm holds no nucleus.
        u[y, x] = v[y, x] = 2.0
        labels[y[masked], x[masked]] = arms.cell[free][masked] + 1
        return _Cells(labels, drawn, depth, u, v, self.n)

    def of_each(self, values: npt.NDArray[Any]) -> FloatArray:
        """Spread one value per cell over its pixels; background gets 0."""
        table = np.zeros(self.n + 1, np.float32)
        table[1:] = values
        return table[self.drawn_as]

    def drawn(self, rng: np.random.Generator, typical: float, spread: float) -> FloatArray:
        """Spread a random value per cell over its pixels."""
        return self.of_each(rng.normal(typical, spread, self.n))


_Window = tuple[slice, slice]


def _patch(
    size_px: int, bodies: _Bodies, cell: int
) -> tuple[_Window, FloatArray, FloatArray, FloatArray]:
    """Cut the window round a cell: its own coordinates there, and distance over outline."""
    outline = bodies.radius[cell]
    reach = float(outline.max()) + 1
    y, x = bodies.centres[cell]
    window = (
        slice(max(0, int(y - reach)), max(0, min(size_px, int(y + reach) + 2))),
        slice(max(0, int(x - reach)), max(0, min(size_px, int(x + reach) + 2))),
    )
    down = np.arange(window[0].start, window[0].stop, dtype=np.float32)[:, None] - np.float32(y)
    right = np.arange(window[1].start, window[1].stop, dtype=np.float32)[None, :] - np.float32(x)
    cos, sin = np.float32(np.cos(bodies.angle[cell])), np.float32(np.sin(bodies.angle[cell]))
    along, across = cos * right + sin * down, cos * down - sin * right
    sector = np.rint(np.arctan2(across, along) * (_ANGLES / (2 * np.pi))).astype(np.int64) % _ANGLES
    typical = np.float32(np.sqrt(np.square(outline).mean()))
    ratio: FloatArray = np.hypot(along, across) / outline[sector]
    u, v = ((part / typical).astype(np.float32) for part in (along, across))
    return window, u, v, ratio


def _composed(cells: _Cells, diameter: float, rng: np.random.Generator) -> FloatArray:
    """Mix what a cell is made of (sheet, dome, rim, nucleus, grain) in the frame's own shares."""
    depth = cells.depth
    inside = (depth > 0).astype(np.float32)
    parts = [
        _contacts(cells.drawn_as, rng),
        np.minimum(depth * np.float32(rng.uniform(3, 12)), 1),
        np.sqrt(np.maximum(0, 1 - np.square(1 - depth))) * inside,
        np.exp(-np.square((depth - rng.uniform(0.02, 0.2)) / rng.uniform(0.05, 0.15))) * inside,
        _nuclei(cells, rng) * inside,
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


def _contacts(labels: npt.NDArray[np.int32], rng: np.random.Generator) -> FloatArray:
    """Lines where a cell ends, at its neighbour or at the dish."""
    across = ndimage.maximum_filter(labels, 3) != ndimage.minimum_filter(labels, 3)
    line: FloatArray = ndimage.gaussian_filter(across.astype(np.float32), rng.uniform(0.5, 1.2))
    return line


def _nuclei(cells: _Cells, rng: np.random.Generator) -> FloatArray:
    """Put a nucleus near the middle of each cell, with nucleoli in some styles."""
    y, x = cells.drawn(rng, 0.0, 0.12), cells.drawn(rng, 0.0, 0.12)
    size = np.maximum(cells.drawn(rng, 0.42, 0.06), 0.2)
    away = np.square(cells.u - x) + np.square(cells.v - y)
    nucleus = 1 / (1 + np.exp(np.clip(18 * (np.sqrt(away) - size), -30, 30)))
    if rng.random() < 0.5:
        for _ in range(int(rng.integers(1, 4))):
            dot = np.square(cells.u - x - cells.drawn(rng, 0.0, 0.15))
            dot += np.square(cells.v - y - cells.drawn(rng, 0.0, 0.15))
            nucleus = nucleus + np.float32(rng.uniform(-1.5, 1.5)) * np.exp(-dot / 0.008)
    painted: FloatArray = nucleus.astype(np.float32)
    return painted


def _optics(
    body: FloatArray, cells: _Cells, diameter: float, rng: np.random.Generator
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
