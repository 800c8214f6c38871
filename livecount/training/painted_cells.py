"""Which cell every pixel of a painted frame belongs to, and where in that cell it lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from livecount.frame import FloatArray
from livecount.training.bodies import ANGLES, Bodies
from livecount.training.protrusions import draw_arms

__all__ = ["PaintedCells", "contact_lines", "nuclei"]


@dataclass(frozen=True, slots=True, eq=False)
class PaintedCells:
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
    def grown(cls, size_px: int, bodies: Bodies, rng: np.random.Generator) -> PaintedCells:
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

    def with_arms(self, bodies: Bodies, diameter: float, rng: np.random.Generator) -> PaintedCells:
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
        return PaintedCells(labels, drawn, depth, u, v, self.n)

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
    size_px: int, bodies: Bodies, cell: int
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
    sector = np.rint(np.arctan2(across, along) * (ANGLES / (2 * np.pi))).astype(np.int64) % ANGLES
    typical = np.float32(np.sqrt(np.square(outline).mean()))
    ratio: FloatArray = np.hypot(along, across) / outline[sector]
    u, v = ((part / typical).astype(np.float32) for part in (along, across))
    return window, u, v, ratio


def contact_lines(labels: npt.NDArray[np.int32], rng: np.random.Generator) -> FloatArray:
    """Lines where a cell ends, at its neighbour or at the dish."""
    across = ndimage.maximum_filter(labels, 3) != ndimage.minimum_filter(labels, 3)
    line: FloatArray = ndimage.gaussian_filter(across.astype(np.float32), rng.uniform(0.5, 1.2))
    return line


def nuclei(cells: PaintedCells, rng: np.random.Generator) -> FloatArray:
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
