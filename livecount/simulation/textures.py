"""Repeating textures that all cells of a run share, each cell with a window of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from livecount.frame import FloatArray

__all__ = ["TILE", "Textures"]

TILE = 512


@dataclass(frozen=True, slots=True, eq=False)
class Textures:
    """Tiles of shape (TILE, TILE) that repeat without a seam.

    Attributes
    ----------
    grain
        Fine structure of the cytoplasm, zero mean, unit variance.
    granules
        Sparse round granules with peaks around 1.
    warp_y, warp_x
        Displacements in pixels that make straight edges crooked.
    """

    grain: FloatArray
    granules: FloatArray
    warp_y: FloatArray
    warp_x: FloatArray

    @classmethod
    def for_diameter(cls, diameter_px: float, rng: np.random.Generator) -> Textures:
        """Draw the tiles for cells of a diameter in pixels."""
        return cls(
            _grain_tile(diameter_px, rng),
            _granule_tile(diameter_px, rng),
            _warp_tile(diameter_px, rng),
            _warp_tile(diameter_px, rng),
        )


def _grain_tile(diameter_px: float, rng: np.random.Generator) -> FloatArray:
    """Cytoplasm: band-passed noise of unit variance that repeats without a seam."""
    from scipy.ndimage import gaussian_filter

    noise = rng.standard_normal((TILE, TILE)).astype(np.float32)
    fine = gaussian_filter(noise, max(0.8, 0.022 * diameter_px), mode="wrap")
    band = fine - gaussian_filter(noise, max(2.0, 0.09 * diameter_px), mode="wrap")
    tile: FloatArray = (band / band.std()).astype(np.float32)
    return tile


def _warp_tile(diameter_px: float, rng: np.random.Generator) -> FloatArray:
    """Displacement in pixels that makes straight edges crooked; repeats without a seam."""
    from scipy.ndimage import gaussian_filter

    noise = rng.standard_normal((TILE, TILE)).astype(np.float32)
    wide = gaussian_filter(noise, 0.16 * diameter_px, mode="wrap")
    fine = gaussian_filter(noise, max(1.0, 0.045 * diameter_px), mode="wrap")
    tile: FloatArray = wide * np.float32(0.05 * diameter_px / wide.std())
    tile += fine * np.float32(0.013 * diameter_px / fine.std())
    return tile


def _granule_tile(diameter_px: float, rng: np.random.Generator) -> FloatArray:
    """Sparse round granules (vesicles, mitochondria) with peak values around 1."""
    from scipy.ndimage import gaussian_filter

    sigma = max(0.75, 0.021 * diameter_px)
    spots = np.zeros((TILE, TILE), np.float32)
    n = int(TILE**2 * 32 / diameter_px**2)
    spots[rng.integers(0, TILE, n), rng.integers(0, TILE, n)] = rng.gamma(3.0, 1 / 3, n)
    tile: FloatArray = gaussian_filter(spots, sigma, mode="wrap") * np.float32(
        2 * math.pi * sigma**2
    )
    return tile
