"""Masks, confluence and shapes, from the command line to the exported tables."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from livecount.annotations import read_masks
from livecount.segmentation.scoring import score_masks
from tests.endtoend.program import livecount, rows_of, run_until_idle

SHAPES = "area_px,area_um2,perimeter_px,perimeter_um,aspect_ratio,eccentricity,class"
LEFT_OUT = "excluded,excluded_by,excluded_at"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "frames"
    livecount(
        "simulate", "-o", folder, "--time-points", 2, "--size-px", 384, "--founders", 14,
        "--frame-interval-min", 60,
    )  # fmt: skip
    return folder


def test_masks_agree_with_the_table_and_the_count_stays(simulated: Path, tmp_path: Path) -> None:
    common = ("count", simulated, "--cell-diameter-px", 40, "--json")
    plain = json.loads(livecount(*common).stdout)["frames"]
    done = livecount(
        *common, "--segment", "--masks", tmp_path / "masks", "--overlay", tmp_path / "look",
        "--csv", tmp_path / "c.csv",
    )  # fmt: skip
    frames = json.loads(done.stdout)["frames"]
    assert [frame["count"] for frame in frames] == [frame["count"] for frame in plain]
    assert [frame["confluence_percent"] for frame in plain] == [None, None]
    rows = rows_of(tmp_path / "c.csv")
    for frame, row in zip(frames, rows, strict=True):
        masks = read_masks(tmp_path / "masks" / (Path(frame["source"]).stem + ".cells.png"))
        assert masks.shape == (384, 384)
        assert 0 < masks.max() <= frame["count"]
        assert frame["confluence_percent"] == pytest.approx(100 * np.mean(masks > 0), abs=0.5)
        assert float(row["confluence_percent"]) == pytest.approx(frame["confluence_percent"])
        assert int(row["bright_rounded_count"]) == frame["bright_rounded_count"]
    with Image.open(min((tmp_path / "look").iterdir())) as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24)}
    assert (255, 214, 10) in colours


def test_masks_alone_ask_for_segmentation_and_go_beside_like_named_frames(
    simulated: Path, tmp_path: Path
) -> None:
    frame = min(simulated.glob("*.tif"))
    folder = tmp_path / "frames"
    folder.mkdir()
    for name in ("a.tif", "a.tiff"):
        (folder / name).write_bytes(frame.read_bytes())
    livecount("count", folder, "--cell-diameter-px", 40, "--masks", tmp_path / "masks")
    written = sorted((tmp_path / "masks").iterdir())
    assert [file.name for file in written] == ["a.cells.png", "a.tiff.cells.png"]
    assert written[0].read_bytes() == written[1].read_bytes()


def test_a_run_keeps_shapes_and_goes_on_with_the_same_analysis(
    simulated: Path, tmp_path: Path
) -> None:
    first, second = sorted(simulated.glob("*.tif"))
    folder = tmp_path / "frames"
    folder.mkdir()
    options = ["--cell-diameter-px", 40, "--until-idle", 1.2]
    (folder / first.name).write_bytes(first.read_bytes())
    run_until_idle(folder, tmp_path / "run.db", options)
    (folder / second.name).write_bytes(second.read_bytes())
    run_until_idle(folder, tmp_path / "run.db", [*options, "--segment"])
    database = ("--database", tmp_path / "run.db")
    livecount("export", "counts", "-o", tmp_path / "counts.csv", *database)
    before, after = sorted(rows_of(tmp_path / "counts.csv"), key=lambda row: row["source"])
    assert before["analysis_id"] == after["analysis_id"]
    assert (before["confluence_percent"], before["bright_rounded_count"]) == ("", "")
    assert 1 < float(after["confluence_percent"]) < 60
    livecount("export", "cells", "-o", tmp_path / "cells.csv", *database)
    with (tmp_path / "cells.csv").open(encoding="utf-8") as file:
        assert file.readline().strip().endswith(f"y_px,x_px,score,{SHAPES},{LEFT_OUT}")
    cells = rows_of(tmp_path / "cells.csv")
    with_shape = [cell for cell in cells if cell["area_px"]]
    assert {cell["source"] for cell in with_shape} == {after["source"]}
    assert len(with_shape) > 0.8 * int(after["count"])
    total_px = sum(float(cell["area_px"]) for cell in with_shape)
    assert total_px / 384**2 * 100 == pytest.approx(float(after["confluence_percent"]), rel=1e-3)
    px_area_um2 = float(after["pixel_size_um"]) ** 2
    for cell in with_shape:
        area_px = float(cell["area_px"])
        assert float(cell["area_um2"]) == pytest.approx(area_px * px_area_um2, rel=1e-6)
        assert cell["class"] in ("bright_rounded", "other")
    livecount("verify", *database)


def test_masks_of_a_real_frame_lie_on_the_annotated_cells(
    real_images: Path, tmp_path: Path
) -> None:
    folder = real_images / "usiigaci-large"
    diameter = tomllib.loads((folder / "dataset.toml").read_text("utf-8"))["cell_diameter_px"]
    frame = min((folder / "test").glob("*.tif"))
    livecount("count", frame, "--cell-diameter-px", diameter, "--masks", tmp_path)
    found = read_masks(tmp_path / f"{frame.stem}.cells.png")
    score = score_masks(found, read_masks(frame.with_name(f"{frame.stem}.cells.png")))
    assert np.mean(score.iou > 0.5) > 0.8
    assert abs(score.confluence_difference) < 5
