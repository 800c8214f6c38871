"""Frames unlike their neighbours: single faults are flagged, growth, noise and steps are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecount.flags import MEANINGS
from livecount.neighbours_in_time import neighbour_flags, unlike_neighbours

N = 40


def series(seed: int = 1, **changed: dict[int, float]) -> pd.DataFrame:
    """One growing field: sharpness, light and counts with ordinary scatter."""
    random = np.random.default_rng(seed)
    times = np.arange(N, dtype=float)
    table = pd.DataFrame(
        {
            "watched_folder": "/w", "plate": None, "well": "A1", "field": "1", "position": None,
            "channel": None, "z": None, "elapsed_h": times, "excluded": "",
            "focus": 0.01 * np.exp(0.01 * times + random.normal(0, 0.03, N)),
            "mean_intensity": 0.4 * np.exp(random.normal(0, 0.01, N)),
            "count": random.poisson(60 * 2 ** (times / 20)).astype(float),
        }
    )  # fmt: skip
    for name, values in changed.items():
        for at, factor in values.items():
            table.loc[at, name] *= factor
    return table


def flagged(table: pd.DataFrame) -> dict[int, str]:
    flags = neighbour_flags(table.sample(frac=1, random_state=2)).sort_index()
    return {int(at): text for at, text in flags.items() if text}


@pytest.mark.parametrize(
    ("column", "factor", "flag"),
    [
        ("focus", 0.5, "focus_lost"),
        ("mean_intensity", 0.7, "light_changed"),
        ("mean_intensity", 1.4, "light_changed"),
        ("count", 0.2, "count_jump"),
        ("count", 3.0, "count_jump"),
        ("count", 0.0, "no_cells"),
    ],
)
@pytest.mark.parametrize("at", [2, 20, N - 3])
def test_one_frame_at_fault_is_flagged_alone(
    column: str, factor: float, flag: str, at: int
) -> None:
    assert flagged(series(**{column: {at: factor}})) == {at: f"{flag};"}
    assert flag in MEANINGS


def test_ordinary_growth_is_not_flagged() -> None:
    alarms = [flagged(series(seed)) for seed in range(50)]
    assert sum(map(len, alarms)) <= 2


def test_a_step_is_no_fault_of_one_frame() -> None:
    washed = series(count=dict.fromkeys(range(20, N), 0.4))
    brighter = series(mean_intensity=dict.fromkeys(range(20, N), 1.5))
    assert flagged(washed) == flagged(brighter) == {}


def test_sharper_is_no_fault() -> None:
    assert flagged(series(focus={20: 3.0})) == {}


def test_excluded_frames_neither_judge_nor_are_judged() -> None:
    table = series(count={20: 3.0})
    table.loc[20, "excluded"] = "bubble"
    assert flagged(table) == {}


def test_fields_are_judged_apart_and_short_series_not_at_all() -> None:
    dense = series().assign(field="2")
    dense["count"] *= 20
    both = pd.concat([series(), dense], ignore_index=True)
    assert flagged(both) == {}
    assert flagged(series(count={2: 9.0}).iloc[:4]) == {}
    assert flagged(series().iloc[:0]) == {}


@given(st.lists(st.floats(-1e100, 1e100) | st.sampled_from([np.nan, np.inf, -np.inf]), max_size=30))
def test_whatever_the_values_the_answer_has_their_length(values: list[float]) -> None:
    difference, expected = unlike_neighbours(np.array(values), 0.1)
    assert len(difference) == len(expected) == len(values)
    assert np.isfinite(difference).all()


@given(st.lists(st.integers(-8, 8), min_size=8, max_size=30), st.integers(-9, 9))
def test_only_differences_count(values: list[int], shift: int) -> None:
    plain, expected = unlike_neighbours(np.array(values, float), 0.1)
    moved, expected_moved = unlike_neighbours(np.array(values, float) + shift, 0.1)
    assert moved.tolist() == plain.tolist()
    np.testing.assert_array_equal(expected_moved, expected + shift)
