"""Matching and scores on cases whose answer is known by hand, and rules that always hold."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from livecount.evaluation import (
    FrameScore,
    Matches,
    SweepFrame,
    match_assignment,
    match_paper,
    score_frame,
    summarise,
    sweep_h,
)
from livecount.frame import Candidates

Points = npt.NDArray[np.float64]

point_sets = st.integers(0, 6).flatmap(
    lambda n: hnp.arrays(np.float64, (n, 2), elements=st.integers(0, 12).map(float))
)


def as_pairs(matches: Matches) -> list[tuple[int, int]]:
    return list(zip(matches.detected.tolist(), matches.annotated.tolist(), strict=True))


@pytest.mark.parametrize(
    ("detected", "annotated", "paper", "assignment"),
    [
        # Far apart, each with its own.
        ([[0, 0], [50, 50]], [[51, 50], [1, 0]], [(0, 1), (1, 0)], [(0, 1), (1, 0)]),
        # One detection near two markers: it is nobody's by the paper's rule.
        ([[0, 0]], [[0, 3], [0, -4]], [], [(0, 0)]),
        # Two detections on one marker.
        ([[0, 3], [0, -4]], [[0, 0]], [], [(0, 0)]),
        # Two crowded cells found perfectly: the paper's rule discards both.
        ([[0, 0], [0, 8]], [[0, 0], [0, 8]], [], [(0, 0), (1, 1)]),
        # A chain: only the last marker and the last detection are free of rivals, and not paired.
        ([[0, 0], [0, 12]], [[0, 6], [0, 18]], [], [(0, 0), (1, 1)]),
        # Nearest first would leave one out: the largest number of pairs comes before the distance.
        ([[0, 0], [0, 9]], [[0, 5], [0, -9]], [], [(0, 1), (1, 0)]),
        # As many pairs either way: the smaller total distance.
        ([[0, 0], [0, 9]], [[0, 1], [0, 8]], [], [(0, 0), (1, 1)]),
        # A crowded pair does not spoil a third cell elsewhere.
        (
            [[0, 0], [0, 8], [90, 90]],
            [[0, 0], [0, 8], [91, 91]],
            [(2, 2)],
            [(0, 0), (1, 1), (2, 2)],
        ),
        # Exactly at the radius is not closer than it.
        ([[0, 0]], [[6, 8]], [], []),
        ([[0, 0]], [[6, 7.99]], [(0, 0)], [(0, 0)]),
        # Nothing found, nothing annotated.
        ([], [[1, 1]], [], []),
        ([[1, 1]], [], [], []),
        ([], [], [], []),
    ],
)
def test_hand_made_matches(
    detected: list[list[float]],
    annotated: list[list[float]],
    paper: list[tuple[int, int]],
    assignment: list[tuple[int, int]],
) -> None:
    assert as_pairs(match_paper(detected, annotated, 10)) == paper
    assert as_pairs(match_assignment(detected, annotated, 10)) == assignment


def test_same_place_matches_at_distance_zero() -> None:
    assert as_pairs(match_assignment([[3, 3]], [[3, 3]], 1)) == [(0, 0)]
    assert as_pairs(match_paper([[3, 3]], [[3, 3]], 1)) == [(0, 0)]


@given(point_sets, point_sets, st.sampled_from([1.0, 2.5, 5.0, 20.0]))
def test_the_papers_rule_word_by_word(detected: Points, annotated: Points, radius: float) -> None:
    close = [[math.dist(d, a) < radius for a in annotated] for d in detected]
    expected = [
        (i, j)
        for i, j in itertools.product(range(len(detected)), range(len(annotated)))
        if close[i][j] and sum(close[i]) == 1 and sum(row[j] for row in close) == 1
    ]
    assert as_pairs(match_paper(detected, annotated, radius)) == expected


@given(point_sets, point_sets, st.sampled_from([1.0, 2.5, 5.0, 20.0]))
def test_assignment_is_the_best_of_all(detected: Points, annotated: Points, radius: float) -> None:
    found = match_assignment(detected, annotated, radius)
    assert len(set(found.detected)) == len(set(found.annotated)) == len(found)
    distances = [math.dist(detected[i], annotated[j]) for i, j in as_pairs(found)]
    assert all(distance < radius for distance in distances)
    best = _best_assignment(detected, annotated, radius)
    assert (len(found), sum(distances)) == pytest.approx(best)


def _best_assignment(detected: Points, annotated: Points, radius: float) -> tuple[int, float]:
    """Try every assignment: most pairs first, then the smallest total distance."""

    def best(i: int, free: frozenset[int]) -> tuple[int, float]:
        if i == len(detected):
            return 0, 0.0
        options = [best(i + 1, free)]
        for j in free:
            distance = math.dist(detected[i], annotated[j])
            if distance < radius:
                pairs, total = best(i + 1, free - {j})
                options.append((pairs - 1, total + distance))
        return min(options)

    pairs, total = best(0, frozenset(range(len(annotated))))
    return -pairs, total


@given(point_sets, point_sets)
def test_the_paper_never_pairs_more_than_assignment_and_swapping_sides_changes_nothing(
    detected: Points, annotated: Points
) -> None:
    for match in (match_paper, match_assignment):
        assert len(match(detected, annotated, 4)) == len(match(annotated, detected, 4))
    paper = as_pairs(match_paper(detected, annotated, 4))
    assert set(paper) <= set(as_pairs(match_assignment(detected, annotated, 4)))


def test_five_thousand_cells_in_one_crowd_are_assigned_in_seconds() -> None:
    rng = np.random.default_rng(0)
    annotated = rng.uniform(0, 1500, (5000, 2))
    detected = rng.permutation(annotated + rng.normal(0, 3, annotated.shape))
    start = time.perf_counter()
    assert len(match_assignment(detected, annotated, 30)) == 5000
    assert time.perf_counter() - start < 20


def test_bad_points_and_radius_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        match_paper([[1, 2, 3]], [[1, 2]], 3)
    with pytest.raises(ValueError, match="radius"):
        match_assignment([[1, 2]], [[1, 2]], 0)


def frame_score(
    annotated: int,
    detected: int,
    paper: int = 0,
    assigned: int = 0,
    ceiling: int = 0,
    *,
    area_px: float = 1e6,
) -> FrameScore:
    return FrameScore("frame", area_px, annotated, detected, paper, assigned, ceiling)


def test_scores_pool_all_cells_of_a_set() -> None:
    frames = [frame_score(10, 8, 6, 7, 9), frame_score(30, 32, 18, 27, 27)]
    assert summarise(frames) == {
        "images": 2,
        "annotated": 40,
        "detected": 40,
        "true_positives": 24,
        "precision": 60.0,
        "recall": 60.0,
        "f_score": 60.0,
        "f_score_ceiling": 90.0,
        "precision_assignment": 85.0,
        "recall_assignment": 85.0,
        "f_score_assignment": 85.0,
        "count_bias_percent": 0.0,
        "bias_slope_percent_per_doubling": None,
    }


def test_f_score_is_the_harmonic_mean_of_precision_and_recall() -> None:
    scores = summarise([frame_score(50, 20, 15, 18)])
    assert scores["precision"] == 75
    assert scores["recall"] == 30
    assert scores["f_score"] == pytest.approx(2 * 75 * 30 / 105)
    assert scores["f_score_assignment"] == pytest.approx(2 * 90 * 36 / 126)
    assert scores["count_bias_percent"] == -60


def test_no_detections_score_zero() -> None:
    scores = summarise([frame_score(5, 0, ceiling=5)])
    for key in ("precision", "recall", "f_score", "precision_assignment", "f_score_assignment"):
        assert scores[key] == 0
    assert scores["count_bias_percent"] == -100
    assert scores["f_score_ceiling"] == 100


def test_without_annotations_there_is_no_recall_but_false_detections_are_imprecise() -> None:
    scores = summarise([frame_score(0, 4)])
    assert scores["precision"] == 0
    assert scores["recall"] is scores["f_score"] is scores["count_bias_percent"] is None
    assert summarise([frame_score(0, 0)])["precision"] is None
    assert summarise([])["images"] == 0


@pytest.mark.parametrize("slope", [-0.1, 0.0, 0.25])
def test_bias_slope_recovers_a_recall_that_changes_with_density(slope: float) -> None:
    # A hundred thousand cells and more, so that rounding to whole cells does not matter.
    frames = [
        frame_score(n, round(n * 0.9 * math.exp(slope * doublings)))
        for doublings in range(4)
        for n in [100_000 * 2**doublings]
    ]
    found = summarise(frames)["bias_slope_percent_per_doubling"]
    assert found == pytest.approx(100 * slope, abs=1e-2)


def test_bias_slope_is_over_density_not_over_number() -> None:
    # Twice the cells on twice the area is the same density.
    frames = [frame_score(100 * k, 90 * k, area_px=1e6 * k) for k in (1, 2, 3)]
    assert summarise(frames)["bias_slope_percent_per_doubling"] is None
    frames[2] = frame_score(300, 135, area_px=1.5e6)
    # Half the recall at twice the density: one doubling loses ln 2.
    found = summarise(frames)["bias_slope_percent_per_doubling"]
    assert found == pytest.approx(-100 * math.log(2))


@pytest.mark.parametrize(
    "frames",
    [
        [frame_score(10, 10), frame_score(20, 18)],
        [frame_score(10, 10), frame_score(20, 18), frame_score(0, 3)],
        [frame_score(10, 10), frame_score(20, 18), frame_score(40, 0)],
        [frame_score(10, 10), frame_score(10, 9), frame_score(10, 8)],
    ],
    ids=["two frames", "two with cells", "one found nothing", "one density"],
)
def test_bias_slope_is_none_where_it_is_undefined(frames: list[FrameScore]) -> None:
    assert summarise(frames)["bias_slope_percent_per_doubling"] is None


def test_frame_score_counts_by_all_three_rules() -> None:
    annotated = [[20, 20], [20, 26], [60, 60]]
    detected = [[20, 20], [20, 26], [61, 60], [80, 20]]
    score = score_frame("f", detected, annotated, (100, 120), radius_px=10)
    assert score == FrameScore("f", 12_000, 3, 4, tp_paper=1, tp_assignment=3, ceiling_tp=1)


def test_what_lies_in_the_edge_margin_counts_neither_way() -> None:
    # The border is the outer edge of its pixels: at 9.5 a point is exactly 10 px away from it.
    annotated = [[9.5, 50], [9.4, 50], [50, 89.5], [50, 89.6], [3, 3]]
    detected = [[50, 50], [99, 50]]
    score = score_frame("f", detected, annotated, (100, 100), radius_px=5, edge_margin_px=10)
    assert (score.annotated, score.detected, score.area_px) == (2, 1, 6400)
    whole = score_frame("f", detected, annotated, (100, 100), radius_px=5)
    assert (whole.annotated, whole.detected, whole.area_px) == (5, 2, 10_000)


def test_a_margin_wider_than_the_frame_leaves_nothing() -> None:
    score = score_frame("f", [[5, 5]], [[5, 5]], (10, 10), radius_px=5, edge_margin_px=30)
    assert (score.area_px, score.annotated, score.detected) == (0, 0, 0)
    assert summarise([score] * 3)["bias_slope_percent_per_doubling"] is None


@given(point_sets, st.sampled_from([0.0, 3.0]))
def test_perfect_detections_reach_the_ceiling_and_100_by_assignment(
    cells: Points, margin: float
) -> None:
    cells = np.unique(cells, axis=0)
    score = score_frame("f", cells, cells, (13, 13), radius_px=4, edge_margin_px=margin)
    scores = summarise([score])
    assert scores["f_score"] == scores["f_score_ceiling"]
    assert score.tp_assignment == score.annotated
    assert scores["count_bias_percent"] == (0 if score.annotated else None)


def test_a_sweep_scores_each_h_as_if_it_were_detected_alone() -> None:
    candidates = Candidates(
        np.float32([10, 40, 70]), np.float32([10, 40, 70]), np.float32([0.5, 0.2, 0.05])
    )
    frame = SweepFrame("f", candidates, np.array([[10.0, 11.0], [40.0, 41.0]]), (100, 100))
    scores = sweep_h([frame, frame], [0.3, 0.2, 0.02], radius_px=5)
    assert list(scores) == [0.3, 0.2, 0.02]
    assert [scores[h]["detected"] for h in scores] == [2, 4, 6]
    assert [scores[h]["f_score"] for h in scores] == pytest.approx([200 / 3, 100, 80])
    margin = sweep_h([frame], [0.02], radius_px=5, edge_margin_px=20)
    assert (margin[0.02]["annotated"], margin[0.02]["detected"]) == (1, 2)
