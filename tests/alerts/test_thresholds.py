"""A threshold is reached once, forecast with an honest interval, and does not flap."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecount.alerts.axis import Axis, Place
from livecount.alerts.curves import curves_of
from livecount.alerts.kinds import THRESHOLD_FORECAST, THRESHOLD_REACHED
from livecount.alerts.thresholds import Threshold, forecast_of, judge_threshold
from livecount.growth import GrowthSeries, well_curve
from tests.alerts.made_counts import START, make_counts

A1 = Place(well="A1")
CONFLUENT = Threshold("confluence_percent", 80)
CELLS = Threshold("count", 300)


def curve_of(values, interval_h=2.0):
    return well_curve([GrowthSeries(np.arange(len(values)) * interval_h, values)])


def judge(values, threshold=CELLS, lasts=(), interval_h=2.0, ahead_h=24.0):
    curve = curve_of(values, interval_h)
    axis = Axis("Europe/Berlin", START, float(curve.times_h[-1]))
    subject = f"{A1.words}, {threshold.words}"
    lasting = frozenset((kind, subject) for kind in lasts)
    return judge_threshold(A1, curve, threshold, axis, ahead_h, lasting)


def logistic(n, percent_at_start=5.0, doubling_h=20.0, interval_h=2.0):
    odds = percent_at_start / (100 - percent_at_start)
    odds = odds * 2 ** (np.arange(n) * interval_h / doubling_h)
    return 100 * odds / (1 + odds)


def wobbling(values, share=0.02):
    return values * (1 + share * (-1.0) ** np.arange(len(values)))


def test_reaching_says_what_and_when_in_the_time_zone() -> None:
    found = judge([250.0, 290.0, 310.0])
    assert (found.kind, found.well) == (THRESHOLD_REACHED, "A1")
    assert found.text == (
        "Well A1 has reached 300 cells per field: 310 at 4 h, Tue 2026-12-01 17:00 CET (16:00 UTC)"
    )


def test_one_sudden_count_is_not_believed_until_the_next_one_says_so_too() -> None:
    assert judge([100.0, 101.0, 320.0]) is None
    assert judge([100.0, 320.0, 325.0]).kind == THRESHOLD_REACHED
    assert judge([320.0]) is None


@given(st.lists(st.floats(271, 400), min_size=2, max_size=20))
def test_it_lasts_while_the_value_stays_about_the_threshold(values) -> None:
    """Never over and reached anew by scatter of less than a tenth."""
    assert judge([310.0, 320.0, *values], lasts=[THRESHOLD_REACHED]).kind == THRESHOLD_REACHED


def test_it_is_over_after_two_scans_well_below() -> None:
    assert judge([310.0, 320.0, 200.0], lasts=[THRESHOLD_REACHED]) is not None
    assert judge([310.0, 320.0, 200.0, 190.0], lasts=[THRESHOLD_REACHED]) is None


@settings(max_examples=40)
@given(doubling_h=st.floats(12, 40), start=st.floats(3, 20), scatter=st.floats(0.001, 0.03))
def test_the_true_time_of_confluence_lies_in_the_interval(doubling_h, start, scatter) -> None:
    """Whenever a forecast is given; the wobble is the worst scatter of its size for a line."""
    whole = logistic(60, start, doubling_h)
    seen = whole[: max(8, int((whole < 60).sum()))]
    found = forecast_of(curve_of(wobbling(seen, scatter)), CONFLUENT)
    odds = math.log2(4 * (100 - start) / start)
    if found.low_h is not None and len(seen) < 60 and seen[-1] < 80:
        assert found.low_h <= odds * doubling_h <= found.high_h
        assert found.low_h <= found.at_h <= found.high_h


def test_a_forecast_begins_within_the_hours_ahead_and_stays() -> None:
    values = wobbling(logistic(51))  # 80 % comes at 125 h; the last scan is at 100 h
    assert judge(values, CONFLUENT) is None
    found = judge(values, CONFLUENT, ahead_h=26)
    assert found.kind == THRESHOLD_FORECAST
    assert "Well A1: 80 % confluent at 12" in found.text
    assert "\N{PLUS-MINUS SIGN}" in found.text
    assert "if growth goes on as so far" in found.text
    assert judge(values, CONFLUENT, ahead_h=20) is None
    assert judge(values, CONFLUENT, lasts=[THRESHOLD_FORECAST], ahead_h=20) is not None


def test_a_forecast_that_may_be_off_by_more_than_it_is_ahead_is_not_told() -> None:
    values = wobbling(logistic(61))[:60]  # 80 % comes at 125 h; the last scan is at 118 h
    found = forecast_of(curve_of(wobbling(values, 0.1)), CONFLUENT)
    assert found.high_h - found.at_h > found.at_h - 118
    assert judge(wobbling(values, 0.1), CONFLUENT) is None
    assert judge(wobbling(values, 0.1), CONFLUENT, lasts=[THRESHOLD_FORECAST]) is not None


@pytest.mark.parametrize(
    ("values", "threshold", "reason"),
    [
        ([50.0] * 5, CELLS, "fewer than 8 scans"),
        ([50.0, 51.0] * 10, CELLS, "not within the next"),
        (50 * 0.97 ** np.arange(20), CELLS, "not within the next"),
        (logistic(20), Threshold("confluence_percent", 100), "never reached"),
        (50 * 2 ** (np.arange(20) / 10) * np.exp(0.5 * np.sin(np.arange(20) ** 2)), CELLS, "s"),
    ],
)
def test_what_cannot_be_forecast_is_said_with_the_reason(values, threshold, reason) -> None:
    found = forecast_of(curve_of(values), threshold)
    assert (found.low_h, found.high_h) == (None, None)
    assert reason in found.reason
    assert judge(values, threshold) is None


def test_growth_in_waves_is_forecast_as_widely_as_it_was_off_before() -> None:
    hours = np.arange(0, 260, 1.0)
    percent = 100 / (1 + np.exp(4 - 0.03 * hours - 0.3 * np.sin(hours / 10)))
    held = []
    for n_seen in range(80, 160, 4):
        level = float(percent[n_seen + 8])
        curve = curve_of(wobbling(percent[:n_seen], 0.001), 1.0)
        found = forecast_of(curve, Threshold("confluence_percent", level))
        truth = hours[percent >= level][0]
        if found.low_h is not None and truth >= n_seen:
            held.append(found.low_h <= truth <= found.high_h)
    assert len(held) >= 15
    assert np.mean(held) >= 0.8


def test_growth_that_slows_down_is_forecast_later_than_a_straight_line_would() -> None:
    slowing = 1000 / (1 + 19 * 2 ** (-np.arange(0, 70, 1.0) / 20))
    found = forecast_of(curve_of(wobbling(slowing, 0.01), 1.0), Threshold("count", 450))
    truth = 20 * math.log2(19 * 450 / 550)
    rate, level = np.polyfit(np.arange(70), np.log(slowing), 1)
    straight = (np.log(450) - level) / rate
    assert straight < found.at_h
    assert found.low_h <= truth <= found.high_h


def test_positions_without_a_well_stand_for_themselves() -> None:
    hours = {"1": [0.0, 2.0], "2": [0.0, 2.0]}
    counts = make_counts(hours, count={"1": [10.0, 20.0], "2": [30.0, 40.0]})
    counts = counts.assign(position=counts["well"], well=None)
    found = {
        place.words: curve.values.tolist() for place, curve in curves_of(counts, "count").items()
    }
    assert found == {"position 1": [10.0, 20.0], "position 2": [30.0, 40.0]}
