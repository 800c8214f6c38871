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
    GrowthFit,
    GrowthRow,
    GrowthSeries,
    Verdict,
    combine_wells,
    fit_series,
    fit_wells,
    growth_table,
)
from livecount.growth.bending import fit_gompertz, fit_logistic
from livecount.growth.choosing import _aicc
from livecount.growth.curves import Waking
from livecount.growth.lagged import fit_lagged_exponential, fit_lagged_logistic
from livecount.growth.shape import SHAPE_COLUMNS, CurveShape, combine_shapes
from livecount.plots import plot_growth
from tests.test_plots import texts_of

HOURS = np.arange(0, 121, 2.0)
RATE = math.log(2) / 12
FLOOR, PLATEAU = 100.0, 2000.0


def gompertz(times: np.ndarray, lag_h: float, rate: float = RATE) -> np.ndarray:
    """Count cells by Zwietering's equation 11, in his own parameters: A, mu_m and lambda."""
    folds = math.log(PLATEAU / FLOOR)
    return FLOOR * np.exp(folds * np.exp(-np.exp(rate * math.e / folds * (lag_h - times) + 1)))


def logistic(times: np.ndarray, start: float = 100.0, plateau: float = PLATEAU) -> np.ndarray:
    return plateau / (1 + (plateau / start - 1) * np.exp(-RATE * times))


def growing(times: np.ndarray, middle_h: float, width_h: float) -> np.ndarray:
    """Add up the share of cells that are awake, step by step: their hours of growth."""
    fine = np.linspace(-300, 300, 60_001)
    awake = 1 / (1 + np.exp(-(fine - middle_h) / width_h))
    return np.interp(times, fine, np.cumsum(awake) * (fine[1] - fine[0]))


def waiting(times: np.ndarray, plateau: float | None = PLATEAU) -> np.ndarray:
    """Count 100 cells that wake about 20 h after the start, most of them within 10 h."""
    hours = growing(times, 20.0, 2.5) - growing(np.zeros(1), 20.0, 2.5)
    if plateau is None:
        return 100 * np.exp(RATE * hours)
    return plateau / (1 + (plateau / 100 - 1) * np.exp(-RATE * hours))


def tangent_lag(times: np.ndarray, values: np.ndarray) -> float:
    """Draw the tangent at the steepest of many points of ln N, to the level of the first."""
    logs = np.log(values)
    slopes = np.gradient(logs, times)
    at = int(np.argmax(slopes))
    return float(times[at] - (logs[at] - logs[0]) / slopes[at] - times[0])


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


@pytest.mark.parametrize("plateau", [PLATEAU, None])
def test_exact_curves_of_waiting_cells_give_their_rate_and_the_hours_lost(
    plateau: float | None,
) -> None:
    fit = fit_series(GrowthSeries(HOURS, waiting(HOURS, plateau)))
    assert fit.fit == ("lagged exponential" if plateau is None else "lagged logistic")
    assert fit.rate_per_h == pytest.approx(RATE, rel=1e-3)
    assert fit.shape.lag_h == pytest.approx(20.0, abs=0.05)
    assert fit.curve is not None
    assert fit.curve.waking is not None
    assert fit.curve.waking.width_h == pytest.approx(2.5, abs=0.05)
    assert fit.curve.values(HOURS) == pytest.approx(waiting(HOURS, plateau), rel=1e-3)
    if plateau is None:
        assert (fit.shape.plateau, fit.shape.half_plateau_h) == (None, None)
        assert "an exponential has no plateau" in fit.shape.shape_reason
    else:
        fine = np.linspace(0, HOURS[-1], 20_001)
        half = np.interp(PLATEAU / 2, waiting(fine), fine)
        assert fit.shape.half_plateau_h == pytest.approx(half, abs=0.05)
        assert fit.shape.plateau == pytest.approx(PLATEAU, rel=1e-3)


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


def noisy(rng: np.random.Generator, truth: np.ndarray, n_wells: int = 4) -> list[GrowthFit]:
    times = np.linspace(0, 120, len(truth))
    return fit_wells([[GrowthSeries(times, rng.poisson(truth))] for _ in range(n_wells)])


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


@pytest.mark.parametrize("slower", [0.25, 0.5, 1.0])
def test_rates_of_wells_that_show_no_lag_mean_what_those_of_their_controls_do(
    slower: float,
) -> None:
    rng = np.random.default_rng(7)
    cells = {"cell_line": "ours", "seeding_density": 100}
    controls = {f"A{n}": waiting(HOURS[:40], None) for n in range(1, 5)}
    hours = np.log(controls["A1"] / 100) / RATE
    treated = {f"B{n}": 12 * np.exp(slower * RATE * hours) for n in range(1, 5)}
    table = pd.concat(
        pd.DataFrame(
            {"well": well, "group": well[0], "elapsed_h": HOURS[:40], "count": rng.poisson(truth)}
        )
        for well, truth in (controls | treated).items()
    )
    others = table[table["group"] == "B"].assign(cell_line="theirs", group="C")
    others["well"] = others["well"].str.replace("B", "C")
    rows = growth_table(pd.concat([table.assign(**cells), others]))
    found = {row.group: row for row in rows if row.level == "group"}
    assert found["A"].fit == "lagged exponential"
    assert found["B"].rate_per_h == pytest.approx(slower * RATE, rel=0.1)
    if found["B"].fit != "lagged exponential":
        assert found["B"].fit == "quasi-Poisson after a lag"
        assert "that of wells with the same cells" in found["B"].fit_reason
        assert found["B"].shape.lag_h is None
        # Other cells keep their own time.
        assert found["C"].fit == "quasi-Poisson"
        assert found["C"].rate_per_h < 0.95 * found["B"].rate_per_h


def test_the_lag_of_a_delayed_group_is_not_given_to_controls_that_have_none() -> None:
    rng = np.random.default_rng(8)
    times = HOURS[:40]
    truths = {"A": 60 * np.exp(RATE * times), "B": waiting(times, None)}
    table = pd.concat(
        pd.DataFrame(
            {"well": f"{row}{n}", "group": row, "elapsed_h": times, "count": rng.poisson(truth)}
        )
        for row, truth in truths.items()
        for n in range(1, 5)
    )
    found = {row.group: row for row in growth_table(table) if row.level == "group"}
    assert (found["A"].fit, found["B"].fit) == ("quasi-Poisson", "lagged exponential")
    assert found["A"].rate_per_h == pytest.approx(RATE, rel=0.05)


def plate(truths: dict[str, list[np.ndarray]], seed: int = 11) -> list[GrowthRow]:
    """Give the growth of wells with Poisson counts, one every two hours, by group."""
    rng = np.random.default_rng(seed)
    table = pd.concat(
        pd.DataFrame(
            {
                "well": f"{group}{number}",
                "group": group,
                "elapsed_h": HOURS[: len(truth)],
                "count": rng.poisson(truth),
            }
        )
        for group, wells in truths.items()
        for number, truth in enumerate(wells, 1)
    )
    return growth_table(table)


@pytest.mark.parametrize("n_visits", [4, 5, 6, 8, 10])
def test_wells_that_were_left_before_the_cells_woke_do_not_get_the_lag(n_visits: int) -> None:
    waits, slow = waiting(HOURS[:40], None), 100 * np.exp(0.005 * HOURS)
    rows = plate({"A": [waits] * 4, "B": [slow[:n_visits]] * 2})
    short = [row for row in rows if row.level == "well" and row.group == "B"]
    assert {row.fit for row in short} <= {"quasi-Poisson", "none"}
    assert all(abs(row.rate_per_h or 0) < 0.1 for row in short)


def test_one_odd_well_gives_its_lag_to_no_group() -> None:
    times = HOURS[:40]
    rows = plate(
        {
            "A": [60 * np.exp(RATE * times)] * 4,
            "B": [100 * np.exp(0.005 * times)] * 4,
            "W": [waiting(times, None)],
        }
    )
    found = {row.group: row.fit for row in rows if row.level == "group"}
    assert found == {"A": "quasi-Poisson", "B": "quasi-Poisson", "W": "lagged exponential"}


def test_a_well_that_was_left_early_takes_no_lag_from_the_others() -> None:
    waits = waiting(HOURS[:40], None)
    rows = plate({"A": [waits, waits, waits[:10]]})
    fits = [row.fit for row in rows if row.level == "well"]
    assert fits == ["lagged exponential", "lagged exponential", "quasi-Poisson"]


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


@given(st.floats(-50, 50), st.floats(0.01, 20), st.lists(st.floats(-100, 100), min_size=2))
def test_hours_of_growth_are_lost_and_never_won(
    middle_h: float, width_h: float, clock: list[float]
) -> None:
    waking, times = Waking(middle_h, width_h), np.sort(np.array(clock))
    hours = waking.growing_h(times)
    assert (np.diff(hours) >= 0).all()
    assert (np.diff(hours) <= np.diff(times) + 1e-9).all()
    assert waking.lost_h(float(times[0])) >= waking.lost_h(float(times[-1])) >= 0
    for time_h, hour in zip(times, hours, strict=True):
        assert waking.lost_h(float(time_h)) == pytest.approx(hour - time_h, abs=1e-9)
        # Long before the first cell wakes, a clock time leaves no trace in its hours of growth.
        if time_h > middle_h - 10 * width_h:
            assert waking.clock_h(float(hour)) == pytest.approx(time_h, abs=1e-6)
    assert waking.clock_h(middle_h - 1) is None


@pytest.mark.parametrize("fit", [fit_lagged_exponential, fit_lagged_logistic])
@given(
    st.lists(st.floats(1e-3, 1e9), min_size=6, max_size=40),
    st.floats(1e-3, 1e4),
    st.floats(-1e4, 1e4),
)
@settings(max_examples=60, deadline=None)
def test_any_counts_give_a_finite_lagged_curve_or_none(
    fit, counts: list[float], span_h: float, start_h: float
) -> None:
    times = start_h + span_h * np.linspace(0, 1, len(counts))
    found = fit(times, np.array(counts))
    assert found is None or np.isfinite(found.curve.values(times)).all()


@pytest.mark.parametrize("fit", [fit_lagged_exponential, fit_lagged_logistic])
def test_a_rise_that_hardly_is_one_does_not_start_outside_the_bounds(fit) -> None:
    for slope in (1e-12, 1e-9, 1e-6, 1e-4):
        times = np.arange(0, 48.1, 2.0)
        found = fit(times, 100 * np.exp(slope * times))
        assert found is None or found.curve.rate_per_h > 0


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
