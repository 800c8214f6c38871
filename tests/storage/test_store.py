"""The door: what goes in comes out, twice is once, and refusals say why."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livecount.errors import DatabaseBusyError, DatabaseFullError, NotInStoreError, StoreError
from livecount.frame import AttributeSource, FrameAttributes, FrameQuality
from livecount.storage import (
    AnalysisSettings,
    CellDiameter,
    CountStore,
    FileStamp,
    Heartbeat,
    Recorded,
    Tally,
)
from livecount.storage import database as database_module

AT = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)


def test_count_comes_out_as_it_went_in(run, made):
    attributes = {
        "plate": "P1",
        "well": "B12",
        "field": "3",
        "position": "Pos 1",
        "time_point": np.int64(7),
        "channel": "Phase",
        "z": 2,
        "acquired_at": AT.astimezone(timezone(timedelta(hours=5))),
        "elapsed_s": np.float32(1.5),
        "pixel_size_um": 0.62,
        "stage_x_um": np.float32(-0.5),
        "stage_y_um": 7,
    }
    path = b"d/A1 \xff\n<b>.tif"
    run.record(path, page=4, content="cafe", n=5, stamp=FileStamp(9, 8), **attributes)
    found = run.store.counts(run.analysis)
    row = {name: getattr(found, name)[0] for name in found.__dataclass_fields__}
    made_at = row.pop("counted_at")
    assert abs(made_at - np.datetime64(datetime.now(UTC).replace(tzinfo=None))) < np.timedelta64(
        60, "s"
    )
    origins = dict.fromkeys(attributes, "file name")
    assert row.pop("acquired_at") == np.datetime64("2026-03-04T05:06:07.000089")
    absent = [row.pop(name) for name in ("area_mm2", "confluence_percent", "bright_rounded_count")]
    assert np.isnan(absent).all()
    assert row == {
        "frame_id": 1,
        "folder": made.FOLDER,
        "relative_path": path,
        "page": 4,
        "content_hash": "cafe",
        "plate": "P1",
        "well": "B12",
        "field": "3",
        "position": "Pos 1",
        "time_point": 7,
        "channel": "Phase",
        "z": 2,
        "elapsed_s": 1.5,
        "pixel_size_um": 0.62,
        "stage_x_um": -0.5,
        "stage_y_um": 7.0,
        "attribute_sources": origins,
        "mtime_ns": 8,
        "height_px": 100,
        "width_px": 200,
        "count": 5,
        "focus": 1.5,
        "mean_intensity": 0.4,
        "saturated_fraction": 0.01,
        "flags": ("zero_tail",),
        "provenance": made.make_count("", b"").provenance,
    }
    (candidates,) = run.store.iter_candidates(run.analysis)
    wanted = made.make_candidates(5)
    for name in ("y_px", "x_px", "prominence"):
        assert np.array_equal(getattr(candidates.candidates, name), getattr(wanted, name))
    assert len(run.store.candidates(run.analysis, candidates.frame_id)) == len(wanted)


def test_absent_is_absent(run):
    run.record()
    found = run.store.counts(run.analysis)
    assert found.well == [None]
    assert found.time_point == [None]
    assert np.isnat(found.acquired_at[0])
    assert np.isnan(found.pixel_size_um[0])
    assert found.attribute_sources == [{}]


def test_no_counts_give_empty_columns(run):
    found = run.store.counts(run.analysis)
    assert len(found) == 0
    assert found.count.dtype == np.int64
    assert found.well == []
    assert list(run.store.iter_candidates(run.analysis)) == []


def test_measures_that_are_not_numbers_survive(run, made):
    from dataclasses import replace

    count = made.make_count(run.analysis.id, b"dark.tif")
    count = replace(count, quality=FrameQuality(float("nan"), float("inf"), 0.0))
    run.store.record(run.source, count, stamp=made.stamp_of(0))
    found = run.store.counts(run.analysis)
    assert np.isnan(found.focus[0])
    assert np.isinf(found.mean_intensity[0])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.binary(min_size=1, max_size=60),
    text=st.text(st.characters(codec=None), max_size=20),
)
def test_hostile_names_survive(run, made, path, text):
    stamp = FileStamp(len(path), hash(path) & 0xFFFF)
    run.store.note_seen(run.source, [(path, stamp)])
    run.record(path, content=path.hex(), stamp=stamp, n_pages=1, well=text)
    assert run.store.known_files(run.source)[path] == stamp
    assert run.store.pages_counted(run.source, path, run.analysis) == {0: path.hex()}
    found = run.store.counts(run.analysis)
    shown = found.well[found.relative_path.index(path)]
    shown.encode()
    run.store.quarantine(run.source, path + b"!", stamp, text)
    assert path + b"!" in {one.relative_path for one in run.store.quarantined()}


def test_folder_that_is_not_text_survives(run):
    folder = os.fsdecode(b"/scans/caf\xe9")
    source = run.store.ensure_source(run.experiment, folder)
    assert source in run.store.sources(run.experiment)
    assert run.store.ensure_source(run.experiment, folder) == source


def test_recording_twice_changes_nothing(run):
    assert run.record(n=4, n_pages=1) is Recorded.NEW
    before = list(run.store.counts(run.analysis).counted_at)
    assert run.record(n=9, n_pages=1) is Recorded.ALREADY
    found = run.store.counts(run.analysis)
    assert found.count.tolist() == [4]
    assert list(found.counted_at) == before
    assert run.store.tally() == Tally(counted=1)


def test_changed_content_supersedes_and_may_come_back(run, made):
    run.record(content="a", n=4, n_pages=1)
    later = made.stamp_of(1)
    run.store.note_seen(run.source, [(b"a.tif", later)])
    assert run.store.tally() == Tally(counted=1, pending=1)
    assert run.record(content="b", n=5, stamp=later, n_pages=1) is Recorded.REVISED
    assert run.store.counts(run.analysis).count.tolist() == [5]
    assert run.store.tally() == Tally(counted=1, superseded=1)
    assert run.record(content="a", n=99, stamp=made.stamp_of(2), n_pages=1) is Recorded.REVISED
    assert run.store.counts(run.analysis).count.tolist() == [4]
    assert run.store.tally() == Tally(counted=1, superseded=1)


def test_another_analysis_stands_beside(run, made):
    other = run.store.ensure_analysis(
        run.experiment, AnalysisSettings("deepdistance", "ab" * 32, 30.0, "px", h=0.1)
    )
    assert (run.analysis.is_primary, other.is_primary) == (True, False)
    assert run.store.ensure_analysis(run.experiment, made.SETTINGS) == run.analysis
    run.record(n=4)
    count = made.make_count(other.id, b"a.tif", n=6)
    assert run.store.record(run.source, count, stamp=made.stamp_of(0)) is Recorded.NEW
    assert run.store.counts(run.analysis).count.tolist() == [4]
    assert run.store.counts(other).count.tolist() == [6]
    assert run.store.tally().counted == 1
    run.store.make_primary(other)
    assert [one.id for one in run.store.analyses(run.experiment)] == [other.id, run.analysis.id]
    assert run.store.analysis(run.experiment).id == other.id
    assert run.store.analysis(run.experiment, run.analysis.id[:6]).id == run.analysis.id


def test_analysis_id_is_stable_and_sees_every_setting(made):
    assert made.SETTINGS.analysis_id == "30a3b23400e39528"
    base = {
        "model_name": "m",
        "model_sha256": "00",
        "cell_diameter": 24,
        "cell_diameter_unit": "px",
    }
    others = {
        "model_sha256": "01",
        "cell_diameter": 25,
        "cell_diameter_unit": "um",
        "channel": "Phase",
        "z": "all",
        "h": 0.2,
        "min_prominence": 0.03,
        "detection_rule": "another",
        "further": {"normalisation": "local"},
    }
    ids = {AnalysisSettings(**{**base, name: value}).analysis_id for name, value in others.items()}
    assert len(ids | {AnalysisSettings(**base).analysis_id}) == len(others) + 1
    renamed = AnalysisSettings(**{**base, "model_name": "n", "cell_diameter": 24.0})
    assert renamed.analysis_id == AnalysisSettings(**base).analysis_id


def test_same_settings_in_two_experiments_are_two_analyses(run, made):
    second = run.store.ensure_experiment("second")
    analysis = run.store.ensure_analysis(second, made.SETTINGS)
    source = run.store.ensure_source(second, made.FOLDER)
    assert analysis.id == run.analysis.id
    assert analysis.is_primary
    run.record(n=1)
    run.store.record(source, made.make_count(analysis.id, b"a.tif", n=2), stamp=made.stamp_of(0))
    assert run.store.counts(run.analysis).count.tolist() == [1]
    assert run.store.counts(analysis).count.tolist() == [2]
    assert run.store.tally(second) == Tally(counted=1, pending=1)
    assert run.store.tally().counted == 2


def test_attributes_are_refined_without_a_recount(run):
    run.record(well="A1", time_point=3)
    late = FrameAttributes.from_source(
        AttributeSource.OME_XML, acquired_at=AT, pixel_size_um=2.0, well="A2"
    )
    assert run.store.refine_attributes(run.source, [(b"a.tif", 0, late), (b"no.tif", 0, late)]) == 1
    assert run.store.refine_attributes(run.source, [(b"a.tif", 0, late)]) == 0
    found = run.store.counts(run.analysis)
    assert (found.well, found.time_point) == (["A2"], [3])
    assert found.area_mm2.tolist() == pytest.approx([100 * 200 * 4e-6])
    assert found.attribute_sources == [
        {
            "well": "OME-XML",
            "time_point": "file name",
            "acquired_at": "OME-XML",
            "pixel_size_um": "OME-XML",
        }
    ]
    finer = FrameAttributes.from_source(AttributeSource.CONFIG, pixel_size_um=1.0)
    run.store.refine_attributes(run.source, [(b"a.tif", 0, finer)])
    assert run.store.counts(run.analysis).area_mm2.tolist() == pytest.approx([100 * 200 * 1e-6])


def test_stage_positions_are_kept_and_refined_by_late_metadata(run):
    run.record(b"a.tif", well="A1", stage_x_um=1.0, stage_y_um=2.0)
    run.record(b"b.tif", content="b", well="A1")
    found = run.store.counts(run.analysis)
    assert found.stage_x_um.tolist() == pytest.approx([1.0, np.nan], nan_ok=True)
    assert found.stage_y_um.tolist() == pytest.approx([2.0, np.nan], nan_ok=True)
    late = FrameAttributes.from_source(AttributeSource.OME_XML, stage_x_um=-3.5, stage_y_um=4.0)
    pages = [(path, 0, late) for path in (b"a.tif", b"b.tif")]
    assert run.store.refine_attributes(run.source, pages) == 2
    assert run.store.refine_attributes(run.source, pages) == 0
    found = run.store.counts(run.analysis)
    assert (found.stage_x_um.tolist(), found.stage_y_um.tolist()) == ([-3.5, -3.5], [4.0, 4.0])
    assert found.attribute_sources[0] == {
        "well": "file name",
        "stage_x_um": "OME-XML",
        "stage_y_um": "OME-XML",
    }
    assert found.count.tolist() == [3, 3]


def test_experiment_is_found_again_and_takes_what_is_given(database):
    with CountStore.open(database) as store:
        first = store.ensure_experiment("e", time_zone="Europe/Istanbul", settings={"a": [1]})
        again = store.ensure_experiment("e", t0=AT, frame_interval_min=10)
        assert again.id == first.id
        assert (again.time_zone, again.t0, again.frame_interval_min) == ("Europe/Istanbul", AT, 10)
        assert again.settings == {"a": [1]}
        assert store.experiments() == [again]
        with pytest.raises(NotInStoreError, match=r"no experiment 'f'.*'e'"):
            store.experiment("f")
        with pytest.raises(StoreError, match="needs a name"):
            store.ensure_experiment("  ")


def test_cell_diameter_is_locked(run):
    diameter = CellDiameter(17.5, "um", "estimated from 3 frames")
    locked = run.store.lock_cell_diameter(run.experiment, diameter)
    assert locked.cell_diameter == diameter
    assert run.store.lock_cell_diameter(run.experiment, diameter) == locked
    with pytest.raises(StoreError, match=r"17.5 um"):
        run.store.lock_cell_diameter(run.experiment, CellDiameter(17.5, "px", "config"))
    assert run.store.experiments() == [locked]


def test_notices_are_said_once_until_over(run):
    store = run.store
    assert store.begin_notice("offline", "since 10:00", subject="/a")
    assert not store.begin_notice("offline", "since 10:00, 5 min", subject="/a")
    assert store.begin_notice("offline", "since 10:01", subject="/b")
    assert [one.text for one in store.notices()] == ["since 10:00, 5 min", "since 10:01"]
    assert store.end_notice("offline", subject="/a") == 1
    assert store.end_notice("offline", subject="/a") == 0
    assert [one.subject for one in store.notices()] == ["/b"]
    past = store.notices(with_past=True)
    assert past[0].until is not None
    assert past[0].until >= past[0].since
    assert store.begin_notice("offline", "again", subject="/a")
    assert store.end_notice() == 2


def test_heartbeat_is_the_last_one(run):
    assert run.store.monitor() is None
    beat = Heartbeat(1, "host", "0.1", AT, AT, doing="counting", source_states={"/a": "offline"})
    run.store.heartbeat(beat)
    last = Heartbeat(2, "host", "0.1", AT, AT, progress_at=AT, stopped_at=AT)
    run.store.heartbeat(last)
    assert run.store.monitor() == last


def test_unknown_analysis_and_foreign_frame_are_refused_whole(run, made):
    with pytest.raises(NotInStoreError, match="no analysis 'nope'"):
        run.store.record(run.source, made.make_count("nope", b"a.tif"), stamp=made.stamp_of(0))
    with pytest.raises(StoreError, match="/elsewhere was recorded for /scans"):
        run.record(folder="/elsewhere")
    with pytest.raises(NotInStoreError, match="no count of frame 5"):
        run.store.candidates(run.analysis, 5)
    assert run.store.tally() == Tally()


def test_together_is_all_or_nothing(run):
    with run.store.together():
        run.record(b"a.tif", n_pages=1)
        run.record(b"b.tif", n_pages=1)
    assert run.store.tally() == Tally(counted=2)
    with pytest.raises(StoreError, match="called done"), run.store.together():
        [run.record(path, n_pages=n) for path, n in ((b"c.tif", 1), (b"x.tif", 2))]
    assert run.store.tally() == Tally(counted=2)
    with run.store.together():
        run.record(b"d.tif", n_pages=1)
        with pytest.raises(StoreError, match="called done"):
            run.record(b"e.tif", n_pages=2)
    assert run.store.tally() == Tally(counted=3)


def test_second_writing_thread_is_refused_and_may_adopt(run):
    said = []

    def write(adopting):
        try:
            if adopting:
                run.store.adopt()
            run.record()
        except StoreError as error:
            said.append(str(error))

    for adopting in (False, True):
        thread = threading.Thread(target=write, args=(adopting,))
        thread.start()
        thread.join()
    assert len(said) == 1
    assert "two threads" in said[0]
    assert run.store.tally().counted == 1


def test_reading_works_from_many_threads(run):
    for number in range(20):
        run.record(b"%d.tif" % number, n_pages=1)
    seen = []
    threads = [
        threading.Thread(target=lambda: seen.append(len(run.store.counts(run.analysis))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [20] * 8


def test_locked_database_is_said_in_plain_words(run, database, monkeypatch):
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_MS", 200)
    run.record(n=1)
    with CountStore.open(database) as second:
        started, over = threading.Event(), threading.Event()

        def hold():
            with run.store.together():
                run.record(b"held.tif")
                started.set()
                over.wait(30)

        run.store.adopt()
        thread = threading.Thread(target=lambda: (run.store.adopt(), hold()))
        thread.start()
        assert started.wait(30)
        try:
            with pytest.raises(DatabaseBusyError, match="locked for more than"):
                second.ensure_experiment("other")
            assert second.tally().counted == 1
        finally:
            over.set()
            thread.join()
        second.ensure_experiment("other")
        assert second.tally().counted == 2


def test_full_disk_keeps_nothing_half_and_resumes(run):
    run.record(b"a.tif", n_pages=1)
    with run.store._writing() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 3}")
    with pytest.raises(DatabaseFullError, match=r"is full. Free space"):
        run.record(b"b.tif", n=400, n_pages=1)
    assert run.store.tally() == Tally(counted=1)
    assert run.store.verify() == []
    with run.store._writing() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert run.record(b"b.tif", n=400, n_pages=1) is Recorded.NEW
    assert run.store.tally() == Tally(counted=2)


WRITES_UNTIL_REFUSED = """
import resource, signal, sys
from pathlib import Path
from livecount.errors import DatabaseDiskError, DatabaseUnavailableError
from livecount.storage import CountStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with CountStore.open(Path(sys.argv[1])) as store:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    kept = 0
    try:
        for kept in range(100):
            store.begin_notice("disk_low", "x" * 100_000, subject=str(kept))
    except DatabaseUnavailableError as error:
        assert type(error) is DatabaseDiskError, repr(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    store.begin_notice("disk_low", "goes on", subject="after")
    print(kept, len(store.notices()))
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of a process are POSIX")
def test_a_disk_that_fails_keeps_nothing_half_and_is_written_to_again(database):
    command = [sys.executable, "-c", WRITES_UNTIL_REFUSED, str(database)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kept, notices = map(int, done.stdout.split())
    assert 0 < kept < 99
    assert notices == kept + 1
