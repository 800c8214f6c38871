"""Rules of the fit of any counts: scale, time's origin, order, no number that is none."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecount.growth import (
    GrowthFit,
    GrowthSeries,
    Verdict,
    combine_wells,
    fit_series,
    fit_wells,
    growth_table,
)
from tests.test_growth import HOURS, counts_of

noisy = st.lists(st.integers(0, 400), min_size=4, max_size=25)


@given(noisy, st.floats(1e-3, 1e3))
@settings(max_examples=40)
def test_scaling_the_counts_does_not_change_the_rate(counts: list[int], factor: float) -> None:
    times = np.arange(len(counts))
    plain = fit_series(GrowthSeries(times, counts))
    scaled = fit_series(GrowthSeries(times, np.array(counts) * factor))
    assert_same_rate(plain, scaled)


@given(noisy, st.floats(-1000, 1000))
@settings(max_examples=40)
def test_shifting_time_does_not_change_the_rate(counts: list[int], shift: float) -> None:
    times = np.arange(len(counts))
    plain = fit_series(GrowthSeries(times, counts))
    assert_same_rate(plain, fit_series(GrowthSeries(times + shift, counts)))


@given(noisy, st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_order_of_rows_does_not_matter(counts: list[int], random: object) -> None:
    table = counts_of(
        {"A1": np.array(counts, float), "A2": np.array(counts[::-1], float)}, HOURS[: len(counts)]
    )
    order = list(range(len(table)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert growth_table(table.iloc[order]) == growth_table(table)


def assert_same_rate(one: GrowthFit, other: GrowthFit) -> None:
    assert one.fit == other.fit
    assert one.verdict is other.verdict
    if one.rate_per_h is not None:
        assert other.rate_per_h == pytest.approx(one.rate_per_h, rel=1e-4, abs=1e-7)


anything = st.one_of(
    st.none(), st.floats(), st.sampled_from([0, 0.0, 1, 5, -1, math.inf, math.nan, 1e300])
)


@given(
    st.lists(st.tuples(anything, anything), max_size=12),
    st.sampled_from(["auto", "logistic", "Gompertz", "log-linear"]),
)
@settings(max_examples=150)
def test_no_input_raises_or_gives_a_number_that_is_none(
    points: list[tuple[float, float]], model: str
) -> None:
    series = GrowthSeries([time for time, _ in points], [count for _, count in points])
    for fit in (fit_series(series, model=model), combine_wells(fit_wells([[series], [series]]))):
        for part in (fit, fit.shape):
            for item in dataclasses.fields(part):
                value = getattr(part, item.name)
                assert not isinstance(value, float) or math.isfinite(value), item.name
        told = (fit.shape.lag_h, fit.shape.plateau, fit.shape.area_under_curve)
        assert fit.shape.shape_reason or None not in told
        assert (fit.rate_per_h is None) == (fit.verdict is Verdict.NOT_COMPUTED)
        assert fit.reason
