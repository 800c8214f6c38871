"""Beside Micro-Manager 2's Java layouts, as a writer of ours follows them on the disk.

Single images: the TIFF first, then its record in a ``metadata.txt`` that lacks its end while the
run goes on. Stacks: full size and more from the first page on, filled page by page, then cut.
"""

from __future__ import annotations

import csv
import sqlite3
import subprocess
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from tests.endtoend.program import await_worker, command, environment, livecount, rows_of

TIME_POINTS = 6


@pytest.mark.parametrize(
    ("scheme", "manner"),
    [
        pytest.param("micro-manager", "slow", marks=pytest.mark.long),
        pytest.param("micro-manager", "pre-sized", marks=pytest.mark.long),
        ("micro-manager-stack", "pre-sized"),
        pytest.param("micro-manager-stack", "growing", marks=pytest.mark.long),
    ],
)
def test_every_plane_is_counted_once_while_it_is_written(
    scheme: str, manner: str, tmp_path: Path
) -> None:
    watched, database = tmp_path / "frames", tmp_path / "run.db"
    watched.mkdir()
    monitor = subprocess.Popen(
        command(
            "run", watched, "--database", database, "--no-dashboard", "--until-idle", 12,
            "--cell-diameter-px", 30,
        ),
        env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    await_worker(database)
    livecount(
        "simulate", "-o", watched, "--scheme", scheme, "--manner", manner, "--wells", "A1,B10",
        "--time-points", TIME_POINTS, "--seconds-per-time-point", 2.5, "--size-px", 192,
        "--founders", 5, "--cell-diameter-px", 30, "--frame-interval-min", 20,
    )  # fmt: skip
    closed_at = last_change(watched)
    _, said = monitor.communicate(timeout=120)
    assert monitor.returncode == 0, said

    livecount("export", "counts", "-o", tmp_path / "counts.csv", "--database", database)
    rows = rows_of(tmp_path / "counts.csv")
    (truth,) = watched.rglob("truth.csv")
    with truth.open(encoding="utf-8", newline="") as file:
        wanted = {(row["source"], int(row["page"])): row for row in csv.DictReader(file)}
    found = {(row["source"], int(row["page"])): row for row in rows}
    assert len(rows) == len(found)
    assert found.keys() == wanted.keys()
    for place, row in found.items():
        assert row["well"] == wanted[place]["well"]
        assert int(row["time_point"]) == int(wanted[place]["time_point"])
        assert float(row["elapsed_h"]) == pytest.approx(
            float(wanted[place]["elapsed_h"]), abs=0.001
        )
        assert float(row["pixel_size_um"]) == pytest.approx(0.65)
        assert row["flags"] == ""
    assert 0 < counted_before(database, closed_at) < len(rows)


def last_change(folder: Path) -> float:
    return max(path.stat().st_mtime for path in folder.rglob("*.tif"))


def counted_before(database: Path, moment: float) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        stamps = connection.execute("SELECT counted_at FROM counts").fetchall()
    return sum(datetime.fromisoformat(stamp).timestamp() < moment for (stamp,) in stamps)
