"""Real micrographs, read in place: never part of the project, skipped where there are none."""

import csv
import json
import shutil
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from livecount.inference import find_model
from tests.endtoend.program import livecount, run_until_idle


def series(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.tif"))


def exported_rows(database: Path, file: Path) -> list[dict[str, str]]:
    livecount("export", "counts", "-o", file, "--database", database)
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def test_a_nis_elements_series_has_its_own_times_and_pixel_size(
    real_images: Path, tmp_path: Path
) -> None:
    folder = real_images / "t98g-series"
    run_until_idle(folder, tmp_path / "run.db", ["--cell-diameter-um", 59, "--until-idle", 1.2])
    rows = exported_rows(tmp_path / "run.db", tmp_path / "c.csv")
    assert [row["source"] for row in rows] == series(folder)
    hours = [float(row["elapsed_h"]) for row in rows]
    steps = [60 * (after - before) for before, after in pairwise(hours)]
    assert steps == pytest.approx([10] * 13, abs=0.1)
    assert {round(float(row["pixel_size_um"]), 3) for row in rows} == {0.871}
    assert {(row["pixel_size_source"], row["time_source"]) for row in rows} == {
        ("file tag", "file tag")
    }
    counts = [int(row["count"]) for row in rows]
    assert max(counts) - min(counts) < 0.25 * max(counts)


def test_a_series_without_times_takes_the_declared_interval(
    real_images: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "timelapse"
    folder.mkdir()
    for name in series(real_images / "psc" / "timelapse")[:12]:
        shutil.copy(real_images / "psc" / "timelapse" / name, folder)
    run_until_idle(
        folder,
        tmp_path / "run.db",
        ["--cell-diameter-px", 15, "--until-idle", 1.2, "--frame-interval-min", 10],
    )
    rows = exported_rows(tmp_path / "run.db", tmp_path / "c.csv")
    assert [row["source"] for row in rows] == series(folder)
    assert [float(row["elapsed_h"]) for row in rows] == pytest.approx(
        [number / 6 for number in range(len(rows))], abs=1e-6
    )
    assert {row["time_source"] for row in rows} == {"frame interval"}
    assert {row["acquired_at"] for row in rows} == {""}


@pytest.mark.parametrize("name", ["usiigaci-large", "hela"])
def test_the_shipped_model_scores_what_its_card_says(real_images: Path, name: str) -> None:
    card = tomllib.loads((find_model("deepdistance").folder / "model.toml").read_text("utf-8"))
    folder = real_images / name / "test"
    scores = json.loads(livecount("evaluate", folder, "--json").stdout)["datasets"][name]
    assert scores["images"] == len(series(folder))
    cards = card["scores"]["datasets"]
    said = cards.get(f"{name}, its test frames only", cards[name])
    assert scores["images"] == said["images"]
    assert scores["f_score_assignment"] == pytest.approx(said["f_score_assignment"], abs=0.5)
