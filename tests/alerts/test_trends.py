"""Growth that stops and focus that drifts are seen, and scatter is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecount.alerts.axis import Axis, Place
from livecount.alerts.trends import judge_focus, judge_growth
from livecount.growth import GrowthSeries, well_curve

A1 = Place(well="A1")
TIMES_H = np.arange(0, 97, 2.0)


def growth(values, *, lasts=False):
    times_h = np.arange(len(values)) * 2.0
    axis = Axis("UTC", None, float(times_h[-1]))
    return judge_growth(A1, [GrowthSeries(times_h, values)], axis, lasts=lasts)


def counted(truth, seed):
    return np.random.default_rng(seed).poisson(truth).astype(float)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), doubling_h=st.floats(12, 36), founders=st.integers(40, 300))
def test_a_growing_population_has_not_stopped(seed, doubling_h, founders) -> None:
    assert growth(counted(founders * 2 ** (TIMES_H / doubling_h), seed)) is None


@pytest.mark.parametrize("seed", range(3))
def test_growth_that_stops_is_seen_within_a_doubling_time_and_lasts(seed: int) -> None:
    truth = 80 * 2 ** (np.minimum(TIMES_H, 48) / 20)
    values = counted(truth, seed)
    seen_h = [TIMES_H[n - 1] for n in range(12, 49) if growth(values[:n]) is not None]
    assert 48 < seen_h[0] <= 48 + 24
    assert growth(values, lasts=True) is not None
    again = np.concatenate([truth, truth[-1] * 2 ** (np.arange(2, 42, 2.0) / 20)])
    assert growth(counted(again, seed), lasts=True) is None


def test_growth_that_scatters_too_much_to_be_resolved_has_seldom_stopped() -> None:
    truth = 100 * 2 ** (np.arange(24) / 6)
    scatter = [np.exp(0.3 * np.random.default_rng(seed).normal(size=24)) for seed in range(20)]
    assert sum(growth(truth * noise) is not None for noise in scatter) <= 1


def test_it_says_since_when_and_how_fast_it_was() -> None:
    found = growth(np.where(TIMES_H < 60, 2 ** (TIMES_H / 20), 8.0) * 100)
    assert found.text.startswith("Well A1: no growth is seen since 6")
    assert "before, cells doubled in 2" in found.text
    dying = np.where(TIMES_H < 60, 2 ** (TIMES_H / 20), 8 * 2 ** (-(TIMES_H - 60) / 10)) * 100
    assert "the cells get fewer" in growth(dying[:38]).text


def test_what_never_grew_has_not_stopped() -> None:
    assert growth(counted(np.full(49, 200.0), 1)) is None
    assert growth(np.full(49, 0.0)) is None
    assert growth(np.full(8, 10.0)) is None


def focus(values, *, lasts=False):
    times_h = np.arange(len(values)) * 2.0
    axis = Axis("UTC", None, float(times_h[-1]))
    return judge_focus(A1, well_curve([GrowthSeries(times_h, values)]), axis, lasts=lasts)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 999), st.floats(0, 0.15), st.integers(8, 60), st.floats(0.5, 2))
def test_scatter_and_growing_texture_are_no_drift(seed, scatter, n, rise) -> None:
    noise = np.exp(scatter * np.random.default_rng(seed).uniform(-1, 1, n))
    assert focus(0.02 * np.linspace(1, max(rise, 1), n) * noise) is None


def test_scatter_as_large_as_a_loss_is_seldom_taken_for_one() -> None:
    """Three low visits after five high ones happen by chance too, where visits differ by half."""
    rng = np.random.default_rng(88)
    alarms = 0
    for _ in range(3000):
        noise = rng.uniform(0.3, 0.8) * rng.uniform(-1, 1, int(rng.integers(8, 30)))
        alarms += focus(0.02 * np.exp(noise)) is not None
    assert alarms <= 8


def test_the_loss_of_half_is_mostly_seen_where_visits_differ_by_a_fifth() -> None:
    rng = np.random.default_rng(7)
    seen = 0
    for _ in range(60):
        steps = np.concatenate([np.ones(int(rng.integers(5, 25))), np.full(20, 0.5)])
        values = 0.02 * steps * np.exp(0.2 * rng.normal(size=len(steps)))
        seen += any(focus(values[:n]) is not None for n in range(8, len(values) + 1))
    assert seen >= 42


@pytest.mark.parametrize("seed", range(3))
def test_focus_that_drifts_away_is_seen_before_half_is_lost(seed: int) -> None:
    drift = np.concatenate([np.ones(20), np.exp(-0.05 * np.arange(1, 30))])
    values = 0.03 * drift * np.exp(0.03 * np.random.default_rng(seed).normal(size=49))
    first = next(n for n in range(8, 50) if focus(values[:n]) is not None)
    assert 0.5 < drift[first - 1] < 0.72
    assert "sharpness has fallen to" in focus(values[:first]).text


def test_one_blurred_frame_is_no_drift_and_refocusing_ends_it() -> None:
    steady = np.full(20, 0.03)
    assert focus(np.concatenate([steady, [0.001]])) is None
    drifted = np.concatenate([steady, [0.018] * 4])
    assert focus(drifted) is not None
    assert focus(np.concatenate([drifted, [0.024] * 3])) is None
    assert focus(np.concatenate([drifted, [0.024] * 3]), lasts=True) is not None
    assert focus(np.concatenate([drifted, [0.029] * 3]), lasts=True) is None
