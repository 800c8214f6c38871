"""Peaks and prominences against scikit-image's reconstruction, in arithmetic that is exact."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.morphology import h_maxima, local_maxima, reconstruction

from livecount.detection import find_peaks
from livecount.frame import APART_H, BODY_SHARE, MIN_PROMINENCE, Candidates

EIGHT = np.ones((3, 3))

IntegerMap = npt.NDArray[np.int64]

# Few levels give plateaus and ties, many give shapes.
integer_maps = st.integers(1, 15).flatmap(
    lambda top: hnp.arrays(
        np.int64,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
        elements=st.integers(0, top),
    )
)


def surviving_components(levels: npt.NDArray[np.floating], h: float) -> tuple[npt.NDArray, int]:
    """Label the regional maxima of the h-maxima transform, the paper's detections."""
    levels = levels.astype(np.float64)
    rebuilt = reconstruction(levels - h, levels, method="dilation", footprint=EIGHT)
    return ndimage.label(local_maxima(rebuilt, connectivity=2), EIGHT)


def centroids(labels: npt.NDArray, n: int) -> npt.NDArray:
    found = ndimage.center_of_mass(labels > 0, labels, range(1, n + 1))
    return in_raster_order(np.array(found).reshape(-1, 2))


def in_raster_order(yx: npt.NDArray) -> npt.NDArray:
    return yx[np.lexsort((yx[:, 1], yx[:, 0]))]


def positions(candidates: Candidates) -> npt.NDArray:
    return np.column_stack([candidates.y_px, candidates.x_px]).astype(np.float64)


def as_rows(candidates: Candidates) -> list[tuple[float, ...]]:
    return list(
        zip(
            candidates.prominence.tolist(),
            candidates.y_px.tolist(),
            candidates.x_px.tolist(),
            strict=True,
        )
    )


def drawn_blobs(shape: tuple[int, int], n: int, seed: int, noise: float = 0.0) -> npt.NDArray:
    """Draw cones of 1 / (1 + 0.1 d) at random places, smoothed: what a network's map looks like."""
    rng = np.random.default_rng(seed)
    inner = np.zeros(shape, dtype=np.float32)
    for y, x in rng.uniform((0, 0), shape, (n, 2)):
        radius = rng.uniform(8, 20)
        top, left = int(max(0, y - radius)), int(max(0, x - radius))
        window = inner[top : int(y + radius) + 1, left : int(x + radius) + 1]
        yy, xx = np.mgrid[top : top + window.shape[0], left : left + window.shape[1]]
        distance = np.hypot(yy - y, xx - x)
        cone = rng.uniform(0.3, 1) / (1 + 0.1 * distance) * (distance < radius)
        np.maximum(window, cone.astype(np.float32), out=window)
    smooth = ndimage.gaussian_filter(inner, 1.5)
    return (smooth + rng.normal(0, noise, shape) if noise else smooth).astype(np.float32)


@given(integer_maps)
def test_every_count_equals_the_h_maxima_transforms(levels: IntegerMap) -> None:
    found = find_peaks(levels, h=2.5, min_prominence=0.5)
    for h in np.arange(0.5, np.ptp(levels), 0.5):
        # At h equal to a prominence the peak still counts: the limit from below.
        _, expected = surviving_components(levels, h if h % 1 else h - 0.25)
        assert found.count_at(h) == expected, h


@given(integer_maps, st.sampled_from([0.5, 1, 1.5, 2, 3.5]))
def test_location_is_the_centroid_of_the_paper_component(levels: IntegerMap, h: float) -> None:
    if h >= np.ptp(levels):
        return
    found = find_peaks(levels, h=h, min_prominence=0.5)
    expected = centroids(*surviving_components(levels, h))
    cells = positions(found)[found.prominence > h]
    np.testing.assert_allclose(in_raster_order(cells), expected, atol=1e-5)


@given(integer_maps, st.sampled_from([1, 2, 3, 1000]))
def test_a_peak_not_above_h_is_located_as_at_its_own_prominence(
    levels: IntegerMap, h: float
) -> None:
    found = find_peaks(levels, h=h, min_prominence=0.5)
    for prominence in np.unique(found.prominence[found.prominence <= h]):
        expected = centroids(*surviving_components(levels, float(prominence) - 0.25))
        for place in positions(found)[found.prominence == prominence]:
            assert np.isclose(expected, place, atol=1e-5).all(axis=1).any()


@given(st.permutations(range(42)), st.integers(1, 40))
def test_same_count_as_scikit_image_where_no_peaks_tie(order: list[int], h: int) -> None:
    levels = np.array(order, dtype=np.float64).reshape(6, 7)
    found = find_peaks(levels, h=h, min_prominence=0.5)
    _, expected = ndimage.label(h_maxima(levels, h, footprint=EIGHT), EIGHT)
    assert found.count_at(h) == expected


@pytest.mark.parametrize(
    ("noise", "clipped"),
    [(0, True), (0.01, True), (0.01, False), (0.05, False)],
    ids=["smooth", "noisy and clipped", "noisy background", "noise above the smallest peaks"],
)
def test_whole_maps_equal_scikit_image_at_every_h(noise: float, clipped: bool) -> None:
    inner = drawn_blobs((400, 520), 120, seed=3, noise=noise)
    if clipped:
        inner = inner.clip(0)
    for h in (MIN_PROMINENCE, 0.05, 0.1, 0.2, 0.3):
        labels, expected = surviving_components(inner, float(np.float32(h)))
        cells = find_peaks(inner, h=h).at(h)
        assert len(cells) == expected > 20
        np.testing.assert_allclose(
            in_raster_order(positions(cells).round(3)),
            centroids(labels, expected).round(3),
            atol=2e-3,
        )


def bodies(levels: npt.NDArray[np.float64]) -> list[tuple[float, ...]]:
    """Give prominence and place of each peak of a map without ties, threshold by threshold."""
    peaks = np.argwhere(local_maxima(levels, connectivity=2))
    prominence = [_own_part(levels, peak, levels > levels[tuple(peak)])[1] for peak in peaks]
    found = []
    for peak, own in zip(peaks, prominence, strict=True):
        others = np.zeros(levels.shape, bool)
        for other, its in zip(peaks, prominence, strict=True):
            others[tuple(other)] = tuple(other) != tuple(peak) and its >= APART_H
        others |= levels > levels[tuple(peak)]
        part, _ = _own_part(levels, peak, others)
        foot = levels.min() + BODY_SHARE * (levels[tuple(peak)] - levels.min())
        part = part[levels[tuple(part.T)] > foot]
        place = part.mean(axis=0)
        if not (part == np.rint(place)).all(axis=1).any():
            place = part[((part - place) ** 2).sum(axis=1).argmin()]
        found.append((own, *place))
    return sorted(found, key=by_prominence)


def by_prominence(row: tuple[float, ...]) -> tuple[float, ...]:
    return (-round(row[0], 4), row[1], row[2])


def _own_part(
    levels: npt.NDArray[np.float64], peak: npt.NDArray, others: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray, float]:
    """Lower the threshold until the peak's component meets others; its pixels before, and depth."""
    for threshold in np.sort(levels.ravel())[::-1]:
        labels, _ = ndimage.label(levels >= threshold, EIGHT)
        part = labels == labels[tuple(peak)]
        if labels[tuple(peak)] and (part & others).any():
            above, _ = ndimage.label(levels > threshold, EIGHT)
            mine = np.argwhere(above == above[tuple(peak)])
            return mine, float(levels[tuple(peak)] - threshold)
    return np.argwhere(levels > levels.min()), float(np.ptp(levels))


@settings(deadline=None)
@given(st.permutations(range(48)))
def test_a_cell_lies_at_the_centroid_of_its_body_or_on_the_nearest_pixel_of_it(
    order: list[int],
) -> None:
    # Steps of 0.011: peaks stand apart from five steps on.
    levels = np.array(order, dtype=np.float64).reshape(6, 8) * 0.011
    found = sorted(as_rows(find_peaks(levels, min_prominence=0.005)), key=by_prominence)
    np.testing.assert_allclose(found, bodies(levels), atol=1e-4)


def test_a_lesser_peak_belongs_to_the_body_that_it_stands_on() -> None:
    row = [[0.0, 0.5, 0.47, 0.49, 0.0], [0.0] * 5]
    assert find_peaks(row).x_px.tolist() == [2.0, 3.0]
    apart = [[0.0, 0.5, 0.43, 0.49, 0.0], [0.0] * 5]
    assert find_peaks(apart).x_px.tolist() == [1.0, 3.0]


def test_a_crescent_is_located_on_itself() -> None:
    y, x = np.mgrid[:41, :41]
    away = np.hypot(y - 20, x - 20)
    crescent = np.where((away > 12) & (away < 16) & (x < 24), 0.5 - 0.001 * y, 0)
    (found,) = positions(find_peaks(crescent).at(0.1))
    assert crescent[tuple(found.astype(int))] > 0


def test_where_cells_lie_does_not_depend_on_which_peaks_are_kept() -> None:
    inner = drawn_blobs((200, 200), 40, seed=5, noise=0.02)
    few, many = find_peaks(inner, min_prominence=0.2), find_peaks(inner, min_prominence=0.02)
    assert as_rows(few) == as_rows(many.at(0.2))


def test_prominence_does_not_depend_on_h() -> None:
    inner = drawn_blobs((200, 200), 40, seed=5, noise=0.02)
    low, high = find_peaks(inner, h=0.05), find_peaks(inner, h=0.5)
    np.testing.assert_array_equal(low.prominence, high.prominence)


@given(integer_maps, st.integers(-64, 64), st.sampled_from([0.25, 1.0, 8.0]))
def test_a_shift_changes_nothing_and_a_factor_scales(
    levels: IntegerMap, shift: int, factor: float
) -> None:
    plain = find_peaks(levels, h=1.5, min_prominence=0.5)
    changed = find_peaks(levels * factor + shift, h=1.5 * factor, min_prominence=0.5 * factor)
    scaled = Candidates(plain.y_px, plain.x_px, plain.prominence * np.float32(factor))
    assert as_rows(changed) == as_rows(scaled)


@given(st.permutations(range(35)), st.sampled_from([0.5, 3, 10]))
def test_flips_and_transposition_move_the_peaks_along(order: list[int], h: float) -> None:
    levels = np.array(order, dtype=np.float32).reshape(5, 7)
    plain = find_peaks(levels, h=h, min_prominence=0.5)
    for turned, y_px, x_px in (
        (levels[::-1], 4 - plain.y_px, plain.x_px),
        (levels[:, ::-1], plain.y_px, 6 - plain.x_px),
        (levels.T, plain.x_px, plain.y_px),
    ):
        found = find_peaks(turned, h=h, min_prominence=0.5)
        expected = sorted(zip(plain.prominence, y_px, x_px, strict=True))
        np.testing.assert_allclose(sorted(map(tuple, as_rows(found))), expected, atol=1e-5)


@given(integer_maps)
def test_prominences_of_tied_peaks_survive_a_flip(levels: IntegerMap) -> None:
    plain = find_peaks(levels, h=1.5, min_prominence=0.5)
    flipped = find_peaks(levels[::-1, ::-1], h=1.5, min_prominence=0.5)
    np.testing.assert_array_equal(plain.prominence, flipped.prominence)


@given(integer_maps)
def test_candidates_are_sorted_and_the_highest_stands_above_everything(levels: IntegerMap) -> None:
    found = find_peaks(levels, h=1.5, min_prominence=0.5)
    rows = as_rows(found)
    assert rows == sorted(rows, key=lambda row: (-row[0], row[1], row[2]))
    if len(found):
        assert found.prominence[0] == np.ptp(levels)
    else:
        assert np.ptp(levels) == 0


def test_of_two_equally_high_peaks_that_join_the_first_in_raster_order_goes_on() -> None:
    levels = [[0, 5, 3, 5, 0], [0, 0, 0, 0, 0]]
    found = find_peaks(levels, h=1, min_prominence=0.5)
    assert as_rows(found) == [(5, 0, 1), (2, 0, 3)]
    # Deeper than their saddle the two are one component, as in the h-maxima transform.
    assert as_rows(find_peaks(levels, h=4, min_prominence=0.5).at(4)) == [(5, 0, 2)]


def test_diagonal_neighbours_are_connected() -> None:
    assert len(find_peaks(np.eye(4), h=0.5)) == 1


def test_a_plateau_is_one_peak_at_its_centre_and_a_shoulder_is_none() -> None:
    levels = [[0, 0, 0, 0, 0, 0, 0], [0, 4, 4, 4, 2, 2, 0], [0, 0, 0, 0, 0, 0, 0]]
    assert as_rows(find_peaks(levels, h=1)) == [(4, 1, 2)]


@given(integer_maps)
def test_a_shoulder_is_no_peak_even_of_no_prominence(levels: IntegerMap) -> None:
    everything = find_peaks(levels, h=1.5, min_prominence=0)
    assert as_rows(everything) == as_rows(find_peaks(levels, h=1.5, min_prominence=0.5))


def test_min_prominence_is_inclusive() -> None:
    levels = [[0.0, 0.5, 0.25, 1.0, 0.0]]
    assert len(find_peaks(levels, h=0.5, min_prominence=0.25)) == 2
    assert len(find_peaks(levels, h=0.5, min_prominence=0.251)) == 1


@given(
    hnp.arrays(np.float32, (1, 5), elements=st.floats(0.0625, 1, width=32), unique=True),
    st.floats(0.0625, 1, width=32),
)
def test_the_comparison_with_h_is_exact_in_floats(row: npt.NDArray, h: float) -> None:
    values = np.float64(row[0])
    walled = np.concatenate([[-1], values, [-1]])
    peaks = np.flatnonzero((values > walled[:-2]) & (values > walled[2:]))
    found = find_peaks(row, h=h, min_prominence=0)
    for level in [h, *np.float32([_row_prominence(values, peak) for peak in peaks]).tolist()]:
        expected = sum(_row_prominence(values, peak) >= level for peak in peaks)
        assert found.count_at(level) == expected


def _row_prominence(values: npt.NDArray, peak: int) -> float:
    saddles = []
    for side in (values[peak::-1], values[peak:]):
        higher = np.flatnonzero(side > values[peak])
        if len(higher):
            saddles.append(side[: higher[0]].min())
    return float(values[peak] - max(saddles, default=values.min()))


@pytest.mark.parametrize("shape", [(1, 1), (0, 0), (0, 7), (1, 9), (6, 5)])
@pytest.mark.parametrize("level", [0.0, 0.7, -3.0])
def test_a_constant_map_has_no_peak(shape: tuple[int, int], level: float) -> None:
    found = find_peaks(np.full(shape, level, dtype=np.float32), h=0.1)
    assert len(found) == 0
    assert found.prominence.dtype == found.y_px.dtype == found.x_px.dtype == np.float32


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_map_with_non_finite_values_is_refused(bad: float) -> None:
    levels = np.zeros((4, 4), dtype=np.float32)
    levels[3, 2] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        find_peaks(levels, h=0.1)


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        find_peaks(np.zeros((2, 3, 4)), h=0.1)
    with pytest.raises(ValueError, match="h must be"):
        find_peaks(np.zeros((2, 3)), h=0)
    with pytest.raises(ValueError, match="h must be"):
        find_peaks(np.zeros((2, 3)), h=float("nan"))
    with pytest.raises(ValueError, match="min_prominence"):
        find_peaks(np.zeros((2, 3)), h=0.1, min_prominence=-1)


def test_the_map_is_not_changed_and_any_memory_layout_is_read() -> None:
    inner = drawn_blobs((80, 90), 10, seed=1)
    kept = inner.copy()
    plain = find_peaks(inner, h=0.1)
    np.testing.assert_array_equal(inner, kept)
    assert as_rows(find_peaks(np.asfortranarray(inner), h=0.1)) == as_rows(plain)
    assert as_rows(find_peaks(np.repeat(inner, 2, axis=1)[:, ::2], h=0.1)) == as_rows(plain)


@settings(deadline=None)
@given(st.integers(0, 3))
def test_repeated_runs_agree(seed: int) -> None:
    inner = drawn_blobs((60, 60), 8, seed=seed).round(2)
    assert as_rows(find_peaks(inner, h=0.1)) == as_rows(find_peaks(inner, h=0.1))


def test_a_large_saturated_map_takes_no_longer_than_a_pass() -> None:
    # One plateau of a million pixels with a hole in it: plateaus must not cost their square.
    inner = np.ones((1000, 1000), dtype=np.float32)
    inner[500, 500] = 0
    find_peaks(inner[:4, :4], h=0.1)
    start = time.perf_counter()
    assert as_rows(find_peaks(inner, h=0.1))[0][0] == 1
    assert time.perf_counter() - start < 5
