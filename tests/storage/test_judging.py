"""Validations: clicks survive as rows, the latest comes first, nothing else is touched."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from livecount.agreement import Agreement
from livecount.errors import StoreError
from livecount.storage import CountStore, ValidatedField


def test_what_is_kept_is_read_the_latest_first(run, made):
    for page in range(2):
        run.record(page=page, content=f"{page}", n=page)
    first, second = (int(frame_id) for frame_id in run.store.counts(run.analysis).frame_id)
    clicks = np.array([[1.5, 2.25], [99.0, 0.0]])
    nothing = np.empty((0, 2))
    early = replace(made.make_validation(2), agreement=Agreement(0))
    run.store.add_validation(
        run.analysis,
        early,
        [ValidatedField(first, 2, 2, 2, clicks), ValidatedField(second, 0, 0, 0, nothing)],
    )
    late = made.make_validation()
    run.store.add_validation(run.analysis, late, [ValidatedField(second, 1, 1, 0, clicks[:1])])
    assert run.store.validations(run.analysis) == [late, early]
    kept = run.store.clicks(run.analysis)
    assert kept[first].tolist() == clicks.tolist()
    assert kept[second].tolist() == [[1.5, 2.25]]


def test_fields_with_cells_in_one_count_alone_stay_with_their_validation(run, made):
    for page in range(3):
        run.record(page=page, content=f"{page}", n=page)
    frame_ids = [int(frame_id) for frame_id in run.store.counts(run.analysis).frame_id]
    numbers = [(0, 2), (40, 0), (0, 0)]
    fields = [
        ValidatedField(frame_id, counted, annotated, 0, np.zeros((annotated, 2)))
        for frame_id, (counted, annotated) in zip(frame_ids, numbers, strict=True)
    ]
    run.store.add_validation(run.analysis, made.make_validation(), fields)
    run.store.add_validation(run.analysis, made.make_validation(5), fields[2:])
    late, early = run.store.validations(run.analysis)
    assert late.agreement.one_sided == ()
    assert early.agreement.one_sided == ((40, 0), (0, 2))
    assert early.agreement.contradiction


def test_other_analyses_are_not_validated_by_it(run, made):
    run.record()
    other = run.store.ensure_analysis(run.experiment, replace(made.SETTINGS, h=0.3))
    run.store.add_validation(run.analysis, made.make_validation(), [])
    assert run.store.validations(other) == []
    assert run.store.clicks(other) == {}


def test_a_validation_of_frames_that_are_not_there_is_kept_in_no_part(run, made):
    field = ValidatedField(4711, 1, 1, 1, np.zeros((1, 2)))
    with pytest.raises(StoreError):
        run.store.add_validation(run.analysis, made.make_validation(), [field])
    assert run.store.validations(run.analysis) == []


def test_a_validation_is_written_beside_the_monitor(run, made, database):
    run.record()
    with CountStore.open(database) as beside:
        beside.add_validation(run.analysis, made.make_validation(), [])
        run.record(b"b.tif")
        beside.add_validation(run.analysis, made.make_validation(5), [])
    assert [found.n_fields for found in run.store.validations(run.analysis)] == [5, 4]
    assert len(run.store.counts(run.analysis)) == 2


def test_the_latest_calibration_of_a_model_counts(run, database):
    assert run.store.calibration("ab") is None
    for slope in (1.0, 1.0, 2.0):
        run.store.keep_calibration("ab", {"slope": slope})
    assert run.store.calibration("ab") == {"slope": 2.0}
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM calibrations").fetchone() == (1,)
