"""Every command as a user calls it."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.endtoend.program import livecount, run_until_idle


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated frames with their true centres beside them."""
    folder = tmp_path_factory.mktemp("simulated") / "frames"
    livecount(
        "simulate", "-o", folder, "--time-points", 2, "--size-px", 384, "--founders", 14,
        "--centres", "--frame-interval-min", 60,
    )  # fmt: skip
    return folder


def test_count_prints_a_table_writes_csv_and_draws_overlays(
    annotated: Path, tmp_path: Path
) -> None:
    done = livecount(
        "count", annotated, "--cell-diameter-px", 40, "--csv", tmp_path / "c.csv",
        "--overlay", tmp_path / "look",
    )  # fmt: skip
    with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert all(int(row["count"]) > 3 for row in rows)
    assert "cells" in done.stdout
    pictures = sorted((tmp_path / "look").iterdir())
    assert len(pictures) == 2
    with Image.open(pictures[0]) as picture:
        assert min(picture.size) >= 384


def test_count_gives_the_counts_of_a_run(annotated: Path, tmp_path: Path) -> None:
    counted = json.loads(livecount("count", annotated, "--cell-diameter-px", 40, "--json").stdout)
    run_until_idle(annotated, tmp_path / "run.db", ["--cell-diameter-px", 40, "--until-idle", 1.2])
    livecount("export", "counts", "-o", tmp_path / "c.csv", "--database", tmp_path / "run.db")
    with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as file:
        by_run = {row["source"]: int(row["count"]) for row in csv.DictReader(file)}
    assert {frame["source"]: frame["count"] for frame in counted["frames"]} == by_run


def test_count_says_what_it_could_not_read_and_ends_with_1(annotated: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    shutil.copytree(annotated, folder, ignore=shutil.ignore_patterns("truth", "*.csv", "*.toml"))
    (folder / "broken.tif").write_bytes(b"II*\0broken")
    done = livecount("count", folder, "--cell-diameter-px", 40, "--json", check=False)
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert len(result["frames"]) == 2
    assert [Path(item["file"]).name for item in result["failed"]] == ["broken.tif"]
    assert "broken.tif" in done.stderr
    assert "Traceback" not in done.stderr


def test_count_estimates_the_cell_diameter_and_says_so(annotated: Path) -> None:
    done = livecount("count", annotated)
    assert "estimated from" in done.stderr


def test_evaluate_scores_against_the_centres(annotated: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    tifffile.imwrite(tmp_path / "plain" / "a.tif", np.zeros((8, 8), np.uint8))
    result = json.loads(livecount("evaluate", annotated, tmp_path, "--json").stdout)
    (scores,) = result["datasets"].values()
    assert scores["images"] == 2
    assert scores["annotated"] > 10
    assert 0 < scores["f_score_assignment"] <= 100
    assert result["mean_f_score_assignment"] == scores["f_score_assignment"]
    assert [Path(path).name for path in result["skipped"]] == ["plain"]


def test_doctor_explains_a_folder(annotated: Path) -> None:
    found = json.loads(livecount("doctor", annotated, "--json").stdout)
    assert all(check["fine"] for check in found["checks"])
    assert found["folder"]["n_frame_files"] == 2
    assert livecount("doctor", annotated).stdout.count("time_point")


def test_doctor_ends_with_1_where_something_is_wrong(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[counting]\nmodel = "no such model"\n')
    done = livecount("doctor", "-c", config, check=False)
    assert done.returncode == 1
    assert "no such model" in done.stdout


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("run",), 2, "No folder to watch"),
        (("count",), 2, "paths"),
        (("export", "colours", "-o", "x.csv"), 2, "colours"),
        (("export", "counts", "-o", "x.csv", "--database", "none.db"), 1, "none.db"),
        (("status", "--database", "none.db"), 1, "no database"),
        (("plot", "--database", "none.db"), 1, "livecount run"),
        (("count", "nothing-here"), 1, "nothing-here"),
        (("evaluate", "nothing-here"), 1, "nothing-here"),
        (("train", "nothing.toml", "-o", "run"), 2, "nothing.toml"),
        (("run", ".", "-c", "no-such.toml"), 2, "no-such.toml"),
        (("run", ".", "--h", "7"), 2, "counting.h"),
        (("simulate", "-o", "s", "--wells", "Z99"), 1, "Z99"),
        (("no-such-command",), 2, "no-such-command"),
    ],
)
def test_bad_usage_is_one_clear_message(
    words: tuple[str, ...], status: int, said: str, tmp_path: Path
) -> None:
    done = livecount(*words, check=False, cwd=tmp_path)
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


HOSTILE = ["with space", "quote'\"", "new\nline", "<img src=x>", "=1+1", "caf\u00e9"]


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not allow")
def test_hostile_names_pass_from_folder_to_csv(annotated: Path, tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    frame = next(annotated.glob("*.tif"))
    for name in HOSTILE:
        shutil.copyfile(frame, watched / f"{name}.tif")
    shutil.copyfile(frame, os.fsencode(watched) + b"/caf\xe9 invalid.tif")
    database = tmp_path / "run.db"
    run_until_idle(watched, database, ["--cell-diameter-px", 40, "--until-idle", 1.2])
    livecount("export", "counts", "-o", tmp_path / "c.csv", "--database", database)
    with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as file:
        sources = {row["source"] for row in csv.DictReader(file)}
    expected = {f"{name}.tif" for name in HOSTILE if name != "=1+1"}
    assert sources == expected | {"'=1+1.tif", "caf\\xe9 invalid.tif"}
    status = livecount("status", "--database", database)
    assert "7 counted" in " ".join(status.stdout.split())
