"""What the pages hold in memory: the curves of exports, and new counts as a new snapshot has."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livecount.growth import well_curve, wells_of
from livecount.inside import EdgeRule
from livecount.plate import PlateMap, WellContents, sheet_rows
from livecount.storage import (
    Analysis,
    CountStore,
    Exclusion,
    Experiment,
    Instant,
    PlateMapVersion,
    Said,
)
from livecount.tables import count_table
from livecount.web.board import Shown
from livecount.web.drawing import Drawing
from livecount.web.fresh import fresh_curves
from livecount.web.snapshots import Snapshot, counts_shown, take_snapshot
from tests.storage.made_frames import SETTINGS, make_count, stamp_of

WELLS = ("A1", "B2")
START = datetime(2026, 11, 1, tzinfo=UTC)


def record(store: CountStore, experiment: Experiment, analysis: Analysis, hours: range) -> None:
    """Two fields in each of two wells; one well's later fields are half as dense."""
    source = store.ensure_source(experiment, "/scans")
    for hour in hours:
        for order, (well, field) in enumerate((w, f) for w in WELLS for f in ("1", "2")):
            count = make_count(
                analysis.id, f"{well}_{field}_{hour}.tif".encode(), content=f"{well}{field}{hour}",
                n=20 + hour * (order + 1), well=well, field=field,
                acquired_at=START + timedelta(hours=hour, minutes=order),
            )  # fmt: skip
            store.record(source, count, stamp=stamp_of(4 * hour + order), n_pages=1)


def snapshot_of(store: CountStore, name: str) -> Snapshot:
    experiment = store.experiment(name)
    analysis = store.analysis(experiment)
    marks = store.change_marks(experiment, analysis)
    return take_snapshot(
        store, experiment, analysis, marks, counts_shown(store, experiment, analysis)
    )


@pytest.fixture
def store(tmp_path: Path):
    with CountStore.open(tmp_path / "run.db") as opened:
        yield opened


@pytest.mark.parametrize("seen", [1, 6])
def test_new_counts_make_the_curves_that_a_new_snapshot_has(store: CountStore, seen: int) -> None:
    experiment = store.ensure_experiment("run")
    analysis = store.ensure_analysis(experiment, SETTINGS)
    record(store, experiment, analysis, range(seen))
    before = snapshot_of(store, "run")
    record(store, experiment, analysis, range(seen, seen + 3))
    new = store.counts(analysis, after=before.marks.last_count_id)
    ends = fresh_curves(before, new)
    after = snapshot_of(store, "run")
    assert sorted(ends) == [0, 1]
    for number, end in ends.items():
        for name in ("hours", "values"):
            known = getattr(before.tracks[number].growth, name)[: end.keep]
            joined = np.concatenate([known, getattr(end.trace, name)])
            assert joined == pytest.approx(getattr(after.tracks[number].growth, name), rel=1e-5)


@pytest.mark.parametrize("by", ["wells", "groups"])
@pytest.mark.parametrize("relative_to_h", [None, 2.0])
def test_new_counts_make_the_lines_that_a_new_snapshot_has(
    store: CountStore, by: str, relative_to_h: float | None
) -> None:
    experiment = store.ensure_experiment("run")
    analysis = store.ensure_analysis(experiment, SETTINGS)
    both = tuple(sheet_rows(PlateMap(tuple(WellContents(w, cell_line="HeLa") for w in WELLS))))
    store.add_plate_map(experiment, PlateMapVersion(both, "test", Said("ada", START)))
    record(store, experiment, analysis, range(4))
    before = snapshot_of(store, "run")
    record(store, experiment, analysis, range(4, 6))
    fresh = fresh_curves(before, store.counts(analysis, after=before.marks.last_count_id))
    drawing = Drawing()
    first = drawing.draw(Shown("run", before, 1, {}, 1), by, relative_to_h)
    assert first.changed == frozenset()
    followed = drawing.draw(Shown("run", before, 1, fresh, 2), by, relative_to_h)
    expected = drawing.draw(Shown("run", snapshot_of(store, "run"), 2, {}, 3), by, relative_to_h)
    assert followed.changed == set(range(len(expected.lines)))
    for line, other in zip(followed.lines, expected.lines, strict=True):
        assert (line.label, line.group) == (other.label, other.group)
        assert len(line.hours) == 6
        for name in ("hours", "values", "low", "high", "sd", "sem", "n_wells"):
            assert getattr(line, name) == pytest.approx(getattr(other, name), nan_ok=True), name


def test_curves_leave_the_edge_out_where_the_run_was_set_to(store: CountStore) -> None:
    experiment = store.ensure_experiment("run", settings={"edge_guard": "half-diameter"})
    analysis = store.ensure_analysis(experiment, SETTINGS)
    record(store, experiment, analysis, range(3))
    shown = snapshot_of(store, "run")
    table = count_table(store, experiment, analysis, edges=EdgeRule(for_curves=True))
    (expected, _) = wells_of(table)
    assert shown.tracks[0].series.metric == expected.metric == "count_inside"
    assert shown.tracks[0].growth.values == pytest.approx(well_curve(expected.used).values)
    record(store, experiment, analysis, range(3, 4))
    new = store.counts(analysis, after=shown.marks.last_count_id)
    assert fresh_curves(shown, new) == {}, "whole frames must not be joined to such curves"


@pytest.mark.parametrize(
    "excluded",
    [
        {"well": WELLS[0]},
        {"well": WELLS[0], "start": Instant(4.0)},
        {"field": "1"},
        {"start": Instant(99.0, START + timedelta(hours=4))},
        {},
    ],
)
def test_new_counts_that_people_excluded_are_not_drawn(
    store: CountStore, excluded: dict[str, Any]
) -> None:
    experiment = store.ensure_experiment("run")
    analysis = store.ensure_analysis(experiment, SETTINGS)
    record(store, experiment, analysis, range(4))
    store.add_exclusion(experiment, Exclusion("a bubble", Said("Ada", START), **excluded))
    before = snapshot_of(store, "run")
    record(store, experiment, analysis, range(4, 6))
    ends = fresh_curves(before, store.counts(analysis, after=before.marks.last_count_id))
    after = {track.series.identity: track.growth for track in snapshot_of(store, "run").tracks}
    for number, track in enumerate(before.tracks):
        end = ends.get(number)
        keep = len(track.growth) if end is None else end.keep
        for name in ("hours", "values"):
            new = [] if end is None else getattr(end.trace, name)
            joined = np.concatenate([getattr(track.growth, name)[:keep], new])
            assert joined == pytest.approx(getattr(after[track.series.identity], name), rel=1e-5)


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ([("Phase", None, 1), ("Phase", None, 2), (" Brightfield ", None, 2)],
         {("Phase", None): (2, 1), ("Brightfield", None): (1, 0)}),
        ([("Phase", 1, 1), ("Phase", 2, 2), (None, None, 3)],
         {("Phase", "1"): (1, 1), ("Phase", "2"): (1, 0), (None, None): (1, 1)}),
    ],
    ids=["channels", "planes"],
)  # fmt: skip
def test_each_channel_and_plane_has_its_own_flagged_frames(
    store: CountStore,
    taken: list[tuple[str | None, int | None, int]],
    expected: dict[tuple[str | None, str | None], tuple[int, int]],
) -> None:
    experiment = store.ensure_experiment("run")
    analysis = store.ensure_analysis(experiment, replace(SETTINGS, z="all"))
    source = store.ensure_source(experiment, "/scans")
    for number, (channel, z, n) in enumerate(taken):
        count = make_count(
            analysis.id, f"{number}.tif".encode(), content=str(number), n=n, well="A1", field="1",
            channel=channel, z=z, acquired_at=START,
        )  # fmt: skip
        store.record(source, count, stamp=stamp_of(number), n_pages=1)
    found = {
        (track.series.channel, track.series.z): (track.n_frames, track.n_flagged)
        for track in snapshot_of(store, "run").tracks
    }
    assert found == expected


def test_the_sharpest_planes_of_a_well_are_one_curve_with_its_flagged_frames(
    store: CountStore,
) -> None:
    experiment = store.ensure_experiment("run")
    analysis = store.ensure_analysis(experiment, SETTINGS)
    source = store.ensure_source(experiment, "/scans")
    for hour, z in enumerate((1, 2, 1)):
        count = make_count(
            analysis.id, f"{hour}.tif".encode(), content=str(hour), n=hour, well="A1", field="1",
            z=z, acquired_at=START + timedelta(hours=hour),
        )  # fmt: skip
        store.record(source, count, stamp=stamp_of(hour), n_pages=1)
    (track,) = snapshot_of(store, "run").tracks
    assert (track.series.z, track.n_frames, track.n_flagged) == (None, 3, 1)


def test_an_experiment_without_counts_has_an_empty_snapshot(store: CountStore) -> None:
    experiment = store.ensure_experiment("run")
    store.ensure_analysis(experiment, SETTINGS)
    shown = snapshot_of(store, "run")
    assert (len(shown.frames), shown.tracks, shown.zero) == (0, (), None)
