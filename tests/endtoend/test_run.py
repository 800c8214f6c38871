"""The monitor as a user runs it: a process beside software that writes frames."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.endtoend.program import (
    command,
    environment,
    exported,
    livecount,
    rows_of,
    run_until_idle,
    run_with_kills,
    start_copying,
    stored,
)

DIAMETER = ("--cell-diameter-px", 40)
SOON = ("--until-idle", 1.2)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six frames of two simulated wells, small so that the network is quick."""
    folder = tmp_path_factory.mktemp("acquired") / "frames"
    livecount(
        "simulate", "-o", folder, "--wells", "A1,B2", "--time-points", 3, "--size-px", 320,
        "--founders", 12, "--scheme", "incucyte", "--frame-interval-min", 120,
    )  # fmt: skip
    shutil.rmtree(folder / "truth")
    return folder


@pytest.fixture(scope="module")
def undisturbed(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = tmp_path_factory.mktemp("undisturbed") / "run.db"
    run_until_idle(frames, database, [*DIAMETER, *SOON, "--experiment", "e"])
    return database


def test_every_frame_has_one_count_in_order_of_well_and_time(
    frames: Path, undisturbed: Path, tmp_path: Path
) -> None:
    livecount("export", "counts", "-o", tmp_path / "c.csv", "--database", undisturbed)
    rows = rows_of(tmp_path / "c.csv")
    assert [(row["well"], float(row["elapsed_h"])) for row in rows] == [
        ("A1", 0), ("A1", 2), ("A1", 4), ("B2", 0), ("B2", 2), ("B2", 4),
    ]  # fmt: skip
    assert {row["source"] for row in rows} == {file.name for file in frames.iterdir()}
    assert all(int(row["count"]) > 0 for row in rows)


def test_export_begins_with_the_promised_columns(undisturbed: Path, tmp_path: Path) -> None:
    tables = exported(undisturbed, tmp_path / "tables")
    assert tables["counts"].startswith(
        "experiment,plate,well,field,position,time_point,channel,z,acquired_at,elapsed_h,count,"
        "density_per_mm2,confluence_percent,flags,excluded,source,page,model,analysis_id"
    )
    assert "y_px,x_px,score" in tables["cells"].splitlines()[0]
    assert tables["growth"].startswith(
        "experiment,group,well,position,metric,n_points,start_h,end_h,rate_per_h,rate_low,"
        "rate_high,doubling_time_h,doubling_time_low_h,doubling_time_high_h,fit,r_squared"
    )


def test_cells_and_counts_agree(undisturbed: Path, tmp_path: Path) -> None:
    exported(undisturbed, tmp_path)
    cells = [row["source"] for row in rows_of(tmp_path / "cells.csv")]
    for row in rows_of(tmp_path / "counts.csv"):
        assert cells.count(row["source"]) == int(row["count"])


def test_a_restart_changes_nothing(frames: Path, undisturbed: Path, tmp_path: Path) -> None:
    database = tmp_path / "again.db"
    shutil.copyfile(undisturbed, database)
    before = stored(database)
    run_until_idle(frames, database, [*DIAMETER, *SOON, "--experiment", "e"])
    assert stored(database) == before


def test_killed_while_frames_arrive_every_column_is_as_undisturbed(
    frames: Path, undisturbed: Path, tmp_path: Path
) -> None:
    watched = tmp_path / frames.name
    names = sorted(file.name for file in frames.iterdir())
    copier = start_copying(frames, watched, names, pause_s=0.3)
    database = tmp_path / "killed.db"
    met = run_with_kills(
        watched, database, [*DIAMETER, *SOON, "--experiment", "e"],
        kills=4, longest_life_s=5.0, seed=1,
    )  # fmt: skip
    assert copier.wait() == 0
    assert met
    assert stored(database) == stored(undisturbed)
    killed = exported(database, tmp_path / "killed")
    calm = exported(undisturbed, tmp_path / "calm")
    for name in ("counts", "cells", "growth"):
        assert killed[name] == calm[name].replace(str(frames), str(watched))


def test_bad_files_are_set_aside_with_a_reason_and_the_rest_is_counted(
    frames: Path, tmp_path: Path
) -> None:
    watched = tmp_path / "watched"
    shutil.copytree(frames, watched)
    (watched / "empty.tif").write_bytes(b"")
    (watched / "garbage.tif").write_bytes(b"no image at all" * 50)
    whole = next(frames.glob("*.tif")).read_bytes()
    (watched / "cut off.tif").write_bytes(whole[: len(whole) // 2])
    claims = watched / "huge 'quoted'.tif"
    write_claiming_header(claims)
    database = tmp_path / "run.db"
    config = tmp_path / "config.toml"
    config.write_text("[watch.retry]\nattempts = 2\nfirst_wait_s = 0.2\n")
    run_until_idle(watched, database, [*DIAMETER, *SOON, "-c", config])
    status = json.loads(livecount("status", "--database", database, "--json").stdout)
    assert status["frames"] == {
        "seen": 10, "counted": 6, "pending": 0, "ignored": 0, "quarantined": 4, "superseded": 0,
    }  # fmt: skip
    reasons = {item["file"]: item["reason"] for item in status["quarantined"]}
    assert set(reasons) == {"empty.tif", "garbage.tif", "cut off.tif", claims.name}
    assert "100,000 x 100,000" in reasons[claims.name]
    assert all("\n" not in reason for reason in reasons.values())


def write_claiming_header(file: Path) -> None:
    """Write a thousand bytes that claim an image of 100,000 x 100,000."""
    tifffile.imwrite(file, np.zeros((8, 8), np.uint16), metadata=None)
    content = bytearray(file.read_bytes())
    with tifffile.TiffFile(file) as opened:
        for name in ("ImageWidth", "ImageLength"):
            offset = opened.pages[0].tags[name].valueoffset
            content[offset : offset + 4] = (100_000).to_bytes(4, "little")
            content[offset - 6 : offset - 4] = (4).to_bytes(2, "little")
    file.write_bytes(content)


def test_a_set_aside_file_is_taken_up_when_it_changes(frames: Path, tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    whole = next(frames.glob("*.tif"))
    (watched / whole.name).write_bytes(b"not yet")
    config = tmp_path / "config.toml"
    config.write_text("[watch.retry]\nattempts = 1\n")
    database = tmp_path / "run.db"
    options = [*DIAMETER, *SOON, "-c", config]
    run_until_idle(watched, database, options)
    shutil.copyfile(whole, watched / whole.name)
    run_until_idle(watched, database, options)
    frames_now = json.loads(livecount("status", "--database", database, "--json").stdout)["frames"]
    assert (frames_now["counted"], frames_now["quarantined"]) == (1, 0)


def test_a_replaced_frame_supersedes_the_old_one(frames: Path, tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    first, second = sorted(frames.glob("*.tif"))[:2]
    shutil.copyfile(first, watched / first.name)
    database = tmp_path / "run.db"
    run_until_idle(watched, database, [*DIAMETER, *SOON])
    shutil.copyfile(second, watched / first.name)
    run_until_idle(watched, database, [*DIAMETER, *SOON])
    livecount("export", "counts", "-o", tmp_path / "c.csv", "--database", database)
    assert len(rows_of(tmp_path / "c.csv")) == 1
    tally = json.loads(livecount("status", "--database", database, "--json").stdout)["frames"]
    assert (tally["seen"], tally["counted"], tally["superseded"]) == (2, 1, 1)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX systems")
def test_stops_in_order_on_sigterm_and_refuses_a_second_monitor(
    frames: Path, tmp_path: Path
) -> None:
    database = tmp_path / "run.db"
    words = command("run", frames, "--database", database, "--no-dashboard", *DIAMETER)
    with subprocess.Popen(
        words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as monitor:
        assert monitor.stdout is not None
        assert "cells" in monitor.stdout.readline()
        second = livecount("run", frames, "--database", database, *DIAMETER, check=False)
        assert second.returncode == 1
        assert str(monitor.pid) in second.stderr
        started = time.monotonic()
        monitor.send_signal(signal.SIGTERM)
        assert monitor.wait(20) == 0
        assert time.monotonic() - started < 15
    status = json.loads(livecount("status", "--database", database, "--json").stdout)
    assert status["running"] is False


def test_other_settings_than_before_are_refused_rather_than_split_a_curve(
    frames: Path, undisturbed: Path, tmp_path: Path
) -> None:
    database = tmp_path / "run.db"
    shutil.copyfile(undisturbed, database)
    for words in (("--cell-diameter-px", 30), (*DIAMETER, "--h", 0.3)):
        done = livecount(
            "run", frames, "--database", database, "--experiment", "e", *SOON, *words, check=False
        )
        assert done.returncode == 2
        assert "--experiment" in done.stderr


def test_an_estimated_diameter_is_shown_said_and_kept(frames: Path, tmp_path: Path) -> None:
    database = tmp_path / "run.db"
    run_until_idle(frames, database, [*SOON, "--experiment", "e"])
    status = json.loads(livecount("status", "--database", database, "--json").stdout)
    assert status["frames"]["counted"] == 6
    (experiment,) = status["experiments"]
    assert "estimated from" in experiment["cell_diameter"]
    (notice,) = status["notices"]
    (picture,) = tmp_path.glob("*.png")
    assert str(picture) in notice
    run_until_idle(frames, database, [*SOON, "--experiment", "e"])
    again = json.loads(livecount("status", "--database", database, "--json").stdout)
    assert again["experiments"] == status["experiments"]
    assert again["notices"] == [notice]


def test_a_growing_stack_is_counted_page_by_page(tmp_path: Path) -> None:
    watched, database = tmp_path / "frames", tmp_path / "run.db"
    microscope = subprocess.Popen(
        command(
            "simulate", "-o", watched, "--time-points", 5, "--size-px", 256, "--founders", 8,
            "--scheme", "ome-tiff", "--manner", "growing", "--seconds-per-time-point", 3,
            "--cell-diameter-px", 30,
        ),
        env=environment(),
    )  # fmt: skip
    with subprocess.Popen(
        command("run", watched, "--database", database, "--no-dashboard", "--until-idle", 6,
                "--cell-diameter-px", 30),
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as monitor:  # fmt: skip
        assert monitor.stdout is not None
        assert "cells" in monitor.stdout.readline()
        assert microscope.poll() is None, "the first page is counted while the stack still grows"
        assert monitor.wait(120) == 0
    assert microscope.wait() == 0
    livecount("export", "counts", "-o", tmp_path / "c.csv", "--database", database)
    rows = rows_of(tmp_path / "c.csv")
    assert [row["page"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert [row["time_point"] for row in rows] == ["0", "1", "2", "3", "4"]
