"""What people corrected and checked: where the cells are then, and when a statement ends."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest

from livecount.errors import CorrectedMeanwhileError, NotInStoreError
from livecount.storage import Correction, CountStore, FrameCheck, Said
from tests.storage.made_frames import ADA, write

NONE = (0, 0)
BOB = Said("Bob", datetime(2026, 10, 6, 12, tzinfo=UTC))


@pytest.fixture
def checked(database):
    """A store, its analysis, and a frame of two cells, (0, 0.5) and (40, 40.5)."""
    write(database, 8)
    with CountStore.open(database) as store:
        analysis = store.analysis(store.experiment("run"))
        counts = store.counts(analysis)
        (frame_id,) = counts.frame_id[counts.count == 2].tolist()
        yield store, analysis, frame_id


def test_corrected_centres_are_the_counted_ones_with_what_holds(checked):
    store, analysis, frame_id = checked

    def correct(kind, start, end):
        return store.add_correction(analysis, Correction(frame_id, kind, ADA, start, end))

    def centres():
        return store.corrected_centres(analysis, frame_id).tolist()

    assert centres() == [[0, 0.5], [40, 40.5]]
    added = correct("add", None, (10.0, 20.0))
    moved = correct("move", (0.0, 0.5), (1.0, 2.0))
    assert centres() == [[1, 2], [40, 40.5], [10, 20]]
    correct("remove", (40.0, 40.5), None)
    assert centres() == [[1, 2], [10, 20]]
    assert len(centres()) == 2 + store.corrected_by(analysis)[frame_id]
    store.withdraw_correction(analysis, frame_id, moved, ADA)
    store.withdraw_correction(analysis, frame_id, added, ADA)
    assert centres() == [[0, 0.5]]
    correct("remove", (0.0, 0.5), None)
    assert store.corrected_centres(analysis, frame_id).shape == (0, 2)


def test_a_statement_holds_until_it_or_a_cell_is_changed(checked):
    store, analysis, frame_id = checked

    def standing():
        return [(one.frame_id, one.said) for one in store.checked_frames(analysis)]

    first = store.add_check(analysis, FrameCheck(frame_id, ADA), NONE)
    assert store.add_check(analysis, FrameCheck(frame_id, BOB), NONE) == first
    assert standing() == [(frame_id, ADA)]
    added = store.add_correction(analysis, Correction(frame_id, "add", BOB, None, (1.0, 1.0)))
    assert standing() == []
    assert store.checks(analysis, frame_id) == [FrameCheck(frame_id, ADA, BOB, first)]
    second = store.add_check(analysis, FrameCheck(frame_id, ADA), (1, added))
    store.withdraw_check(analysis, frame_id, first, BOB)
    assert standing() == [(frame_id, ADA)], "what was taken back already is another one"
    store.withdraw_correction(analysis, frame_id, added, BOB)
    assert standing() == []
    third = store.add_check(analysis, FrameCheck(frame_id, BOB), NONE)
    store.withdraw_correction(analysis, frame_id, added, ADA)
    assert standing() == [(frame_id, BOB)], "nothing was changed"
    store.withdraw_check(analysis, frame_id, third, ADA)
    assert standing() == []
    assert [one.withdrawn for one in store.checks(analysis, frame_id)] == [BOB, BOB, ADA]
    assert [one.id for one in store.checks(analysis, frame_id)] == [first, second, third]


def test_a_statement_is_about_the_cells_that_were_seen(checked):
    store, analysis, frame_id = checked
    added = store.add_correction(analysis, Correction(frame_id, "add", BOB, None, (1.0, 1.0)))
    for seen in (NONE, (2, added), (1, added + 1)):
        with pytest.raises(CorrectedMeanwhileError, match="Look at the frame again"):
            store.add_check(analysis, FrameCheck(frame_id, ADA), seen)
    with pytest.raises(NotInStoreError):
        store.add_check(analysis, FrameCheck(999, ADA), NONE)
    with pytest.raises(NotInStoreError):
        store.withdraw_check(analysis, frame_id, 999, ADA)
    assert store.checked_frames(analysis) == []


def test_one_statement_a_frame_is_held_by_the_schema_itself(checked):
    store, analysis, frame_id = checked
    store.add_check(analysis, FrameCheck(frame_id, ADA), NONE)
    names = "(analysis_row_id, frame_id, made_by, made_at)"
    with closing(sqlite3.connect(store.database)) as connection:
        for change in (
            f"INSERT INTO checked_frames {names} SELECT {names.strip('()')} FROM checked_frames",
            "UPDATE checked_frames SET withdrawn_at = '2026'",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(change)
