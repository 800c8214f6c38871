"""From stored counts to the table that people read."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecount.experiment import ChannelRule, TimeAxis
from livecount.tables import COUNT_COLUMNS, arrange_counts, elapsed_hours

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


def test_columns_and_order_of_wells() -> None:
    rows = [{"well": well, "time_point": 0} for well in ("A10", "B1", "A2", "A1")]
    table = arrange_counts(stored(rows), TimeAxis(frame_interval_min=10))
    assert tuple(table.columns) == COUNT_COLUMNS
    assert list(table["well"]) == ["A1", "A2", "A10", "B1"]
    assert list(table["density_per_mm2"]) == [2.5] * 4


def test_absolute_times_win_and_t0_is_the_first_scan_or_declared() -> None:
    rows = [
        {"acquired_at": T0 + timedelta(hours=h), "acquired_at_source": "file tag", "elapsed_s": 1.0}
        for h in (3, 1)
    ]
    hours, origin = elapsed_hours(stored(rows), TimeAxis(frame_interval_min=5))
    assert list(hours) == [2, 0]
    assert set(origin) == {"file tag"}
    hours, _ = elapsed_hours(stored(rows), TimeAxis(t0=T0 - timedelta(hours=1)))
    assert list(hours) == [4, 2]


def test_the_declared_interval_counts_from_the_first_time_point() -> None:
    rows = [{"time_point": point} for point in (41, 11, 12)]
    hours, origin = elapsed_hours(stored(rows), TimeAxis(frame_interval_min=30))
    assert list(hours) == [15, 0, 0.5]
    assert set(origin) == {"frame interval"}


def test_modification_times_are_marked_wherever_they_are_used() -> None:
    rows = [{"mtime_ns": 0, "flags": "zero_tail"}, {"mtime_ns": 3_600_000_000_000}]
    table = arrange_counts(stored(rows), TimeAxis())
    assert list(table["elapsed_h"]) == [0, 1]
    assert list(table["flags"]) == [
        "zero_tail;time_from_file_modification", "time_from_file_modification",
    ]  # fmt: skip
    assert set(table["time_source"]) == {"file modification time"}


def test_one_frame_without_a_time_does_not_mix_two_clocks() -> None:
    rows = [{"elapsed_s": 7200.0, "time_point": 2}, {"time_point": 1}]
    hours, origin = elapsed_hours(stored(rows), TimeAxis(frame_interval_min=60))
    assert list(hours) == [1, 0]
    assert set(origin) == {"frame interval"}


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


def test_frames_whose_time_nobody_knows_are_never_called_the_same() -> None:
    table = arrange_counts(stored([{"position": "p"}, {"position": "p"}]), TimeAxis())
    assert list(table["excluded"]) == ["", ""]


@pytest.mark.parametrize(
    ("z", "kept"), [(None, [2]), (1, [1]), ("all", [0, 1, 2])], ids=["sharpest", "given", "all"]
)
def test_the_plane_that_stands_for_a_z_series(z: object, kept: list[int]) -> None:
    rows = [{"time_point": 0, "z": plane, "focus": [0.1, 0.5, 0.9][plane]} for plane in range(3)]
    rows += [{"time_point": 1, "z": plane, "focus": [0.1, 0.5, 0.9][plane]} for plane in range(3)]
    table = arrange_counts(stored(rows), TimeAxis(frame_interval_min=1), z=z)  # type: ignore[arg-type]
    assert list(table.loc[table["excluded"] == "", "z"]) == kept * 2 if z != "all" else True
    assert sorted(table.loc[table["excluded"] == "", "z"].unique()) == kept
    if z is None:
        assert set(table["excluded"]) == {"", "z 2 is sharper"}


def test_no_counts_give_an_empty_table_with_all_columns() -> None:
    table = arrange_counts(stored([{}]).iloc[:0], TimeAxis())
    assert tuple(table.columns) == COUNT_COLUMNS
    assert table.empty


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
    arranged = arrange_counts(table, TimeAxis(frame_interval_min=10))
    assert sorted(arranged["source"]) == sorted(table["source"])
    assert np.isfinite(arranged["elapsed_h"].astype(float)).all()
    kept = arranged[arranged["excluded"] == ""]
    untimed = table.set_index("source").loc[kept["source"], "elapsed_s"].isna().to_numpy()
    named = kept[untimed & kept["time_point"].notna().to_numpy()]
    keys = [tuple(map(str, key)) for key in named[["well", "channel", "time_point"]].to_numpy()]
    with_z = {(key, str(z)) for key, z in zip(keys, named["z"], strict=True)}
    assert len(with_z) == len(keys)
    shuffled = arrange_counts(table.sample(frac=1, random_state=1), TimeAxis(frame_interval_min=10))
    assert list(shuffled["source"]) == list(arranged["source"])
    assert list(shuffled["excluded"]) == list(arranged["excluded"])


@pytest.mark.parametrize(
    ("rule", "channel", "counted", "is_counted"),
    [
        (ChannelRule(), None, [], True),
        (ChannelRule(), "Phase", ["w1"], True),
        (ChannelRule(), "Ph-1", [], True),
        (ChannelRule(), "DIC", ["Phase"], False),
        (ChannelRule(), "GFP", [], False),
        (ChannelRule(), "DAPI", ["Phase"], False),
        (ChannelRule(), "w1", [], True),
        (ChannelRule(), "w2", ["w1"], False),
        (ChannelRule(), "Alphabet", [], True),
        (ChannelRule("gfp"), "GFP", [], True),
        (ChannelRule("GFP"), "Phase", [], False),
        (ChannelRule(left_out=("Phase",)), "phase", [], False),
    ],
)
def test_which_channel_is_counted(
    rule: ChannelRule, channel: str | None, counted: list[str], is_counted: bool
) -> None:
    refusal = rule.refusal(channel, counted)
    assert (refusal is None) is is_counted
    assert refusal is None or repr(channel) in refusal
