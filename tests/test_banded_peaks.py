"""Peaks of a map in bands: those of the whole map, to the last bit."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from livecount.banded_peaks import BandedPeaks
from livecount.detection import find_peaks
from livecount.frame import Candidates
from tests.test_detection import drawn_blobs

# Few levels give plateaus and ties that cross bands, many give shapes.
maps = st.integers(1, 9).flatmap(
    lambda top: hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14),
        elements=st.integers(0, top).map(float),
    )
)


def in_bands(image: npt.NDArray[np.float32], heights: list[int], h: float | None) -> Candidates:
    with closing(BandedPeaks(image.shape[1], h=h, min_prominence=0.02)) as peaks:
        first = 0
        for height in [*heights, len(image)]:
            if first < len(image):
                peaks.add(image[first : first + height])
                first += height
        return peaks.finish()


def assert_same(found: Candidates, expected: Candidates) -> None:
    np.testing.assert_array_equal(found.prominence, expected.prominence)
    np.testing.assert_array_equal(found.y_px, expected.y_px)
    np.testing.assert_array_equal(found.x_px, expected.x_px)


@settings(max_examples=600)
@given(
    image=maps,
    lift=st.sampled_from([0, 3]),
    heights=st.lists(st.integers(1, 5), max_size=8),
    h=st.sampled_from([None, 0.5, 1.0, 2.5]),
    steps=st.sampled_from([1.0, 0.017]),
)
def test_bands_of_any_height_give_the_peaks_of_the_whole_map(
    image: npt.NDArray[np.float32],
    lift: int,
    heights: list[int],
    h: float | None,
    steps: float,
) -> None:
    image = (image + np.float32(lift)) * np.float32(steps)
    assert_same(in_bands(image, heights, h), find_peaks(image, h=h, min_prominence=0.02))


@pytest.mark.parametrize("height", [1, 7, 40, 333])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_bands_of_a_map_like_a_networks(height: int, noise: float) -> None:
    image = np.maximum(drawn_blobs((700, 160), 90, 4, noise), 0)
    for h in (None, 0.1):
        expected = find_peaks(image, h=h, min_prominence=0.02)
        assert len(expected) > 50
        assert_same(in_bands(image, [height] * 700, h), expected)


def test_a_component_that_reaches_far_beyond_the_rows_around_its_peak() -> None:
    image = np.zeros((900, 5), np.float32)
    image[50:850, 2] = 0.7
    image[60, 2] = 0.71
    for h in (None, 0.1):
        assert_same(in_bands(image, [30] * 40, h), find_peaks(image, h=h, min_prominence=0.02))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_what_cannot_be_a_map_is_refused(bad: float) -> None:
    with closing(BandedPeaks(3, h=0.1)) as peaks, pytest.raises(ValueError, match="map holds"):
        peaks.add(np.array([[0, bad, 1]], np.float32))


def test_an_empty_map_has_no_peak() -> None:
    assert len(in_bands(np.zeros((4, 4), np.float32), [2], 0.1)) == 0
    with closing(BandedPeaks(3, h=0.1)) as peaks:
        assert len(peaks.finish()) == 0
