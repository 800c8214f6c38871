"""The table of growth: positions, wells and groups, and what is never mixed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from livecount.errors import LivecountError
from livecount.growth import (
    ALL_WELLS,
    GROWTH_COLUMNS,
    growth_table,
    wells_of,
)
from tests.test_growth import HOURS, RATE, counts_of, exponential, rows_at


def test_table_has_positions_wells_and_groups() -> None:
    counts = counts_of({w: exponential(n) for w, n in (("A10", 50), ("A2", 60), ("B1", 70))})
    rows = growth_table(counts, groups={"A2": "control", "A10": "control", "B1": "drug"})
    assert [row.well for row in rows_at(rows, "well")] == ["A2", "A10", "B1"]
    assert {row.fit_reason for row in rows_at(rows, "position")} == {"the curve of its well"}
    assert [row.group for row in rows_at(rows, "well")] == ["control", "control", "drug"]
    control, drug = rows_at(rows, "group")
    assert (control.group, control.n_wells, control.well) == ("control", 2, None)
    assert control.rate_low is not None
    assert (drug.n_wells, drug.rate_low) == (1, None)
    assert tuple(rows[0].as_record()) == GROWTH_COLUMNS
    assert GROWTH_COLUMNS[:16] == (
        *("experiment", "group", "well", "position", "metric", "n_points", "start_h", "end_h"),
        *("rate_per_h", "rate_low", "rate_high", "doubling_time_h", "doubling_time_low_h"),
        *("doubling_time_high_h", "fit", "r_squared"),
    )


def test_wells_without_stated_groups_are_combined_under_their_own_name() -> None:
    rows = growth_table(counts_of({"A1": exponential(), "A2": exponential(50)}))
    (group,) = rows_at(rows, "group")
    assert group.group == ALL_WELLS
    assert [row.group for row in rows_at(rows, "well")] == [None, None]


def test_excluded_and_unknown_counts_are_left_out() -> None:
    counts = counts_of({"A1": exponential()}, excluded="")
    counts.loc[5, ["count", "excluded"]] = [90_000.0, "bubble"]
    counts.loc[7, "count"] = math.nan
    (row,) = rows_at(growth_table(counts), "well")
    assert row.n_points == len(HOURS) - 2
    assert row.doubling_time_h == pytest.approx(20, rel=1e-6)
    assert wells_of(counts)[0].fields[0].excluded.counts.tolist() == [90_000.0]


def test_density_is_the_metric_where_every_count_has_one() -> None:
    counts = counts_of({"A1": exponential()})
    counts["density_per_mm2"] = counts["count"] / 0.5
    assert {row.metric for row in growth_table(counts)} == {"density_per_mm2"}
    counts.loc[3, "density_per_mm2"] = math.nan
    assert {row.metric for row in growth_table(counts)} == {"count"}


def test_positions_without_a_well_are_one_unnamed_well() -> None:
    counts = pd.concat(
        [counts_of({"x": exponential(n)}).assign(position=f"Pos{n}") for n in (10, 2)]
    ).drop(columns=["well", "field"])
    rows = growth_table(counts)
    assert [row.position for row in rows_at(rows, "position")] == ["Pos2", "Pos10"]
    (well,) = rows_at(rows, "well")
    assert (well.well, well.rate_low) == (None, None)
    assert rows_at(rows, "group") == []


@pytest.mark.parametrize("column", ["plate", "channel", "z", "analysis_id", "experiment"])
def test_what_is_apart_is_never_mixed(column: str) -> None:
    first = counts_of({"A1": exponential(10)}).assign(**{column: "1"})
    second = counts_of({"A1": exponential(500, -0.02)}).assign(**{column: "2"})
    wells = rows_at(growth_table(pd.concat([first, second])), "well")
    assert [getattr(row, column) for row in wells] == ["1", "2"]
    assert [row.rate_per_h for row in wells] == pytest.approx([RATE, -0.02], rel=1e-6)


def test_names_are_the_same_after_a_csv_file(tmp_path: Path) -> None:
    counts = counts_of({"A1": exponential()}, plate="7", excluded="", z=None, position="")
    counts.to_csv(tmp_path / "counts.csv", index=False)
    assert growth_table(pd.read_csv(tmp_path / "counts.csv")) == growth_table(counts)


def test_table_without_needed_columns_says_so() -> None:
    with pytest.raises(LivecountError, match="elapsed_h"):
        growth_table(pd.DataFrame({"count": [1, 2]}))
    assert growth_table(pd.DataFrame()) == []


def test_real_cells_wait_and_then_grow_steadily(real_images: Path) -> None:
    parts = []
    for number in (1, 2):
        counted = pd.read_csv(real_images / "growth-counts" / f"counts_0{number}.csv")
        named = {"well": f"A{number}", "elapsed_h": counted["frame"] / 6}
        parts.append(pd.DataFrame({**named, "count": counted["n_TRA_markers"]}))
    counts = pd.concat(parts)
    # 74 -> 661 and 66 -> 498 cells in 49.8 h: 15.8 and 17.1 h between the ends alone.
    steady = rows_at(growth_table(counts, model="quasi-Poisson"), "well")
    for row, ends in zip(steady, (15.8, 17.1), strict=True):
        assert row.doubling_time_h == pytest.approx(ends, rel=0.15)
    # Over the first 16 h alone they double in 25 and 29 h, over the last 26 h in 13 and 14.
    later = rows_at(growth_table(counts, window=(24.0, None), model="quasi-Poisson"), "well")
    rows = growth_table(counts)
    wells = rows_at(rows, "well")
    for row, after in zip(wells, later, strict=True):
        assert row.fit == "lagged exponential"
        assert row.doubling_time_h == pytest.approx(after.doubling_time_h, rel=0.05)
        assert row.shape.lag_h is not None
        assert 6 < row.shape.lag_h < 12
        assert row.r_squared is not None
        assert row.r_squared > 0.99
        assert row.n_points == 300
        assert row.shape.plateau is None
        assert 66 * 49.8 < row.shape.area_under_curve < 661 * 49.8
    (group,) = rows_at(rows, "group")
    assert group.rate_low is not None
    assert group.rate_high is not None
    assert group.rate_low < wells[1].rate_per_h < group.rate_high


def test_the_sharpest_plane_may_change_without_breaking_the_curve() -> None:
    hours = [0.0, 10.0, 20.0, 30.0]
    table = pd.DataFrame(
        {"well": "A1", "z": [1, 2, 2, 1], "elapsed_h": hours, "count": [50, 71, 100, 141],
         "density_per_mm2": np.nan, "excluded": ""}
    )  # fmt: skip
    (well,) = wells_of(table)
    assert len(well.fields) == 1
    every_plane = pd.concat([table, table.assign(z=3, count=table["count"] // 2)])
    assert len(wells_of(every_plane)) == 3
