"""The painted phase-contrast camera: what Zernike's formula says of simple objects."""

from __future__ import annotations

import numpy as np
import pytest

from livecount.training.phase_contrast import photograph

SIZE, DIAMETER = 128, 26.0


def disc(radius_px: float, phase: float) -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    return np.where(np.hypot(y, x) < radius_px, phase, 0).astype(np.float32)


def seen(phase: np.ndarray, seed: int) -> np.ndarray:
    return photograph(phase, DIAMETER, np.random.default_rng(seed))


@pytest.mark.parametrize("phase", [0.0, 1.3])
def test_an_even_dish_is_evenly_lit(phase: float) -> None:
    for seed in range(5):
        light = seen(np.full((SIZE, SIZE), phase, np.float32), seed)
        assert light.shape == (SIZE, SIZE)
        assert light.dtype == np.float32
        np.testing.assert_allclose(light, 0, atol=1e-3)


def test_thin_cells_are_dark_with_a_bright_halo_or_the_reverse() -> None:
    dark = 0
    for seed in range(40):
        light = seen(disc(12, 0.3), seed)
        y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
        away = np.hypot(y, x)
        inside, halo = light[away < 12].mean(), light[(away > 14) & (away < 22)].mean()
        assert inside * halo < 0
        dark += inside < 0
    assert 24 <= dark < 40


def test_a_thick_cell_shines_where_a_thin_one_is_dark() -> None:
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    cell = np.hypot(y, x) < 10
    brighter = 0
    for seed in range(40):
        thin, thick = seen(disc(10, 0.4), seed)[cell], seen(disc(10, 3.0), seed)[cell]
        brighter += thick.mean() > thin.mean()
    assert brighter > 22


def test_equal_seeds_give_equal_light() -> None:
    np.testing.assert_array_equal(seen(disc(9, 1.0), 3), seen(disc(9, 1.0), 3))
    assert not np.array_equal(seen(disc(9, 1.0), 3), seen(disc(9, 1.0), 4))
