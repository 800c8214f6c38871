"""Overlapping fields: every place of a well belongs to exactly one of those that show it."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecount.field_shares import FieldView, share_out

lengths = st.floats(1, 50)
places = st.floats(-60, 60)
any_views = st.lists(
    st.builds(FieldView, st.tuples(places, places), lengths, lengths), min_size=1, max_size=7
)
on_a_grid = st.lists(
    st.builds(
        FieldView,
        st.tuples(st.integers(-3, 3), st.integers(-3, 3)),
        st.sampled_from([2.0, 4.0]),
        st.sampled_from([2.0, 4.0]),
    ),
    min_size=1,
    max_size=8,
)
nearly_level = any_views.map(
    lambda fields: [
        FieldView((field.centre_yx[0], field.centre_yx[1] * 1e-308), field.height, field.width)
        for field in fields
    ]
)
views = (any_views | on_a_grid | nearly_level).filter(
    # Which of two centres is nearer must be told by squares of doubles.
    lambda fields: all(
        one.centre_yx == other.centre_yx or math.dist(one.centre_yx, other.centre_yx) > 1e-6
        for one, other in itertools.combinations(fields, 2)
    )
)
"""Fields anywhere; and such as share edges, corners, centres and whole areas."""


def area_shown(fields: list[FieldView]) -> float:
    """The union of rectangles, by the grid that all their edges make."""
    edges = [
        np.unique([field.centre_yx[axis] + sign * size / 2
                   for field in fields for sign in (-1, 1)
                   for size in [(field.height, field.width)[axis]]])
        for axis in (0, 1)
    ]  # fmt: skip
    middles = [(axis[1:] + axis[:-1]) / 2 for axis in edges]
    points = np.array(list(itertools.product(*middles))).reshape(-1, 2)
    shown = np.any([field.shows(points) for field in fields], axis=0)
    return float(shown @ np.outer(np.diff(edges[0]), np.diff(edges[1])).ravel())


@given(views, st.integers(0, 2**32 - 1))
def test_each_point_that_a_field_shows_belongs_to_exactly_one(
    fields: list[FieldView], seed: int
) -> None:
    points = np.random.default_rng(seed).uniform(-90, 90, (400, 2))
    edges = [field.centre_yx for field in fields]
    points = np.vstack([points, np.round(points / 10), edges, np.mean(edges, axis=0)])
    held = np.sum([share.holds(points) for share in share_out(fields)], axis=0)
    shown = np.any([field.shows(points) for field in fields], axis=0)
    assert np.array_equal(held, shown.astype(int))


@given(views)
def test_the_shares_together_are_the_area_that_is_shown(fields: list[FieldView]) -> None:
    shares = share_out(fields)
    assert sum(share.area() for share in shares) == pytest.approx(area_shown(fields), rel=1e-9)
    assert all(0 <= share.area() <= share.view.area for share in shares)


@given(views)
def test_an_area_is_that_of_the_points_it_holds(fields: list[FieldView]) -> None:
    share = share_out(fields)[-1]
    n = 90
    steps = (np.arange(n) + 0.5) / n - 0.5
    grid = np.array(list(itertools.product(steps, steps)))
    points = grid * (share.view.height, share.view.width) + share.view.centre_yx
    held = share.holds(points).mean()
    assert share.area() / share.view.area == pytest.approx(held, abs=0.06)


@given(views)
def test_fields_that_share_no_area_keep_all_of_theirs(fields: list[FieldView]) -> None:
    apart = [
        FieldView((60.0 * row, 60.0 * number), field.height, field.width)
        for number, field in enumerate(fields)
        for row in range(2)
    ]
    for share in share_out(apart):
        assert share.area() == share.view.area


def test_mosaic_of_nine() -> None:
    fields = [FieldView((9.0 * row, 9.0 * column), 10, 10) for row, column in np.ndindex(3, 3)]
    areas = [share.area() for share in share_out(fields)]
    corner, side, middle = 9.5 * 9.5, 9.5 * 9, 9 * 9
    assert areas == pytest.approx(
        [corner, side, corner, side, middle, side, corner, side, corner], rel=1e-12
    )


def test_a_field_taken_twice_counts_once() -> None:
    first, second = share_out([FieldView((5, 5), 10, 10)] * 2)
    assert (first.area(), second.area()) == (100, 0)
