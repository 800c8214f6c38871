"""A field that moves for one frame, as a user meets it."""

from __future__ import annotations

from pathlib import Path

import tifffile

from tests.endtoend.program import livecount, rows_of

SIDE_PX = 300


def test_a_moved_field_is_flagged_by_run_and_by_count(tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    livecount(
        *("simulate", "-o", scans, "--time-points", 9, "--size-px", 400, "--founders", 24),
        *("--cell-diameter-px", 24, "--frame-interval-min", 20, "--scheme", "incucyte"),
    )
    paths = sorted(scans.rglob("*.tif"))
    for number, path in enumerate(paths):
        left_px = 80 if number == 5 else 0
        pixels = tifffile.imread(path)[:SIDE_PX, left_px : left_px + SIDE_PX]
        tifffile.imwrite(path, pixels)
    chosen = ("--cell-diameter-px", 24)
    database = ("--database", tmp_path / "run.db")
    livecount("run", scans, *database, *chosen, "--no-dashboard", "--until-idle", 1)
    livecount("export", "counts", *database, "-o", tmp_path / "run.csv")
    livecount("count", scans, *chosen, "--csv", tmp_path / "count.csv")
    for table in ("run", "count"):
        rows = rows_of(tmp_path / f"{table}.csv")
        moved = [row["source"] for row in rows if "field_moved" in row["flags"].split(";")]
        assert len(rows) == 9
        assert moved == [paths[5].name]
