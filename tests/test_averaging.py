"""Means and bands of groups against the functions that they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from livecount.growth import GrowthSeries, SpreadKind, group_curve, mean_line, spread_of
from livecount.growth.curves import FittedCurve

HOURS = np.arange(6.0)


def wells(n: int) -> list[GrowthSeries]:
    rng = np.random.default_rng(n)
    return [GrowthSeries(HOURS + 0.01 * k, rng.uniform(20, 200, 6)) for k in range(n)]


@pytest.mark.parametrize("kind", ["interval", "sd", "sem"])
@pytest.mark.parametrize("n", [2, 3, 9])
def test_every_visit_has_the_spread_of_its_wells(n: int, kind: SpreadKind) -> None:
    replicates = wells(n)
    found = group_curve(replicates, kind)
    for visit in range(6):
        spread = spread_of([well.counts[visit] for well in replicates])
        high = {
            "interval": spread.high,
            "sd": (spread.mean or 0) + (spread.sd or 0),
            "sem": (spread.mean or 0) + (spread.sem or 0),
        }[kind]
        assert found.values[visit] == pytest.approx(spread.mean)
        assert found.high[visit] == pytest.approx(high)
        assert found.values[visit] - found.low[visit] == pytest.approx(
            found.high[visit] - found.values[visit]
        )
    assert found.n_wells.tolist() == [n] * 6


def test_one_well_at_a_visit_has_no_band() -> None:
    first, second = wells(2)
    found = group_curve([first, GrowthSeries(second.times_h[:3], second.counts[:3])])
    assert np.isfinite(found.low).tolist() == [True] * 3 + [False] * 3
    assert np.isfinite(found.values).all()
    assert found.n_wells.tolist() == [2, 2, 2, 1, 1, 1]


def test_no_wells_make_an_empty_curve() -> None:
    assert len(group_curve([]).values) == 0


def test_the_mean_line_is_the_mean_of_the_wells_lines() -> None:
    curves = [FittedCurve(0.05, 0.0, 40.0, None), FittedCurve(0.02, 0.0, 60.0, None)]
    hours, values = mean_line(curves, 0.0, 10.0, 5)
    assert hours.tolist() == [0.0, 2.5, 5.0, 7.5, 10.0]
    assert values[0] == pytest.approx(50.0)
    assert values[-1] == pytest.approx((40 * np.exp(0.5) + 60 * np.exp(0.2)) / 2)
    assert len(mean_line([], 0.0, 1.0)[0]) == 0
    assert len(mean_line(curves, 3.0, 3.0)[0]) == 0
