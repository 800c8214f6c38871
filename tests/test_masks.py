"""Outlines say what the label map said, and polygons lie where its pixels lie."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib.path import Path as Around
from PIL import Image, ImageDraw

from livecount.frame import MaskOutlines
from livecount.mask_outlines import MaskPolygons, polygons_over
from livecount.segmentation import trace_masks

Labels = npt.NDArray[np.int32]
STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))

label_maps = hnp.arrays(
    np.int32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14), elements=st.integers(0, 3)
)


def labels_of(outlines: MaskOutlines) -> Labels:
    """Walk every outline; what lies right of an upward or left of a downward edge is inside."""
    labels = np.zeros((outlines.height, outlines.width + 1), np.int32)
    turns = iter(outlines.turns.tolist())
    for cell, y, x, n in zip(
        outlines.cell, outlines.top, outlines.left, outlines.n_edges, strict=True
    ):
        heading = 0
        for _ in range(n):
            if heading == 3:
                labels[y - 1, x] += cell + 1
            elif heading == 1:
                labels[y, x] -= cell + 1
            y, x = y + STEPS[heading][0], x + STEPS[heading][1]
            heading = (heading + (0, 1, 3)[next(turns)]) % 4
        assert heading == 0, "an outline ends as it began"
    assert next(turns, None) is None
    return np.cumsum(labels, axis=1)[:, :-1]


@given(label_maps)
def test_outlines_hold_the_whole_map(labels: Labels) -> None:
    assert np.array_equal(labels_of(trace_masks(labels)), labels)


def test_a_map_without_cells_and_one_without_pixels_have_no_outlines() -> None:
    for labels in (np.zeros((3, 4), np.int32), np.zeros((0, 5), np.int32)):
        outlines = trace_masks(labels)
        assert (len(outlines), len(outlines.turns)) == (0, 0)
        assert polygons_over(outlines, (30, 40)).split() == []


def test_pixels_that_touch_at_a_corner_are_not_joined() -> None:
    outlines = trace_masks(np.array([[1, 0], [0, 1]], np.int32))
    assert outlines.n_edges.tolist() == [4, 4]
    assert outlines.cell.tolist() == [0, 0]


def test_a_cell_around_another_one_has_an_inner_outline() -> None:
    labels = np.ones((5, 5), np.int32)
    labels[2, 2] = 2
    outlines = trace_masks(labels)
    assert sorted(zip(outlines.cell.tolist(), outlines.n_edges.tolist(), strict=True)) == [
        (0, 4), (0, 20), (1, 4),
    ]  # fmt: skip


def is_inside(polygons: MaskPolygons, cell: int, y: float, x: float) -> bool:
    """Tell whether a place lies in a cell: in an odd number of its polygons."""
    around = [
        Around(corners, closed=False)
        for owner, corners in zip(polygons.cell, polygons.split(), strict=True)
        if owner == cell
    ]
    return sum(bool(one.contains_point((y, x))) for one in around) % 2 == 1


@given(label_maps, st.floats(0.5, 9), st.floats(0.5, 9))
def test_the_middle_of_every_pixel_stays_on_its_side(
    labels: Labels, stretch_y: float, stretch_x: float
) -> None:
    height, width = (
        round(n * by) for n, by in zip(labels.shape, (stretch_y, stretch_x), strict=True)
    )
    polygons = polygons_over(trace_masks(labels), (max(height, 1), max(width, 1)))
    for y, x in np.ndindex(labels.shape):
        at_y = (y + 0.5) * max(height, 1) / labels.shape[0] - 0.5
        at_x = (x + 0.5) * max(width, 1) / labels.shape[1] - 0.5
        for cell in range(3):
            assert is_inside(polygons, cell, at_y, at_x) == (labels[y, x] == cell + 1)


def test_many_outlines_go_through_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.random.default_rng(3).integers(0, 4, (40, 60)).astype(np.int32)
    whole = polygons_over(trace_masks(labels), (80, 90))
    for edges in (1, 7, 100):
        monkeypatch.setattr("livecount.mask_outlines._EDGES_AT_ONCE", edges)
        parts = polygons_over(trace_masks(labels), (80, 90))
        for name in ("cell", "n_points", "y_px", "x_px"):
            np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


@pytest.mark.parametrize("radius_px", [3, 12, 40])
def test_polygons_of_discs_have_their_area_and_few_corners(radius_px: int) -> None:
    side = 2 * radius_px + 5
    y, x = np.mgrid[:side, :side] - side // 2
    labels = (np.hypot(y, x) <= radius_px).astype(np.int32)
    (corners,) = polygons_over(trace_masks(labels), (3 * side, 3 * side)).split()
    drawn = Image.new("1", (3 * side, 3 * side))
    ImageDraw.Draw(drawn).polygon([tuple(place) for place in corners[:, ::-1].tolist()], fill=1)
    assert np.asarray(drawn).sum() == pytest.approx(9 * labels.sum(), rel=0.2 / radius_px + 0.01)
    middle = np.argwhere(np.asarray(drawn)).mean(axis=0)
    assert np.abs(middle - (3 * side - 1) / 2).max() < 0.5
    assert len(corners) < 0.75 * trace_masks(labels).n_edges[0]
