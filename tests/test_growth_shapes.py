"""Curves with a plateau: which one is chosen, its lag, plateau and area; known answers."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.tsa.statespace.sarimax import SARIMAX

from livecount.growth import (
    GROWTH_COLUMNS,
    GrowthSeries,
    Verdict,
    combine_wells,
    fit_series,
    fit_wells,
    growth_table,
)
from livecount.growth.bending import fit_gompertz, fit_logistic
from livecount.growth.choosing import _aicc
from livecount.growth.lagged import fit_lagged_exponential, fit_lagged_logistic
from livecount.growth.shape import SHAPE_COLUMNS, CurveShape, combine_shapes
from livecount.plots import plot_growth
from tests.growth_truths import (
    FLOOR,
    HOURS,
    PLATEAU,
    RATE,
    gompertz,
    logistic,
    noisy,
    tangent_lag,
    waiting,
)
from tests.test_plots import texts_of

# known answers


@pytest.mark.parametrize("lag_h", [5.0, 12.0, 30.0])
def test_exact_gompertz_gives_its_parameters(lag_h: float) -> None:
    fit = fit_gompertz(HOURS, gompertz(HOURS, lag_h))
    assert fit is not None
    assert fit.curve.rate_per_h == pytest.approx(RATE, rel=1e-6)
    assert fit.curve.plateau == pytest.approx(PLATEAU, rel=1e-6)
    assert fit.curve.floor == pytest.approx(FLOOR, rel=1e-6)
    # Zwietering's own lag is that of the lower asymptote: floor instead of the first level.
    climb = math.log(fit.curve.reference_value / fit.curve.floor) / fit.curve.rate_per_h
    assert fit.curve.reference_h - climb == pytest.approx(lag_h, rel=1e-6)
    assert fit.curve.values(HOURS) == pytest.approx(gompertz(HOURS, lag_h), rel=1e-6)


@pytest.mark.parametrize("lag_h", [5.0, 12.0, 30.0])
def test_lag_is_where_the_steepest_tangent_meets_the_first_level(lag_h: float) -> None:
    fit = fit_series(GrowthSeries(HOURS, gompertz(HOURS, lag_h)))
    assert fit.fit == "Gompertz"
    fine = np.linspace(0, HOURS[-1], 200_001)
    assert fit.shape.lag_h == pytest.approx(tangent_lag(fine, gompertz(fine, lag_h)), abs=0.01)
    assert fit.shape.plateau == pytest.approx(PLATEAU, rel=1e-4)
    half = np.interp(PLATEAU / 2, gompertz(fine, lag_h), fine)
    assert fit.shape.half_plateau_h == pytest.approx(half, abs=0.01)


def test_the_lag_is_close_to_zwieterings_own_where_the_first_level_is_the_floor() -> None:
    fit = fit_series(GrowthSeries(HOURS, gompertz(HOURS, 30.0)))
    assert fit.shape.lag_h == pytest.approx(30, abs=0.1)


def test_exact_logistic_gives_plateau_half_plateau_and_no_lag() -> None:
    fit = fit_series(GrowthSeries(HOURS, logistic(HOURS)))
    assert fit.fit == "logistic"
    assert fit.shape.plateau == pytest.approx(PLATEAU, rel=1e-4)
    assert fit.shape.half_plateau_h == pytest.approx(math.log(19) / RATE, rel=1e-4)
    assert fit.shape.lag_h is None
    assert "a logistic without a lag was fitted" in fit.shape.shape_reason


def test_area_is_that_of_the_trapezoids() -> None:
    fit = fit_series(GrowthSeries([3, 0, 1], [40, 10, 20]))
    assert fit.shape.area_under_curve == pytest.approx(15 + 60)


# the choice


@pytest.mark.parametrize(
    ("truth", "name"),
    [
        (gompertz(HOURS, 12.0), "Gompertz"),
        (logistic(HOURS), "logistic"),
        (waiting(HOURS), "lagged logistic"),
        (waiting(HOURS, None), "lagged exponential"),
        (50 * np.exp(RATE * HOURS), "quasi-Poisson"),
    ],
)
@pytest.mark.parametrize("n_wells", [1, 4])
def test_noisy_counts_get_the_curve_that_made_them(
    truth: np.ndarray, name: str, n_wells: int
) -> None:
    rng = np.random.default_rng(6)
    groups = [noisy(rng, truth, n_wells) for _ in range(5)]
    fits = [fit for group in groups for fit in group if fit.fit == name]
    # One well alone is taken for another sigmoid now and then, wells that agree are not.
    assert len(fits) >= (5 * n_wells if n_wells > 1 else 3)
    assert np.mean([fit.rate_per_h for fit in fits]) == pytest.approx(RATE, rel=0.04)
    both = "below the logistic's"
    said = {"Gompertz": both, "lagged logistic": both, "quasi-Poisson": "exponential"}
    assert all(said.get(name, "AICc") in fit.fit_reason for fit in fits)


def test_growth_that_slows_far_below_a_plateau_is_said_to() -> None:
    early = np.arange(0, 48.1, 0.5)
    truth = logistic(early, start=150, plateau=9000)
    fits = fit_wells(
        [[GrowthSeries(early, np.random.default_rng(n).poisson(truth))] for n in range(4)]
    )
    assert {fit.fit for fit in fits} == {"quasi-Poisson"}
    assert "growth slows" in fits[0].fit_reason
    assert "mean over these hours" in fits[0].fit_reason


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.95])
def test_the_criterion_is_that_of_an_autoregression(correlation: float) -> None:
    rng = np.random.default_rng(12)
    residuals = np.zeros(60)
    for index in range(1, 60):
        residuals[index] = correlation * residuals[index - 1] + rng.normal() * 0.1
    rho = max(np.sum(residuals[1:] * residuals[:-1]) / np.sum(residuals**2), 0)
    ends = residuals[0] ** 2 * (1 - rho**2)
    variance = (np.sum((residuals[1:] - rho * residuals[:-1]) ** 2) + ends) / 60
    likelihood = SARIMAX(residuals, order=(1, 0, 0)).loglike([rho, variance])
    n_parameters = 4 + 2  # correlation and variance
    small = 2 * n_parameters * (n_parameters + 1) / (60 - n_parameters - 1)
    # Our likelihood leaves out what all curves share.
    shared = 60 * (math.log(2 * math.pi) + 1)
    expected = 2 * n_parameters + small - 2 * likelihood - shared
    assert _aicc(residuals, 4) == pytest.approx(expected, rel=1e-6)


def test_a_group_says_how_many_of_its_wells_bend() -> None:
    fits = noisy(np.random.default_rng(1), gompertz(HOURS, 12.0))
    assert "4 of 4 wells bend" in fits[0].fit_reason
    assert combine_wells(fits).fit_reason == fits[0].fit_reason


def test_lag_and_plateau_across_wells_have_t_intervals_that_hold_the_truth() -> None:
    rng = np.random.default_rng(2)
    truth = tangent_lag(np.linspace(0, 120, 100_001), gompertz(np.linspace(0, 120, 100_001), 12.0))
    lags = plateaus = 0
    for _ in range(30):
        shape = combine_wells(noisy(rng, gompertz(HOURS, 12.0))).shape
        lags += shape.lag_low_h <= truth <= shape.lag_high_h
        plateaus += shape.plateau_low <= PLATEAU <= shape.plateau_high
    # 30 runs of a 95 % interval: 25 or more but once in 300 times.
    assert min(lags, plateaus) >= 25


def test_a_curve_that_is_asked_for_is_fitted_or_said_to_be_impossible() -> None:
    series = GrowthSeries(HOURS, gompertz(HOURS, 12.0))
    fit = fit_series(series, model="Gompertz")
    assert (fit.fit, fit.fit_reason) == ("Gompertz", "Gompertz, as asked for")
    falling = fit_series(GrowthSeries(HOURS, 500 * np.exp(-RATE * HOURS)), model="Gompertz")
    assert falling.fit == "quasi-Poisson"
    assert "no growing Gompertz could be fitted" in falling.reason


# what cannot be computed


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (50 * np.exp(RATE * HOURS), "an exponential has neither lag nor plateau"),
        (np.full(len(HOURS), 70.0), "no growth resolved"),
        (500 * np.exp(-RATE * HOURS), "no growth resolved"),
        (np.zeros(len(HOURS)), "no curve could be fitted"),
        (np.where(np.arange(len(HOURS)) == 3, 5.0, np.nan), "less than two visits"),
        (np.where(HOURS < 60, np.inf, np.nan), "less than two visits"),
    ],
)
def test_what_has_no_lag_or_plateau_says_why(counts: np.ndarray, words: str) -> None:
    shape = fit_series(GrowthSeries(HOURS, counts)).shape
    assert (shape.lag_h, shape.plateau, shape.half_plateau_h) == (None, None, None)
    assert words in shape.shape_reason


def test_a_plateau_that_is_not_reached_is_no_number() -> None:
    early = HOURS <= 70
    fit = fit_series(GrowthSeries(HOURS[early], logistic(HOURS)[early]), model="logistic")
    assert fit.fit == "logistic"
    assert fit.shape.plateau is None
    assert "of the fitted plateau" in fit.shape.shape_reason


def test_counts_that_fall_after_the_plateau_give_none() -> None:
    rng = np.random.default_rng(3)
    dying = logistic(HOURS) * np.where(HOURS > 100, np.exp(-0.03 * (HOURS - 100)), 1)
    fit = fit_series(GrowthSeries(HOURS, rng.poisson(dying)), model="logistic")
    assert fit.shape.plateau is None
    assert "fall after the plateau" in fit.reason
    whole = fit_series(GrowthSeries(HOURS, rng.poisson(dying)), window=(None, 100))
    assert whole.shape.plateau == pytest.approx(PLATEAU, rel=0.1)


def test_growth_before_a_long_plateau_is_growth_and_before_a_fall_is_not() -> None:
    rng = np.random.default_rng(8)
    times = np.arange(0, 481, 6.0)
    fit = fit_series(GrowthSeries(times, rng.poisson(logistic(times))))
    assert (fit.fit, fit.verdict) == ("logistic", Verdict.GROWING)
    assert fit.doubling_time_h == pytest.approx(12, rel=0.1)
    times = np.arange(0, 97, 2.0)
    dying = np.where(times < 50, 100 * np.exp(0.06 * times), 2000 * np.exp(-0.06 * (times - 50)))
    fit = fit_series(GrowthSeries(times, rng.poisson(dying)))
    assert (fit.fit, fit.verdict) == ("logistic", Verdict.NOT_RESOLVED)
    assert "the counts fall after the plateau" in fit.reason
    assert fit.doubling_time_h is None


def test_a_curve_that_starts_above_half_its_plateau_has_no_half() -> None:
    fit = fit_series(GrowthSeries(HOURS, logistic(HOURS, start=1200)))
    assert fit.shape.plateau == pytest.approx(PLATEAU, rel=0.01)
    assert fit.shape.half_plateau_h is None
    assert "start above half" in fit.shape.shape_reason


def test_zeros_get_no_curve_with_a_plateau() -> None:
    counts = np.where(HOURS < 10, 0, logistic(HOURS))
    fit = fit_series(GrowthSeries(HOURS, counts))
    assert fit.fit == "quasi-Poisson"
    assert "counts of 0" in fit.fit_reason


def test_wells_over_different_hours_have_no_mean_area_and_equal_ones_have() -> None:
    counts = gompertz(HOURS, 12.0)
    whole, half = GrowthSeries(HOURS, counts), GrowthSeries(HOURS[:45], counts[:45])
    shape = combine_wells(fit_wells([[whole], [half]])).shape
    assert shape.area_under_curve is None
    assert "different hours" in shape.shape_reason
    shape = combine_wells(fit_wells([[whole], [whole]])).shape
    assert shape.area_under_curve == pytest.approx(np.trapezoid(counts, HOURS))
    assert shape.area_under_curve_low == pytest.approx(shape.area_under_curve)


def test_t_interval_of_known_lags_and_how_many_wells_have_one() -> None:
    shapes = [CurveShape(lag_h=lag, area_under_curve=5.0) for lag in (10.0, 12.0, 14.0)]
    shapes.append(
        CurveShape(area_under_curve=5.0, shape_reason="a logistic without a lag was fitted")
    )
    found = combine_shapes(shapes, [(0.0, 48.0)] * 4)
    # t(0.975, 2) = 4.302653; standard error 2 / sqrt(3).
    assert found.lag_h == pytest.approx(12)
    assert found.lag_high_h == pytest.approx(12 + 4.302653 * 2 / math.sqrt(3), rel=1e-6)
    assert "3 of 4 wells have a lag" in found.shape_reason
    assert "a logistic without a lag was fitted" in found.shape_reason


def test_intervals_hold_no_lag_below_zero_and_a_half_plateau_may_lie_before_t0() -> None:
    shapes = [
        CurveShape(lag_h=lag, half_plateau_h=lag - 20, area_under_curve=5.0 * lag)
        for lag in (1.0, 9.0)
    ]
    found = combine_shapes(shapes, [(-48.0, 48.0)] * 2)
    assert (found.lag_low_h, found.area_under_curve_low) == (0, 0)
    assert found.half_plateau_low_h == pytest.approx(-15 - 12.7062 * 4, rel=1e-4)


def test_wells_that_nobody_grouped_are_told_by_how_many_got_which_curve() -> None:
    rng = np.random.default_rng(5)
    truths = [gompertz(HOURS, 12.0), gompertz(HOURS, 12.0), 50 * np.exp(RATE * HOURS)]
    table = pd.concat(
        pd.DataFrame({"well": f"A{n}", "elapsed_h": HOURS, "count": rng.poisson(truth)})
        for n, truth in enumerate(truths, 1)
    )
    group = growth_table(table)[-1]
    assert group.fit_reason == "chosen for each well: Gompertz (2), quasi-Poisson (1)"
    assert "2 of 3 wells have a lag" in group.shape.shape_reason


def test_a_figure_says_which_curve_each_well_got(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    truths = {"A1": gompertz(HOURS, 12.0), "A2": logistic(HOURS)}
    table = pd.concat(
        pd.DataFrame({"well": well, "elapsed_h": HOURS, "count": rng.poisson(truth)})
        for well, truth in truths.items()
    )
    plot_growth(table, None, tmp_path / "growth.svg")
    words = " ".join(texts_of(tmp_path / "growth.svg"))
    assert re.search(r"A1: 1\d\.\d h, Gompertz", words)
    assert re.search(r"A2: 1\d\.\d h, logistic", words)


# the table


def test_the_table_ends_with_the_shape() -> None:
    assert GROWTH_COLUMNS[-len(SHAPE_COLUMNS) :] == SHAPE_COLUMNS
    rng = np.random.default_rng(4)
    table = pd.concat(
        pd.DataFrame({"well": w, "elapsed_h": HOURS, "count": rng.poisson(gompertz(HOURS, 12.0))})
        for w in ("A1", "A2", "A3")
    )
    rows = growth_table(table, groups=dict.fromkeys(("A1", "A2", "A3"), "ours"))
    records = [row.as_record() for row in rows]
    assert all(tuple(record) == GROWTH_COLUMNS for record in records)
    (group,) = [record for record in records if record["level"] == "group"]
    assert group["fit"] == "Gompertz"
    assert group["lag_low_h"] < group["lag_h"] < group["lag_high_h"]
    wells = [record["plateau"] for record in records if record["level"] == "well"]
    assert group["plateau"] == pytest.approx(np.mean(wells))


# rules


@given(
    st.floats(0.5, 3.0), st.floats(1e-2, 1e3), st.floats(-500, 500), st.sampled_from([5.0, 20.0])
)
@settings(max_examples=25)
def test_units_of_time_and_counts_move_the_shape_as_they_must(
    stretch: float, factor: float, shift: float, lag_h: float
) -> None:
    counts = np.random.default_rng(9).poisson(gompertz(HOURS, lag_h)).astype(float)
    plain = fit_series(GrowthSeries(HOURS, counts)).shape
    moved = fit_series(GrowthSeries(HOURS * stretch + shift, counts * factor)).shape
    assert moved.lag_h == pytest.approx(plain.lag_h * stretch, rel=1e-3, abs=1e-3)
    assert moved.plateau == pytest.approx(plain.plateau * factor, rel=1e-4)
    half = plain.half_plateau_h * stretch + shift
    assert moved.half_plateau_h == pytest.approx(half, rel=1e-4, abs=1e-2)
    area = plain.area_under_curve * stretch * factor
    assert moved.area_under_curve == pytest.approx(area, rel=1e-9)


@pytest.mark.parametrize(
    "fit", [fit_lagged_exponential, fit_logistic, fit_lagged_logistic, fit_gompertz]
)
def test_few_or_equal_points_give_no_curve_that_is_no_number(fit) -> None:
    assert fit(np.arange(4.0), np.ones(4)) is None
    assert fit(np.zeros(9), np.ones(9)) is None
    assert fit(np.arange(9.0), np.zeros(9)) is None
    flat = fit(np.arange(9.0), np.ones(9))
    assert flat is None or np.isfinite(flat.curve.values(np.arange(9.0))).all()


def test_a_constant_population_has_no_plateau_whatever_is_asked() -> None:
    for model in ("auto", "logistic", "Gompertz"):
        fit = fit_series(GrowthSeries(HOURS, np.full(len(HOURS), 70.0)), model=model)
        assert fit.verdict is Verdict.NOT_RESOLVED
        shape = dataclasses.asdict(fit.shape)
        assert [name for name, value in shape.items() if isinstance(value, float)] == [
            "area_under_curve"
        ]
