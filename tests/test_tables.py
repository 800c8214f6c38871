"""From stored counts to the table that people read."""

import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecount.arranging import COUNT_COLUMNS, arrange_counts
from livecount.experiment import ChannelRule, TimeAxis
from livecount.growth import growth_table

T0 = datetime(2026, 3, 1, 8, tzinfo=UTC)


def stored(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Counts as the store gives them; what a row leaves out is absent."""
    absent = dict.fromkeys(
        ("plate", "well", "field", "position", "time_point", "channel", "z", "acquired_at",
         "elapsed_s", "pixel_size_um", "acquired_at_source", "elapsed_s_source",
         "pixel_size_um_source")
    )  # fmt: skip
    fixed = {
        "experiment": "e", "page": 0, "mtime_ns": 0, "count": 5, "area_mm2": 2.0, "focus": 1.0,
        "mean_intensity": 0.5, "saturated_fraction": 0.0, "flags": "", "watched_folder": "/w",
        "model": "m", "analysis_id": "a", "h": 0.1, "cell_diameter": 20.0,
        "cell_diameter_unit": "um", "runtime": "r", "precision": "fp32",
    }  # fmt: skip
    numbered = [
        {**absent, **fixed, "source": f"{number}.tif", **row} for number, row in enumerate(rows)
    ]
    table = pd.DataFrame(numbered).astype({"area_mm2": float, "elapsed_s": float})
    table["acquired_at"] = pd.to_datetime(table["acquired_at"], utc=True)
    return table


def arranged(rows: list[dict[str, object]], axis: TimeAxis | None = None, **how) -> pd.DataFrame:
    """The finished table, by source and in the order of the rows; the same however they lie."""
    table = stored(rows)
    found = arrange_counts(table, axis or TimeAxis(), **how)
    mixed = arrange_counts(table.sample(frac=1, random_state=3), axis or TimeAxis(), **how)
    pd.testing.assert_frame_equal(found, mixed)
    assert len(found) == len(rows)
    return found.sort_index().set_index("source")


def at(hours: float) -> dict[str, object]:
    return {"acquired_at": T0 + timedelta(hours=hours), "acquired_at_source": "file tag"}


def scans(folder: str, times: list[float], clock: str = "at", **fixed) -> list[dict[str, object]]:
    """A well's frames in one folder: time point n at ``times[n]`` (hours on the absolute clock)."""
    return [
        {"well": "A1", "time_point": n, "source": f"{folder}/{n:02}.tif"}
        | (at(time) if clock == "at" else {"elapsed_s": time} if clock == "elapsed" else {})
        | fixed
        for n, time in enumerate(times)
    ]


def kept(table: pd.DataFrame) -> list[str]:
    return list(table.index[table["excluded"] == ""])


def test_columns_and_order_of_wells() -> None:
    rows = [{"well": well, "time_point": 0} for well in ("A10", "B1", "A2", "A1")]
    table = arrange_counts(stored(rows), TimeAxis(frame_interval_min=10))
    assert tuple(table.columns) == COUNT_COLUMNS
    assert list(table["well"]) == ["A1", "A2", "A10", "B1"]
    assert list(table["density_per_mm2"]) == [2.5] * 4


def test_absolute_times_win_and_t0_is_the_first_scan_or_declared() -> None:
    rows = [{**at(3), "elapsed_s": 1.0}, {**at(1), "elapsed_s": 1.0}]
    table = arranged(rows, TimeAxis(frame_interval_min=5))
    assert list(table["elapsed_h"]) == [2, 0]
    assert set(table["time_source"]) == {"file tag"}
    table = arranged(rows, TimeAxis(t0=T0 - timedelta(hours=1)))
    assert list(table["elapsed_h"]) == [4, 2]
    assert set(table["flags"]) == {""}


def test_the_declared_interval_counts_from_the_first_time_point() -> None:
    rows = [{"time_point": point} for point in (41, 11, 12)]
    table = arranged(rows, TimeAxis(frame_interval_min=30))
    assert list(table["elapsed_h"]) == [15, 0, 0.5]
    assert set(table["time_source"]) == {"frame interval"}


def test_modification_times_are_marked_wherever_they_are_used() -> None:
    rows = [{"mtime_ns": 0, "flags": "zero_tail"}, {"mtime_ns": 3_600_000_000_000}]
    table = arrange_counts(stored(rows), TimeAxis())
    assert list(table["elapsed_h"]) == [0, 1]
    assert list(table["flags"]) == [
        "zero_tail;time_from_file_modification", "time_from_file_modification",
    ]  # fmt: skip
    assert set(table["time_source"]) == {"file modification time"}


def test_where_nothing_tells_the_time_none_is_invented() -> None:
    table = arranged([{"mtime_ns": float("nan")}, {"mtime_ns": float("nan"), "time_point": 3}])
    assert table["elapsed_h"].isna().all()
    assert table["time_source"].isna().all()
    assert list(table["flags"]) == ["", ""]


@pytest.mark.parametrize("clock", ["at", "elapsed", "interval"])
def test_frames_without_the_experiments_clock_have_no_time_and_ruin_nobody_elses(
    clock: str,
) -> None:
    hours = [float(n) for n in range(12)]
    times = hours if clock == "at" else [3600 * hour for hour in hours]
    rows = scans("a", times, clock)
    rows += [{"well": "A1", "source": "b/snap.tif", "mtime_ns": 1_700_000_000_000_000_000}]
    table = arranged(rows, TimeAxis(frame_interval_min=60))
    assert list(table["elapsed_h"])[:-1] == hours
    assert np.isnan(table.loc["b/snap.tif", "elapsed_h"])
    assert table.loc["b/snap.tif", "flags"] == "no_time"
    assert pd.isna(table.loc["b/snap.tif", "time_source"])
    assert set(table["flags"][:-1]) == {""}
    assert set(table["excluded"]) == {""}
    alone = arranged(rows[:-1], TimeAxis(frame_interval_min=60))
    assert growth_table(table.reset_index()) == growth_table(alone.reset_index())


def test_the_clock_that_more_frames_have_is_taken_and_clocks_are_never_mixed() -> None:
    rows = [{"elapsed_s": 7200.0, "time_point": 2}, {"time_point": 1}]
    table = arranged(rows, TimeAxis(frame_interval_min=60))
    assert list(table["elapsed_h"]) == [1, 0]
    assert set(table["time_source"]) == {"frame interval"}
    # One missing stamp does not throw an experiment off its absolute clock; ten of twenty do.
    series = [{"well": "A1", "elapsed_s": 600.0 * n, **at(n / 6)} for n in range(20)]
    for missing, clock in ((1, "file tag"), (10, "name")):
        rows = [{**row, "elapsed_s_source": "name"} for row in series]
        for row in rows[:missing]:
            row["acquired_at"] = None
        table = arranged(rows)
        assert set(table["time_source"].dropna()) == {clock}
        assert table["elapsed_h"].isna().sum() == (missing if clock == "file tag" else 0)


def test_excluded_frames_have_no_say_in_the_clock() -> None:
    rows = scans("a", [0, 1]) + [
        {"well": "B1", "elapsed_s": 1.0 * n, "source": f"b/{n}.tif"} for n in range(5)
    ]
    for row in rows[2:]:
        row["excluded"] = "blurred"
    table = stored(rows)
    table["excluded"] = table["excluded"].fillna("")
    found = arrange_counts(table, TimeAxis()).set_index("source")
    assert list(found.loc[["a/00.tif", "a/01.tif"], "elapsed_h"]) == [0, 1]


@pytest.mark.parametrize("clock", ["elapsed", "interval"])
def test_a_declared_t0_that_cannot_be_applied_is_said(clock: str) -> None:
    axis = TimeAxis(t0=T0 - timedelta(hours=9), frame_interval_min=60)
    table = arranged(scans("a", [0, 3600], clock), axis)
    assert list(table["elapsed_h"]) == [0, 1]
    assert set(table["flags"]) == {"t0_not_applied"}


def test_a_declared_t0_applies_to_modification_times() -> None:
    written = int((T0 + timedelta(hours=2)).timestamp()) * 10**9
    table = arranged([{"mtime_ns": written}, {"mtime_ns": written + 10**9}], TimeAxis(t0=T0))
    assert list(table["elapsed_h"]) == pytest.approx([2, 2 + 1 / 3600])
    assert set(table["flags"]) == {"time_from_file_modification"}


def test_a_re_export_is_flagged_and_only_one_of_the_two_is_current() -> None:
    rows = [
        {"well": "A1", "time_point": 1, "source": "b/1.tif"},
        {"well": "A1", "time_point": 1, "source": "a/1.tif"},
        {"well": "A1", "time_point": 2, "source": "a/2.tif"},
        {"well": "A1", "plate": "other", "time_point": 1, "source": "c/1.tif"},
    ]
    table = arrange_counts(stored(rows), TimeAxis(frame_interval_min=1)).set_index("source")
    assert table["excluded"].to_dict() == {
        "a/1.tif": "", "b/1.tif": "same place and time as a/1.tif", "a/2.tif": "", "c/1.tif": "",
    }  # fmt: skip
    assert table["flags"].to_dict() == {
        "a/1.tif": "same_place_and_time", "b/1.tif": "same_place_and_time", "a/2.tif": "",
        "c/1.tif": "",
    }  # fmt: skip


def test_a_re_export_with_nearly_the_same_times_leaves_one_frame_a_scan() -> None:
    first = scans("a", [0, 0.5, 1, 1.5])
    again = scans("b", [0.001, 0.499, 1.02, 1.5])
    table = arranged(first + again)
    assert kept(table) == [row["source"] for row in first]
    assert set(table["flags"]) == {"same_place_and_time"}
    assert table.loc["b/02.tif", "excluded"] == "same place and time as a/02.tif"
    # Another first index is no other scan, and neither is one that is not named.
    for renamed in (1, None):
        for row in again:
            row["time_point"] = renamed if renamed is None else row["time_point"] + renamed
        assert kept(arranged(first + again)) == [row["source"] for row in first]


@pytest.mark.parametrize("folders", [("a", "b"), ("a", "a")], ids=["two folders", "one folder"])
def test_a_restarted_acquisition_with_absolute_times_goes_on_the_same_axis(folders) -> None:
    times = [0, 0.5, 1, 1.5]
    rows = scans(folders[0], times)
    rows += [
        row | {"source": f"{folders[1]}/again{n}.tif"}
        for n, row in enumerate(scans("x", [time + 1.6 for time in times]))
    ]
    table = arranged(rows)
    assert set(table["excluded"]) == {""}
    assert set(table["flags"]) == {""}
    assert list(table["elapsed_h"]) == pytest.approx([*times, 1.6, 2.1, 2.6, 3.1])


def test_a_restart_soon_after_one_frame_loses_none() -> None:
    table = arranged(scans("a", [0]) + scans("b", [0.1, 0.6, 1.1, 1.6]))
    assert set(table["excluded"]) == {""}


@pytest.mark.parametrize("clock", ["elapsed", "interval"])
def test_a_restart_that_only_counts_from_its_own_start_is_flagged(clock: str) -> None:
    first = scans("a", [0, 600.2, 1200.1, 1800], clock)
    again = scans("b", [0.3, 600, 1200.4], clock)
    table = arranged(first + again, TimeAxis(frame_interval_min=10))
    assert kept(table) == [row["source"] for row in first]
    assert set(table.loc["a/03.tif":"a/03.tif", "flags"]) == {""}
    flagged = table["flags"] == "same_place_and_time"
    assert flagged.sum() == 6
    # Nothing tells at which time a restart at another pace took its own time point 3.
    again = scans("b", [0, 900, 1800, 2700], clock)
    table = arranged(first + again, TimeAxis(frame_interval_min=10))
    assert kept(table) == [row["source"] for row in first]


def test_elapsed_times_without_time_points_meet_within_half_an_interval() -> None:
    first = scans("a", [0, 600, 1200, 1800], "elapsed", time_point=None)
    again = scans("b", [299, 901, 1800.2], "elapsed", time_point=None)
    table = arranged(first + again)
    assert kept(table) == [row["source"] for row in first]
    assert table.loc["b/00.tif", "excluded"] == "same place and time as a/00.tif"
    assert table.loc["b/01.tif", "excluded"] == "same place and time as a/02.tif"
    # A next folder that goes on where the first ended repeats nothing, nor does a faster phase.
    later = scans("b", [2050, 2650], "elapsed", time_point=None)
    assert set(arranged(first + later)["excluded"]) == {""}
    phases = scans("a", [0, 60, 120, 3600, 7200, 10800, 14400], "elapsed", time_point=None)
    assert set(arranged(phases)["excluded"]) == {""}


def test_scans_of_one_acquisition_in_alternating_folders_are_all_kept() -> None:
    rows = scans("a", [0, 1, 2, 3, 4, 5])
    for row in rows[1::2]:
        row["source"] = str(row["source"]).replace("a/", "b/")
    assert set(arranged(rows)["excluded"]) == {""}


def test_wells_of_two_plates_are_apart_if_the_plate_is_known_and_in_conflict_if_not() -> None:
    times = [0, 1, 2, 3]
    for offset in (0.0, 0.2, 0.49):
        one = scans("s", times, watched_folder="/one", time_point=None)
        two = scans("s", [time + offset for time in times], watched_folder="/two")
        two = [row | {"source": f"two{n}.tif"} for n, row in enumerate(two)]
        table = arranged(one + two)
        assert kept(table) == [row["source"] for row in one]
        assert set(table["flags"]) == {"same_place_and_time"}
        one = [row | {"plate": "P1"} for row in one]
        two = [row | {"plate": "P2"} for row in two]
        table = arranged(one + two)
        assert set(table["excluded"]) == {""}
        assert set(table["flags"]) == {""}


def test_the_reason_names_the_watched_folder_where_it_is_another() -> None:
    rows = scans("s", [0], watched_folder="/one") + scans("s", [0], watched_folder="/two")
    table = arrange_counts(stored(rows), TimeAxis())
    assert list(table["excluded"]) == ["", "same place and time as s/00.tif in /one"]


def test_bursts_with_coarse_stamps_are_scans_of_their_own() -> None:
    table = arranged(scans("a", [0, 0, 0, 1 / 3600, 1 / 3600]))
    assert set(table["excluded"]) == {""}


def test_the_sharpest_plane_of_a_re_export_is_no_other_scan() -> None:
    rows = [row | {"z": 1} for row in scans("a", [0, 1])]
    rows += [row | {"z": 2} for row in scans("b", [0, 1])]
    assert kept(arranged(rows)) == ["a/00.tif", "a/01.tif"]
    assert len(kept(arranged(rows, z="all"))) == 4


def test_no_arrangement_takes_the_square_of_the_frames() -> None:
    rows = scans("a", [0], "elapsed") + scans("b", [0], "elapsed")
    table = stored(rows * 20_000)
    table["time_point"] = np.arange(len(table)) // 2
    table["source"] += table["time_point"].astype(str)
    began = time.process_time()
    found = arrange_counts(table, TimeAxis())
    # All at one place and instant: comparing each with each would take many minutes.
    assert time.process_time() - began < 20
    assert (found["excluded"] == "").sum() == 20_000


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "well": st.sampled_from([None, "A1", "A10", "B2"]),
                "time_point": st.one_of(st.none(), st.integers(0, 5)),
                "elapsed_s": st.one_of(st.none(), st.floats(0, 1e6)),
                "channel": st.sampled_from([None, "Phase"]),
                "z": st.one_of(st.none(), st.integers(0, 2)),
                "focus": st.floats(0, 1),
            }
        ),
        min_size=1,
        max_size=12,
    )
)
def test_whatever_is_stored_no_frame_is_lost_doubled_or_merged(rows: list[dict]) -> None:
    table = stored(rows)
    found = arrange_counts(table, TimeAxis(frame_interval_min=10))
    assert sorted(found["source"]) == sorted(table["source"])
    timed = found["elapsed_h"].notna()
    assert (found["flags"].str.contains("no_time") == ~timed).all()
    assert timed.any()
    current = found.assign(timed=timed)[(found["excluded"] == "") & found["time_point"].notna()]
    assert not current.duplicated(["well", "channel", "time_point", "timed"]).any()
    mixed = arrange_counts(table.sample(frac=1, random_state=1), TimeAxis(frame_interval_min=10))
    pd.testing.assert_frame_equal(mixed, found)


def test_of_several_channels_one_is_counted_whichever_came_first() -> None:
    rows = [row | {"channel": "w10"} for row in scans("a", [0, 1])]
    rows += [row | {"channel": "w9"} for row in scans("b", [1, 2])]
    rows += [row | {"channel": "GFP"} for row in scans("c", [0])]
    table = arranged(rows, channels=ChannelRule())
    assert kept(table) == ["b/00.tif", "b/01.tif"]
    assert table.loc["a/00.tif", "excluded"] == (
        "channel 'w10' stands beside 'w9', which is counted: set `channel` in [counting] to choose"
    )
    assert "fluorescence channel 'GFP'" in table.loc["c/00.tif", "excluded"]
    assert kept(arranged(rows, channels=ChannelRule("gfp"))) == ["c/00.tif"]
    rows += [row | {"channel": "Phase"} for row in scans("d", [4])]
    assert kept(arranged(rows, channels=ChannelRule())) == ["d/00.tif"]
    assert kept(arranged(rows)) == [row["source"] for row in rows]


def test_names_with_odd_digits_sort() -> None:
    rows = [{"field": name, "time_point": 0} for name in ("f²", "f10", "f2", "²", "٣")]
    table = arranged(rows, TimeAxis(frame_interval_min=1))
    found = arrange_counts(stored(rows), TimeAxis(frame_interval_min=1))
    assert set(table["excluded"]) == {""}
    assert list(found["field"])[1:4] == ["f2", "f10", "f²"]
