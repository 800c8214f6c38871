"""Edges and overlaps as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecount.inside import INSIDE_COLUMNS
from tests.endtoend.program import livecount, rows_of

CONFIG = """
[counting]
cell_diameter_px = 40
edge_guard = "half-diameter"
stage_axes = "left down"
"""


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("edges") / "scans"
    livecount(
        *("simulate", "-o", folder, "--time-points", 4, "--size-px", 400, "--founders", 16),
        *("--frame-interval-min", 240, "--scheme", "incucyte"),
    )
    (folder.parent / "config.toml").write_text(CONFIG, encoding="utf-8")
    return folder


def test_a_run_remembers_that_curves_leave_the_edge_out(frames: Path, tmp_path: Path) -> None:
    database = ("--database", tmp_path / "run.db")
    config = ("-c", frames.parent / "config.toml")
    livecount("run", frames, *database, *config, "--no-dashboard", "--until-idle", 1)
    livecount("export", "counts", *database, "-o", tmp_path / "counts.csv")
    counts = rows_of(tmp_path / "counts.csv")
    assert {row["curves_from"] for row in counts} == {"inside"}
    assert {row["edge_guard_px"] for row in counts} == {"20"}
    assert {row["overlap"] for row in counts} == {"none"}
    assert all(0 < int(row["count_inside"]) < int(row["count"]) for row in counts)
    for flags, metric in (((), "count_inside"), (("--edge-guard", "none"), "count")):
        livecount("export", "growth", *database, *flags, "-o", tmp_path / "growth.csv")
        named = {row["metric"] for row in rows_of(tmp_path / "growth.csv")}
        assert {name.removesuffix("_per_mm2").replace("density", "count") for name in named} == {
            metric
        }
    livecount("report", *database, "-o", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "cells at least 20 px from the frame" in page


def tile(pixels: np.ndarray, name: str, left_px: int, folder: Path, time_point: int = 0) -> None:
    """Write a part of a frame as Micro-Manager does; its stage's x grows to the left."""
    record = {
        "PositionName": name, "ElapsedTime-ms": time_point * 3_600_000, "FrameIndex": time_point,
        "PixelSizeUm": 0.5, "XPositionUm": -0.5 * left_px, "YPositionUm": 100.0,
    }  # fmt: skip
    tag = (51123, "s", 0, json.dumps(record), True)
    folder.mkdir(exist_ok=True)
    tifffile.imwrite(folder / f"{name}_{time_point}.tif", pixels, extratags=[tag], metadata=None)


def test_overlapping_fields_count_as_the_whole_does(frames: Path, tmp_path: Path) -> None:
    whole = tifffile.imread(sorted(frames.rglob("*.tif"))[-1])
    tile(whole, "Pos0", 0, tmp_path / "whole")
    tile(whole[:, :260], "Pos0", 0, tmp_path / "tiles")
    tile(whole[:, 140:], "Pos1", 140, tmp_path / "tiles")
    found = {}
    for folder in ("tiles", "whole"):
        csv = tmp_path / f"{folder}.csv"
        livecount("count", tmp_path / folder, "-c", frames.parent / "config.toml", "--csv", csv)
        found[folder] = rows_of(csv)
    assert {row["overlap"] for row in found["tiles"]} == {"counted once"}
    assert {row["overlap"] for row in found["whole"]} == {"none"}
    inside = {
        folder: [
            sum(float(row[name]) for row in rows) for name in ("count_inside", "area_inside_mm2")
        ]
        for folder, rows in found.items()
    }
    assert inside["tiles"][1] == pytest.approx(inside["whole"][1])
    assert inside["tiles"][0] == pytest.approx(inside["whole"][0], abs=2)
    assert sum(int(row["count"]) for row in found["tiles"]) > int(found["whole"][0]["count"]) + 2


def test_a_run_counts_each_place_once_as_count_does(frames: Path, tmp_path: Path) -> None:
    for time_point, path in enumerate(sorted(frames.rglob("*.tif"))[:2]):
        whole = tifffile.imread(path)
        for field, left_px in enumerate((0, 140)):
            pixels = whole[:, left_px : left_px + 260]
            tile(pixels, f"Pos{field}", left_px, tmp_path / "tiles", time_point)
    config = ("-c", frames.parent / "config.toml")
    database = ("--database", tmp_path / "run.db")
    livecount("count", tmp_path / "tiles", *config, "--csv", tmp_path / "count.csv")
    livecount("run", tmp_path / "tiles", *database, *config, "--no-dashboard", "--until-idle", 1)
    livecount("export", "counts", *database, "-o", tmp_path / "run.csv")
    names = ("count", *INSIDE_COLUMNS)
    by_count, by_run = (
        {row["source"]: [row[name] for name in names] for row in rows_of(tmp_path / f"{table}.csv")}
        for table in ("count", "run")
    )
    assert len(by_run) == 4
    assert {row[names.index("overlap")] for row in by_run.values()} == {"counted once"}
    assert by_run == by_count
