"""Counting stained nuclei, on frames made with known nuclei.

They show that the steps do what they say. Made frames are no evidence of accuracy on cells.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecount.errors import RefusedFrameError
from livecount.frame import Frame, FrameAttributes, FrameKey
from livecount.nuclei import NucleiRule, count_nuclei, estimate_nucleus_diameter


def frame_of(pixels, pixel_size_um=0.65):
    key = FrameKey("/scans", b"A1.tif", 0, "0" * 32)
    level = float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind == "u" else None
    return Frame(key, FrameAttributes(pixel_size_um=pixel_size_um), pixels, level)


def scattered(n, diameter_px, size_px, rng, apart=1.0):
    """Place n nuclei that lie whole in the frame, apart by so many diameters."""
    places = []
    while len(places) < n:
        place = rng.uniform(0.6 * diameter_px, size_px - 0.6 * diameter_px, 2)
        if all(np.hypot(*(place - other)) >= apart * diameter_px for other in places):
            places.append(place)
    return np.array(places).reshape(-1, 2)


def draw(places, diameter_px, size_px, rng, *, brightness=(600, 1600), ground=300, slope=0.5):
    y, x = np.indices((size_px, size_px), float)
    image = ground * (1 + slope * x / size_px)
    for place in places:
        stretch, angle = rng.uniform(0.85, 1.15), rng.uniform(0, np.pi)
        down, right = y - place[0], x - place[1]
        along = (np.sin(angle) * down + np.cos(angle) * right) / (diameter_px / 2 * stretch)
        across = (np.cos(angle) * down - np.sin(angle) * right) / (diameter_px / 2 / stretch)
        inside = 1 / (1 + np.exp(np.minimum(12 * (np.hypot(along, across) - 1), 50)))
        image = np.maximum(image, ground + rng.uniform(*brightness) * inside)
    return (rng.poisson(image) + rng.integers(0, 20, image.shape)).astype(np.uint16)


@pytest.mark.parametrize("diameter_px", [8, 14, 24, 60])
@pytest.mark.parametrize("n", [1, 8, 40])
def test_separate_nuclei_on_an_uneven_ground_are_counted_exactly(diameter_px, n):
    rng = np.random.default_rng(n)
    size_px = 14 * diameter_px
    places = scattered(n, diameter_px, size_px, rng, apart=1.3)
    found = count_nuclei(
        frame_of(draw(places, diameter_px, size_px, rng)), NucleiRule(diameter_px=diameter_px)
    )
    assert (found.count, found.flags) == (n, ())
    cells = found.candidates.at(0.1)
    away = np.hypot(places[:, 0, None] - cells.y_px, places[:, 1, None] - cells.x_px)
    assert away.min(axis=1).max() < 0.25 * diameter_px


@pytest.mark.parametrize("apart", [0.8, 0.95])
def test_touching_nuclei_are_parted(apart):
    rng = np.random.default_rng(3)
    row = [(100.0, 60.0 + 30 * apart * step) for step in range(5)]
    image = draw(row, 30, 240, rng, brightness=(900, 1000))
    assert count_nuclei(frame_of(image), NucleiRule(diameter_px=30)).count == 5


def test_a_dim_nucleus_beside_a_bright_one_is_seen_and_debris_is_not():
    rng = np.random.default_rng(4)
    image = draw([(60, 60)], 24, 200, rng, brightness=(700, 701)).astype(float)
    image += draw([(140, 90)], 24, 200, rng, brightness=(4000, 4001)) - 300.0
    image += draw([(60, 160), (150, 160)], 6, 200, rng, brightness=(2000, 2001)) - 300.0
    found = count_nuclei(frame_of(image.astype(np.uint16)), NucleiRule(diameter_px=24))
    assert found.count == 2


@settings(max_examples=25, deadline=None)
@given(gain=st.floats(0.5, 20), offset=st.floats(0, 5000), turns=st.integers(0, 3))
def test_gain_offset_and_turning_change_no_count(gain, offset, turns):
    rng = np.random.default_rng(5)
    image = draw(scattered(12, 16, 200, rng, apart=1.3), 16, 200, rng).astype(np.float32)
    shown = np.rot90(image * np.float32(gain) + np.float32(offset), turns)
    assert count_nuclei(frame_of(shown), NucleiRule(diameter_px=16)).count == 12


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((80, 90), np.uint16),
        np.full((80, 90), 255, np.uint8),
        np.random.default_rng(6).normal(300, 10, (300, 300)).astype(np.float32),
        np.full((80, 90), np.nan, np.float32),
        np.random.default_rng(6).poisson(np.linspace(300, 900, 300), (300, 300)).astype(np.uint16),
    ],
    ids=["black", "white", "noise", "no numbers", "uneven light"],
)
def test_a_frame_without_nuclei_says_so(pixels):
    found = count_nuclei(frame_of(pixels), NucleiRule(diameter_px=20))
    assert found.count == 0
    assert "no_nuclei" in found.flags


def test_saturated_crowded_and_wrongly_sized_frames_are_flagged():
    rng = np.random.default_rng(7)
    image = draw(scattered(10, 24, 240, rng, apart=1.3), 24, 240, rng)
    clipped = np.where(image > 600, 65535, image).astype(np.uint16)
    assert "nuclei_saturated" in count_nuclei(frame_of(clipped), NucleiRule(diameter_px=24)).flags
    for wrong_px in (8, 60):
        flags = count_nuclei(frame_of(image), NucleiRule(diameter_px=wrong_px)).flags
        assert {"nuclei_size", "no_nuclei"}.intersection(flags), wrong_px


@pytest.mark.parametrize("diameter_px", [10, 20, 45])
def test_the_diameter_is_read_off_a_frame(diameter_px):
    rng = np.random.default_rng(8)
    size_px = 16 * diameter_px
    image = draw(scattered(25, diameter_px, size_px, rng, apart=1.2), diameter_px, size_px, rng)
    assert estimate_nucleus_diameter(frame_of(image)) == pytest.approx(diameter_px, rel=0.1)


def test_too_few_nuclei_tell_no_diameter():
    rng = np.random.default_rng(9)
    image = draw(scattered(2, 20, 200, rng), 20, 200, rng)
    with pytest.raises(RefusedFrameError, match="fewer than 5 nuclei stand alone"):
        estimate_nucleus_diameter(frame_of(image))


def test_a_diameter_in_um_needs_the_pixel_size():
    rng = np.random.default_rng(10)
    places = scattered(6, 20, 200, rng, apart=1.3)
    image = draw(places, 20, 200, rng)
    rule = NucleiRule(diameter_um=13.0)
    found = count_nuclei(frame_of(image), rule)
    assert found.count == 6
    assert found.area_mm2 == pytest.approx((200 * 0.65e-3) ** 2)
    with pytest.raises(RefusedFrameError, match="pixel size is not known"):
        count_nuclei(frame_of(image, None), rule)
    with pytest.raises(RefusedFrameError, match=r"2\.0 pixels across"):
        count_nuclei(frame_of(image, 6.5), rule)


def test_the_count_follows_from_the_candidates_kept():
    rng = np.random.default_rng(11)
    image = draw(scattered(30, 18, 260, rng, apart=0.85), 18, 260, rng)
    found = count_nuclei(frame_of(image), NucleiRule(diameter_px=18), analysis_id="ab")
    assert found.count == found.candidates.count_at(0.1) > 25
    assert (found.analysis_id, found.provenance.runtime) == ("ab", "classical")


@pytest.mark.parametrize("given", [{}, {"diameter_um": 9.0, "diameter_px": 14.0}])
def test_exactly_one_diameter_is_given(given):
    with pytest.raises(ValueError, match="either in um or in px"):
        NucleiRule(**given)
