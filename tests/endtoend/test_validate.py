"""A person's clicks held against a run's counts: picking, three kinds of clicks, what is kept."""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecount.centres import read_centres
from livecount.errors import AnnotationError
from livecount.validation import read_sheet
from tests.endtoend.program import livecount, rows_of, run_until_idle

ENGINE = Path(__file__).parents[2] / "engines" / "deepdistance"
OPTIONS = ("--cell-diameter-px", 33, "--until-idle", 1.2)


@dataclass(frozen=True)
class Experiment:
    frames: Path
    database: Path
    picked: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """A small experiment with its true centres, counted, and six of its frames picked."""
    folder = tmp_path_factory.mktemp("validate")
    livecount(
        "simulate", "-o", folder / "frames", "--time-points", 4, "--size-px", 224,
        "--founders", 7, "--frame-interval-min", 400, "--annotations", "--wells", "A1,B2",
    )  # fmt: skip
    run_until_idle(folder / "frames", folder / "run.db", OPTIONS)
    livecount("validate", "pick", "-o", folder / "picked", "--database", folder / "run.db",
              "--fields", 6)  # fmt: skip
    return Experiment(folder / "frames", folder / "run.db", folder / "picked")


@pytest.fixture
def work(made: Experiment, tmp_path: Path) -> Experiment:
    """A copy of it, to be worked on."""
    shutil.copytree(made.picked, tmp_path / "picked")
    shutil.copyfile(made.database, tmp_path / "run.db")
    return Experiment(made.frames, tmp_path / "run.db", tmp_path / "picked")


def true_centres(work: Experiment) -> dict[str, np.ndarray]:
    """Copy's name -> the true centres of its frame."""
    return {
        row["file"]: read_centres(work.frames / row["source"].replace(".tif", ".centres.csv"))
        for row in rows_of(work.picked / "fields.csv")
    }


def as_livecount(centres: np.ndarray) -> str:
    return "y_px,x_px\n" + "".join(f"{y},{x}\n" for y, x in centres)


def as_fiji(centres: np.ndarray) -> str:
    rows = (f"{n},127.5,{x + 0.5},{y + 0.5}\n" for n, (y, x) in enumerate(centres, start=1))
    return " ,Mean,X,Y\n" + "".join(rows)


def as_napari(centres: np.ndarray) -> str:
    rows = (f"{n:.1f},{y},{x}\n" for n, (y, x) in enumerate(centres))
    return "index,axis-0,axis-1\n" + "".join(rows)


def score(work: Experiment, *words: object) -> dict:
    done = livecount(
        "validate", "score", work.picked, "--database", work.database, "--by", "anna", "--json",
        *words,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_picked_frames_are_the_frames_alone_from_sparse_to_dense(
    made: Experiment, tmp_path: Path
) -> None:
    sheet = rows_of(made.picked / "fields.csv")
    assert sorted(path.name for path in made.picked.iterdir()) == [
        *(f"field-{number:03d}.tif" for number in range(1, 7)),
        "fields.csv",
    ]
    for row in sheet:
        copy = tifffile.imread(made.picked / row["file"])
        assert np.array_equal(copy, tifffile.imread(made.frames / row["source"]))
    assert not {"count", "density_per_mm2"} & set(sheet[0])
    livecount("export", "counts", "-o", tmp_path / "c.csv", "--database", made.database)
    counts = {row["source"]: int(row["count"]) for row in rows_of(tmp_path / "c.csv")}
    taken = [counts[row["source"]] for row in sheet]
    assert {min(counts.values()), max(counts.values())} <= set(taken)
    assert {row["well"] for row in sheet} == {"A1", "B2"}
    again = ("validate", "pick", "--database", made.database, "--fields", 6)
    livecount(*again, "-o", tmp_path / "again")
    assert rows_of(tmp_path / "again" / "fields.csv") == sheet


def test_three_kinds_of_clicks_say_the_same_and_are_kept(work: Experiment, tmp_path: Path) -> None:
    truth = true_centres(work)
    writers = [as_livecount, as_fiji, as_napari]
    results = []
    for turn in range(3):
        for number, (name, centres) in enumerate(truth.items()):
            text = writers[(number + turn) % 3](centres)
            (work.picked / name).with_suffix(".csv").write_text(text, encoding="utf-8")
        results.append(score(work, "--figure", tmp_path / "agreement.svg"))
    assert (tmp_path / "agreement.svg").stat().st_size > 1000
    first, *others = [{k: v for k, v in each.items() if k != "made_at"} for each in results]
    assert all(each == first for each in others)
    assert [field["annotated"] for field in first["fields"]] == [len(c) for c in truth.values()]
    assert first["precision"] > 50
    logs = [math.log(field["counted"] / field["annotated"]) for field in first["fields"]]
    assert first["bias_percent"] == pytest.approx(100 * math.expm1(np.mean(logs)))
    assert first["limit_low_percent"] == pytest.approx(
        100 * math.expm1(np.mean(logs) - 1.96 * np.std(logs, ddof=1))
    )
    assert [third["fields"] for third in first["by_density"]] == [2, 2, 2]
    with closing(sqlite3.connect(work.database)) as connection:
        kept = connection.execute("SELECT y_px, x_px FROM clicks ORDER BY id").fetchall()
    clicked = np.concatenate(list(truth.values()))
    assert np.allclose(np.array(kept), np.concatenate([clicked] * 3), atol=1e-9)
    livecount("verify", work.database)


def test_counts_carry_what_was_found(work: Experiment, tmp_path: Path) -> None:
    def states() -> dict[str, str]:
        livecount("export", "counts", "-o", tmp_path / "c.csv", "--database", work.database)
        return {row["source"]: row["validation"] for row in rows_of(tmp_path / "c.csv")}

    assert set(states().values()) == {"not validated"}
    assert "validation frames not validated" in status(work)
    truth = true_centres(work)
    for name, centres in list(truth.items())[:2]:
        (work.picked / name).with_suffix(".csv").write_text(as_fiji(centres), encoding="utf-8")
    few = score(work)
    assert not few["counts_as_validation"]
    assert "3 are needed" in few["sentence"]
    assert set(states().values()) == {"not validated"}

    for name, centres in truth.items():
        (work.picked / name).with_suffix(".csv").write_text(as_fiji(centres), encoding="utf-8")
    found = score(work)
    assert found["counts_as_validation"]
    assert found["made_by"] == "anna"
    assert set(states().values()) == {"validated"}
    shown = status(work)
    assert f"bias {found['bias_percent']:+.1f} %" in shown
    assert "6 fields, anna" in shown
    told = json.loads(livecount("status", "--database", work.database, "--json").stdout)
    latest = told["experiments"][0]["validation"]["latest"]
    assert latest["bias_percent"] == found["bias_percent"]

    with closing(sqlite3.connect(work.database)) as connection, connection:
        middle = np.median([row["density"] for row in densities(work, tmp_path)])
        connection.execute("UPDATE validations SET density_high = ?", (middle,))
    assert set(states().values()) == {"validated", "outside the validated range"}


def test_each_count_has_an_interval_that_a_validation_widens(
    work: Experiment, tmp_path: Path
) -> None:
    def intervals() -> dict[str, tuple[int, int, int]]:
        livecount("export", "counts", "-o", tmp_path / "c.csv", "--database", work.database)
        names = ("count_low", "count", "count_high")
        return {
            row["source"]: tuple(int(row[name]) for name in names)
            for row in rows_of(tmp_path / "c.csv")
        }

    before = intervals()
    assert all(0 <= low <= count <= high for low, count, high in before.values())
    assert any(low < count < high for low, count, high in before.values())
    for name, centres in true_centres(work).items():
        # A person who sees twice as many cells.
        twice = np.concatenate([centres, np.clip(centres + 1.5, 0, 223)])
        (work.picked / name).with_suffix(".csv").write_text(as_napari(twice), encoding="utf-8")
    assert score(work)["bias_percent"] < -20
    for source, (low, count, high) in intervals().items():
        assert low <= before[source][0]
        assert high >= 1.6 * count
    with closing(sqlite3.connect(work.database)) as connection, connection:
        connection.execute("DELETE FROM calibrations")
        for table in ("clicks", "validated_fields", "validations"):
            connection.execute(f"DELETE FROM {table}")
    livecount("export", "counts", "-o", tmp_path / "c.csv", "--database", work.database)
    assert {row["count_low"] for row in rows_of(tmp_path / "c.csv")} == {""}


def densities(work: Experiment, folder: Path) -> list[dict[str, float]]:
    livecount("export", "counts", "-o", folder / "d.csv", "--database", work.database)
    return [{"density": float(row["density_per_mm2"])} for row in rows_of(folder / "d.csv")]


def status(work: Experiment) -> str:
    return " ".join(livecount("status", "--database", work.database).stdout.split())


def test_a_field_without_cells_and_a_field_left_out(work: Experiment) -> None:
    names = list(true_centres(work))
    (work.picked / names[0]).with_suffix(".csv").touch()
    (work.picked / names[1]).with_suffix(".centres.csv").write_text("y_px,x_px\n")
    found = score(work)
    assert found["not_done"] == names[2:]
    assert [field["annotated"] for field in found["fields"]] == [0, 0]
    assert found["bias_percent"] is None
    shown = livecount("validate", "score", work.picked, "--database", work.database)
    assert "no field has both counted and clicked cells" in shown.stdout


def test_cells_where_a_person_saw_none_validate_nothing(work: Experiment, tmp_path: Path) -> None:
    truth = true_centres(work)
    names = list(truth)
    for name in names:
        text = "" if name in names[3:] else as_fiji(truth[name])
        (work.picked / name).with_suffix(".csv").write_text(text, encoding="utf-8")
    found = score(work)
    assert (found["n_compared"], found["n_in_one_count_alone"]) == (3, 3)
    assert not found["counts_as_validation"]
    assert "the model finds cells where there are none" in found["unusable_because"]
    assert any(f"{name} (" in found["sentence"] for name in names[3:])
    livecount("export", "counts", "-o", tmp_path / "c.csv", "--database", work.database)
    assert {row["validation"] for row in rows_of(tmp_path / "c.csv")} == {"not validated"}
    assert "not validated: the model finds cells where there are none" in status(work)


def test_frames_that_the_model_learnt_from_validate_nothing(
    work: Experiment, tmp_path: Path
) -> None:
    truth = true_centres(work)
    sheet = {row["file"]: row for row in rows_of(work.picked / "fields.csv")}
    learnt = list(truth)[:2]
    hashes = [sheet[name]["content_hash"] for name in learnt]
    model = shutil.copytree(ENGINE, tmp_path / "tuned")
    with (model / "model.toml").open("a", encoding="utf-8") as card:
        card.write(f'\n[[training_data]]\nname = "mine"\ncontent_hashes = {hashes}\n')
    database = tmp_path / "tuned.db"
    run_until_idle(work.frames, database, (*OPTIONS, "--model", model))
    tuned = Experiment(work.frames, database, work.picked)
    for name in learnt:
        (work.picked / name).with_suffix(".csv").write_text(as_fiji(truth[name]), encoding="utf-8")
    none_left = livecount("validate", "score", work.picked, "--database", database, check=False)
    assert "has learnt from all 2 fields" in none_left.stderr
    assert none_left.stderr.count("\n") == 1
    for name, centres in truth.items():
        (work.picked / name).with_suffix(".csv").write_text(as_fiji(centres), encoding="utf-8")
    found = score(tuned)
    assert found["learnt_from"] == learnt
    assert [field["file"] for field in found["fields"]] == list(truth)[2:]
    shown = livecount("validate", "score", work.picked, "--database", database)
    assert f"2 fields left out, since model deepdistance has learnt from them: {learnt[0]}" in (
        " ".join(shown.stderr.split())
    )
    assert score(work)["learnt_from"] == [], "the shipped model learnt from none of them"

    annotated = tmp_path / "annotated"
    annotated.mkdir()
    for name in list(truth)[1:3]:
        shutil.copyfile(work.picked / name, annotated / name)
        text = as_livecount(truth[name])
        (annotated / name).with_suffix(".centres.csv").write_text(text, encoding="utf-8")
    (annotated / "dataset.toml").write_text(
        'name = "mine"\ncell_diameter_px = 33\nmatch_radius_px = 16\n', encoding="utf-8"
    )
    told = livecount("evaluate", annotated, "--model", model, "--json")
    assert json.loads(told.stdout)["learnt_from"] == [f"mine/{learnt[1]}"]
    assert "has learnt from 1 of 2 images" in " ".join(told.stderr.split())


def test_clicks_that_cannot_be_understood_are_one_clear_line(work: Experiment) -> None:
    (work.picked / "field-001.csv").write_text(" ,X,Y\n1,5,5000\n", encoding="utf-8")
    done = livecount("validate", "score", work.picked, "--database", work.database, check=False)
    assert done.returncode == 1
    assert "line 2: the centre y 4999.5, x 4.5 lies outside field-001.tif" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    with closing(sqlite3.connect(work.database)) as connection:
        assert connection.execute("SELECT count(*) FROM validations").fetchone() == (0,)


def test_points_that_were_measured_twice_are_refused(work: Experiment) -> None:
    name, centres = next(iter(true_centres(work).items()))
    twice = as_fiji(np.concatenate([centres, centres]))
    (work.picked / name).with_suffix(".csv").write_text(twice, encoding="utf-8")
    done = livecount("validate", "score", work.picked, "--database", work.database, check=False)
    assert done.returncode == 1
    assert f"field-001.csv, lines 2 and {len(centres) + 2}: the same centre twice" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("kept", [1, 4, 11])
def test_a_sheet_with_a_row_cut_off_is_one_clear_line(
    made: Experiment, tmp_path: Path, kept: int
) -> None:
    sheet = (made.picked / "fields.csv").read_text(encoding="utf-8").splitlines()
    sheet[2] = ",".join(sheet[2].split(",")[:kept])
    (tmp_path / "fields.csv").write_text("\n".join(sheet), encoding="utf-8")
    wanted = f"row 2 below the header lacks its {sheet[0].split(',')[kept]}"
    with pytest.raises(AnnotationError, match=wanted):
        read_sheet(tmp_path)


def test_what_stands_in_the_way_is_said(work: Experiment, tmp_path: Path) -> None:
    def fails(*words: object) -> str:
        done = livecount("validate", *words, "--database", work.database, check=False)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        return done.stderr

    assert "None of the 6 fields" in fails("score", work.picked)
    assert "holds no fields.csv" in fails("score", tmp_path)
    assert "not an empty folder" in fails("pick", "-o", work.picked)
    assert "lies in the watched folder" in fails("pick", "-o", work.frames / "mine")
    (work.picked / "field-001.csv").touch()
    (work.picked / "field-001.centres.csv").touch()
    assert "both hold clicks on field-001.tif" in fails("score", work.picked)
    (work.picked / "field-001.centres.csv").unlink()
    sheet = (work.picked / "fields.csv").read_text(encoding="utf-8")
    lines = sheet.splitlines()
    (work.picked / "fields.csv").write_text("\n".join([lines[0], lines[1][:-3] + "xyz"]))
    assert "has not counted as it was when it was picked" in fails("score", work.picked)
    (work.picked / "fields.csv").write_text("file\nfield-001.tif\n")
    assert "lacks the columns experiment, source, content_hash" in fails("score", work.picked)


@pytest.mark.parametrize("name", ["pick", "checked", "score"])
def test_commands_explain_themselves_with_an_example(name: str) -> None:
    shown = livecount("validate", name, "--help").stdout
    assert f"Example: livecount validate {name}" in shown
    assert "--json" in shown
