"""Bringing frames to the model's scale and contrast."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from livecount.frame import FloatArray
from livecount.normalisation import Normalisation, normalise
from livecount.resampling import resize

LOCAL = Normalisation("local", sigma_px=12.0)
GLOBAL = Normalisation("global")
BOTH = pytest.mark.parametrize("how", [LOCAL, GLOBAL], ids=["local", "global"])


def textured(shape: tuple[int, int] = (120, 150), seed: int = 0) -> npt.NDArray[np.float64]:
    """Smooth blobs of several sizes, between 0 and 1."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape)
    for _ in range(25):
        centre_y, centre_x = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        width = rng.uniform(3, 8)
        distance = (y - centre_y) ** 2 + (x - centre_x) ** 2
        image += rng.uniform(-1, 1) * np.exp(-distance / (2 * width**2))
    image -= image.min()
    return image / image.max()


@BOTH
@settings(max_examples=60, deadline=None)
@given(
    pixels=hnp.arrays(
        st.sampled_from([np.uint8, np.uint16, np.int32, np.float32, np.float64, np.bool_]),
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24),
    )
)
def test_any_frame_gives_finite_bounded_values(
    how: Normalisation, pixels: npt.NDArray[Any]
) -> None:
    normalised = normalise(pixels, how)
    assert normalised.shape == pixels.shape
    assert normalised.dtype == np.float32
    assert np.isfinite(normalised).all()
    assert np.abs(normalised).max() <= 8


@BOTH
@pytest.mark.parametrize("value", [0, 1, 255, 65535, 1e-30, 1e30, -7.3])
def test_constant_frames_give_zeros(how: Normalisation, value: float) -> None:
    assert not normalise(np.full((50, 60), value), how).any()


@BOTH
def test_frames_without_one_finite_pixel_give_zeros(how: Normalisation) -> None:
    assert not normalise(np.full((20, 20), np.nan), how).any()


@BOTH
@settings(max_examples=20, deadline=None)
@given(gain=st.floats(0.01, 1000), offset=st.floats(-100, 1000))
def test_gain_and_offset_of_the_camera_change_nothing(
    how: Normalisation, gain: float, offset: float
) -> None:
    image = textured()
    np.testing.assert_allclose(
        normalise(image * gain + offset, how), normalise(image, how), atol=2e-3
    )


@BOTH
def test_bit_depth_changes_little(how: Normalisation) -> None:
    image = textured()
    eight = normalise(np.round(image * 255).astype(np.uint8), how)
    sixteen = normalise(np.round(image * 65535).astype(np.uint16), how)
    assert np.abs(eight - sixteen).max() < 0.15


def test_global_is_the_z_score() -> None:
    normalised = normalise(textured(), GLOBAL)
    assert abs(float(normalised.mean())) < 1e-3
    assert float(normalised.std()) == pytest.approx(1, abs=1e-3)


def test_local_takes_uneven_light_away() -> None:
    image = textured((200, 200))
    ramp = np.linspace(0, 20, 200)
    flat, lit = normalise(image, LOCAL), normalise(image + ramp, LOCAL)
    inner = (slice(30, -30), slice(30, -30))
    assert np.corrcoef(flat[inner].ravel(), lit[inner].ravel())[0, 1] > 0.95
    globally = normalise(image + ramp, GLOBAL)
    assert np.corrcoef(flat[inner].ravel(), globally[inner].ravel())[0, 1] < 0.5


@pytest.mark.parametrize("floor", [0.3, 1.0, 3.0])
def test_the_floor_decides_how_far_the_noise_of_bare_ground_is_raised(floor: float) -> None:
    rng = np.random.default_rng(4)
    image = rng.normal(0, 0.02, (200, 300))
    image[:, :60] += textured((200, 60))
    normalised = normalise(image, Normalisation("local", 12.0, floor))
    raised = float(normalised[:, 200:].std())
    lower = normalise(image, Normalisation("local", 12.0, 2 * floor))
    assert 1.5 < raised / float(lower[:, 200:].std()) < 2.2


def test_noise_of_blank_areas_stays_small_beside_cells() -> None:
    rng = np.random.default_rng(3)
    image = rng.normal(0, 0.01, (200, 300))
    image[:, :100] += 2 * textured((200, 100))
    normalised = normalise(image, LOCAL)
    assert normalised[:, 200:].std() < 0.4 * normalised[:, :100].std()


def test_pixels_that_are_not_finite_leave_their_surroundings_alone() -> None:
    image = textured()
    holed = image.copy()
    holed[40:44, 50:54] = [np.nan, np.inf, -np.inf, np.nan]
    with_hole, whole = normalise(holed, LOCAL), normalise(image, LOCAL)
    assert not with_hole[40:44, 50:54].any()
    with_hole[40:44, 50:54] = whole[40:44, 50:54]
    assert np.abs(with_hole - whole).max() < 0.15


def test_a_hot_pixel_does_not_dim_the_frame() -> None:
    image = textured()
    hot = image.copy()
    hot[5, 5] = 1e9
    np.testing.assert_allclose(
        normalise(hot, LOCAL)[60:, 60:], normalise(image, LOCAL)[60:, 60:], atol=0.15
    )


@pytest.mark.parametrize(
    "bad",
    [{"kind": "none"}, {"sigma_px": 0.0}, {"sigma_px": -1.0}, {"floor": 0.0}, {"floor": np.inf}],
)
def test_impossible_normalisations_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Normalisation(**bad)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    factor=st.floats(0.05, 5),
    value=st.floats(-1000, 1000, width=32),
)
def test_resizing_keeps_constants_and_gives_the_stated_size(
    shape: tuple[int, int], factor: float, value: float
) -> None:
    resized = resize(np.full(shape, value, np.float32), factor)
    assert resized.shape == tuple(max(1, round(side * factor)) for side in shape)
    np.testing.assert_allclose(resized, value, rtol=1e-5, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(factor=st.floats(0.3, 3))
def test_pixel_centres_lie_where_candidates_are_scaled_to(factor: float) -> None:
    ramp = np.broadcast_to(np.arange(60, dtype=np.float32)[:, None], (60, 40))
    resized = resize(ramp, factor)
    ratio = 60 / resized.shape[0]
    expected = (np.arange(resized.shape[0]) + 0.5) * ratio - 0.5
    far_from_edges = slice(len(expected) // 4, -len(expected) // 4)
    np.testing.assert_allclose(resized[far_from_edges, 3], expected[far_from_edges], atol=0.05)


def test_shrinking_does_not_alias() -> None:
    stripes = np.tile(np.array([0, 1], np.float32), (64, 32))
    shrunk = resize(stripes, 0.3)
    assert np.abs(shrunk[:, 2:-2] - 0.5).max() < 0.05


def test_shrinking_and_enlarging_keeps_smooth_images() -> None:
    image = textured().astype(np.float32)
    back = resize(resize(image, 2.0), 0.5)
    assert np.abs(back - image).max() < 0.02


def test_resizing_by_one_copies() -> None:
    image = np.ones((4, 5), np.float32)
    resized = resize(image, 1.0)
    resized[0, 0] = 9
    assert image[0, 0] == 1


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_factors_are_refused(factor: float) -> None:
    image: FloatArray = np.ones((4, 4), np.float32)
    with pytest.raises(ValueError):
        resize(image, factor)
