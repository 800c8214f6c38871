"""Agreement of counts with people's, and which counts a validation speaks of."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from livecount.agreement import Agreement, agree
from livecount.validated import describe, usable, validation_states
from tests.storage.made_frames import make_validation

NAN = math.nan
PER_AREA = replace(
    make_validation(),
    density_unit="per mm2",
    density_low=100.0,
    density_high=800.0,
    pixel_size_um=0.65,
)
pairs = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), max_size=30)


@given(pairs)
def test_agreement_is_bland_altman_on_logs(found: list[tuple[int, int]]) -> None:
    logs = [math.log(a / b) for a, b in found if a and b]
    made = agree(found)
    assert made.n == len(logs)
    if not logs:
        assert made.bias_percent is None
        return
    assert made.bias_percent == pytest.approx(100 * (stats.gmean(np.exp(logs)) - 1))
    if len(logs) < 3:
        assert made.limits_percent is made.log_limits_of_new is made.bias_interval_percent is None
        return
    sd = np.std(logs, ddof=1)
    ends = np.mean(logs) + np.array([-1, 1]) * 1.96 * sd
    assert made.limits_percent == pytest.approx(tuple(100 * np.expm1(ends)), abs=1e-6)
    low, high = made.log_limits_of_new
    assert low <= made.log_limits[0] <= made.log_limits[1] <= high


def test_limits_of_a_new_frame_hold_nineteen_in_twenty_even_from_few_fields() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(4000):
        logs = rng.normal(0.1, 0.2, 5)
        made = Agreement(4, float(logs[:4].mean()), float(logs[:4].std(ddof=1)))
        low, high = made.log_limits_of_new
        held += low <= logs[4] <= high
    assert 0.94 < held / 4000 < 0.96


@pytest.mark.parametrize(
    ("count", "density", "size", "state"),
    [
        (50, 100.0, 0.65, "validated"),
        (50, 800.0, 0.655, "validated"),
        (50, 99.0, 0.65, "outside the validated range"),
        (50, 801.0, 0.65, "outside the validated range"),
        (50, 300.0, 0.325, "outside the validated range"),
        (50, NAN, NAN, "outside the validated range"),
    ],
)
def test_a_count_is_covered_by_its_density_and_pixel_size(count, density, size, state) -> None:
    assert validation_states([PER_AREA], [count], [density], [size]) == [state]


def test_without_pixel_sizes_the_field_is_the_unit() -> None:
    counts, nothing = [0, 1, 6, 7], [NAN] * 4
    states = validation_states([make_validation()], counts, nothing, nothing)
    assert [state == "validated" for state in states] == [False, True, True, False]
    refined = validation_states([make_validation()], [5], [300.0], [0.65])
    assert refined == ["outside the validated range"]


def test_several_validations_cover_what_any_of_them_covers() -> None:
    further = replace(PER_AREA, density_low=1000.0, density_high=2000.0)
    states = validation_states([further, PER_AREA], [5] * 3, [200.0, 900.0, 1500.0], [0.65] * 3)
    assert states == ["validated", "outside the validated range", "validated"]


def test_too_few_fields_validate_nothing() -> None:
    few = replace(PER_AREA, agreement=Agreement(2, 0.1, 0.1))
    assert validation_states([few], [5], [200.0], [0.65]) == ["not validated"]
    assert describe([]) == "not validated"
    assert "too few fields" in describe([few])
    assert describe([few, PER_AREA]) == describe([PER_AREA])
    assert "from 100 to 800 cells per mm2 (4 fields, anna, 2026-11-20)" in describe([PER_AREA])


def test_what_was_clicked_blind_goes_first() -> None:
    blind = replace(PER_AREA, made_by="blind")
    led = replace(PER_AREA, made_by="led", n_not_blind=3)
    assert [one.made_by for one in usable([led, blind, led])] == ["blind", "led", "led"]
    assert "4 fields, blind" in describe([led, blind])
    assert "4 fields, 3 of them not blind, led" in describe([led])
    assert validation_states([led], [5], [300.0], [0.65]) == ["validated"]


def test_a_frame_with_cells_in_one_count_alone_contradicts() -> None:
    agreeing = [(10, 10), (20, 21), (30, 29)]
    assert not agree([*agreeing, (0, 0), (2, 0), (0, 1)]).contradiction
    assert "misses fields altogether (0 counted against 3)" in (
        agree([*agreeing, (0, 3)]).contradiction
    )
    both = agree([*agreeing, (40, 0), (5, 0), (0, 7)])
    assert both.one_sided == ((40, 0), (0, 7), (5, 0))
    assert both.contradiction == (
        "the model finds cells where there are none (up to 40 counted against 0) and "
        "the model misses fields altogether (0 counted against 7)"
    )


def test_a_contradiction_validates_nothing_until_a_later_validation_is_without() -> None:
    contradicted = replace(
        PER_AREA,
        agreement=agree([(10, 10), (20, 21), (30, 29), (40, 0)]),
        made_at=PER_AREA.made_at + timedelta(days=1),
    )
    later = replace(PER_AREA, made_by="later", made_at=PER_AREA.made_at + timedelta(days=2))
    known = [contradicted, PER_AREA]
    assert validation_states(known, [5], [200.0], [0.65]) == ["not validated"]
    assert describe(known).startswith("not validated: the model finds cells where there are none")
    assert [one.made_by for one in usable([later, *known])] == ["later"]
    assert validation_states([later, *known], [5], [200.0], [0.65]) == ["validated"]
