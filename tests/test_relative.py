"""Curves relative to their own value at t0, an event or an hour; groups over experiments."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from livecount.cli.results import export, plot
from livecount.errors import NotInStoreError
from livecount.growth import (
    RELATIVE_COLUMNS,
    Reference,
    add_relative,
    bases_of,
    growth_table,
    wells_of,
)
from livecount.plots import plot_growth
from livecount.run_tables import RunTables
from livecount.storage import CountStore, ExperimentEvent, Instant, PlateMapVersion, Said
from livecount.treatments import GROUP_COLUMNS, Repeat, across_experiments
from livecount.wide import wide_table
from tests.endtoend.program import livecount, rows_of
from tests.storage.made_frames import SETTINGS, make_count, stamp_of
from tests.test_plots import texts_of
from tests.test_treatments import plate

HOURS = np.arange(0.0, 49, 2)
T0 = Reference("t0", 0.0)


def table(wells: dict[str, np.ndarray], hours: np.ndarray = HOURS, **more: object) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"well": well, "field": "1", "elapsed_h": hours, "count": counts})
        for well, counts in wells.items()
    ]
    return pd.concat(parts, ignore_index=True).assign(excluded="", **more)


def growing(start: float) -> np.ndarray:
    return start * 2 ** (HOURS / 20)


# relative curves


def test_every_well_is_1_at_its_reference() -> None:
    counts = table({"A1": growing(50), "A2": growing(400)})
    wide = wide_table(counts, T0)
    assert wide["A1"].to_numpy() == pytest.approx(2 ** (HOURS / 20))
    assert wide["A2"].to_numpy() == pytest.approx(2 ** (HOURS / 20))
    at_event = wide_table(counts, Reference("drug", 23.1))
    assert at_event["A1"][HOURS == 24].tolist() == pytest.approx([1])


def test_several_fields_share_their_wells_base() -> None:
    counts = pd.concat([table({"A1": growing(10)}), table({"A1": growing(30)}).assign(field="2")])
    relative = add_relative(counts.reset_index(drop=True), T0)
    assert tuple(relative.columns[-3:]) == RELATIVE_COLUMNS
    start = relative[relative["elapsed_h"] == 0].set_index("field")["relative"]
    assert start.to_dict() == pytest.approx({"1": 0.5, "2": 1.5})


@pytest.mark.parametrize(
    ("counts", "hours", "at_h", "words"),
    [
        (np.where(HOURS < 3, 0, growing(50)), HOURS, 0.0, "no cells at 0.00 h"),
        (growing(50), HOURS + 10, 0.0, "no count from 0.00 h to 3.00 h later"),
        (growing(50), HOURS, 48.5, "no count from 48.50 h"),
        (growing(50), np.where(HOURS > 0, np.nan, HOURS), 0.0, "less than two visits"),
        (np.full(len(HOURS), np.inf), HOURS, 0.0, "less than two visits"),
    ],
)
def test_a_well_without_a_base_says_why_and_has_no_number(
    counts: np.ndarray, hours: np.ndarray, at_h: float, words: str
) -> None:
    shown = table({"A1": counts, "A2": growing(20)}).assign(elapsed_h=[*hours, *HOURS])
    reference = Reference("t0", at_h)
    tables = RunTables(shown, None, reference)
    assert words in tables.without_base["A1"]
    assert tables.counts["relative"][: len(HOURS)].isna().all()
    assert words in tables.counts["relative_reason"][0]
    wells = tables.growth[tables.growth["level"] == "well"].set_index("well")
    row = wells.loc["A1"]
    assert row[["plateau", "area_under_curve"]].isna().all()
    assert words in row["shape_reason"]
    assert ("A2" in tables.without_base) == (at_h > 48)


def test_the_reference_is_the_first_used_visit_from_the_moment_on() -> None:
    counts = table({"A1": growing(50)})
    counts.loc[counts["elapsed_h"] == 24, "excluded"] = "bubble"
    (base,) = bases_of(wells_of(counts), Reference("drug", 23.5)).values()
    assert base.value == pytest.approx(growing(50)[13])
    (base,) = bases_of(wells_of(counts.iloc[::-1]), T0).values()
    assert base.value == 50


def test_rates_stay_and_area_and_plateau_are_divided() -> None:
    truth = 2000 / (1 + 19 * np.exp(-0.15 * HOURS))
    counts = table({"A1": truth, "A2": truth / 4}, group="ours")
    plain, relative = growth_table(counts), growth_table(counts, reference=T0)
    for one, other in zip(plain, relative, strict=True):
        assert (one.rate_per_h, one.doubling_time_h) == (other.rate_per_h, other.doubling_time_h)
        assert other.relative_to == "t0"
    well, other = (row for row in relative if row.level == "well")
    assert well.shape.plateau == pytest.approx(20, rel=1e-3)
    assert other.shape.plateau == pytest.approx(20, rel=1e-3)
    assert well.curve.values(np.array([0.0])) == pytest.approx([1], rel=1e-3)
    (group,) = (row for row in relative if row.level == "group")
    assert group.shape.area_under_curve == pytest.approx(np.trapezoid(truth, HOURS) / 100)


@given(st.floats(1e-3, 1e3), st.floats(-100, 100), st.integers(0, 20))
@settings(max_examples=25)
def test_units_do_not_matter_to_relative_counts(factor: float, shift: float, at: int) -> None:
    plain = table({"A1": growing(50)})
    moved = plain.assign(count=plain["count"] * factor, elapsed_h=plain["elapsed_h"] + shift)
    one = add_relative(plain, Reference("x", HOURS[at]))["relative"]
    other = add_relative(moved, Reference("x", HOURS[at] + shift))["relative"]
    assert other.to_numpy() == pytest.approx(one.to_numpy(), rel=1e-9)


def test_the_axis_says_what_curves_are_relative_to(tmp_path: Path) -> None:
    counts = table({"A1": growing(50), "A2": np.where(HOURS < 3, 0, growing(50))})
    counts = counts.assign(count_low=counts["count"] - 1, count_high=counts["count"] + 1)
    plot_growth(counts, None, tmp_path / "g.svg", reference=Reference("drug added", 0.0))
    texts = texts_of(tmp_path / "g.svg")
    assert "Relative to drug added (log₂ axis)" in texts
    assert "not drawn: 1 well without a value at drug added" in texts
    assert "fit: quasi-Poisson" in texts


# independent experiments


def repeats(n: int, effect: float = 0.8) -> list[Repeat]:
    """Experiments whose days differ a lot, and in each of which the drug does the same."""
    found = []
    for day in range(n):
        random = np.random.default_rng(day)
        control = 0.03 * (1 + 0.2 * (day - 1))
        parts = []
        for name, rate in (("control", control), ("drug", effect * control + 0.0002 * day)):
            for number in range(4):
                times = np.arange(0, 49, 4.0)
                mean = 300 * np.exp(rate * random.normal(1, 0.01) * times)
                parts.append(
                    pd.DataFrame(
                        {
                            "experiment": f"day {day}", "plate": "P", "field": "1", "excluded": "",
                            "well": f"{'AB'[name == 'drug']}{number + 1}", "elapsed_h": times,
                            "count": random.poisson(mean), "group": name, "cell_line": "T98G",
                            "role": "control" if name == "control" else "sample",
                            "treatment": None if name == "control" else "drug",
                        }
                    )
                )  # fmt: skip
        found.append(Repeat(f"day {day}", RunTables(pd.concat(parts)).groups, "m h 0.1"))
    return found


def test_n_is_the_number_of_experiments() -> None:
    made = repeats(3)
    combined = across_experiments(made)
    assert tuple(combined.columns) == GROUP_COLUMNS
    assert combined["level"].tolist() == ["wells"] * 6 + ["experiments"] * 2
    control, drug = combined.iloc[6:].to_dict("records")
    means = [repeat.groups["rate_per_h"].iloc[0] for repeat in made]
    assert control["rate_per_h"] == pytest.approx(np.mean(means))
    assert control["rate_sd"] == pytest.approx(np.std(means, ddof=1))
    assert control["rate_sem"] == pytest.approx(control["rate_sd"] / math.sqrt(3))
    # t(0.975, 2) = 4.302653
    assert control["rate_high"] - control["rate_per_h"] == pytest.approx(
        4.302653 * control["rate_sem"], rel=1e-6
    )
    assert (control["n_experiments"], control["n_wells"]) == (3, 12)
    assert control["replicates"] == ("3 independent experiments, 12 wells are technical replicates")
    assert control["independent_experiment"] == "day 0; day 1; day 2"
    assert drug["doubling_time_low_h"] == pytest.approx(math.log(2) / drug["rate_high"])


def test_the_difference_is_taken_within_each_experiment() -> None:
    made = repeats(3)
    drug = across_experiments(made).iloc[7]
    differences = [
        repeat.groups["rate_per_h"].iloc[1] - repeat.groups["rate_per_h"].iloc[0] for repeat in made
    ]
    assert drug["rate_difference"] == pytest.approx(np.mean(differences))
    t = np.mean(differences) / (np.std(differences, ddof=1) / math.sqrt(3))
    # Two-sided p of Student's t with 2 degrees of freedom, in closed form.
    assert drug["p_value"] == pytest.approx(1 - abs(t) / math.sqrt(2 + t**2), rel=1e-6)
    # The days differ by more than the drug does, which pairing takes out.
    assert drug["p_value"] < 0.05
    assert drug["gr_low"] < drug["gr"] < drug["gr_high"] < 1


def test_one_experiment_has_no_interval_and_says_what_its_wells_are() -> None:
    combined = across_experiments(repeats(1))
    control, drug = combined[combined["level"] == "experiments"].to_dict("records")
    assert control["replicates"] == "1 independent experiment, 4 wells are technical replicates"
    assert "one independent experiment has no interval" in control["reason"]
    for row in (control, drug):
        ends = (row["rate_sd"], row["rate_low"], row["doubling_time_low_h"], row["p_value"])
        assert pd.isna(list(ends)).all()
    assert "tells no spread" in drug["reason"]
    assert control["doubling_time_h"] == pytest.approx(combined["doubling_time_h"].iloc[0])


def test_experiments_whose_interval_holds_zero_have_no_doubling_time() -> None:
    made = repeats(2)
    made[1].groups.loc[:, "rate_per_h"] *= -0.5
    row = across_experiments(made).iloc[4]
    assert pd.isna(row["doubling_time_h"])
    assert "across 2 independent experiments contains 0" in row["reason"]


def test_what_is_missing_in_some_experiments_is_said() -> None:
    made = repeats(3)
    made[0] = Repeat("day 0", made[0].groups.iloc[1:], "m h 0.2")
    made[0].groups.loc[:, ["rate_difference", "gr"]] = math.nan
    made[1].groups.loc[made[1].groups.index[1], "rate_per_h"] = math.nan
    rows = across_experiments(made)
    drug = rows[(rows["level"] == "experiments") & (rows["group"] == "drug")].iloc[0]
    assert drug["n_experiments"] == 2
    for words in ("2 of 3 experiments gave a rate", "2 of 3 experiments have a control",
                  "different models or thresholds"):  # fmt: skip
        assert words in drug["reason"]


@pytest.mark.parametrize(
    ("second", "n_experiments"),
    [((0.5, "uM", "B 1 uM + C"), [2, 2]), ((0.5, "ug/ml", "B 1 uM + C"), [2, 1, 1])],
)
def test_the_unit_in_which_a_day_gives_a_dose_makes_no_other_group(
    second: tuple[float, str, str], n_experiments: list[int]
) -> None:
    made = []
    for repeat, (value, unit, further) in zip(
        repeats(2), ((500.0, "nM", "B 1000 nM + C"), second), strict=True
    ):
        groups = repeat.groups.astype(dict.fromkeys(GROUP_COLUMNS, object))
        dosed = groups["group"] == "drug"
        groups.loc[dosed, "concentration"] = value
        groups.loc[dosed, "concentration_unit"] = unit
        groups.loc[dosed, "further_treatments"] = further
        groups.loc[dosed, "group"] = f"T98G, drug {value:g} {unit} + {further}"
        made.append(Repeat(repeat.name, groups, "m h 0.1"))
    rows = across_experiments(made)
    combined = rows[rows["level"] == "experiments"]
    assert combined["n_experiments"].tolist() == n_experiments
    drug = combined.iloc[1]
    assert drug["group"] == "T98G, drug 500 nM + B 1000 nM + C"
    assert (drug["concentration"], drug["concentration_unit"]) == (500, "nM")


def test_a_dose_of_nothing_has_no_unit_of_its_own() -> None:
    made = repeats(2)
    for repeat, unit in zip(made, ("nM", "uM"), strict=True):
        dosed = repeat.groups["group"] == "drug"
        repeat.groups["concentration"] = [0.0 if one else None for one in dosed]
        repeat.groups["concentration_unit"] = [unit if one else None for one in dosed]
        repeat.groups["group"] = [f"drug 0 {unit}" if one else "control" for one in dosed]
    rows = across_experiments(made)
    assert rows.loc[rows["level"] == "experiments", "n_experiments"].tolist() == [2, 2]


def test_nothing_gives_an_empty_table() -> None:
    assert across_experiments([]).empty
    empty = Repeat("none", RunTables(plate().iloc[:0]).groups)
    assert across_experiments([empty]).empty


def test_a_group_table_says_that_its_wells_are_technical_replicates() -> None:
    row = RunTables(plate(wells=2)).groups.iloc[0]
    assert row["replicates"] == "1 independent experiment, 2 wells are technical replicates"
    assert (row["level"], row["n_experiments"], row["independent_experiment"]) == ("wells", 1, "e")


def fill(store: CountStore, name: str, folds: float) -> None:
    """Store an experiment of two plates, two controls and two treated wells each."""
    experiment = store.ensure_experiment(name, frame_interval_min=360)
    source = store.ensure_source(experiment, f"/scans/{name}")
    analysis = store.ensure_analysis(experiment, SETTINGS)
    wells = {"A1": 1.0, "A2": 1.1, "B1": 0.5, "B2": 0.6}
    for number in range(9):
        for plate_name in ("P1", "P2"):
            for well, speed in wells.items():
                n = round(5 * 2 ** (folds * speed * number / 8 + (plate_name == "P2") * 0.3))
                path = f"{name}-{plate_name}-{well}-{number}".encode()
                about = {"plate": plate_name, "well": well, "time_point": number, "n": n}
                made = make_count(
                    analysis.id, path, content=path.decode(), folder=source.folder, **about
                )
                store.record(source, made, stamp=stamp_of(number))
    lines = tuple(
        {"well": well, "treatment": "" if speed >= 1 else "drug",
         "role": "control" if speed >= 1 else "sample", "cell_line": "T98G"}
        for well, speed in wells.items()
    )  # fmt: skip
    ada = Said("ada", datetime(2026, 11, 28, tzinfo=UTC))
    store.add_plate_map(experiment, PlateMapVersion(lines, "plate.csv", ada))
    store.add_event(experiment, ExperimentEvent("drug added", Instant(6.5), (), ada))


def test_from_the_database_to_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = tmp_path / "run.db"
    with CountStore.open(database) as store:
        fill(store, "first", 3)
        fill(store, "second", 3.4)
    export("groups", tmp_path / "g.csv", database, independent="experiments")
    assert "over independent experiments" in " ".join(capsys.readouterr().err.split())
    rows = [row for row in rows_of(tmp_path / "g.csv") if row["level"] == "experiments"]
    assert [row["n_experiments"] for row in rows] == ["2", "2"]
    assert all(float(row["rate_low"]) < float(row["rate_per_h"]) for row in rows)
    export("groups", tmp_path / "p.csv", database, independent="plates")
    rows = rows_of(tmp_path / "p.csv")
    assert {row["independent_experiment"] for row in rows} == {"P1", "P2", "P1; P2"}
    export("growth", tmp_path / "r.csv", database, normalise="6")
    assert {row["relative_to"] for row in rows_of(tmp_path / "r.csv")} == {"6 h"}
    plot(tmp_path / "g.svg", database, normalise="Drug added")
    assert any("Relative to drug added" in text for text in texts_of(tmp_path / "g.svg"))
    with pytest.raises(typer.BadParameter, match="doses stays as is"):
        export("doses", tmp_path / "d.csv", database, normalise="t0")
    with pytest.raises(typer.BadParameter, match="for groups, not for growth"):
        export("growth", tmp_path / "d.csv", database, independent="plates")
    with pytest.raises(NotInStoreError, match="no event 'lunch'"):
        export("wide", tmp_path / "d.csv", database, normalise="lunch")


def test_the_command_takes_an_event(tmp_path: Path) -> None:
    database = tmp_path / "run.db"
    with CountStore.open(database) as store:
        fill(store, "first", 3)
    done = livecount("export", "wide", "-o", tmp_path / "w.csv", "--normalise", "drug added",
                     "--json", "--database", database)  # fmt: skip
    assert json.loads(done.stdout)["not_normalised"] == {}
    at_event = next(row for row in rows_of(tmp_path / "w.csv") if row["elapsed_h"] == "12")
    assert set(at_event.values()) == {"12", "1"}
