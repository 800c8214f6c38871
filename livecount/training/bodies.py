"""Where painted cells lie in their dish, and what outline each of them has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from livecount.frame import FloatArray
from livecount.training.recipe import PaintingRecipe

__all__ = ["ANGLES", "Bodies", "place_bodies"]

ANGLES: Final = 180
"""Number of directions in which an outline is given."""
_HARMONICS: Final = (2, 3, 4, 5)


@dataclass(frozen=True, slots=True, eq=False)
class Bodies:
    """Where cells lie and what outline they have.

    ``radius`` has shape (n, angles): the outline over the angle from the long axis.
    """

    centres: npt.NDArray[np.float64]
    angle: npt.NDArray[np.float64]
    radius: FloatArray


def place_bodies(
    size_px: int, diameter: float, recipe: PaintingRecipe, rng: np.random.Generator
) -> Bodies:
    """Throw cells of one typical size and shape into a dish.

    Parameters
    ----------
    size_px
        Side of the square dish.
    diameter
        Of a typical cell, pixels.
    recipe
        How crowded dishes are, and what shapes cells may have.
    rng
        Everything random comes from here.
    """
    area = np.pi / 4 * diameter**2
    covered = 0.0
    if rng.random() >= recipe.empty:
        covered = float(np.exp(rng.uniform(*np.log(recipe.coverage))))
    wanted = round(covered * size_px**2 / area)
    together = rng.random() < recipe.colonies
    if together:
        centres = _colonies(size_px, diameter, wanted, rng)
    else:
        centres = _centres(size_px, diameter, wanted, rng)
    n = len(centres)
    heading = rng.uniform(0, np.pi)
    aligned = rng.random() < 0.4
    angle = heading + rng.normal(0, 0.35 if aligned else 10.0, n)
    radius = _outlines(n, diameter, recipe, rng)
    if together and recipe.confluent and rng.random() < recipe.confluent:
        # They press against each other until no gap is left, and become polygons.
        radius *= np.float32(rng.uniform(1.15, 1.6))
    return Bodies(centres, angle, radius)


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
    theta = np.arange(ANGLES) * (2 * np.pi / ANGLES)
    typical = np.exp(abs(rng.normal(0, 0.5)))
    aspect = np.clip(typical * rng.lognormal(0, 0.25, n), 1.0, recipe.longest_aspect)[:, None]
    radius = 1 / np.sqrt(np.cos(theta) ** 2 / aspect + aspect * np.sin(theta) ** 2)
    wobble = rng.uniform(0, 0.28)
    for k in _HARMONICS:
        amplitude = wobble * rng.standard_normal((n, 1)) / (k - 1)
        radius = radius * (1 + amplitude * np.cos(k * theta + rng.uniform(0, 6.3, (n, 1))))
    if recipe.sharpest > 1 and rng.random() < 0.5:
        # Corners draw out into points, and what is between them caves in.
        radius = np.maximum(radius, 0) ** rng.uniform(1, recipe.sharpest)
    radius = np.maximum(radius, 0.15)
    size = rng.lognormal(0, rng.uniform(*recipe.size_spread), (n, 1))
    # What is less than about half a typical cell wide is debris, of which there is enough.
    size = np.maximum(size, recipe.smallest)
    scale = 0.5 * diameter * np.sqrt(size / np.square(radius).mean(axis=1, keepdims=True))
    outlines: FloatArray = (scale * radius).astype(np.float32)
    return outlines
