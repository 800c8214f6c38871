"""The branching process grows at exactly the rate that it was asked for."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecount.simulation import fitted_doubling_time_h
from livecount.simulation.lineage import cycle_times, grow_lineage


def lineage(n, doubling_time_h, *, cv=0.2, death=0.0, horizon_h=61.0, seed=0):
    times = cycle_times(doubling_time_h, cv=cv, death_rate_per_h=death)
    rng = np.random.default_rng(seed)
    return grow_lineage(n, times, death_rate_per_h=death, horizon_h=horizon_h, rng=rng)


@pytest.mark.parametrize(("cv", "death"), [(0.0, 0.0), (0.2, 0.0), (0.2, 0.01), (0.5, 0.005)])
def test_population_doubles_in_the_set_time(cv, death):
    cells = lineage(2000, 20.0, cv=cv, death=death)
    times = np.arange(0, 61, 2.0)
    counts = [np.count_nonzero(cells.alive(t)) for t in times]
    assert fitted_doubling_time_h(times, counts) == pytest.approx(20.0, rel=0.02)


@pytest.mark.parametrize("cv", [0.1, 0.3])
def test_growth_is_exponential_from_the_start(cv):
    # cells that all started young would not divide at all in the first quarter of a doubling
    counts = lineage(20_000, 20.0, cv=cv)
    for hours in (2.0, 5.0, 10.0, 15.0, 30.0):
        expected = 20_000 * 2 ** (hours / 20)
        assert np.count_nonzero(counts.alive(hours)) == pytest.approx(expected, rel=0.015)


def test_every_division_gives_two_daughters_at_the_mothers_end():
    cells = lineage(300, 15.0, death=0.01)
    daughters = np.flatnonzero(cells.parent >= 0)
    mothers, n = np.unique(cells.parent[daughters], return_counts=True)
    assert set(n) == {2}
    assert not cells.dies[mothers].any()
    assert np.all(cells.parent[daughters] < daughters)
    np.testing.assert_array_equal(cells.born_h[daughters], cells.end_h[cells.parent[daughters]])
    undivided = np.setdiff1d(np.flatnonzero(~cells.dies & (cells.end_h < 61.0)), mothers)
    assert len(undivided) == 0


def test_infinite_doubling_time_stands_still():
    cells = lineage(100, math.inf)
    assert len(cells) == 100
    assert np.count_nonzero(cells.alive(60.0)) == 100


def test_infinite_doubling_time_with_death_is_replaced_by_division():
    cells = lineage(5000, math.inf, death=0.02)
    assert cells.dies.any()
    assert np.count_nonzero(cells.alive(60.0)) == pytest.approx(5000, rel=0.06)


@given(
    st.floats(2, 500),
    st.floats(0.05, 0.9),
    st.floats(0, 0.5),
)
def test_cycle_times_satisfy_euler_lotka(doubling_time_h, cv, death):
    times = cycle_times(doubling_time_h, cv=cv, death_rate_per_h=death)
    rate = math.log(2) / doubling_time_h + death
    assert 2 * (1 + rate * times.scale_h) ** -times.shape == pytest.approx(1.0, rel=1e-6)
    assert 1 / math.sqrt(times.shape) == pytest.approx(cv)


def test_equal_seeds_give_equal_lineages():
    a, b, c = (lineage(50, 20.0, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(a.end_h, b.end_h)
    assert not np.array_equal(a.end_h[:50], c.end_h[:50])


@pytest.mark.parametrize(
    ("times", "counts"),
    [([], []), ([1.0], [5]), ([1.0, 2.0], [0, 0]), ([1.0, 2.0], [5, 5]), ([1.0, 2.0], [6, 5])],
)
def test_no_doubling_time_where_nothing_grows(times, counts):
    assert fitted_doubling_time_h(times, counts) is None
