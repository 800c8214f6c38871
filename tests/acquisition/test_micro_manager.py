"""Beside Micro-Manager's own core: every plane once, as it appears, with its place and time."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.endtoend.program import command, environment, livecount, rows_of

pytest.importorskip("pymmcore_plus", reason="Micro-Manager's core comes with the extra [test]")

from tests.acquisition import microscope

TIME_POINTS = 6
INTERVAL_S = 1.5
CHANNELS = ("Phase", "GFP")
N_Z = 3
# ome-writers and ndstorage keep these times; OME-Zarr has only the planned interval.
TIMES_ARE_REAL = {"sequence": True, "ome-tiff": True, "ndtiff": True, "ome-zarr": False}


def start_monitor(folder: Path, database: Path) -> subprocess.Popen[str]:
    folder.mkdir()
    settings = {"LIVECOUNT_COUNTING__CHANNEL": "Phase", "LIVECOUNT_COUNTING__Z": "all"}
    monitor = subprocess.Popen(
        command(
            "run", folder, "--database", database, "--no-dashboard",
            "--until-idle", 6, "--cell-diameter-px", 40,
        ),
        env=environment() | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    assert monitor.stdout is not None
    while "watching" not in (line := monitor.stdout.readline()):
        assert line, "the monitor did not start"
    return monitor


def acquire(folder: Path, layout: str, *options: object) -> list[dict[str, Any]]:
    program = [sys.executable, microscope.__file__, str(folder), layout, *map(str, options)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, env=environment())
    assert done.returncode == 0, done.stderr
    planes: list[dict[str, Any]] = json.loads(done.stdout)
    return planes


@pytest.mark.parametrize(
    "layout",
    [
        "sequence",
        "ome-zarr",
        pytest.param("ome-tiff", marks=pytest.mark.long),
        pytest.param("ndtiff", marks=pytest.mark.long),
    ],
)
def test_every_plane_is_counted_once_while_micro_manager_acquires(
    layout: str, tmp_path: Path
) -> None:
    folder, database = tmp_path / "frames", tmp_path / "run.db"
    monitor = start_monitor(folder, database)
    planes = acquire(
        folder, layout, "--time-points", TIME_POINTS, "--interval-s", INTERVAL_S,
        "--channels", ",".join(CHANNELS), "--z", "--until-counted", database,
    )  # fmt: skip
    said, _ = monitor.communicate(timeout=120)
    assert monitor.returncode == 0, said
    assert len(planes) == TIME_POINTS * len(CHANNELS) * N_Z * len(microscope.POSITIONS)

    wanted = {
        (plane["position"], plane["time_point"], plane["z"]): plane
        for plane in planes
        if plane["channel"] == "Phase"
    }
    frames = counted_frames(database)
    assert sorted(place_of(frame) for frame in frames) == sorted(wanted)
    for frame in frames:
        plane = wanted[place_of(frame)]
        assert frame["content_hash"] == plane["hash"]
        assert frame["channel"] == "Phase"
        assert frame["well"] == plane["position"]
        assert frame["pixel_size_um"] == microscope.PIXEL_SIZE_UM
        real = TIMES_ARE_REAL[layout]
        elapsed_s = plane["elapsed_s"] if real else plane["time_point"] * INTERVAL_S
        assert frame["elapsed_s"] == pytest.approx(elapsed_s, abs=0.05)
    states = Counter(frame["state"] for frame in every_frame(database))
    assert states == {"counted": len(wanted), "ignored": len(planes) - len(wanted)}

    # Counted as they appeared: the microscope held its last time point until one had a count.
    last_given = max(plane["given_at"] for plane in planes)
    early = sum(moment(frame["counted_at"]) < last_given for frame in frames)
    assert early >= 1

    rows = livecount_export(database, tmp_path)
    assert len(rows) == len(wanted)
    times = [(row["position"], row["z"], float(row["elapsed_h"])) for row in rows]
    assert len(set(times)) == len(times)


def place_of(frame: dict[str, Any]) -> tuple[str, int, int]:
    return frame["position"], frame["time_point"], frame["z"]


def moment(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def every_frame(database: Path) -> list[dict[str, Any]]:
    return _rows(database, "SELECT * FROM frames WHERE state <> 'superseded'")


def counted_frames(database: Path) -> list[dict[str, Any]]:
    return _rows(
        database,
        "SELECT frames.*, counts.counted_at FROM frames JOIN counts ON counts.frame_id = frames.id",
    )


def _rows(database: Path, query: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


def livecount_export(database: Path, folder: Path) -> list[dict[str, str]]:
    livecount("export", "counts", "-o", folder / "counts.csv", "--database", database)
    return rows_of(folder / "counts.csv")
