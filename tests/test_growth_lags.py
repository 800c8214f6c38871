"""Curves of cells that wait: the lag, who shares it, and who does not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecount.growth import (
    GrowthSeries,
    fit_series,
    growth_table,
)
from livecount.growth.curves import Waking
from livecount.growth.lagged import fit_lagged_exponential, fit_lagged_logistic
from tests.growth_truths import (
    HOURS,
    PLATEAU,
    RATE,
    plate,
    waiting,
)


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
