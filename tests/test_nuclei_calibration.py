"""From pairs of counts to ln N = a + b ln P: exact laws, what widens intervals, what is refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecount.calibrated import CALIBRATED_GROWTH_COLUMNS, add_calibrated
from livecount.errors import CalibrationError
from livecount.nuclei_calibration import NucleiCalibration, fit_calibration
from livecount.run_tables import RunTables

WELLS = np.repeat([f"A{n}" for n in range(1, 7)], 3)


def simulated(seed, *, slope=0.9, factor=1.1, noise=0.06, between=0.03, wells=6, fields=3):
    """Pairs of counts with a known relation; wells of 80 to 800 nuclei."""
    rng = np.random.default_rng(seed)
    names = np.repeat(np.arange(wells), fields)
    log_nuclei = np.log(80) + rng.uniform(0, math.log(10), wells)[names]
    log_nuclei += rng.normal(0, 0.2, len(names))
    log_cells = (log_nuclei - math.log(factor)) / slope
    log_cells += noise * rng.normal(0, 1, len(names)) + between * rng.normal(0, 1, wells)[names]
    return names, np.exp(log_cells), np.exp(log_nuclei)


@given(
    slope=st.floats(0.5, 1.6),
    factor=st.floats(0.2, 5),
    cells=st.lists(st.floats(10, 5000), min_size=18, max_size=18),
)
def test_an_exact_power_law_is_recovered(slope, factor, cells):
    cells = np.array(cells)
    cells[[0, 3, 6]], cells[[9, 12, 15]] = 20, 2000
    found = fit_calibration(WELLS, cells, factor * cells**slope)
    assert found.slope == pytest.approx(slope, rel=1e-7)
    assert math.exp(found.intercept) == pytest.approx(factor, rel=1e-5)
    assert found.slope_reach(0.95) == pytest.approx(0, abs=1e-6)
    value, low, high = found.nuclei(cells)
    assert value == pytest.approx(factor * cells**slope, rel=1e-6)
    assert low == pytest.approx(high, rel=1e-5)


@given(factor=st.floats(0.2, 5), rate=st.floats(-0.1, 0.1), reach=st.floats(0, 0.05))
def test_a_slope_of_one_scales_counts_and_leaves_rates(factor, rate, reach):
    cells = np.geomspace(20, 900, 18)
    found = fit_calibration(WELLS, cells, factor * cells)
    assert found.bias_percent == pytest.approx(100 * (1 / factor - 1), rel=1e-6, abs=1e-9)
    value, ends = found.rate(rate, (rate - reach, rate + reach), 0.95)
    assert value == pytest.approx(rate)
    assert ends == pytest.approx((rate - reach, rate + reach), abs=1e-7)


@given(
    variances=st.tuples(st.floats(0, 0.1), st.floats(0, 0.1)),
    rate=st.floats(-0.1, 0.1),
    reach=st.floats(0, 0.05),
)
def test_more_noise_of_the_calibration_never_narrows_an_interval(variances, rate, reach):
    found = fit_calibration(*simulated(1))
    values = found.to_mapping()
    less, more = (
        NucleiCalibration.from_mapping({**values, "slope_variance": variance})
        for variance in sorted(variances)
    )
    (_, narrow), (_, wide) = (
        one.rate(rate, (rate - reach, rate + reach), 0.95) for one in (less, more)
    )
    assert wide[0] <= narrow[0] + 1e-12
    assert narrow[1] <= wide[1] + 1e-12
    assert narrow[1] - narrow[0] >= 2 * abs(found.slope) * reach - 1e-12


def test_noisier_pairs_give_a_wider_interval_of_the_slope():
    reaches = [
        np.mean([fit_calibration(*simulated(s, noise=n)).slope_reach(0.95) for s in range(40)])
        for n in (0.02, 0.06, 0.18)
    ]
    assert reaches[0] < reaches[1] < reaches[2]


def test_noise_of_the_counts_does_not_flatten_the_slope():
    found = [fit_calibration(*simulated(seed, noise=0.15)).slope for seed in range(200)]
    turned = [
        np.polyfit(*map(np.log, simulated(seed, noise=0.15)[1:]), 1)[0] for seed in range(200)
    ]
    assert np.mean(found) == pytest.approx(0.9, abs=0.03)
    assert np.mean(turned) < 0.875


def test_wells_are_the_replicates_not_fields():
    names, cells, nuclei = simulated(2)
    alone = fit_calibration(names, cells, nuclei)
    again = fit_calibration(np.tile(names, 5), np.tile(cells, 5), np.tile(nuclei, 5))
    assert again.slope_reach(0.95) == pytest.approx(alone.slope_reach(0.95))
    assert again.n_wells == alone.n_wells == 6
    many = np.concatenate([names, np.zeros(60, int)])
    heavy = fit_calibration(
        many, np.concatenate([cells, np.tile(cells[:3], 20)]),
        np.concatenate([nuclei, np.tile(nuclei[:3], 20)]),
    )  # fmt: skip
    assert heavy.slope == pytest.approx(alone.slope)


def test_the_interval_of_one_field_holds_most_fields():
    hits = []
    for seed in range(60):
        found = fit_calibration(*simulated(seed))
        _, cells, nuclei = simulated(1000 + seed)
        _, low, high = found.nuclei(cells)
        hits += [(low <= nuclei) & (nuclei <= high)]
    assert 0.9 < np.mean(hits) < 0.999


@pytest.mark.parametrize(
    ("wells", "cells", "nuclei", "what"),
    [
        ([], [], [], "0 pairs of frames in 0 wells are too few"),
        (list("AAABBBCCC"), range(10, 100, 10), range(10, 100, 10), "in 3 wells are too few"),
        (list("ABCDE"), [10, 20, 30, 40, 50], [10, 20, 30, 40, 50], "5 pairs of frames in 5 wells"),
        (list("AABBCCDD"), [100, 110, 120] * 2 + [130, 140], [100] * 8, "too narrow a range"),
        (
            list("AABBCCDD"),
            range(80, 0, -10),
            range(10, 90, 10),
            "do not rise with those of nuclei",
        ),
        (
            list("AABBCCDD"),
            [50] * 6 + [50, 500],
            [50] * 6 + [50, 500],
            "or do so in one well only",
        ),
    ],
    ids=["none", "wells", "pairs", "range", "falling", "one well"],
)
def test_what_says_too_little_is_refused_with_the_reason(wells, cells, nuclei, what):
    with pytest.raises(CalibrationError, match=what) as caught:
        fit_calibration(wells, list(cells), list(nuclei))
    assert caught.value.hint


def test_it_survives_storing():
    found = fit_calibration(*simulated(3), density_unit="per mm2")
    kept = NucleiCalibration.from_mapping(json.loads(json.dumps(found.to_mapping())))
    assert kept == found


def plate(wells=6, hours=24, rate=0.035, area_mm2=0.5):
    """Counts of wells that grow alike but for chance, as ``export counts`` shows them."""
    rng = np.random.default_rng(4)
    rows = []
    for well in range(wells):
        of_well = rate * (1 + 0.05 * rng.normal())
        for hour in range(0, hours + 1, 2):
            count = round(60 * math.exp(of_well * hour))
            rows.append(
                {
                    "experiment": "run", "plate": None, "well": f"A{well + 1}", "field": "1",
                    "position": None, "channel": None, "z": None, "elapsed_h": float(hour),
                    "count": count, "density_per_mm2": count / area_mm2, "excluded": "",
                    "analysis_id": "ab", "group": "",
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def calibration(**changed):
    values = fit_calibration(*simulated(5), density_unit="per mm2").to_mapping()
    return NucleiCalibration.from_mapping({**values, **changed})


def test_counts_stay_beside_the_calibrated_ones_and_extrapolation_is_said():
    counts = plate()
    before = counts["count"].copy()
    found = calibration(slope=1.0, level=math.log(90), centre=math.log(100), density_low=130.0,
                        density_high=200.0)  # fmt: skip
    add_calibrated(counts, found)
    assert (counts["count"] == before).all()
    assert counts["calibrated_count"].tolist() == pytest.approx((0.9 * before).tolist())
    assert (counts["calibrated_count_low"] < counts["calibrated_count"]).all()
    within = counts["density_per_mm2"].between(130, 200)
    assert set(counts.loc[within, "calibration"]) == {"calibrated"}
    assert set(counts.loc[~within, "calibration"]) == {"extrapolated"}
    counts.loc[0, "density_per_mm2"] = np.nan
    add_calibrated(counts, found)
    assert np.isnan(counts.loc[0, "calibrated_count"])
    assert counts.loc[0, "calibration"] == "no pixel size, which the calibration needs"


def test_a_frame_without_cells_has_no_calibrated_count():
    counts = plate().iloc[:2].assign(count=[0, 50], density_per_mm2=[0.0, 100.0])
    add_calibrated(counts, calibration(density_low=50.0))
    assert np.isnan(counts["calibrated_count"].iloc[0])
    assert counts["calibration"].tolist() == ["extrapolated", "calibrated"]


def test_doubling_times_carry_the_calibration_across_wells_only():
    counts = plate()
    found = calibration(slope=0.8, density_low=100.0, density_high=1000.0)
    plain, told = RunTables(counts), RunTables(counts, calibration=found)
    names = [name for name in told.growth.columns if name not in CALIBRATED_GROWTH_COLUMNS]
    assert told.growth.columns[-7:].tolist() == list(CALIBRATED_GROWTH_COLUMNS)
    pd.testing.assert_frame_equal(told.growth[names], plain.growth[names])
    assert plain.growth["calibrated_rate_per_h"].isna().all()
    wells = told.growth[told.growth["level"] == "well"]
    group = told.growth[told.growth["level"] == "group"].iloc[0]
    assert wells["calibrated_rate_per_h"].tolist() == pytest.approx(
        (0.8 * wells["rate_per_h"]).tolist()
    )
    assert wells["calibrated_doubling_time_low_h"].isna().all()
    assert group["calibrated_doubling_time_h"] == pytest.approx(group["doubling_time_h"] / 0.8)
    assert group["calibrated_doubling_time_low_h"] < group["doubling_time_low_h"] / 0.8
    assert group["calibrated_doubling_time_high_h"] > group["doubling_time_high_h"] / 0.8
    assert group["calibration"] == "calibrated"


def test_growth_beyond_the_calibrated_densities_says_how_much_of_it():
    narrow = calibration(density_low=100.0, density_high=150.0)
    growth = RunTables(plate(), calibration=narrow).growth
    group = growth[growth["level"] == "group"].iloc[0]["calibration"]
    assert group.startswith("extrapolated: ")
    assert " of 78 counts lie outside 100 to 150 cells per mm2" in group


def test_a_slope_that_might_be_nothing_resolves_no_growth():
    vague = calibration(slope_variance=4.0)
    growth = RunTables(plate(), calibration=vague).growth
    group = growth[growth["level"] == "group"].iloc[0]
    assert group["calibrated_rate_low"] < 0 < group["calibrated_rate_high"]
    assert pd.isna(group["calibrated_doubling_time_h"])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_pairs_is_of_no_account(seed):
    names, cells, nuclei = simulated(6)
    order = np.random.default_rng(seed).permutation(len(names))
    one = fit_calibration(names, cells, nuclei)
    other = fit_calibration(names[order], cells[order], nuclei[order])
    assert other.slope == pytest.approx(one.slope)
    assert other.slope_variance == pytest.approx(one.slope_variance)
