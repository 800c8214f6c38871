"""The interval of a count: what must hold whatever the peaks are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecount.frame import Candidates
from livecount.uncertainty import (
    Calibration,
    FittedFrame,
    cells_among,
    count_interval,
    find_doubts,
    fit_calibration,
    widen,
)

H = 0.15
prominences = st.lists(st.floats(0.02, 2.0), max_size=60)
calibrations = st.builds(
    Calibration,
    intercept=st.floats(-5, 10),
    slope=st.floats(0, 8),
    found_share=st.floats(0.3, 1.0),
    frame_sd=st.floats(0, 0.5),
    n_frames=st.integers(2, 40),
)
limits = st.tuples(st.floats(-3, 3), st.floats(0, 3)).map(lambda pair: (pair[0], sum(pair)))


def count_at_h(peaks: list[float]) -> int:
    return sum(peak >= H for peak in peaks)


@given(calibrations, prominences)
def test_it_holds_the_count_and_is_not_negative(made: Calibration, peaks: list[float]) -> None:
    low, high = count_interval(made, peaks, count_at_h(peaks))
    assert 0 <= low <= count_at_h(peaks) <= high


@given(calibrations, prominences, st.floats(0.02, 2.0))
def test_one_more_peak_never_lowers_its_upper_end(
    made: Calibration, peaks: list[float], further: float
) -> None:
    before = count_interval(made, peaks, count_at_h(peaks))
    after = count_interval(made, [*peaks, further], count_at_h([*peaks, further]))
    assert after[1] >= before[1]


@given(calibrations, prominences, st.randoms())
def test_the_order_of_peaks_does_not_matter(made: Calibration, peaks: list[float], random) -> None:
    shuffled = random.sample(peaks, len(peaks))
    expected = made.moments(peaks)
    assert made.moments(shuffled) == pytest.approx(expected)


@given(calibrations)
def test_an_empty_frame_holds_none_to_some_cells(made: Calibration) -> None:
    low, high = count_interval(made, [], 0)
    assert low == 0
    # Of as many cells as can be, some may all be missed.
    assert high > 0 or made.found_share == 1


@given(st.integers(2, 39), prominences)
def test_a_fit_on_fewer_frames_gives_no_narrower_interval(few: int, peaks: list[float]) -> None:
    ends = [
        count_interval(Calibration(3.6, 2.2, 0.97, 0.04, n), peaks, count_at_h(peaks))
        for n in (few, few + 1)
    ]
    assert ends[0][0] <= ends[1][0]
    assert ends[0][1] >= ends[1][1]


@given(calibrations, prominences, limits, st.floats(0, 1))
def test_clicks_only_widen_and_wider_limits_widen_more(
    made: Calibration, peaks: list[float], log_limits: tuple[float, float], more: float
) -> None:
    count = count_at_h(peaks)
    interval = count_interval(made, peaks, count)
    wide = widen(interval, count, log_limits)
    wider = widen(interval, count, (log_limits[0] - more, log_limits[1] + more))
    assert wider[0] <= wide[0] <= interval[0]
    assert interval[1] <= wide[1] <= wider[1]


@given(st.integers(1, 5000), limits)
def test_clicks_reach_every_truth_that_they_allow(
    count: int, log_limits: tuple[float, float]
) -> None:
    low, high = widen(None, count, log_limits)
    for limit in log_limits:
        assert low - 0.5 <= count / math.exp(limit) <= high + 0.5


def test_where_cells_are_as_the_fit_says_nineteen_in_twenty_intervals_hold_them() -> None:
    rng = np.random.default_rng(7)
    made = Calibration(3.6, 2.2, 0.95, 0.0, 10_000)
    held = 0
    for _ in range(2000):
        peaks = np.exp(rng.uniform(np.log(0.02), np.log(1.0), rng.integers(20, 200)))
        among = (rng.random(len(peaks)) < made.probability(peaks)).sum()
        truth = among + rng.negative_binomial(among + 1, made.found_share)
        low, high = count_interval(made, peaks, round(made.moments(peaks)[0]))
        held += low <= truth <= high
    assert 0.94 <= held / 2000 <= 0.985


def test_a_fit_finds_what_made_the_peaks() -> None:
    rng = np.random.default_rng(3)
    frames = []
    for _ in range(60):
        peaks = np.exp(rng.uniform(np.log(0.02), 0, 200)).astype(np.float32)
        is_cell = rng.random(200) < Calibration(4.0, 2.5, 1.0, 0.0, 9).probability(peaks)
        missed = rng.binomial(int(is_cell.sum()), 0.1)
        frames.append(FittedFrame(peaks, is_cell, int(is_cell.sum()) + missed))
    fitted = fit_calibration(frames)
    assert fitted.intercept == pytest.approx(4.0, abs=0.25)
    assert fitted.slope == pytest.approx(2.5, abs=0.15)
    assert fitted.found_share == pytest.approx(1 / 1.1, abs=0.01)
    assert 0 < fitted.frame_sd < 0.15
    assert fitted.n_frames == 60
    assert Calibration.from_mapping(fitted.to_mapping()) == fitted


def test_peaks_that_prominence_parts_perfectly_have_a_finite_slope() -> None:
    peaks = np.array([0.9, 0.8, 0.05, 0.04], np.float32)
    frame = FittedFrame(peaks, peaks > 0.5, 2)
    assert fit_calibration([frame, frame]).slope < 50


def test_the_most_prominent_candidate_takes_the_cell() -> None:
    yx = np.array([[10, 10], [12, 10], [50, 50], [90, 90]], np.float32)
    candidates = Candidates(yx[:, 0], yx[:, 1], np.array([0.9, 0.5, 0.3, 0.1], np.float32))
    found = cells_among(candidates, [[12, 10], [52, 50]], radius_px=5)
    assert found.tolist() == [True, False, True, False]
    assert not cells_among(candidates, [], radius_px=5).any()


@pytest.mark.parametrize(
    "wrong",
    [{"slope": -1.0}, {"found_share": 0.0}, {"n_frames": 1}, {"intercept": math.nan}],
)
def test_an_impossible_calibration_is_refused(wrong: dict[str, float]) -> None:
    right = {"intercept": 3.6, "slope": 2.2, "found_share": 0.97, "frame_sd": 0.0, "n_frames": 6}
    assert Calibration.from_mapping(right).n_frames == 6
    with pytest.raises(ValueError, match="a calibration needs"):
        Calibration.from_mapping(right | wrong)


def test_nothing_to_fit_is_said() -> None:
    with pytest.raises(ValueError, match="two frames"):
        fit_calibration([FittedFrame(np.ones(1, np.float32), np.ones(1, bool), 1)])


@given(calibrations, prominences)
def test_a_count_is_doubtful_where_its_peaks_are_rarely_cells(
    made: Calibration, peaks: list[float]
) -> None:
    found = find_doubts(made, np.array(peaks))
    sure = [float(made.probability(peak)) for peak in peaks] or [1.0]
    needed = 0.7 if max(sure) >= 0.958 else 0.8
    assert found == (("doubtful_cells",) if np.mean(sure) < needed else ())


@pytest.mark.parametrize(
    ("peaks", "doubtful"),
    [
        pytest.param([], False, id="nothing counted"),
        pytest.param([0.25, 0.25, 0.25, 0.7], True, id="no peak stands out"),
        pytest.param([0.25, 0.25, 0.25, 0.9], False, id="one stands out among others"),
        pytest.param([0.1, 0.1, 0.1, 0.9], True, id="one stands out among debris"),
        pytest.param([0.7, 0.7, 0.7], False, id="all stand out well"),
    ],
)
def test_where_no_peak_is_plainly_a_cell_more_must_speak_for_the_others(
    peaks: list[float], *, doubtful: bool
) -> None:
    made = Calibration(intercept=3.5, slope=2.0, found_share=0.95, frame_sd=0.03, n_frames=6)
    assert find_doubts(made, np.array(peaks)) == (("doubtful_cells",) if doubtful else ())
