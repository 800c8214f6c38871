"""What people say: every plate map stays and the last holds, the rest is withdrawn, not lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from livecount.errors import NotInStoreError
from livecount.storage import (
    CountStore,
    Exclusion,
    ExperimentEvent,
    Instant,
    PlateMapVersion,
    Said,
)

ADA = Said("Ada", datetime(2026, 11, 28, 9, 30, tzinfo=UTC))
BOB = Said("Bob", datetime(2026, 11, 28, 10, 30, tzinfo=UTC))
EVENT = ExperimentEvent("drug added", Instant(24.5, ADA.made_at), ("A1", "Ä2"), ADA)

FIRST = PlateMapVersion(
    ({"well": "A1", "cell_line": "HeLa"}, {"well": "B2", "treatment": "µ-drug"}),
    "plate.csv",
    ADA,
)


def test_each_version_is_kept_and_the_last_one_holds(run):
    assert run.store.plate_map(run.experiment) is None
    assert run.store.add_plate_map(run.experiment, FIRST)
    later = replace(FIRST, wells=FIRST.wells[:1], said=BOB)
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


def test_events_are_kept_and_withdrawn_with_who_and_when(run):
    number = run.store.add_event(run.experiment, EVENT)
    assert run.store.events(run.experiment) == [replace(EVENT, id=number)]
    run.store.withdraw_event(run.experiment, number, BOB)
    run.store.withdraw_event(run.experiment, number, ADA)
    assert run.store.events(run.experiment) == [replace(EVENT, id=number, withdrawn=BOB)]


def test_exclusions_are_kept_and_withdrawn_with_who_and_when(run):
    run.record()
    (frame_id,) = run.store.counts(run.analysis).frame_id
    wanted = [
        Exclusion("blurred", ADA, frame_id=int(frame_id)),
        Exclusion(
            "=bubble",
            BOB,
            plate="P",
            well="A1",
            field="2",
            start=Instant(1.5),
            end=Instant(3.0, BOB.made_at),
        ),
    ]
    numbers = [run.store.add_exclusion(run.experiment, one) for one in wanted]
    run.store.withdraw_exclusion(run.experiment, numbers[0], BOB)
    first, second = run.store.exclusions(run.experiment)
    assert first == replace(wanted[0], id=numbers[0], withdrawn=BOB)
    assert second == replace(wanted[1], id=numbers[1])


def test_what_is_not_there_cannot_be_excluded_or_withdrawn(run):
    with pytest.raises(NotInStoreError, match="no frame 4711"):
        run.store.add_exclusion(run.experiment, Exclusion("blurred", ADA, frame_id=4711))
    number = run.store.add_event(run.experiment, EVENT)
    other = run.store.ensure_experiment("other")
    with pytest.raises(NotInStoreError, match="no event number"):
        run.store.withdraw_event(other, number, ADA)
    with pytest.raises(NotInStoreError, match="no exclusion number 1"):
        run.store.withdraw_exclusion(run.experiment, 1, ADA)
    assert run.store.exclusions(run.experiment) == []
