import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecount.errors import LivecountError
from livecount.growth import (
    ALL_WELLS,
    GROWTH_COLUMNS,
    GrowthFit,
    GrowthRow,
    GrowthSeries,
    Verdict,
    combine_wells,
    fit_fields,
    fit_series,
    fit_wells,
    growth_table,
    well_curve,
    wells_of,
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


# the table


def test_table_has_positions_wells_and_groups() -> None:
    counts = counts_of({w: exponential(n) for w, n in (("A10", 50), ("A2", 60), ("B1", 70))})
    rows = growth_table(counts, groups={"A2": "control", "A10": "control", "B1": "drug"})
    assert [row.well for row in rows_at(rows, "well")] == ["A2", "A10", "B1"]
    assert {row.fit_reason for row in rows_at(rows, "position")} == {"the curve of its well"}
    assert [row.group for row in rows_at(rows, "well")] == ["control", "control", "drug"]
    control, drug = rows_at(rows, "group")
    assert (control.group, control.n_wells, control.well) == ("control", 2, None)
    assert control.rate_low is not None
    assert (drug.n_wells, drug.rate_low) == (1, None)
    assert tuple(rows[0].as_record()) == GROWTH_COLUMNS
    assert GROWTH_COLUMNS[:16] == (
        *("experiment", "group", "well", "position", "metric", "n_points", "start_h", "end_h"),
        *("rate_per_h", "rate_low", "rate_high", "doubling_time_h", "doubling_time_low_h"),
        *("doubling_time_high_h", "fit", "r_squared"),
    )


def test_wells_without_stated_groups_are_combined_under_their_own_name() -> None:
    rows = growth_table(counts_of({"A1": exponential(), "A2": exponential(50)}))
    (group,) = rows_at(rows, "group")
    assert group.group == ALL_WELLS
    assert [row.group for row in rows_at(rows, "well")] == [None, None]


def test_excluded_and_unknown_counts_are_left_out() -> None:
    counts = counts_of({"A1": exponential()}, excluded="")
    counts.loc[5, ["count", "excluded"]] = [90_000.0, "bubble"]
    counts.loc[7, "count"] = math.nan
    (row,) = rows_at(growth_table(counts), "well")
    assert row.n_points == len(HOURS) - 2
    assert row.doubling_time_h == pytest.approx(20, rel=1e-6)
    assert wells_of(counts)[0].fields[0].excluded.counts.tolist() == [90_000.0]


def test_density_is_the_metric_where_every_count_has_one() -> None:
    counts = counts_of({"A1": exponential()})
    counts["density_per_mm2"] = counts["count"] / 0.5
    assert {row.metric for row in growth_table(counts)} == {"density_per_mm2"}
    counts.loc[3, "density_per_mm2"] = math.nan
    assert {row.metric for row in growth_table(counts)} == {"count"}


def test_positions_without_a_well_are_one_unnamed_well() -> None:
    counts = pd.concat(
        [counts_of({"x": exponential(n)}).assign(position=f"Pos{n}") for n in (10, 2)]
    ).drop(columns=["well", "field"])
    rows = growth_table(counts)
    assert [row.position for row in rows_at(rows, "position")] == ["Pos2", "Pos10"]
    (well,) = rows_at(rows, "well")
    assert (well.well, well.rate_low) == (None, None)
    assert rows_at(rows, "group") == []


@pytest.mark.parametrize("column", ["plate", "channel", "z", "analysis_id", "experiment"])
def test_what_is_apart_is_never_mixed(column: str) -> None:
    first = counts_of({"A1": exponential(10)}).assign(**{column: "1"})
    second = counts_of({"A1": exponential(500, -0.02)}).assign(**{column: "2"})
    wells = rows_at(growth_table(pd.concat([first, second])), "well")
    assert [getattr(row, column) for row in wells] == ["1", "2"]
    assert [row.rate_per_h for row in wells] == pytest.approx([RATE, -0.02], rel=1e-6)


def test_names_are_the_same_after_a_csv_file(tmp_path: Path) -> None:
    counts = counts_of({"A1": exponential()}, plate="7", excluded="", z=None, position="")
    counts.to_csv(tmp_path / "counts.csv", index=False)
    assert growth_table(pd.read_csv(tmp_path / "counts.csv")) == growth_table(counts)


def test_table_without_needed_columns_says_so() -> None:
    with pytest.raises(LivecountError, match="elapsed_h"):
        growth_table(pd.DataFrame({"count": [1, 2]}))
    assert growth_table(pd.DataFrame()) == []


def test_real_cells_wait_and_then_grow_steadily(real_images: Path) -> None:
    parts = []
    for number in (1, 2):
        counted = pd.read_csv(real_images / "growth-counts" / f"counts_0{number}.csv")
        named = {"well": f"A{number}", "elapsed_h": counted["frame"] / 6}
        parts.append(pd.DataFrame({**named, "count": counted["n_TRA_markers"]}))
    counts = pd.concat(parts)
    # 74 -> 661 and 66 -> 498 cells in 49.8 h: 15.8 and 17.1 h between the ends alone.
    steady = rows_at(growth_table(counts, model="quasi-Poisson"), "well")
    for row, ends in zip(steady, (15.8, 17.1), strict=True):
        assert row.doubling_time_h == pytest.approx(ends, rel=0.15)
    # Over the first 16 h alone they double in 25 and 29 h, over the last 26 h in 13 and 14.
    later = rows_at(growth_table(counts, window=(24.0, None), model="quasi-Poisson"), "well")
    rows = growth_table(counts)
    wells = rows_at(rows, "well")
    for row, after in zip(wells, later, strict=True):
        assert row.fit == "lagged exponential"
        assert row.doubling_time_h == pytest.approx(after.doubling_time_h, rel=0.05)
        assert row.shape.lag_h is not None
        assert 6 < row.shape.lag_h < 12
        assert row.r_squared is not None
        assert row.r_squared > 0.99
        assert row.n_points == 300
        assert row.shape.plateau is None
        assert 66 * 49.8 < row.shape.area_under_curve < 661 * 49.8
    (group,) = rows_at(rows, "group")
    assert group.rate_low is not None
    assert group.rate_high is not None
    assert group.rate_low < wells[1].rate_per_h < group.rate_high


# rules

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


def test_the_sharpest_plane_may_change_without_breaking_the_curve() -> None:
    hours = [0.0, 10.0, 20.0, 30.0]
    table = pd.DataFrame(
        {"well": "A1", "z": [1, 2, 2, 1], "elapsed_h": hours, "count": [50, 71, 100, 141],
         "density_per_mm2": np.nan, "excluded": ""}
    )  # fmt: skip
    (well,) = wells_of(table)
    assert len(well.fields) == 1
    every_plane = pd.concat([table, table.assign(z=3, count=table["count"] // 2)])
    assert len(wells_of(every_plane)) == 3
