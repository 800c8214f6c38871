"""Plate maps in the database: every version stays, the last one holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from livecount.storage import CountStore, PlateMapVersion

FIRST = PlateMapVersion(
    ({"well": "A1", "cell_line": "HeLa"}, {"well": "B2", "treatment": "µ-drug"}),
    "plate.csv",
    "Ada",
    datetime(2026, 11, 28, 9, 30, tzinfo=UTC),
)


def test_each_version_is_kept_and_the_last_one_holds(run):
    assert run.store.plate_map(run.experiment) is None
    assert run.store.add_plate_map(run.experiment, FIRST)
    later = replace(FIRST, wells=FIRST.wells[:1], made_by="Bob")
    assert run.store.add_plate_map(run.experiment, later)
    assert run.store.plate_map(run.experiment) == later
    assert run.store.plate_maps(run.experiment) == [later, FIRST]


def test_what_says_the_same_is_not_kept_again(run):
    assert run.store.add_plate_map(run.experiment, FIRST)
    assert not run.store.add_plate_map(run.experiment, replace(FIRST, origin="copy.csv"))
    assert run.store.plate_maps(run.experiment) == [FIRST]


def test_another_experiment_has_its_own(run):
    other = run.store.ensure_experiment("other")
    run.store.add_plate_map(other, FIRST)
    assert run.store.plate_map(run.experiment) is None


def test_it_is_written_beside_the_monitor(run, database):
    run.record()
    with CountStore.open(database) as beside:
        beside.add_plate_map(run.experiment, FIRST)
        run.record(b"b.tif")
    assert run.store.plate_map(run.experiment) == FIRST


def test_the_wells_that_have_counts_are_listed_once(run):
    run.record(b"a.tif", well="A1", plate="P")
    run.record(b"b.tif", well="A1", plate="P", content="b")
    run.record(b"c.tif", content="c")
    assert sorted(run.store.wells(run.analysis), key=str) == [("P", "A1"), (None, None)]
