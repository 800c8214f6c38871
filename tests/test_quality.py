"""What a frame looks like before anything is counted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from livecount.frame import Frame, FrameAttributes, FrameKey
from livecount.quality import assess, find_flags
from livecount.readers import read_pixels


def frame_of(pixels: np.ndarray, *, level: float | None = None) -> Frame:
    return Frame(FrameKey("/frames", b"a.tif", 0, "00"), FrameAttributes(), pixels, level)


def test_quality_tells_sharp_from_blurred_and_saturated_from_not() -> None:
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 4000, (100, 100)).astype(np.uint16)
    blurred = np.full_like(sharp, 2000)
    assert assess(frame_of(sharp)).focus > 100 * assess(frame_of(blurred)).focus
    sharp[:10] = 4095
    quality = assess(frame_of(sharp, level=4095))
    assert quality.saturated_fraction == pytest.approx(0.1)
    assert 0 < quality.mean_intensity < 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 2), (3, 5), (64, 33), (1500, 2001)])
def test_focus_is_the_normalised_variance_of_the_laplacian(dtype: type, shape: tuple) -> None:
    pixels = np.random.default_rng(4).integers(0, 200, shape).astype(dtype)
    if pixels.dtype.kind == "f":
        pixels[0, 0] = np.nan
    known = np.nan_to_num(pixels.astype(np.float64))
    height, width = shape[0] // 2, shape[1] // 2
    halved = known[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean(axis=(1, 3))
    wanted = ndimage.laplace(halved).var() / known.mean() ** 2
    assert assess(frame_of(pixels)).focus == pytest.approx(wanted, rel=1e-4, abs=1e-9)


def spots_on_a_dark_ground() -> np.ndarray:
    rng = np.random.default_rng(1)
    light = np.zeros((200, 200))
    light[rng.integers(0, 200, 30), rng.integers(0, 200, 30)] = 1
    nuclei = ndimage.gaussian_filter(light, 4) / 0.01
    return rng.poisson(100 + 900 * nuclei).astype(np.uint16)


def test_bright_spots_on_a_dark_ground_look_like_fluorescence() -> None:
    assert find_flags(spots_on_a_dark_ground()) == ("looks_like_fluorescence",)
    assert find_flags(spots_on_a_dark_ground().astype(np.float32)) == ("looks_like_fluorescence",)


def test_dark_and_bright_cells_on_a_grey_ground_do_not() -> None:
    grey = np.random.default_rng(2).normal(1000, 20, (200, 200))
    grey[50:60, 50:60], grey[90:95, 90:95] = 600, 2500
    assert find_flags(grey) == ()


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((3, 3), np.uint8),
        np.full((40, 40), 7, np.uint16),
        np.full((40, 40), np.nan, np.float32),
        np.zeros((1, 1), np.uint16),
    ],
)
def test_where_nothing_is_to_be_seen_nothing_is_said(pixels: np.ndarray) -> None:
    assert find_flags(pixels) == ()


def test_real_frames_in_phase_contrast_are_not_flagged(real_images) -> None:
    frames = [path for path in sorted(real_images.rglob("*.tif")) if "formats" not in path.parts]
    assert frames
    flagged = [path.name for path in frames[::5] if find_flags(read_pixels(path))]
    assert flagged == []
