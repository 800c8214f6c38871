"""Notices begin and end, and whoever is to be told of it has a row before anything is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livecount.storage import Audience, CountStore

CODES = frozenset({"offline", "full"})
LATER = datetime(2099, 1, 1, tzinfo=UTC)


def waiting(store, target="lab"):
    found = store.deliveries(target=target, only_open=True)
    return [(one.notice.subject, one.part) for one in found]


def test_begin_and_end_are_rows_for_each_target(run):
    run.store.tell(Audience(("lab", "phone"), CODES))
    run.store.begin_notice("offline", "away", subject="/a")
    run.store.begin_notice("gossip", "not of interest")
    run.store.begin_notice("offline", "still away", subject="/a")
    run.store.end_notice("offline")
    run.store.end_notice("offline")
    for target in ("lab", "phone"):
        assert waiting(run.store, target) == [("/a", "begin"), ("/a", "end")]
    assert {one.notice.text for one in run.store.deliveries()} == {"still away"}


def test_a_target_that_is_new_is_told_of_what_lasts_and_only_once(run, database):
    run.store.begin_notice("full", "the disk is full")
    run.store.begin_notice("offline", "away")
    run.store.end_notice("offline")
    run.store.tell(Audience(("lab",), CODES))
    with CountStore.open(database) as again:
        again.tell(Audience(("lab", "phone"), CODES))
        assert waiting(again) == waiting(again, "phone") == [("", "begin")]


def test_the_same_subject_of_two_experiments_is_two_notices(run):
    other = run.store.ensure_experiment("other")
    for experiment in (run.experiment, other):
        assert run.store.begin_notice("late", "B2", subject="B2", experiment=experiment, well="B2")
    assert run.store.end_notice("late", experiment=other) == 1
    (left,) = run.store.notices()
    assert (left.experiment, left.well, left.plate) == ("run", "B2", None)


def test_what_comes_back_soon_goes_on_and_its_end_is_not_told(run):
    run.store.tell(Audience(("lab",), CODES, calm_s=600))
    run.store.begin_notice("offline", "away")
    (first,) = run.store.notices()
    run.store.end_notice("offline")
    (end,) = run.store.deliveries(only_open=True)[1:]
    assert end.due_at - end.notice.until == timedelta(seconds=600)
    assert run.store.begin_notice("offline", "away again")
    (again,) = run.store.notices()
    assert (again.id, again.since) == (first.id, first.since)
    assert waiting(run.store) == [("", "begin")]


def test_what_was_told_to_be_over_begins_anew(run):
    run.store.tell(Audience(("lab",), CODES, calm_s=600))
    run.store.begin_notice("offline", "away")
    run.store.end_notice("offline")
    run.store.note_delivered(run.store.deliveries(only_open=True))
    run.store.begin_notice("offline", "away")
    assert len(run.store.notices(with_past=True)) == 2
    assert waiting(run.store) == [("", "begin")]


def test_a_target_that_fails_is_left_alone_for_a_while(run):
    run.store.tell(Audience(("lab", "phone"), CODES))
    run.store.begin_notice("offline", "away")
    run.store.begin_notice("full", "full")
    tried = run.store.deliveries(target="lab", only_open=True)[:1]
    run.store.note_undelivered("lab", tried, "connection refused", LATER)
    lab, phone = (run.store.deliveries(target=name) for name in ("lab", "phone"))
    assert [one.due_at for one in lab] == [LATER, LATER]
    assert [(one.attempts, one.last_error) for one in lab] == [(1, "connection refused"), (0, None)]
    assert all(one.due_at < LATER for one in phone)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=12), st.sampled_from([0, 600]))
def test_each_target_hears_begin_and_end_in_turn(tmp_path_factory, steps, calm_s):
    """Whatever begins, ends and is delivered in between: in turn, and the last word is true."""
    with CountStore.open(tmp_path_factory.mktemp("n") / "run.db") as store:
        store.tell(Audience(("lab",), CODES, calm_s))
        for lasts, delivered in steps:
            if lasts:
                store.begin_notice("offline", "away")
            else:
                store.end_notice("offline")
            if delivered:
                store.note_delivered(store.deliveries(only_open=True))
        heard = [(one.notice.id, one.part) for one in store.deliveries()]
        assert [part for _, part in heard] == ["begin", "end"] * (len(heard) // 2) + ["begin"] * (
            len(heard) % 2
        )
        assert len(set(heard)) == len(heard)
        assert bool(store.notices()) == (bool(heard) and heard[-1][1] == "begin")
