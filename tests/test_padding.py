"""What of a frame shows anything."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecount.frame import Frame
from livecount.padding import shown_fraction
from livecount.readers import read_frames
from tests.test_pipeline import counter_for, frame_of, segmenting_counter

SIZES = st.integers(40, 150)


def noise(shape: tuple[int, int], seed: int, dtype: str = "u2") -> np.ndarray:
    return np.random.default_rng(seed).integers(20, 200, shape).astype(dtype)


@settings(max_examples=60)
@given(
    st.tuples(SIZES, SIZES),
    st.lists(st.tuples(st.sampled_from("tblr"), st.integers(32, 90)), max_size=4),
    st.sampled_from([0, 255]),
    st.sampled_from(["u1", "u2", "f4"]),
    st.integers(0, 2**32 - 1),
)
def test_strips_of_padding_are_measured_to_the_pixel(
    shape: tuple[int, int], strips: list[tuple[str, int]], value: int, dtype: str, seed: int
) -> None:
    pixels, shown = noise(shape, seed, dtype), np.ones(shape, bool)
    for side, width in strips:
        part = {"t": np.s_[:width], "b": np.s_[-width:], "l": np.s_[:, :width],
                "r": np.s_[:, -width:]}[side]  # fmt: skip
        pixels[part], shown[part] = value, False
    assert shown_fraction(pixels) == pytest.approx(shown.mean() or 1)


def test_the_steps_of_a_mosaic() -> None:
    pixels, shown = noise((400, 500), 1), np.ones((400, 500), bool)
    for part in (np.s_[:70, :120], np.s_[330:, 200:], np.s_[:, 463:]):
        pixels[part], shown[part] = 0, False
    assert shown_fraction(pixels) == pytest.approx(shown.mean())


def test_what_is_dark_inside_is_no_padding() -> None:
    pixels = noise((200, 200), 2)
    pixels[60:150, 60:150] = 0
    assert shown_fraction(pixels) == 1
    pixels[60:150, 50:] = 120  # nor is what is neither the darkest nor the brightest
    assert shown_fraction(pixels) == 1


@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_frame_of_one_value_is_taken_whole(value: int) -> None:
    assert shown_fraction(np.full((64, 64), value, np.uint8)) == 1


def test_no_real_frame_is_taken_for_padded(real_images) -> None:
    frames = sorted(real_images.glob("*/*/*.tif"))
    assert len(frames) > 100
    for path in frames[:: max(1, len(frames) // 40)]:
        assert shown_fraction(next(read_frames(path)).pixels) == 1, path


def test_areas_are_those_of_what_is_shown() -> None:
    pixels = noise((200, 300), 3)
    pixels[:, :150] = 0
    frame: Frame = frame_of(pixels, pixel_size_um=1.0)
    found = counter_for(cell_diameter_px=40).count(frame)
    assert found.area_mm2 == pytest.approx(200 * 150 * 1e-6)
    assert "padding" in found.flags
    segmented = segmenting_counter(cell_diameter_px=40).count(frame)
    assert segmented.confluence_percent is not None
    assert 0 <= segmented.confluence_percent <= 100
