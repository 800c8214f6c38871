"""What clicks in a dense sheet say, against the definition by brute force."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from livecount.training.sheets import find_sheet
from livecount.training.targets import maps_from_centres

SHAPE = (60, 60)
SPACING_PX = 10.0

Points = npt.NDArray[np.float64]


def honeycomb(spacing_px: float = SPACING_PX) -> Points:
    """Clicks of a sheet of hexagons over the whole map and beyond."""
    rows = np.arange(-2, 10) * spacing_px * np.sqrt(3) / 2
    columns = np.arange(-2, 10) * spacing_px
    return np.array(
        [(y, x + (row % 2) * spacing_px / 2) for row, y in enumerate(rows) for x in columns]
    )


def circumcircle(corners: Points) -> tuple[Points, float] | None:
    """Centre and radius of the circle through three points."""
    first, second = corners[1] - corners[0], corners[2] - corners[0]
    matrix = 2 * np.stack([first, second])
    if abs(np.linalg.det(matrix)) < 1e-9:
        return None
    offset = np.linalg.solve(matrix, np.array([first @ first, second @ second]))
    return corners[0] + offset, float(np.linalg.norm(offset))


def holds(corners: Points, pixel: Points, slack: float) -> bool:
    """Say whether a triangle holds a pixel, widened (or narrowed) by some slack."""
    shares = np.linalg.solve(np.vstack([corners.T, np.ones(3)]), np.append(pixel, 1.0))
    return bool((shares >= -slack).all())


@settings(deadline=None, max_examples=25)
@given(
    centres=st.lists(st.tuples(st.integers(0, 140), st.integers(0, 140)), min_size=1, max_size=8),
    reach_px=st.floats(2, 12),
    seed=st.integers(0, 2**31),
)
def test_between_is_where_a_small_empty_circle_runs_through_three_clicks(
    centres: list[tuple[int, int]], reach_px: float, seed: int
) -> None:
    jitter = np.random.default_rng(seed).uniform(0, 0.4, (len(centres), 2))
    points = np.array(centres) / 10 + jitter
    sheet = find_sheet(points, (14, 14), reach_px)
    small: list[Points] = []
    for triple in itertools.combinations(range(len(points)), 3):
        circle = circumcircle(points[list(triple)])
        if circle is None:
            continue
        assume(abs(circle[1] - reach_px) > 1e-6)
        others = np.delete(points, triple, axis=0)
        distances = np.linalg.norm(others - circle[0], axis=1)
        assume(not (np.abs(distances - circle[1]) < 1e-6).any())
        if circle[1] <= reach_px and (distances > circle[1]).all():
            small.append(points[list(triple)])
    if len(points) < 4:
        small = []
    for pixel in np.ndindex(14, 14):
        place = np.array(pixel, float)
        surely = any(holds(corners, place, -1e-6) for corners in small)
        perhaps = any(holds(corners, place, 1e-6) for corners in small)
        assert surely <= bool(sheet.between[pixel]) <= perhaps


@pytest.mark.parametrize(("reach_px", "known"), [(6.0, True), (5.5, False)])
def test_a_honeycomb_is_known_where_its_gaps_are_smaller_than_the_reach(
    reach_px: float, known: bool
) -> None:
    sheet = find_sheet(honeycomb(), SHAPE, reach_px)
    assert sheet.between.all() == known == sheet.between.any()
    assert (sheet.cells != 0).any() == known


def test_a_patch_that_nobody_clicked_stays_unknown() -> None:
    clicks = honeycomb()
    middle = np.array([30.0, 30.0])
    away = np.linalg.norm(clicks - middle, axis=1)
    sheet = find_sheet(clicks[away > 12], SHAPE, 6.5)
    y, x = np.indices(SHAPE)
    far_inside = np.hypot(y - 30, x - 30) < 5
    assert not sheet.between[far_inside].any()
    assert not sheet.cells[far_inside].any()
    assert sheet.between[np.hypot(y - 30, x - 30) > 26].all()


def test_a_cell_belongs_to_its_nearest_click_and_has_others_all_round() -> None:
    clicks = honeycomb()
    sheet = find_sheet(clicks, SHAPE, 6.5)
    for y, x in np.argwhere(sheet.cells):
        distances = np.linalg.norm(clicks - (y, x), axis=1)
        assert distances[sheet.cells[y, x] - 1] == distances.min()
    rim = {0, len(clicks) - 1}
    assert not rim & (set(np.unique(sheet.cells).tolist()) - {0})


@pytest.mark.parametrize(
    "clicks",
    [
        np.empty((0, 2)),
        np.array([[5.0, 5.0], [5.0, 9.0], [9.0, 5.0]]),
        np.array([[5.0, 1.0], [5.0, 2.0], [5.0, 3.0], [5.0, 4.0]]),
        np.full((6, 2), 7.0),
    ],
    ids=["none", "three", "on a line", "one place"],
)
def test_clicks_that_span_no_sheet_say_nothing(clicks: Points) -> None:
    sheet = find_sheet(clicks, (20, 20), 50.0)
    assert not sheet.between.any()
    assert not sheet.cells.any()


def test_in_a_sheet_both_maps_are_known_from_clicks() -> None:
    clicks = honeycomb()
    maps = maps_from_centres(clicks, SHAPE, ("inner", "outer"), 0.1, 3.0, sheet_reach_px=6.5)
    inner, outer = maps.values
    assert maps.known.all()
    rounded = np.floor(clicks + 0.5).astype(int)
    within = rounded[((rounded >= 3) & (rounded < 57)).all(axis=1)]
    for y, x in within:
        assert inner[y, x] == 1
        assert outer[y, x] == outer[y - 2 : y + 3, x - 2 : x + 3].max() > 0.75
    farthest = np.linalg.norm(clicks[:, None] - np.argwhere(outer < 0.35)[None], axis=2).min(axis=0)
    assert farthest.min() > 2.5


def test_without_a_reach_gaps_stay_unknown() -> None:
    before = maps_from_centres(honeycomb(), SHAPE, ("inner", "outer"), 0.1, 3.0)
    assert not before.known[1].any()
    assert 0.2 < before.known[0].mean() < 0.5
