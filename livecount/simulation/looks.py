"""What a simulated cell keeps over its life: its shape, its shade, its organelles."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from livecount.simulation.textures import TILE

__all__ = ["Look", "draw_look"]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Proportions in cell diameters, angles in radians."""

    aspect: float
    flatness: float
    darkness: float
    granules: float
    amplitudes: npt.NDArray[np.float64]
    phases: npt.NDArray[np.float64]
    speeds: npt.NDArray[np.float64]
    arms: npt.NDArray[np.float64]
    nucleus: tuple[float, float, float, float]
    nucleoli: npt.NDArray[np.float64]
    tile_offset: tuple[int, int]
    blebs: npt.NDArray[np.float64]


def draw_look(rng: np.random.Generator) -> Look:
    """Draw how one cell looks.

    Parameters
    ----------
    rng
        Everything random comes from here.
    """
    n_arms = int(rng.choice([0, 1, 2, 2, 3, 4]))
    arms = np.column_stack(
        [
            # arms prefer the long axis, one at either end first
            np.arange(n_arms) * math.pi + rng.normal(0, 0.45, n_arms),
            rng.gamma(3.0, 0.6, n_arms),
            rng.uniform(0.12, 0.32, n_arms),
            rng.uniform(0.2, 0.9, n_arms),
        ]
    )
    orders = np.arange(2, 7)
    flatness = float(rng.lognormal(0, 0.28))
    n_nucleoli, n_blebs = rng.integers(1, 4), rng.integers(3, 8)
    around = rng.uniform(0, 2 * math.pi, n_blebs)
    return Look(
        aspect=float(rng.lognormal(0.35, 0.3)),
        flatness=flatness,
        darkness=float(rng.lognormal(0, 0.15) / flatness**0.5),
        granules=float(rng.lognormal(0, 0.4)),
        amplitudes=rng.normal(0, 0.16, len(orders)) / np.sqrt(orders),
        phases=rng.uniform(0, 2 * math.pi, len(orders)),
        speeds=rng.normal(0, 0.35, len(orders)),
        arms=arms,
        nucleus=(
            float(rng.normal(0, 0.04)),
            float(rng.normal(0, 0.03)),
            float(rng.uniform(0.15, 0.19)),
            float(rng.uniform(0.6, 0.95)),
        ),
        nucleoli=np.column_stack(
            [rng.normal(0, 0.06, (n_nucleoli, 2)), rng.uniform(0.02, 0.035, n_nucleoli)]
        ),
        tile_offset=(int(rng.integers(TILE, 4 * TILE)), int(rng.integers(TILE, 4 * TILE))),
        blebs=np.column_stack(
            [np.sin(around), np.cos(around), rng.uniform(0.04, 0.09, n_blebs), rng.random(n_blebs)]
        ),
    )
