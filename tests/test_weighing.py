"""The map on which cells are found: the inner map, as far as the outer one says so."""

from __future__ import annotations

import itertools
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from livecount.banded_peaks import BandedPeaks
from livecount.detection import find_peaks
from livecount.weighing import OuterWeighing, detection_bands, detection_map

HEADS = ("inner", "outer")
maps_of_two_heads = arrays.arrays(
    np.float32,
    st.tuples(st.just(2), st.integers(1, 12), st.integers(1, 12)),
    elements=st.floats(0, 1, width=32),
)


@given(maps_of_two_heads, st.floats(0.01, 1), st.floats(0, 4))
def test_it_never_exceeds_the_inner_map(maps, full_at: float, sigma_px: float) -> None:
    drawn = detection_map(maps, HEADS, OuterWeighing(full_at, sigma_px))
    assert drawn.dtype == np.float32
    assert drawn.flags.c_contiguous
    assert (drawn >= 0).all()
    assert (drawn <= maps[0]).all()


@given(maps_of_two_heads)
def test_without_weighing_or_without_an_outer_map_it_is_the_inner_map(maps) -> None:
    np.testing.assert_array_equal(detection_map(maps, HEADS, None), maps[0])
    np.testing.assert_array_equal(detection_map(maps, ("inner", "cell"), OuterWeighing()), maps[0])
    np.testing.assert_array_equal(detection_map(maps, ("outer", "inner"), None), maps[1])


@given(maps_of_two_heads)
def test_where_a_whole_cell_is_seen_the_inner_map_counts_in_full(maps) -> None:
    maps[1] = 0.7
    np.testing.assert_allclose(detection_map(maps, HEADS, OuterWeighing(0.5)), maps[0], rtol=1e-6)


def test_a_peak_without_a_cell_round_it_loses_its_prominence() -> None:
    y, x = np.mgrid[:60, :120]
    cell, speck = (np.hypot(y - 30, x - at) for at in (30, 90))
    inner = np.maximum(1 / (1 + 0.1 * cell) * (cell < 13), 1 / (1 + 0.1 * speck) * (speck < 4))
    outer = np.maximum(0, 1 - cell / 13)
    maps = np.stack([inner, outer]).astype(np.float32)
    plain = find_peaks(detection_map(maps, HEADS, None), h=0.1)
    weighed = find_peaks(detection_map(maps, HEADS, OuterWeighing()), h=0.1)
    assert plain.count_at(0.15) == 2
    assert weighed.count_at(0.15) == 1
    assert weighed.x_px[0] == pytest.approx(30, abs=1)


@pytest.mark.parametrize("weighing", [None, OuterWeighing()])
def test_what_a_linear_head_draws_below_zero_is_zero(weighing: OuterWeighing | None) -> None:
    maps = np.random.default_rng(2).normal(size=(2, 40, 30)).astype(np.float32)
    drawn = detection_map(maps, HEADS, weighing)
    assert (drawn >= 0).all()
    np.testing.assert_array_equal(
        drawn, detection_map(np.stack([maps[0].clip(0), maps[1]]), HEADS, weighing)
    )
    with closing(BandedPeaks(30, min_prominence=0.05)) as in_bands:
        for band in detection_bands([maps[:, :25], maps[:, 25:]], HEADS, weighing):
            in_bands.add(band)
        found = in_bands.finish()
    assert found.count_at(0.1) == find_peaks(drawn, min_prominence=0.05).count_at(0.1) > 10


@pytest.mark.parametrize(("full_at", "sigma_px"), [(0, 1), (1.1, 1), (0.5, -1), (0.5, np.inf)])
def test_impossible_weighings_are_refused(full_at: float, sigma_px: float) -> None:
    with pytest.raises(ValueError, match="full_at must be above 0"):
        OuterWeighing(full_at, sigma_px)


@pytest.mark.parametrize("weighing", [None, OuterWeighing(0.5, 2.0), OuterWeighing(0.5, 0.0)])
@pytest.mark.parametrize("heights", [[60], [1] * 60, [3, 20, 1, 36], [59, 1]])
def test_bands_give_the_map_of_the_whole_frame(
    weighing: OuterWeighing | None, heights: list[int]
) -> None:
    maps = np.random.default_rng(1).random((2, 60, 40)).astype(np.float32)
    edges = np.cumsum([0, *heights])
    bands = [maps[:, start:stop] for start, stop in itertools.pairwise(edges)]
    found = np.concatenate(list(detection_bands(bands, ("inner", "outer"), weighing)))
    np.testing.assert_array_equal(found, detection_map(maps, ("inner", "outer"), weighing))
