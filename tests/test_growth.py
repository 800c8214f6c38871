"""Rates, doubling times, their intervals and verdicts from counts whose truth is known."""

import math

import numpy as np
import pandas as pd
import pytest

from livecount.growth import (
    GrowthFit,
    GrowthRow,
    GrowthSeries,
    Verdict,
    combine_wells,
    fit_fields,
    fit_series,
    fit_wells,
    well_curve,
)
from livecount.growth.bending import fit_logistic
from livecount.growth.curves import fit_exponential

RATE = math.log(2) / 20
HOURS = np.arange(0, 48.1, 1.0)

# NIST StRD, Rat42 (pasture yield over time): https://www.itl.nist.gov/div898/strd
RAT42 = GrowthSeries(
    [9, 14, 21, 28, 42, 57, 63, 70, 79],
    [8.93, 10.80, 18.59, 22.33, 39.35, 56.11, 61.73, 64.62, 67.08],
)
RAT43_ONIONS = [
    *(16.08, 33.83, 65.80, 97.20, 191.55, 326.20, 386.87, 520.53),
    *(590.03, 651.92, 724.93, 699.56, 689.96, 637.56, 717.41),
]


def exponential(n0: float = 100.0, rate: float = RATE, times: np.ndarray = HOURS) -> np.ndarray:
    return n0 * np.exp(rate * times)


def branching(rng: np.random.Generator, founders: int, times: np.ndarray) -> np.ndarray:
    """Count cells that divide at a constant hazard: exponential waiting times, event by event."""
    n, now, divisions = founders, 0.0, []
    while True:
        now += rng.exponential(1 / (RATE * n))
        if now > times[-1]:
            return founders + np.searchsorted(divisions, times, side="right").astype(float)
        divisions.append(now)
        n += 1


def counts_of(
    wells: dict[str, np.ndarray], times: np.ndarray = HOURS, **more: object
) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"experiment": "e", "well": w, "field": "1", "elapsed_h": times, "count": c})
        for w, c in wells.items()
    ]
    return pd.concat(parts, ignore_index=True).assign(**more)


def rows_at(rows: list[GrowthRow], level: str) -> list[GrowthRow]:
    return [row for row in rows if row.level == level]


# known answers


def test_logistic_gives_the_certified_parameters_of_rat42() -> None:
    fit = fit_logistic(RAT42.times_h, RAT42.counts, "linear")
    assert fit is not None
    assert fit.curve.plateau == pytest.approx(72.462237576, rel=1e-7)
    assert fit.curve.rate_per_h == pytest.approx(0.067359200066, rel=1e-7)
    shift = fit.curve.rate_per_h * fit.curve.reference_h
    assert shift == pytest.approx(2.6180768402, rel=1e-7)
    assert np.sum(fit.residuals**2) == pytest.approx(8.0565229338, rel=1e-7)


def test_logistic_explains_rat43_nearly_as_well_as_the_certified_richards_curve() -> None:
    fit = fit_logistic(np.arange(1.0, 16), np.array(RAT43_ONIONS), "linear")
    assert fit is not None
    squares = np.sum(fit.residuals**2)
    # The Richards curve has one parameter more: its certified sum of squares bounds from below.
    assert 8786.404908 < squares < 1.1 * 8786.404908
    assert fit.curve.plateau == pytest.approx(699.64, rel=0.02)


@pytest.mark.parametrize("model", ["auto", "quasi-Poisson", "log-linear"])
def test_exact_exponential_gives_its_doubling_time(model: str) -> None:
    fit = fit_series(GrowthSeries(HOURS, exponential()), model=model)
    assert fit.doubling_time_h == pytest.approx(20, rel=1e-6)
    assert fit.r_squared == pytest.approx(1, abs=1e-6)
    assert fit.verdict is Verdict.GROWING


def test_poisson_counts_give_twenty_hours_within_a_twentieth() -> None:
    rng = np.random.default_rng(5)
    found = [
        fit_series(GrowthSeries(HOURS, rng.poisson(exponential()))).doubling_time_h
        for _ in range(40)
    ]
    assert np.mean(found) == pytest.approx(20, rel=0.01)
    assert np.max(np.abs(np.array(found) - 20)) < 1.5


def test_logistic_rate_is_taken_where_the_curve_has_reached_its_plateau() -> None:
    rng = np.random.default_rng(3)
    times = np.arange(0, 96.1, 0.5)
    truth = 2000 / (1 + (2000 / 100 - 1) * np.exp(-RATE * times))
    fit = fit_series(GrowthSeries(times, rng.poisson(truth)))
    assert fit.fit == "logistic"
    assert fit.doubling_time_h == pytest.approx(20, rel=0.06)
    straight = fit_series(GrowthSeries(times, rng.poisson(truth)), model="quasi-Poisson")
    assert straight.doubling_time_h is not None
    assert straight.doubling_time_h > 26


def test_exponential_branching_growth_is_not_taken_for_logistic() -> None:
    rng = np.random.default_rng(8)
    names = [fit_series(GrowthSeries(HOURS, branching(rng, 100, HOURS))).fit for _ in range(60)]
    assert names.count("logistic") <= 3


def test_wells_of_a_group_get_the_same_curve() -> None:
    rng = np.random.default_rng(4)
    truth = 1000 / (1 + (1000 / 300 - 1) * np.exp(-RATE * HOURS))
    wells = [[GrowthSeries(HOURS, rng.poisson(truth))] for _ in range(4)]
    assert {fit.fit for fit in fit_wells(wells)} == {"logistic"}
    wells = [[GrowthSeries(HOURS, rng.poisson(exponential()))] for _ in range(3)]
    mixed = [*wells, [GrowthSeries(HOURS, rng.poisson(truth))]]
    assert {fit.fit for fit in fit_wells(mixed)} == {"quasi-Poisson"}


# intervals


def test_single_well_has_an_estimate_and_no_interval() -> None:
    fit = fit_series(GrowthSeries(HOURS, exponential()))
    assert fit.rate_per_h is not None
    ends = (fit.rate_low, fit.rate_high, fit.doubling_time_low_h, fit.doubling_time_high_h)
    assert ends == (None,) * 4
    assert combine_wells([fit]).rate_low is None


def test_fields_of_one_well_are_no_replicates() -> None:
    rng = np.random.default_rng(1)
    fields = [GrowthSeries(HOURS, rng.poisson(exponential())) for _ in range(9)]
    assert fit_fields(fields).rate_low is None


def test_t_interval_of_known_rates() -> None:
    fits = [
        GrowthFit(10, 0.0, 48.0, rate_per_h=rate, fit="quasi-Poisson")
        for rate in (0.03, 0.04, 0.05)
    ]
    group = combine_wells(fits)
    # t(0.975, 2) = 4.302653; standard error 0.01 / sqrt(3).
    half = 4.302653 * 0.01 / math.sqrt(3)
    assert (group.rate_low, group.rate_high) == pytest.approx((0.04 - half, 0.04 + half), rel=1e-6)
    assert group.doubling_time_low_h == pytest.approx(math.log(2) / (0.04 + half))
    assert group.doubling_time_high_h == pytest.approx(math.log(2) / (0.04 - half))
    assert (group.n_wells, group.n_points, group.confidence) == (3, 30, 0.95)


def test_no_doubling_time_when_the_interval_across_wells_contains_zero() -> None:
    fits = [GrowthFit(10, 0.0, 48.0, rate_per_h=rate) for rate in (-0.01, 0.03)]
    group = combine_wells(fits)
    assert group.verdict is Verdict.NOT_RESOLVED
    assert "contains 0" in group.reason
    times = (group.doubling_time_h, group.doubling_time_low_h, group.doubling_time_high_h)
    assert times == (None,) * 3
    assert group.rate_per_h == pytest.approx(0.01)


def test_interval_across_four_wells_covers_branching_growth_and_a_single_fit_does_not() -> None:
    rng = np.random.default_rng(11)
    times = np.arange(0, 48.1, 0.5)
    covered = alone = 0
    for _ in range(200):
        wells = [branching(rng, 40, times) for _ in range(4)]
        group = combine_wells(fit_wells([[GrowthSeries(times, counts)] for counts in wells]))
        assert group.rate_low is not None
        assert group.rate_high is not None
        covered += group.rate_low <= RATE <= group.rate_high
        naive = fit_exponential(times, wells[0], np.zeros(len(times), dtype=int))
        assert naive is not None
        alone += abs(naive.rate_per_h - RATE) < 1.96 * naive.standard_error
    assert covered >= 180
    assert alone < 100


# verdicts


@pytest.mark.parametrize(
    ("times", "counts", "words"),
    [
        ([], [], "fewer than 3 points"),
        ([1], [5], "fewer than 3 points"),
        ([0, 1], [5, 6], "fewer than 3 points"),
        ([0, 1, 2], [5, None, 6], "fewer than 3 points"),
        ([3, 3, 3], [5, 6, 7], "at one time"),
        ([0, 1, 2, 3], [0, 0, 0, 0], "all counts are zero"),
        ([0, 1, 2, 3], [9, 0, 0, 0], "one time only"),
        ([0, 1, 2, math.inf], [1, 2, math.inf, 4], "fewer than 3 points"),
    ],
)
def test_degenerate_series_say_why_there_is_no_rate(
    times: list[float], counts: list[float], words: str
) -> None:
    fit = fit_series(GrowthSeries(times, counts))
    assert fit.verdict is Verdict.NOT_COMPUTED
    assert words in fit.reason
    assert (fit.rate_per_h, fit.doubling_time_h, fit.fit) == (None, None, "none")


def test_constant_population_has_no_resolved_growth() -> None:
    fit = fit_series(GrowthSeries(HOURS, np.full(len(HOURS), 70.0)))
    assert fit.verdict is Verdict.NOT_RESOLVED
    assert fit.doubling_time_h is None


def test_dying_population_has_a_negative_rate_and_no_doubling_time() -> None:
    fit = fit_series(GrowthSeries(HOURS, exponential(500, -0.03)))
    assert fit.rate_per_h == pytest.approx(-0.03, rel=1e-6)
    assert fit.doubling_time_h is None
    assert fit.verdict is Verdict.SHRINKING
    assert "shrinks" in fit.reason


def test_slow_wandering_of_a_constant_population_is_rarely_taken_for_growth() -> None:
    rng = np.random.default_rng(2)
    seen = 0
    for _ in range(100):
        noise = np.zeros(289)
        for index in range(1, 289):
            noise[index] = 0.9 * noise[index - 1] + rng.normal() * 0.04
        series = GrowthSeries(np.arange(289) / 6, rng.poisson(100 * np.exp(noise)))
        seen += fit_series(series).verdict is not Verdict.NOT_RESOLVED
    assert seen <= 20


def test_zeros_are_used_and_log_linear_says_that_it_cannot() -> None:
    series = GrowthSeries([0, 6, 12, 18, 24, 30, 36], [0, 1, 0, 2, 3, 5, 9])
    fit = fit_series(series, model="log-linear")
    assert (fit.fit, fit.n_points) == ("quasi-Poisson", 7)
    assert "cannot use counts of 0" in fit.reason
    assert fit.rate_per_h is not None
    assert fit.rate_per_h > 0


def test_window_limits_the_fit_and_is_stated() -> None:
    counts = np.where(HOURS < 24, 100.0, 100 * np.exp(RATE * (HOURS - 24)))
    fit = fit_series(GrowthSeries(HOURS, counts), window=(24, None))
    assert fit.doubling_time_h == pytest.approx(20, rel=1e-6)
    assert (fit.start_h, fit.end_h, fit.n_points) == (24, 48, 25)
    assert fit_series(GrowthSeries(HOURS, counts), window=(40, 3)).reason == "fewer than 3 points"


# wells and their fields


def test_well_curve_is_the_mean_of_complete_fields() -> None:
    fields = [GrowthSeries([0, 1, 2], [10, 20, 40]), GrowthSeries([0.1, 1.1, 2.1], [30, 20, 80])]
    curve = well_curve(fields)
    assert curve.values.tolist() == pytest.approx([20, 20, 60])
    assert curve.times_h.tolist() == pytest.approx([0.05, 1.05, 2.05])
    assert curve.sd[0] == pytest.approx(math.sqrt(200))


def test_missing_field_makes_no_step() -> None:
    sparse, dense = exponential(10), exponential(200)
    gap = (HOURS > 15) & (HOURS < 30)
    fields = [GrowthSeries(HOURS, sparse), GrowthSeries(HOURS, np.where(gap, np.nan, dense))]
    curve = well_curve(fields)
    assert curve.values == pytest.approx(exponential(105), rel=1e-6)
    assert fit_fields(fields).doubling_time_h == pytest.approx(20, rel=1e-6)


def test_fields_that_follow_each_other_are_joined_by_their_common_rate() -> None:
    early, late = HOURS < 24, HOURS >= 24
    fields = [
        GrowthSeries(HOURS[early], exponential(10)[early]),
        GrowthSeries(HOURS[late], exponential(300)[late]),
    ]
    fit = fit_fields(fields)
    assert fit.doubling_time_h == pytest.approx(20, rel=1e-6)


def test_empty_field_lowers_the_mean_and_not_the_rate() -> None:
    fields = [GrowthSeries(HOURS, exponential()), GrowthSeries(HOURS, np.zeros(len(HOURS)))]
    fit = fit_fields(fields)
    assert fit.doubling_time_h == pytest.approx(20, rel=1e-6)
    assert fit.curve is not None
    assert fit.curve.values(np.zeros(1)) == pytest.approx([50], rel=1e-6)
