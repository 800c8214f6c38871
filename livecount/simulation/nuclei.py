"""What a nuclear stain shows of the simulated cells: bright ellipses on an uneven dark ground."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from livecount.simulation.population import Cells, PopulationSettings

__all__ = ["draw_nuclei"]

_DIAMETER = 0.36
"""Of a nucleus, in diameters of a cell."""


def draw_nuclei(
    cells: Cells, field: PopulationSettings, bit_depth: int, rng: np.random.Generator
) -> npt.NDArray[Any]:
    """Draw the nuclei of the live cells of a field.

    Those of rounded cells are smaller and brighter. Dead bodies keep no stain.

    Returns
    -------
    numpy.ndarray
        Shape (y, x), uint8 or uint16 as ``bit_depth`` says.
    """
    full = 255.0 if bit_depth == 8 else 65535.0
    y, x = np.indices((field.height_px, field.width_px), np.float32)
    image = 0.04 * full * (1 + 0.3 * x / field.width_px)
    radius_px = _DIAMETER * field.cell_diameter_px / 2
    for n in np.flatnonzero(cells.live):
        shrunk = 1 - 0.25 * cells.roundness[n]
        long = radius_px * shrunk * np.sqrt(cells.size[n]) * rng.uniform(1.0, 1.2)
        short = radius_px * shrunk * np.sqrt(cells.size[n]) * rng.uniform(0.85, 1.0)
        brightness = full * rng.uniform(0.2, 0.4) * (1 + cells.roundness[n])
        _add(image, (cells.y_px[n], cells.x_px[n]), (long, short), cells.angle[n], brightness, y, x)
    electrons = 4000 / full
    noisy = rng.poisson(np.maximum(image, 0) * electrons) / electrons
    noisy += rng.normal(0, 0.002 * full, image.shape)
    return np.clip(noisy, 0, full).astype(np.uint8 if bit_depth == 8 else np.uint16)


def _add(
    image: npt.NDArray[Any],
    at: tuple[float, float],
    radii_px: tuple[float, float],
    angle: float,
    brightness: float,
    y: npt.NDArray[Any],
    x: npt.NDArray[Any],
) -> None:
    """Add one soft-edged ellipse, its long axis at an angle, in place."""
    reach = 2 * max(radii_px)
    window = tuple(
        slice(max(0, int(centre - reach)), max(0, int(centre + reach) + 1)) for centre in at
    )
    down, right = y[window] - at[0], x[window] - at[1]
    along = (np.sin(angle) * down + np.cos(angle) * right) / radii_px[0]
    across = (np.cos(angle) * down - np.sin(angle) * right) / radii_px[1]
    inside = 1 / (1 + np.exp(12 * (np.hypot(along, across) - 1)))
    image[window] = np.maximum(image[window], brightness * inside)
