"""What tells that there is something new: it differs when it should, and never reads a table."""

from __future__ import annotations

import re

from sqlalchemy import event

from livecount.storage import CountStore, Exclusion
from tests.storage.made_frames import ADA, check_frame, correct_cells, write


def marks_of(store):
    experiment = store.experiment("run")
    return store.change_marks(experiment, store.analysis(experiment))


def test_marks_differ_in_what_was_said_but_are_equal_for_curves_after_a_correction(database):
    write(database, 8)
    with CountStore.open(database) as store:
        analysis = store.analysis(store.experiment("run"))
        before = marks_of(store)
        correct_cells(store, analysis)
        corrected = marks_of(store)
        assert corrected == before
        assert corrected.edits != before.edits
        (frame_id,) = store.corrected_by(analysis)
        last = store.corrections(analysis, frame_id)[0].id
        store.withdraw_correction(analysis, frame_id, last, ADA)
        assert marks_of(store).edits != corrected.edits
        said = marks_of(store)
        check = check_frame(store, analysis, frame_id)
        checked = marks_of(store)
        assert checked == said
        assert checked.edits != said.edits
        store.withdraw_check(analysis, frame_id, check, ADA)
        assert marks_of(store).edits != checked.edits
        number = store.add_exclusion(store.experiment("run"), Exclusion("bubble", ADA, well="A1"))
        excluded = marks_of(store)
        assert excluded != corrected
        store.withdraw_exclusion(store.experiment("run"), number, ADA)
        assert marks_of(store) not in (excluded, corrected)


def test_no_question_of_the_marks_goes_through_frames_counts_or_corrections(database):
    """A million frames and many corrections cost no more than a few, twice a second."""
    write(database, 8)
    with CountStore.open(database) as store:
        asked = []
        event.listen(
            store._reader, "before_cursor_execute",
            lambda _c, _u, statement, given, *_: asked.append((statement, given)),
        )  # fmt: skip
        marks_of(store)
        questions = [one for one in asked if one[0].startswith("SELECT")]
        plans = {}
        with store._reader.connect() as connection:
            for statement, given in questions:
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
                plans[statement] = [row.detail for row in rows]
    of_corrections = [plan for asked, plan in plans.items() if "corrections" in asked]
    assert len(of_corrections) == 2
    assert [re.sub(r"\(.*", "", step).strip() for plan in of_corrections for step in plan] == [
        "SEARCH corrections",
        "SEARCH corrections USING COVERING INDEX corrections_withdrawn",
    ]
    of_checks = [plan for asked, plan in plans.items() if "checked_frames" in asked]
    assert [re.sub(r"\(.*", "", step).strip() for plan in of_checks for step in plan] == [
        "SEARCH checked_frames",
        "SEARCH checked_frames USING COVERING INDEX checked_frames_withdrawn",
    ]
    of_counts = [plan for asked, plan in plans.items() if "FROM counts" in asked]
    assert of_counts == [
        ["SEARCH counts USING COVERING INDEX counts_of_analysis (analysis_row_id=?)"]
    ]
