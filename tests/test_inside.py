"""Counts without the frame's edge and without what another field counts."""

from collections.abc import Sequence
from itertools import combinations, product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from livecount.arranging import COUNT_COLUMNS
from livecount.evaluation import inside_margin
from livecount.experiment import StageAxes
from livecount.frame import Candidates
from livecount.growth import growth_table, well_curve, wells_of
from livecount.inside import INSIDE_COLUMNS, EdgeRule, Overlap, add_counts_inside
from livecount.storage import CountStore
from livecount.tables import count_table
from tests.storage.made_frames import SETTINGS, make_count, stamp_of

HEIGHT, WIDTH = 60, 90
UM_PER_PX = 0.5
DIAMETER_PX = 12.0
GUARD_PX = DIAMETER_PX / 2
SIDES = [
    StageAxes(x, y)
    for x, y in product(("right", "left", "down", "up"), repeat=2)
    if (x in ("right", "left")) != (y in ("right", "left"))
]

offsets = st.tuples(st.floats(-80, 80), st.floats(-80, 80))
places = st.lists(offsets, min_size=1, max_size=6, unique=True)


def frames_at(middles_yx_px: Sequence[tuple[float, float]], axes: StageAxes) -> pd.DataFrame:
    """A visit to a well: fields whose middles lie there in the picture, as the stage says it."""
    rows = []
    for number, (down, right) in enumerate(middles_yx_px):
        (x,), (y,) = np.linalg.solve(
            np.array([axes.in_picture(1, 0), axes.in_picture(0, 1)]).T,
            np.array([[down * UM_PER_PX], [right * UM_PER_PX]]),
        )
        rows.append({"field": str(number), "stage_x_um": x, "stage_y_um": y})
    return frames(rows)


def frames(rows: list[dict[str, object]]) -> pd.DataFrame:
    """What the count table and the store say of some frames; what a row leaves out is as usual."""
    usual = {
        "experiment": "e", "plate": None, "well": "A1", "field": None, "position": None,
        "channel": None, "z": None, "analysis_id": "a", "elapsed_h": 1.0, "flags": "",
        "excluded": "", "count": 0, "density_per_mm2": 0.0, "pixel_size_um": UM_PER_PX,
        "cell_diameter": DIAMETER_PX, "cell_diameter_unit": "px", "height_px": HEIGHT,
        "width_px": WIDTH, "stage_x_um": np.nan, "stage_y_um": np.nan,
    }  # fmt: skip
    table = pd.DataFrame([{**usual, **row} for row in rows])
    table["area_mm2"] = HEIGHT * WIDTH * (table["pixel_size_um"].astype(float) / 1000) ** 2
    return table


PLACING = ["height_px", "width_px", "area_mm2", "stage_x_um", "stage_y_um"]


def counted(
    told: pd.DataFrame, centres_yx: Sequence[npt.NDArray[np.float64]], rule: EdgeRule
) -> pd.DataFrame:
    """The table with the columns of the counts inside, for cells in pixels of each frame."""
    table = told.drop(columns=PLACING)
    cells = [
        (row, Candidates(*np.float64(centres).T, np.ones(len(centres))))
        for row, centres in enumerate(centres_yx)
    ]
    add_counts_inside(table, told[PLACING], cells[::-1], rule)
    assert set(INSIDE_COLUMNS) <= set(table)
    return table


def seen_from(
    middle_yx: tuple[float, float], points_yx: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The points that a frame shows, in its pixels (pixel centres are whole numbers)."""
    local = points_yx - middle_yx + ((HEIGHT - 1) / 2, (WIDTH - 1) / 2)
    seen: npt.NDArray[np.float64] = local[inside_margin(local, (HEIGHT, WIDTH), 1e-9)]
    return seen


def anywhere(random: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    """Points all over a frame, to the outer edge of its outermost pixels."""
    return random.uniform(-0.5, (HEIGHT - 0.5, WIDTH - 0.5), (n, 2))


@settings(max_examples=40)
@given(places, st.sampled_from(SIDES), st.integers(0, 2**32 - 1))
def test_overlapping_fields_count_each_cell_of_their_area_once(
    middles: list[tuple[float, float]], axes: StageAxes, seed: int
) -> None:
    assume(all(np.hypot(*np.subtract(a, b)) > 1.001 for a, b in combinations(middles, 2)))
    points = np.random.default_rng(seed).uniform(-140, 140, (300, 2))
    told = frames_at(middles, axes)
    found = counted(told, [seen_from(at, points) for at in middles], EdgeRule(axes=axes))
    reach = (HEIGHT / 2 - GUARD_PX, WIDTH / 2 - GUARD_PX)
    shown = np.any([(np.abs(points - at) <= reach).all(axis=1) for at in middles], axis=0)
    assert found["count_inside"].sum() == shown.sum()
    area_px = found["area_inside_mm2"].sum() / (UM_PER_PX / 1000) ** 2
    assert area_px <= len(middles) * (HEIGHT - 2 * GUARD_PX) * (WIDTH - 2 * GUARD_PX) + 1e-6
    assert set(found["overlap"]) <= {Overlap.NONE, Overlap.ONCE}


def test_the_axes_decide_which_cells_are_the_same() -> None:
    told = frames_at([(0.0, 0.0), (0.0, 60.0)], StageAxes("right", "down"))
    in_one = np.column_stack([np.full(7, 30.0), 72 + np.arange(7.0)])
    cells = [in_one, in_one - np.array([0.0, 60.0])]
    right_way = counted(told, cells, EdgeRule(axes=StageAxes("right", "down")))
    mirrored = counted(told, cells, EdgeRule(axes=StageAxes("left", "down")))
    assert list(right_way["count_inside"]) == [3, 4]
    assert list(mirrored["count_inside"]) == [7, 7]
    assert list(mirrored["area_inside_mm2"]) == pytest.approx(list(right_way["area_inside_mm2"]))


@settings(max_examples=40)
@given(st.integers(0, 200), st.floats(2, 70), st.integers(0, 2**32 - 1))
def test_a_lone_frame_counts_what_lies_half_a_diameter_inside(
    n: int, diameter_px: float, seed: int
) -> None:
    points = anywhere(np.random.default_rng(seed), n)
    told = frames([{"cell_diameter": diameter_px}])
    found = counted(told, [points], EdgeRule()).iloc[0]
    height, width = HEIGHT - diameter_px, WIDTH - diameter_px
    if min(height, width) <= 0:
        assert np.isnan(found["count_inside"])
        assert np.isnan(found["density_inside_per_mm2"])
        return
    inside = inside_margin(points, (HEIGHT, WIDTH), diameter_px / 2)
    assert found["count_inside"] == inside.sum()
    assert found["area_inside_mm2"] == pytest.approx(height * width * (UM_PER_PX / 1000) ** 2)
    assert found["edge_guard_px"] == diameter_px / 2
    assert found["overlap"] == Overlap.NONE


@pytest.mark.parametrize("found_at_the_edge", [0.0, 0.4, 1.7])
def test_what_is_missed_or_invented_at_the_edge_biases_the_frame_and_not_what_lies_inside(
    found_at_the_edge: float,
) -> None:
    random = np.random.default_rng(11)
    per_px = 0.02
    seen = []
    for _ in range(300):
        points = anywhere(random, random.poisson(per_px * HEIGHT * WIDTH))
        inside = inside_margin(points, (HEIGHT, WIDTH), GUARD_PX)
        times = np.where(inside, 1, random.poisson(found_at_the_edge, len(points)))
        seen.append(np.repeat(points, times, axis=0))
    found = counted(frames([{"well": f"A{row + 1}"} for row in range(300)]), seen, EdgeRule())
    per_mm2 = per_px / (UM_PER_PX / 1000) ** 2
    whole = sum(map(len, seen)) / (300 * HEIGHT * WIDTH) / per_px
    assert abs(whole - 1) > 0.1
    assert found["density_inside_per_mm2"].mean() == pytest.approx(per_mm2, rel=0.02)


SIDE_BY_SIDE = [{"field": str(n), "stage_x_um": 30.0 * n, "stage_y_um": 0.0} for n in range(2)]


@pytest.mark.parametrize(
    ("change", "axes", "said"),
    [
        ({}, SIDES[0], Overlap.ONCE),
        ({}, None, Overlap.NO_AXES),
        ({"stage_x_um": np.nan}, SIDES[0], Overlap.NO_STAGE),
        ({"stage_x_um": 0.0}, SIDES[0], Overlap.SAME_PLACE),
        ({"stage_x_um": 0.0, "stage_y_um": 0.4}, SIDES[0], Overlap.SAME_PLACE),
        ({"stage_x_um": 45.0}, None, Overlap.NONE),
        ({"pixel_size_um": np.nan}, SIDES[0], Overlap.NO_PIXEL_SIZE),
        ({"flags": "colour;padding"}, SIDES[0], Overlap.PADDED),
        ({"elapsed_h": np.nan}, SIDES[0], Overlap.NONE),
        ({"well": "B1"}, SIDES[0], Overlap.NONE),
        ({"excluded": "bubble"}, SIDES[0], Overlap.NONE),
    ],
)
def test_what_is_known_of_an_overlap_is_said(
    change: dict[str, object], axes: StageAxes | None, said: str
) -> None:
    told = frames([SIDE_BY_SIDE[0], {**SIDE_BY_SIDE[1], **change}])
    cell_in_both = [np.array([[30.0, 75.0]]), np.array([[30.0, 15.0]])]
    found = counted(told, cell_in_both, EdgeRule(axes=axes))
    assert found["overlap"][0] == said
    assert list(found["count_inside"]) == ([0, 1] if said == Overlap.ONCE else [1, 1])


def test_frames_of_unknown_time_share_nothing_and_say_so() -> None:
    told = frames([{**row, "elapsed_h": np.nan} for row in SIDE_BY_SIDE])
    found = counted(told, [np.empty((0, 2))] * 2, EdgeRule(axes=SIDES[0]))
    assert set(found["overlap"]) == {Overlap.NO_TIME}


def test_a_padded_frame_is_taken_whole() -> None:
    told = frames([{"flags": "padding"}])
    told["area_mm2"] /= 2
    found = counted(told, [np.array([[0.0, 0.0], [30.0, 30.0]])], EdgeRule()).iloc[0]
    assert (found["count_inside"], found["edge_guard_px"]) == (2, 0)
    assert found["area_inside_mm2"] == told["area_mm2"][0]


def test_a_field_that_others_show_wholly_has_no_count_of_its_own() -> None:
    middles = [(0.0, 0.0), (0.0, -70.0), (0.0, 70.0), (-40.0, 0.0), (40.0, 0.0), (0.0, 1.1)]
    told = frames_at(middles, SIDES[0])
    found = counted(told, [np.array([[29.5, 44.5]])] * 6, EdgeRule(axes=SIDES[0]))
    assert found["count_inside"].notna().sum() == found["density_inside_per_mm2"].notna().sum()
    assert found["area_inside_mm2"].min() > 0


def test_stored_counts_have_what_lies_inside_without_a_recount(tmp_path: Path) -> None:
    with CountStore.open(tmp_path / "run.db") as store:
        experiment = store.ensure_experiment("e", frame_interval_min=60)
        source = store.ensure_source(experiment, "/scans")
        analysis = store.ensure_analysis(experiment, SETTINGS)
        for n in range(1, 4):  # cells at 0, 40, 80 px along the diagonal of 100 x 200 px
            about = {"content": str(n), "n": n, "time_point": n, "pixel_size_um": 2.0}
            frame = make_count(analysis.id, b"%d.tif" % n, **about)
            store.record(source, frame, stamp=stamp_of(n))
        table = count_table(store, experiment, analysis, edges=EdgeRule(for_curves=True))
        bare = count_table(store, experiment, analysis)
    assert list(table["count"]) == [1, 2, 3]
    assert list(table["count_inside"]) == [0, 1, 2]
    assert set(table["edge_guard_px"]) == {12}
    assert table["area_inside_mm2"].isna().all()  # as the made frames have no area
    assert set(table["curves_from"]) == {"inside"}
    assert bare["count_inside"].isna().all()
    assert set(bare["curves_from"]) == {"whole frame"}
    unchanged = [name for name in COUNT_COLUMNS if name not in INSIDE_COLUMNS]
    pd.testing.assert_frame_equal(table[unchanged], bare[unchanged])


# --- curves ---------------------------------------------------------------------------------------


def over_time(for_curves: bool) -> pd.DataFrame:
    """Two overlapping fields; cells at their outer edges double as fast as those inside."""
    rows, cells = [], []
    for hour in range(5):
        inside = np.random.default_rng(hour).uniform(10, 50, (20 * 2**hour, 2))
        edge = np.column_stack([np.ones(5 * 4**hour), np.full(5 * 4**hour, 40.0)])
        for row in SIDE_BY_SIDE:
            rows.append({**row, "elapsed_h": float(hour)})
            cells.append(np.vstack([inside + np.array([0.0, 12.0]), edge]))
    told = frames(rows)
    told["count"] = [len(one) for one in cells]
    told["density_per_mm2"] = told["count"] / told["area_mm2"]
    return counted(told, cells, EdgeRule(for_curves=for_curves, axes=SIDES[0]))


def test_curves_are_made_of_what_the_table_says() -> None:
    (inside,) = [row for row in growth_table(over_time(True)) if row.level == "well"]
    (whole,) = [row for row in growth_table(over_time(False)) if row.level == "well"]
    assert (inside.metric, whole.metric) == ("density_inside_per_mm2", "density_per_mm2")
    assert inside.doubling_time_h == pytest.approx(1.0, abs=0.02)
    assert whole.doubling_time_h is not None
    assert whole.doubling_time_h < 0.8


def test_a_wells_value_is_its_cells_over_its_area() -> None:
    table = over_time(True)
    table.loc[table["field"] == "0", "area_inside_mm2"] *= 0.5
    table["density_inside_per_mm2"] = table["count_inside"] / table["area_inside_mm2"]
    (well,) = wells_of(table)
    visits = table.groupby("elapsed_h")[["count_inside", "area_inside_mm2"]].sum()
    expected = visits["count_inside"] / visits["area_inside_mm2"]
    assert well_curve(well.used).values == pytest.approx(expected.to_numpy())


def test_without_a_pixel_size_curves_are_of_counts_inside() -> None:
    table = over_time(True).assign(density_inside_per_mm2=np.nan, area_inside_mm2=np.nan)
    (well,) = wells_of(table)
    assert well.metric == "count_inside"
