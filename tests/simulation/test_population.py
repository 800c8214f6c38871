"""Cells move, keep apart, round up, split and die as told."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from livecount.simulation.population import Population, PopulationSettings


def population(seed=0, **changes):
    settings = {
        "founders": 60,
        "doubling_time_h": 20.0,
        "cycle_cv": 0.2,
        "death_rate_per_h": 0.004,
        "height_px": 600,
        "width_px": 800,
        "cell_diameter_px": 30.0,
        "speed_diameters_per_h": 0.4,
        "horizon_h": 40.0,
    } | changes
    return Population(PopulationSettings(**settings), np.random.default_rng(seed))


def test_the_field_starts_with_its_founders():
    for seed in range(5):
        assert population(seed).cells().count == 60


def test_field_counts_grow_with_the_set_doubling_time():
    ratios = []
    for seed in range(40):
        cells = population(seed, founders=50)
        cells.advance_to(30.0)
        ratios.append(cells.cells().count / 50)
    error = np.std(ratios) / np.sqrt(len(ratios))
    assert abs(np.mean(ratios) - 2**1.5) < 3.5 * error
    assert error < 0.08


def test_steps_do_not_depend_on_what_is_looked_at():
    a, b = population(3), population(3)
    a.advance_to(10.0)
    b.advance_to(10.0)
    b.cells()
    for cells in (a, b):
        cells.advance_to(20.0)
    np.testing.assert_array_equal(a.cells().centres(), b.cells().centres())


def test_cells_move_persistently_but_not_far():
    cells = population(death_rate_per_h=0.0, doubling_time_h=np.inf, founders=10)
    before = cells.cells()
    cells.advance_to(1.0)
    after = cells.cells()
    moved = np.hypot(after.y_px - before.y_px, after.x_px - before.x_px)
    assert 0.1 * 30 < np.median(moved) < 0.8 * 30
    assert moved.max() < 2.5 * 30


def test_cells_keep_their_distance():
    cells = population(founders=150)
    cells.advance_to(10.0)
    now = cells.cells()
    spread = now.live & (now.roundness < 0.05)
    centres = np.column_stack([now.y_px[spread], now.x_px[spread]])
    nearest = cKDTree(centres).query(centres, 2)[0][:, 1]
    assert np.quantile(nearest, 0.02) > 0.6 * 30


def test_cells_stay_in_the_arena():
    cells = population(speed_diameters_per_h=3.0)
    border = cells.settings.border_px
    for hours in range(1, 30, 4):
        cells.advance_to(float(hours))
        now = cells.cells()
        assert np.all((now.y_px >= -border - 1) & (now.y_px <= 600 + border))
        assert np.all((now.x_px >= -border - 1) & (now.x_px <= 800 + border))


def test_dividing_cells_are_round_and_their_daughters_lie_side_by_side():
    cells = population(death_rate_per_h=0.0)
    seen_dividing = seen_sisters = 0
    previous = cells.cells()
    for step in range(1, 120):
        cells.advance_to(step / 6)
        now = cells.cells()
        late = now.dividing & (cells.lineage.division_h[now.identity] - step / 6 < 0.6)
        assert np.all(now.roundness[late] > 0.95)
        seen_dividing += np.count_nonzero(late)
        born = np.setdiff1d(now.identity, previous.identity)
        for first in born[::2]:
            rows = np.flatnonzero(np.isin(now.identity, (first, first + 1)))
            apart = np.hypot(np.diff(now.y_px[rows]), np.diff(now.x_px[rows]))[0]
            assert 0.3 * 30 < apart < 1.3 * 30
            seen_sisters += 1
        previous = now
    assert seen_dividing > 50
    assert seen_sisters > 50


def test_dead_cells_are_seen_for_a_while_and_never_counted():
    cells = population(death_rate_per_h=0.05, doubling_time_h=np.inf)
    cells.advance_to(10.0)
    now = cells.cells()
    dead = ~now.live
    assert now.n_dead > 0
    assert now.count == np.count_nonzero(now.live & now.in_field)
    assert not np.any(now.dividing & dead)
    cells.advance_to(40.0)
    assert not np.any(cells.cells().dead_h > 28.0)


def test_time_cannot_run_back():
    cells = population()
    cells.advance_to(2.0)
    with pytest.raises(ValueError, match="run back"):
        cells.advance_to(1.0)


def test_no_founders_stay_none():
    cells = population(founders=0)
    cells.advance_to(20.0)
    assert cells.cells().count == 0
    assert cells.cells().centres().shape == (0, 2)
