"""Counts and cells of a real database as tables, and of counts that were never stored."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from livecount.cell_tables import (
    CELL_COLUMNS,
    LEFT_OUT_COLUMNS,
    SHAPE_COLUMNS,
    cell_chunks,
    cell_table,
)
from livecount.experiment import ChannelRule, TimeAxis
from livecount.frame import (
    AttributeSource,
    Candidates,
    CellShapes,
    FrameAttributes,
    FrameCount,
    FrameKey,
    FrameQuality,
    Provenance,
)
from livecount.storage import AnalysisSettings, CountStore, Exclusion, FileStamp, Said
from livecount.tables import count_table, table_of

N_FRAMES = 450
COLUMNS = (*CELL_COLUMNS, "y_px", "x_px", "score", *SHAPE_COLUMNS, *LEFT_OUT_COLUMNS)
FOLDER = "/w"
SETTINGS = AnalysisSettings("m", "ab" * 32, 20.0, "px", channel="automatic", z="sharpest", h=0.1)
RULE = {
    "experiment": "e", "model": "m", "h": 0.1, "cell_diameter": 20.0, "cell_diameter_unit": "px",
}  # fmt: skip


def count_of(number: int, **attributes) -> FrameCount:
    """Frame ``number``, with ``number % 3`` cells at h and a candidate below it."""
    n = number % 3
    prominence = np.array([0.5] * n + [0.05], np.float32)
    place = np.full(n + 1, number, np.float32)
    return FrameCount(
        FrameKey(FOLDER, b"f%03d.tif" % number, 0, f"{number:032x}"),
        FrameAttributes.from_source(AttributeSource.FILE_NAME, well="A1", **attributes),
        SETTINGS.analysis_id,
        n,
        Candidates(place, place + np.arange(n + 1, dtype=np.float32), prominence),
        FrameQuality(1.0, 0.5, 0.0),
        100,
        100,
        None,
        (),
        Provenance("r", "fp32", "0"),
    )


@pytest.fixture
def run(tmp_path: Path):
    with CountStore.open(tmp_path / "counts.db") as store:
        experiment = store.ensure_experiment("e", frame_interval_min=10)
        source = store.ensure_source(experiment, FOLDER)
        yield store, experiment, source, store.ensure_analysis(experiment, SETTINGS)


def record(store: CountStore, source, count: FrameCount) -> None:
    store.record(source, count, stamp=FileStamp(1, 1))


def test_cells_come_in_chunks_in_the_order_of_the_table(run) -> None:
    store, experiment, source, analysis = run
    for number in reversed(range(N_FRAMES)):
        record(store, source, count_of(number, time_point=number))
    counts = count_table(store, experiment, analysis)
    chunks = list(cell_chunks(store, analysis, counts))
    assert len(chunks) == 3
    assert all(tuple(chunk.columns) == COLUMNS for chunk in chunks)
    cells = cell_table(store, analysis, counts)
    assert len(cells) == counts["count"].sum() == N_FRAMES
    assert list(cells["y_px"]) == [n for n in range(N_FRAMES) for _ in range(n % 3)]
    assert list(cells["time_point"]) == list(cells["y_px"])
    assert list(cells["x_px"] - cells["y_px"]) == [k for n in range(N_FRAMES) for k in range(n % 3)]
    assert set(cells["score"]) == {0.5}


def test_cells_of_a_frame_that_is_not_used_say_so_and_by_whom(run) -> None:
    store, experiment, source, analysis = run
    for number in range(6):
        record(store, source, count_of(number, time_point=number))
    said = Said("Ada", datetime(2026, 11, 28, 9, 30, tzinfo=UTC))
    counts = count_table(store, experiment, analysis)
    frame_id = int(counts.index[2])
    store.add_exclusion(experiment, Exclusion("bubble", said, frame_id=frame_id))
    cells = cell_table(store, analysis, count_table(store, experiment, analysis))
    left_out = cells[cells["excluded"] != ""]
    assert list(left_out["time_point"]) == [2, 2]
    assert set(left_out["excluded"]) == {"bubble"}
    assert set(left_out["excluded_by"]) == {"Ada"}
    assert set(left_out["excluded_at"]) == {said.made_at}
    assert cells.loc[cells["excluded"] == "", "excluded_by"].isna().all()


def test_no_cells_give_the_columns_all_the_same(run) -> None:
    store, experiment, source, analysis = run
    for number in (0, None):
        if number is not None:
            counts = count_table(store, experiment, analysis)
        else:
            record(store, source, count_of(0, time_point=0))
            counts = count_table(store, experiment, analysis)
        cells = cell_table(store, analysis, counts)
        assert tuple(cells.columns) == COLUMNS
        assert cells.empty


def test_a_channel_that_became_known_late_is_excluded_by_the_rule(run) -> None:
    store, experiment, source, analysis = run
    record(store, source, count_of(1, time_point=1))
    record(store, source, count_of(2, time_point=1))
    late = FrameAttributes.from_source(AttributeSource.COMPANION_FILE, channel="GFP")
    store.refine_attributes(source, [(b"f001.tif", 0, late)])
    counts = count_table(store, experiment, analysis).set_index("source")
    assert "fluorescence channel 'GFP'" in counts.loc["f001.tif", "excluded"]
    assert counts.loc["f002.tif", "excluded"] == ""


def test_counts_that_were_never_stored_get_no_invented_time() -> None:
    counts = [count_of(n, time_point=n, channel=f"w{2 - n}") for n in range(2)]
    table = table_of(counts, RULE, TimeAxis())
    assert table["elapsed_h"].isna().all()
    assert list(table["flags"]) == ["", ""]
    assert set(table["excluded"]) == {""}
    chosen = table_of(counts, RULE, TimeAxis(), channels=ChannelRule()).set_index("channel")
    assert chosen.loc["w1", "excluded"] == ""
    assert "beside 'w1'" in chosen.loc["w2", "excluded"]
    began = datetime(2026, 3, 1, tzinfo=UTC)
    counts = [count_of(n, acquired_at=began + timedelta(hours=n)) for n in range(3)]
    table = table_of(counts, RULE, TimeAxis())
    assert list(table["elapsed_h"]) == [0, 1, 2]
    assert isinstance(table, pd.DataFrame)


def segmented(count: FrameCount) -> FrameCount:
    """Give every cell a shape but the last, which has no mask."""
    area = np.arange(1, count.count + 1, dtype=np.float32) * 100
    area[-1:] = np.nan
    rounded = np.array([1, 0, 0][: count.count], np.float32)
    shapes = CellShapes(area, area / 4, area / 80, area / 1000, rounded)
    return replace(count, shapes=shapes, confluence_percent=12.5)


def test_shapes_come_out_as_they_went_in_with_micrometres_where_known(run) -> None:
    store, experiment, source, analysis = run
    two, micrometres = count_of(2, time_point=0), count_of(5, time_point=1, pixel_size_um=0.5)
    for count in (segmented(two), segmented(micrometres), count_of(8, time_point=2)):
        record(store, source, count)
    counts = count_table(store, experiment, analysis)
    assert list(counts["confluence_percent"])[:2] == [12.5, 12.5]
    assert list(counts["bright_rounded_count"])[:2] == [1, 1]
    assert counts.iloc[2][["confluence_percent", "bright_rounded_count"]].isna().all()
    cells = cell_table(store, analysis, counts)
    words = [word if isinstance(word, str) else "" for word in cells["class"]]
    assert words == ["bright_rounded", "", "bright_rounded", "", "", ""]
    np.testing.assert_array_equal(cells["area_px"], [100, np.nan, 100, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(cells["area_um2"], [np.nan, np.nan, 25, *[np.nan] * 3])
    assert cells["perimeter_um"][2] == 12.5
    assert cells["aspect_ratio"][0] == 1.25
    assert cells["eccentricity"][0] == pytest.approx(0.1)
    assert store.verify() == []


def test_counts_that_were_never_stored_have_their_confluence_too() -> None:
    table = table_of([segmented(count_of(2)), count_of(1)], RULE, TimeAxis())
    found = table.set_index("source")["confluence_percent"]
    assert found["f002.tif"] == 12.5
    assert np.isnan(found["f001.tif"])
