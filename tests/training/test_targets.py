"""Target maps against their definitions, pixel by pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from livecount.errors import TrainingError
from livecount.training.targets import (
    boundary_map,
    cell_centroids,
    cell_map,
    inner_distance,
    maps_from_centres,
    maps_from_masks,
    normalised_outer_distance,
)

ALPHA = 0.1
NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))

Masks = npt.NDArray[Any]

small_masks = hnp.arrays(
    np.uint16,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9),
    elements=st.sampled_from([0, 0, 1, 2, 7, 300]),
)


def pixels_of(masks: Masks) -> list[tuple[int, int]]:
    return [(int(y), int(x)) for y, x in np.argwhere(masks != 0)]


def boundary_of(masks: Masks, label: int) -> set[tuple[int, int]]:
    """The 4-neighbouring pixels just outside a cell, inside the frame."""
    found = set()
    for y, x in np.argwhere(masks == label):
        for step_y, step_x in NEIGHBOURS:
            beside = (int(y) + step_y, int(x) + step_x)
            inside = 0 <= beside[0] < masks.shape[0] and 0 <= beside[1] < masks.shape[1]
            if inside and masks[beside] != label:
                found.add(beside)
    return found


@settings(max_examples=80, deadline=None)
@given(masks=small_masks)
def test_inner_distance_is_its_definition(masks: Masks) -> None:
    centroids = [
        np.floor(np.argwhere(masks == label).mean(axis=0) + 0.5)
        for label in np.unique(masks[masks != 0])
    ]
    expected = np.zeros(masks.shape)
    for y, x in pixels_of(masks):
        nearest = min(float(np.hypot(*(np.array([y, x]) - centre))) for centre in centroids)
        expected[y, x] = 1 / (1 + ALPHA * nearest)
    np.testing.assert_allclose(inner_distance(masks, ALPHA), expected, rtol=1e-6)


@settings(max_examples=80, deadline=None)
@given(masks=small_masks)
def test_outer_distance_is_its_definition(masks: Masks) -> None:
    expected = np.zeros(masks.shape)
    for label in np.unique(masks[masks != 0]):
        boundary = boundary_of(masks, label)
        cell = [(int(y), int(x)) for y, x in np.argwhere(masks == label)]
        distance = {
            (y, x): min((np.hypot(y - b, x - a) for b, a in boundary), default=1.0) for y, x in cell
        }
        for place, value in distance.items():
            expected[place] = value / max(distance.values())
    np.testing.assert_allclose(normalised_outer_distance(masks), expected, rtol=1e-6)


@settings(max_examples=80, deadline=None)
@given(masks=small_masks, gap_px=st.integers(0, 2))
def test_cell_map_subtracts_widened_boundaries(masks: Masks, gap_px: int) -> None:
    removed: set[tuple[int, int]] = set()
    for label in np.unique(masks[masks != 0]):
        removed |= boundary_of(masks, label)
    for _ in range(gap_px):
        removed |= {(y + b, x + a) for y, x in removed for b, a in NEIGHBOURS}
    expected = np.zeros(masks.shape)
    for place in pixels_of(masks):
        expected[place] = place not in removed
    np.testing.assert_array_equal(cell_map(masks, gap_px), expected)
    boundaries = np.zeros(masks.shape)
    for y, x in removed:
        if 0 <= y < masks.shape[0] and 0 <= x < masks.shape[1]:
            boundaries[y, x] = 1
    np.testing.assert_array_equal(boundary_map(masks, gap_px), boundaries)


def test_touching_cells_come_apart_in_the_cell_map() -> None:
    masks = np.zeros((12, 20), np.int32)
    masks[2:10, 2:10], masks[2:10, 10:18] = 1, 2
    assert not cell_map(masks)[:, 9:11].any()
    assert cell_map(masks)[5, 5] == 1


def test_two_inner_peaks_are_parted_by_a_valley() -> None:
    masks = np.zeros((30, 60), np.int32)
    masks[:, :30], masks[:, 30:] = 1, 2
    inner = inner_distance(masks, ALPHA)
    centres = cell_centroids(masks)
    assert centres.tolist() == [[15, 15], [15, 45]]
    assert inner[15, 15] == inner[15, 45] == 1
    assert inner[15, 30] == pytest.approx(1 / (1 + ALPHA * 15))


def test_masks_without_cells_give_empty_maps() -> None:
    maps = maps_from_masks(np.zeros((5, 6), np.uint16), ("inner", "outer", "cell"), ALPHA)
    assert maps.values.shape == (3, 5, 6)
    assert not maps.values.any()
    assert maps.known.all()


def test_maps_come_in_the_order_of_the_heads() -> None:
    masks = np.zeros((9, 9), np.uint16)
    masks[2:7, 2:7] = 1
    maps = maps_from_masks(masks, ("cell", "inner"), ALPHA)
    np.testing.assert_array_equal(maps.values[0], cell_map(masks))
    np.testing.assert_array_equal(maps.values[1], inner_distance(masks, ALPHA))


def test_two_heads_may_draw_the_same() -> None:
    masks = np.zeros((9, 9), np.uint16)
    masks[2:7, 2:7] = 1
    maps = maps_from_masks(masks, ("inner", "boundary", "inner"), ALPHA)
    np.testing.assert_array_equal(maps.values[0], maps.values[2])
    np.testing.assert_array_equal(maps.values[1], boundary_map(masks))
    clicked = maps_from_centres(np.array([[4.0, 4.0]]), (9, 9), ("inner", "inner"), ALPHA, 3.0)
    assert clicked.known[0].any()
    np.testing.assert_array_equal(clicked.values[0], clicked.values[1])
    np.testing.assert_array_equal(clicked.known[0], clicked.known[1])


def test_an_unknown_head_is_refused() -> None:
    with pytest.raises(TrainingError, match="border"):
        maps_from_masks(np.ones((3, 3), np.uint16), ("border",), ALPHA)


@settings(max_examples=60, deadline=None)
@given(
    centres=hnp.arrays(
        np.float64, st.tuples(st.integers(0, 5), st.just(2)), elements=st.floats(-3, 15)
    )
)
def test_clicks_say_something_only_of_the_inner_map_near_them(
    centres: npt.NDArray[np.float64],
) -> None:
    shape, radius = (12, 12), 3.0
    maps = maps_from_centres(centres, shape, ("outer", "inner"), ALPHA, radius)
    assert not maps.known[0].any()
    rounded = np.floor(centres + 0.5)
    inside = rounded[((rounded >= 0) & (rounded < 12)).all(axis=1)]
    for y in range(12):
        for x in range(12):
            nearest = min((np.hypot(y - b, x - a) for b, a in inside), default=np.inf)
            assert maps.known[1, y, x] == (nearest <= radius)
            expected = 1 / (1 + ALPHA * nearest) if nearest <= radius else 0
            assert maps.values[1, y, x] == pytest.approx(expected)


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(0, 4), st.just(2)), elements=st.floats(0, 11)),
    st.floats(1, 4),
)
def test_where_every_cell_is_clicked_what_is_far_from_all_clicks_is_none(
    centres: npt.NDArray[np.float64], radius: float
) -> None:
    maps = maps_from_centres(centres, (12, 12), ("inner",), ALPHA, radius, complete=True)
    rounded = np.floor(centres + 0.5)
    inside = rounded[(rounded < 12).all(axis=1)]
    for y, x in np.ndindex(12, 12):
        nearest = min((np.hypot(y - b, x - a) for b, a in inside), default=np.inf)
        if not np.isclose(nearest, radius) and not np.isclose(nearest, 2 * radius):
            assert maps.known[0, y, x] == (nearest < radius or nearest > 2 * radius)
        if nearest > 2 * radius:
            assert maps.values[0, y, x] == 0
