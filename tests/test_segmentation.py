"""Masks against a plain reading of the paper's loop, and the rules that every mask keeps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from livecount.frame import Candidates
from livecount.segmentation import (
    SegmentationRule,
    confluence_percent,
    find_foreground,
    labels_at,
    segment,
)
from livecount.segmentation.scoring import score_masks

CROSS = ndimage.generate_binary_structure(2, 1)
UNSMOOTHED = SegmentationRule(smoothing_px=0)
STEPS = ((-1, 0), (0, -1), (0, 1), (1, 0))

Pixel = tuple[int, int]

outer_maps = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14),
    elements=st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.25, 0.4, 0.7, 1.0]),
)
located = st.lists(
    st.tuples(st.floats(0, 1, width=32), st.floats(0, 1, width=32)), min_size=0, max_size=6
)


def cells_at(places: npt.ArrayLike) -> Candidates:
    y_px, x_px = np.asarray(places, np.float32).reshape(-1, 2).T
    return Candidates(y_px, x_px, np.ones_like(y_px))


def spread_over(shape: tuple[int, ...], places: list[Pixel]) -> Candidates:
    return cells_at(np.reshape(places, (-1, 2)) * (np.array(shape) - 1))


def pixel_of(cells: Candidates, number: int) -> Pixel:
    return int(np.rint(cells.y_px[number])), int(np.rint(cells.x_px[number]))


def beside(pixels: set[Pixel], shape: tuple[int, ...]) -> set[Pixel]:
    near = {(y + dy, x + dx) for y, x in pixels for dy, dx in STEPS} - pixels
    return {(y, x) for y, x in near if 0 <= y < shape[0] and 0 <= x < shape[1]}


def grown_as_the_paper_says(
    outer: npt.NDArray, foreground: npt.NDArray, markers: list[set[Pixel]], least_free: float
) -> list[set[Pixel]]:
    """Look at every marker anew each time, with sets of pixels."""
    regions = [set(marker) for marker in markers]
    while True:
        taken = set().union(*regions)
        best, best_mean = -1, -1.0
        for number, region in enumerate(regions):
            adjacent = beside(region, outer.shape) if region else set()
            free = {pixel for pixel in adjacent if foreground[pixel] and pixel not in taken}
            if not free or len(free) < least_free * len(adjacent):
                continue
            mean = float(np.mean([np.float64(outer[pixel]) for pixel in free]))
            if mean > best_mean + 1e-12:
                best, best_mean, chosen = number, mean, free
        if best < 0:
            return regions
        regions[best] |= chosen


@given(outer_maps, located, st.sampled_from([0.0, 0.25, 0.5]))
def test_markers_grow_in_the_papers_order(outer, places, least_free) -> None:
    cells = spread_over(outer.shape, places)
    foreground = outer > 0.08
    # A level that nothing exceeds: markers are the locations themselves.
    rule = SegmentationRule(marker_outer=2, least_free=least_free, smoothing_px=0)
    markers: list[set[Pixel]] = []
    for number in range(len(cells)):
        pixel = pixel_of(cells, number)
        free = foreground[pixel] and not any(pixel in marker for marker in markers)
        markers.append({pixel} if free else set())
    expected = np.zeros(outer.shape, np.int32)
    regions = grown_as_the_paper_says(outer, foreground, markers, least_free)
    for number, region in enumerate(regions):
        for pixel in region:
            expected[pixel] = number + 1
    labels = segment(outer, foreground, cells, rule)
    # Holes are filled afterwards: only what was background may differ.
    np.testing.assert_array_equal(labels[expected > 0], expected[expected > 0])
    assert not (labels != expected)[foreground & (expected > 0)].any()


@given(outer_maps, located, st.integers(0, 2))
def test_each_label_is_one_piece_without_holes_around_its_location(outer, places, radius) -> None:
    cells = spread_over(outer.shape, places)
    foreground = outer > 0.08
    labels = segment(outer, foreground, cells, SegmentationRule(smoothing_px=radius))
    assert labels.dtype == np.int32
    taken = set()
    for number in range(len(cells)):
        mask, pixel = labels == number + 1, pixel_of(cells, number)
        assert mask.any() == (foreground[pixel] and pixel not in taken)
        if mask.any():
            assert mask[pixel]
            assert ndimage.label(mask, CROSS)[1] == 1
        taken.add(pixel)
        # A gap may reach out between pixels that touch by corners only.
        holes = ndimage.binary_fill_holes(mask, np.ones((3, 3))) & ~mask
        assert not holes.any() or labels[holes].any()
    assert labels.max(initial=0) <= len(cells)


@given(outer_maps, located)
def test_cells_on_separate_ground_never_merge(outer, places) -> None:
    cells = spread_over(outer.shape, places)
    foreground = outer > 0.08
    pieces, _ = ndimage.label(foreground, CROSS)
    labels = segment(outer, foreground, cells, UNSMOOTHED)
    for number in range(1, len(cells) + 1):
        mask = (labels == number) & foreground
        # What else lies inside a closed outline is the cell's too.
        inside = ndimage.binary_fill_holes(pieces == pieces[pixel_of(cells, number - 1)])
        assert not (mask & ~inside).any()


@given(outer_maps, located)
def test_confluence_is_the_share_of_labelled_pixels(outer, places) -> None:
    labels = segment(outer, outer > 0.08, spread_over(outer.shape, places))
    assert confluence_percent(labels) == pytest.approx(100 * (labels > 0).sum() / labels.size)


@given(outer_maps, located)
def test_turning_the_map_turns_the_confluence_along(outer, places) -> None:
    cells = spread_over(outer.shape, places)
    turned = cells_at(np.column_stack([outer.shape[0] - 1 - cells.y_px, cells.x_px]))
    once = segment(outer, outer > 0.08, cells, UNSMOOTHED)
    again = segment(outer[::-1], outer[::-1] > 0.08, turned, UNSMOOTHED)
    same = all(pixel_of(turned, n)[0] == outer.shape[0] - 1 - pixel_of(cells, n)[0]
               for n in range(len(cells)))  # fmt: skip
    assert not same or confluence_percent(once) == confluence_percent(again)


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (1, 1), (30, 40)])
def test_an_empty_frame_has_no_mask(shape: tuple[int, int]) -> None:
    outer = np.zeros(shape, np.float32)
    labels = segment(outer, outer > 0.08, cells_at([]))
    assert labels.shape == shape
    assert confluence_percent(labels) == 0
    assert labels_at(labels, (7, 9)).tolist() == np.zeros((7, 9)).tolist()


def test_a_location_beside_every_cell_gets_no_pixel() -> None:
    outer = np.zeros((20, 20), np.float32)
    outer[5:10, 5:10] = 0.9
    labels = segment(outer, outer > 0.08, cells_at([(15, 15), (7, 7)]))
    assert set(np.unique(labels)) == {0, 2}


def test_two_locations_in_one_blob_share_it_between_them() -> None:
    y, x = np.mgrid[:30, :60]
    outer = np.maximum.reduce(
        [1 - np.hypot(y - 15, x - centre) / 16 for centre in (18, 42)]
    ).clip(0).astype(np.float32)  # fmt: skip
    labels = segment(outer, outer > 0.08, cells_at([(15, 18), (15, 42)]))
    assert (labels[outer > 0.15] > 0).all()
    assert (labels[:, :29][outer[:, :29] > 0.15] == 1).all()
    assert (labels[:, 31:][outer[:, 31:] > 0.15] == 2).all()


def test_maps_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        segment(np.zeros((4, 4), np.float32), np.zeros((4, 5), np.bool_), cells_at([]))


def test_a_cell_map_decides_where_a_model_has_one() -> None:
    maps = np.zeros((3, 2, 2), np.float32)
    maps[1, 0], maps[2, 1] = 0.9, 0.9
    rule = SegmentationRule()
    assert find_foreground(maps, ("inner", "outer", "cell"), rule)[:, 0].tolist() == [False, True]
    assert find_foreground(maps[:2], ("inner", "outer"), rule)[:, 0].tolist() == [True, False]


@given(
    st.integers(4, 40),
    st.integers(4, 40),
    st.integers(4, 90),
    st.integers(4, 90),
    st.integers(0, 9),
)
def test_labels_on_another_grid_stay_in_place_and_whole(height, width, to_y, to_x, seed) -> None:
    rng = np.random.default_rng(seed)
    outer = ndimage.gaussian_filter(rng.random((height, width)), 2).astype(np.float32)
    outer = (outer - outer.min()) / max(float(np.ptp(outer)), 1e-6)
    places = rng.random((5, 2)) * (height - 1, width - 1)
    labels = segment(outer, outer > 0.4, cells_at(places))
    carried = labels_at(labels, (to_y, to_x))
    assert carried.shape == (to_y, to_x)
    assert set(np.unique(carried)) <= set(np.unique(labels))
    for number in range(1, 6):
        assert ndimage.label(carried == number, CROSS)[1] <= 1
    y = ((np.arange(to_y) + 0.5) * height / to_y - 0.5).round().astype(int).clip(0, height - 1)
    x = ((np.arange(to_x) + 0.5) * width / to_x - 0.5).round().astype(int).clip(0, width - 1)
    deep = ndimage.minimum_filter(labels, 5) == ndimage.maximum_filter(labels, 5)
    stays = deep[np.ix_(y, x)] & (carried > 0)
    np.testing.assert_array_equal(carried[stays], labels[np.ix_(y, x)][stays])


def test_masks_are_scored_cell_by_cell_whatever_their_numbers() -> None:
    annotated = np.zeros((20, 40), np.uint16)
    annotated[2:12, 2:12], annotated[2:12, 20:30], annotated[15:18, 2:5] = 700, 5, 9
    found = np.zeros((20, 40), np.int32)
    found[2:12, 2:12] = 3
    # One mask over half of a cell, another over a quarter of it.
    found[2:12, 20:25], found[2:7, 25:30] = 1, 8
    score = score_masks(found, annotated)
    assert score.iou.tolist() == [0.5, 0.0, 1.0]
    assert score.is_matched.tolist() == [True, False, True]
    assert score.confluence_difference == pytest.approx(100 * (175 - 209) / 800)


def test_one_mask_over_two_cells_matches_the_better_one() -> None:
    annotated = np.repeat([[1, 1, 1, 2, 2]], 3, axis=0)
    score = score_masks(np.ones((3, 5), np.int32), annotated)
    assert score.iou.tolist() == [0.6, 0.4]
    assert score.is_matched.tolist() == [True, False]
    nothing = score_masks(np.zeros((3, 5), np.int32), annotated)
    assert (nothing.iou.tolist(), nothing.is_matched.any()) == ([0, 0], False)
