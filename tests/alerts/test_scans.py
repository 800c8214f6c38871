"""In what rhythm frames come, which is overdue, and which well is missing from a scan."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecount.alerts import Rhythm, overdue
from livecount.alerts.axis import Axis
from livecount.alerts.scans import missing_wells, rhythm_of, visits_of
from tests.alerts.made_counts import START, make_counts

AXIS = Axis("Europe/Berlin", START, 0.0)
WELLS = ("A1", "A2", "B1", "B2")


def missing(hours, *, now_h, waiting_h=None, lasting=()):
    """Give the wells that are missing, and those that cannot be told."""
    waiting = None if waiting_h is None else START + timedelta(hours=waiting_h)
    subjects = frozenset(f"well {well}" for well in lasting)
    found, undecided = missing_wells(
        visits_of(make_counts(hours)), AXIS, START + timedelta(hours=now_h), waiting, subjects
    )
    return [one.well for one in found], sorted(undecided)


def regular(n_scans, interval_h=2.0):
    return {
        well: [scan * interval_h + 0.05 * number for scan in range(n_scans)]
        for number, well in enumerate(WELLS)
    }


def without(hours, well, *scans):
    kept = [at_h for scan, at_h in enumerate(hours[well]) if scan not in scans]
    return {**hours, well: kept}


@settings(max_examples=30)
@given(
    n_scans=st.integers(3, 12),
    interval_h=st.floats(0.05, 24),
    spread=st.floats(0, 0.95),
    jitter=st.floats(0, 0.15),
    seed=st.integers(0, 99),
)
def test_no_well_is_missing_from_a_regular_run(n_scans, interval_h, spread, jitter, seed) -> None:
    """However long a scan takes within its interval, and also while the next one is under way."""
    noise = np.random.default_rng(seed)
    hours = {
        well: [
            interval_h * (scan + spread * number / len(WELLS) + jitter * noise.uniform(0, 0.5))
            for scan in range(n_scans)
        ]
        for number, well in enumerate(WELLS)
    }
    under_way = without(hours, "B2", n_scans - 1)
    for run in (hours, under_way):
        if len(run["B2"]) >= 3:
            last = max(max(each) for each in run.values())
            assert missing(run, now_h=last) == ([], [])


@pytest.mark.parametrize("interval_h", [0.1, 2.0, 24.0])
def test_a_well_left_out_of_a_scan_is_missing_until_it_is_back_twice(interval_h: float) -> None:
    whole = regular(9, interval_h)
    states = []
    lasting: tuple[str, ...] = ()
    for scan in range(4, 9):
        seen = {well: hours[: scan + 1] for well, hours in without(whole, "B1", 5).items()}
        seen["B1"] = [at_h for at_h in whole["B1"][: scan + 1] if at_h != whole["B1"][5]]
        found, _ = missing(seen, now_h=scan * interval_h + 0.7 * interval_h, lasting=lasting)
        states.append(found == ["B1"])
        lasting = tuple(found)
    assert states == [False, True, True, True, False]


def test_it_says_which_scan_and_how_many_others_are_in_it() -> None:
    (found,), _ = missing_wells(
        visits_of(make_counts(without(regular(6), "A2", 4))), AXIS,
        START + timedelta(hours=11), None, frozenset(),
    )  # fmt: skip
    assert found.text == (
        "Well A2 has no counted frame from the scan at 8.1 h, Tue 2026-12-01 21:03 CET "
        "(20:03 UTC); 3 of 3 others have"
    )


def test_a_pause_of_all_is_no_missing_well() -> None:
    hours = {well: [*times[:4], *(at_h + 12 for at_h in times[4:])]
             for well, times in regular(8).items()}  # fmt: skip
    assert missing(hours, now_h=27) == ([], [])
    back = {well: times[:5] for well, times in hours.items()}
    assert missing(back, now_h=21) == ([], [])
    assert missing(regular(5), now_h=500) == ([], [])


def test_frames_that_wait_to_be_counted_are_waited_for() -> None:
    late = without(regular(6), "A2", 4)
    assert missing(late, now_h=11, waiting_h=8.02) == ([], ["well A2"])
    assert missing(late, now_h=11, waiting_h=8.2) == (["A2"], [])
    assert missing(without(late, "A2", 4), now_h=12, waiting_h=8.05) == ([], ["well A2"])
    assert missing(without(late, "A2", 4), now_h=12, waiting_h=11.5) == (["A2"], [])


def test_rhythm_is_learnt_from_two_gaps_else_as_declared() -> None:
    assert rhythm_of(visits_of(make_counts(regular(2)))) is None
    assert rhythm_of(visits_of(make_counts(regular(2))), 3.0).interval_h == 3.0
    learnt = rhythm_of(visits_of(make_counts(regular(3))), 3.0)
    assert learnt.interval_h == pytest.approx(2.0)
    assert learnt.last_at == START + timedelta(hours=4.15)
    assert rhythm_of([]) is None


def test_fields_of_one_visit_are_no_rhythm() -> None:
    counts = make_counts(regular(4))
    beside = counts.assign(field="2", elapsed_h=counts["elapsed_h"] + 0.1)
    both = visits_of(pd.concat([counts.assign(field="1"), beside], ignore_index=True))
    assert rhythm_of(both).interval_h == pytest.approx(2.0)


@given(interval_h=st.floats(0.01, 100), factor=st.floats(1, 5), waited=st.floats(0, 10))
def test_a_frame_is_overdue_only_after_the_factor(interval_h, factor, waited) -> None:
    rhythm = Rhythm(interval_h, START)
    now = START + timedelta(hours=waited * interval_h)
    found = overdue(rhythm, factor, now, "12:00")
    if waited <= factor:
        assert found is None
    if waited * interval_h > factor * interval_h + 0.02:
        assert found is not None
