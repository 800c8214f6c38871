"""What a painted frame shows that is no cell: ground, coating, specks, lines, neurites, debris."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from livecount.frame import FloatArray
from livecount.training.recipe import PaintingRecipe

__all__ = ["grain", "paint_dish"]


def paint_dish(
    size_px: int, diameter_px: float, recipe: PaintingRecipe, rng: np.random.Generator
) -> FloatArray:
    """Paint what is no cell, in units of the cells' contrast.

    Parameters
    ----------
    size_px
        Side of the square frame.
    diameter_px
        Of the frame's typical cell.
    recipe
        How dirty a dish may be.
    rng
        Everything random comes from here.

    Returns
    -------
    FloatArray
        Shape (y, x).
    """
    shape = (size_px, size_px)
    ground = grain(shape, diameter_px * rng.uniform(1.5, 4.0), rng) * rng.uniform(0, 0.8)
    ground += grain(shape, diameter_px * rng.uniform(0.1, 0.6), rng) * rng.uniform(
        0, recipe.coating
    )
    density = recipe.specks * rng.exponential(0.4) * (rng.random() < 0.8)
    for _ in range(rng.poisson(density * size_px**2 / diameter_px**2)):
        _add_speck(ground, diameter_px * rng.uniform(0.03, 0.17), rng)
    for _ in range(int(rng.poisson(recipe.lines * (rng.random() < 0.5)))):
        _add_line(ground, diameter_px, rng)
    if recipe.webs and rng.random() < recipe.webs:
        _add_web(ground, diameter_px, rng)
    if recipe.debris and rng.random() < recipe.debris:
        _strew_debris(ground, diameter_px, rng)
    painted: FloatArray = ground.astype(np.float32)
    return painted


def _add_web(ground: FloatArray, diameter: float, rng: np.random.Generator) -> None:
    """Add neurites that cross the whole frame, with beads along them, in place."""
    lines = np.zeros_like(ground)
    beads = np.zeros_like(ground)
    density = np.exp(rng.uniform(np.log(0.02), np.log(0.5)))
    beads_per_line = rng.uniform(0, 15)
    for _ in range(int(density * ground.size / diameter**2)):
        path = _wander(ground.shape, int(rng.uniform(2, 15) * diameter), rng)
        if not path.shape[1]:
            continue
        lines[tuple(path)] += rng.lognormal(0, 0.5)
        at = rng.integers(path.shape[1], size=rng.poisson(beads_per_line))
        beads[tuple(path[:, at])] += rng.lognormal(0, 0.5, len(at))
    sign = rng.choice((-1.0, 1.0))
    width_px = max(0.5, diameter * np.exp(rng.uniform(np.log(0.012), np.log(0.06))))
    bead_px = max(0.8, diameter * rng.uniform(0.03, 0.1))
    # A Gaussian lowers a line by its width and a dot by its area: give both their contrast back.
    lines = ndimage.gaussian_filter(lines, width_px) * (2.5 * width_px * rng.uniform(0.2, 1.5))
    beads = ndimage.gaussian_filter(beads, bead_px) * (6.3 * bead_px**2 * rng.uniform(0.3, 2.5))
    web = (lines + beads) * sign
    if rng.random() < 0.6:
        web -= ndimage.gaussian_filter(web, 3 * width_px)
    ground += web.astype(np.float32)


def _strew_debris(ground: FloatArray, diameter: float, rng: np.random.Generator) -> None:
    """Strew dead matter of one look, alone and in clusters, dots up to half a cell wide, in place.

    Crisp and grainy with a halo, as what dead cells fall into; or soft, out of focus.
    """
    density = np.exp(rng.uniform(np.log(0.03), np.log(0.8)))
    sign, strength = rng.choice((-1.0, 1.0), p=(0.7, 0.3)), rng.uniform(0.5, 4.0)
    widest, crisp = rng.uniform(0.07, 0.28), rng.random() < 0.7
    clustered, halo = rng.choice((0.0, 0.1, 0.4)), rng.uniform(0, 1.2)
    for _ in range(rng.poisson(density * ground.size / diameter**2)):
        at = rng.uniform(0, ground.shape[0], 2)
        dots = int(rng.integers(2, 9)) if rng.random() < clustered else 1
        for _ in range(dots):
            radius = diameter * rng.uniform(0.04, widest)
            contrast = sign * strength * rng.lognormal(0, 0.3)
            place = at + rng.normal(0, 0.2 * diameter, 2) * (dots > 1)
            if crisp:
                _add_dot(ground, place, radius, (contrast, halo), rng)
            else:
                _add_speck(ground, radius, rng, contrast)


def _add_dot(
    ground: FloatArray,
    at: npt.NDArray[np.float64],
    radius: float,
    look: tuple[float, float],
    rng: np.random.Generator,
) -> None:
    """Add a grainy disc, not quite round, with a halo of the other sign round it, in place.

    ``look`` is the disc's contrast and how strong its halo is beside it.
    """
    contrast, halo = look
    window = _round(ground.shape[0], at, int(3 * radius) + 4)
    if not ground[window].size:
        return
    rows, columns = np.ogrid[window]
    down, right = rows - at[0], columns - at[1]
    bulge = 1 + rng.uniform(0, 0.3) * np.cos(2 * np.arctan2(down, right) + rng.uniform(0, 6.3))
    away = np.hypot(down, right) - radius * bulge
    disc = 1 / (1 + np.exp(np.clip(away / 0.4, -30, 30)))
    grainy = 1 + rng.uniform(0, 0.8) * grain(disc.shape, rng.uniform(0.7, 1.5), rng)
    ring = np.exp(-np.square((away - 1.2) / max(0.4 * radius, 0.8)))
    ground[window] += (contrast * (disc * grainy - halo * ring * (1 - disc))).astype(np.float32)


def _round(size: int, at: npt.NDArray[np.float64], reach: int) -> tuple[slice, slice]:
    """Cut the window round a place, as far as it lies in a square frame."""
    low = [min(size, max(0, int(place) - reach)) for place in at]
    high = [max(0, min(size, int(place) + reach)) for place in at]
    return slice(low[0], high[0]), slice(low[1], high[1])


def _add_speck(
    ground: FloatArray, radius: float, rng: np.random.Generator, contrast: float | None = None
) -> None:
    """Add a small dot, some with a ring of the other sign, in place."""
    at = rng.uniform(0, ground.shape[0], 2)
    window = _round(ground.shape[0], at, int(4 * radius) + 2)
    rows, columns = np.ogrid[window]
    away = (np.square(rows - at[0]) + np.square(columns - at[1])) / max(radius, 0.7) ** 2
    strength = rng.normal(0, 1.8) if contrast is None else contrast
    ring = rng.choice((0.0, 1.0))
    ground[window] += (strength * (1 - ring * away / 3) * np.exp(-away / 2)).astype(np.float32)


def _add_line(ground: FloatArray, diameter: float, rng: np.random.Generator) -> None:
    """Add a thin wandering line, in place."""
    path = _wander(ground.shape, int(rng.uniform(2, 12) * diameter), rng)
    line = np.zeros_like(ground)
    line[tuple(path)] = 1
    width = rng.uniform(0.5, 1.3)
    ground += np.float32(rng.normal(0, 2.2)) * ndimage.gaussian_filter(line, width, truncate=3.0)


def _wander(shape: tuple[int, ...], steps: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Walk from a random place, turning a little at each pixel; shape (2, n), inside the frame."""
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, rng.uniform(0.01, 0.12), steps))
    start = rng.uniform(0, shape[0], 2)[:, None]
    path = start + np.cumsum(np.stack([np.sin(heading), np.cos(heading)]), axis=1)
    inside = ((path >= 0) & (path < shape[0])).all(axis=0)
    walked: npt.NDArray[np.int64] = path[:, inside].astype(np.int64)
    return walked


def grain(shape: tuple[int, ...], sigma_px: float, rng: np.random.Generator) -> FloatArray:
    """Draw a random texture of unit deviation.

    Parameters
    ----------
    shape
        (y, x).
    sigma_px
        Size of its grains; 0 for white noise.
    rng
        Everything random comes from here.

    Returns
    -------
    FloatArray
        Of the given shape.
    """
    step = max(1, int(sigma_px / 3))
    coarse = rng.standard_normal([-(-n // step) + 2 for n in shape], np.float32)
    if sigma_px > 0.2:
        coarse = ndimage.gaussian_filter(coarse, sigma_px / step)
    if step > 1:
        coarse = ndimage.zoom(coarse, step, order=1)
    texture = coarse[: shape[0], : shape[1]]
    painted: FloatArray = (texture / max(float(texture.std()), 1e-6)).astype(np.float32)
    return painted
