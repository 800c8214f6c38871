"""What a lab does to a run: shares that go, databases that are busy, metadata that comes late."""

import csv
import json
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.endtoend.program import command, environment, livecount, run_until_idle

DIAMETER = ("--cell-diameter-px", 30)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("acquired") / "frames"
    livecount(
        "simulate", "-o", folder, "--time-points", 30, "--size-px", 256, "--founders", 6,
        "--cell-diameter-px", 30, "--frame-interval-min", 10,
    )  # fmt: skip
    shutil.rmtree(folder / "truth")
    return folder


def counted(database: Path) -> dict[str, int]:
    tally: dict[str, int] = json.loads(
        livecount("status", "--database", database, "--json").stdout
    )["frames"]
    return tally


def start(
    folder: Path, database: Path, idle_s: float = 3, *options: object
) -> "subprocess.Popen[str]":
    idle = ("--until-idle", idle_s)
    return subprocess.Popen(
        command("run", folder, "--database", database, *idle, *DIAMETER, *options),
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_share_that_goes_and_comes_back_loses_nothing(frames: Path, tmp_path: Path) -> None:
    watched, database = tmp_path / "watched", tmp_path / "run.db"
    shutil.copytree(frames, watched)
    with start(watched, database) as monitor:
        assert monitor.stdout is not None
        monitor.stdout.readline()
        watched.rename(tmp_path / "away")
        time.sleep(1.5)
        (tmp_path / "away").rename(watched)
        _, said = monitor.communicate(timeout=120)
    assert monitor.returncode == 0, said
    tally = counted(database)
    assert (tally["counted"], tally["quarantined"], tally["pending"]) == (30, 0, 0)


def test_a_busy_database_pauses_the_run_and_loses_nothing(frames: Path, tmp_path: Path) -> None:
    watched, database = tmp_path / "watched", tmp_path / "run.db"
    shutil.copytree(frames, watched)
    with start(watched, database) as monitor:
        assert monitor.stdout is not None
        monitor.stdout.readline()
        other = sqlite3.connect(database, timeout=30, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        time.sleep(13)
        other.execute("ROLLBACK")
        other.close()
        _, said = monitor.communicate(timeout=120)
    assert monitor.returncode == 0, said
    assert counted(database)["counted"] == 30


def test_what_is_written_beside_the_frames_later_is_taken_in(tmp_path: Path) -> None:
    watched, database = tmp_path / "watched", tmp_path / "run.db"
    microscope = subprocess.Popen(
        command(
            "simulate", "-o", watched, "--scheme", "pymmcore-plus", "--time-points", 12,
            "--size-px", 256, "--founders", 6, "--cell-diameter-px", 30,
            "--seconds-per-time-point", 0.7,
        ),
        env=environment(), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with start(watched, database, idle_s=5) as monitor:
        monitor.communicate(timeout=120)
    assert microscope.wait() == 0
    livecount("export", "counts", "-o", tmp_path / "c.csv", "--database", database)
    with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert {row["pixel_size_um"] for row in rows} == {"0.65"}
    assert len({row["position"] for row in rows}) == 1
    assert {row["time_source"] for row in rows} == {"companion file"}


def test_a_frame_left_out_for_its_name_is_counted_when_its_channel_becomes_known(
    frames: Path, tmp_path: Path
) -> None:
    watched, database = tmp_path / "run", tmp_path / "run.db"
    watched.mkdir()
    names = [f"{n:05d}_t{n:04d}_p000_c00.tif" for n in range(3)]
    for name, frame in zip(names, sorted(frames.glob("*.tif")), strict=False):
        shutil.copyfile(frame, watched / name)
    (tmp_path / "config.toml").write_text('[counting]\nchannel = "Phase"\n')
    options = [*DIAMETER, "--config", tmp_path / "config.toml", "--until-idle", 1.2]
    run_until_idle(watched, database, options)
    assert counted(database)["ignored"] == 3

    entries = {
        name: {
            "runner_time_ms": 600_000.0 * number,
            "pixel_size_um": 0.65,
            "mda_event": {
                "index": {"t": number, "p": 0, "c": 0},
                "channel": {"config": "Phase"},
                "pos_name": "A1",
            },
        }
        for number, name in enumerate(names)
    }
    (watched / "_frame_metadata.json").write_text(json.dumps(entries))
    run_until_idle(watched, database, options)
    tally = counted(database)
    assert (tally["counted"], tally["ignored"]) == (3, 0)


def test_one_bad_page_holds_up_neither_its_stack_nor_the_run(frames: Path, tmp_path: Path) -> None:
    watched, database = tmp_path / "watched", tmp_path / "run.db"
    watched.mkdir()
    pages = [tifffile.imread(path) for path in sorted(frames.glob("*.tif"))[:4]]
    stack = watched / "stack.tif"
    with tifffile.TiffWriter(stack) as writer:
        for page in pages:
            writer.write(page, compression="zlib", metadata=None, contiguous=False)
    content = bytearray(stack.read_bytes())
    with tifffile.TiffFile(stack) as opened:
        begin = opened.pages[1].dataoffsets[0]
    content[begin : begin + 200] = bytes(np.full(200, 0xA5, np.uint8))
    stack.write_bytes(content)
    config = tmp_path / "config.toml"
    config.write_text("[watch.retry]\nattempts = 2\nfirst_wait_s = 0.2\n")
    run_until_idle(watched, database, [*DIAMETER, "--until-idle", 1.2, "-c", config])
    tally = counted(database)
    assert (tally["counted"], tally["quarantined"]) == (3, 1)


def test_what_could_not_be_read_is_tried_again_though_its_file_does_not_change(
    frames: Path, tmp_path: Path
) -> None:
    watched, database = tmp_path / "watched", tmp_path / "run.db"
    watched.mkdir()
    whole, broken = sorted(frames.glob("*.tif"))[:2]
    lost, content = watched / whole.name, whole.read_bytes()
    (watched / broken.name).write_bytes(b"never an image")
    lost.write_bytes(b"?" * len(content))  # what a share may give whose disk has gone
    os.utime(lost, (1e9, 1e9))
    config = tmp_path / "config.toml"
    config.write_text("[watch.retry]\nattempts = 1\nagain_after_s = 4.0\n")
    with start(watched, database, 7, "-c", config) as monitor:
        wait_until(lambda: set_aside(database).keys() == {whole.name, broken.name})
        first = set_aside(database)
        with lost.open("r+b") as file:
            file.write(content)
        os.utime(lost, (1e9, 1e9))
        wait_until(lambda: set_aside(database).keys() == {broken.name})
        _, said = monitor.communicate(timeout=120)
    tally = counted(database)
    assert (tally["counted"], tally["quarantined"], tally["pending"]) == (1, 1, 0)
    assert set_aside(database)[broken.name] == first[broken.name]  # since when, and why
    assert said.count("set aside: ") == 2  # each once, however often it was tried


def set_aside(database: Path) -> dict[str, tuple[str, str]]:
    """Name the files that are set aside, with the reason and since when."""
    found: list[tuple[bytes, str, str]] = []
    with (
        closing(sqlite3.connect(database, timeout=30)) as connection,
        suppress(sqlite3.OperationalError),  # its tables are still to be made
    ):
        found = connection.execute(
            "SELECT relative_path, reason, changed_at FROM files WHERE state = 'quarantined'"
        ).fetchall()
    return {os.fsdecode(path): (reason, since) for path, reason, since in found}


def wait_until(holds: Callable[[], bool], within_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_the_same_folder_by_another_name_is_not_counted_again(frames: Path, tmp_path: Path) -> None:
    database, link = tmp_path / "run.db", tmp_path / "link"
    link.symlink_to(frames)
    for folder in (frames, link):
        run_until_idle(folder, database, [*DIAMETER, "--until-idle", 1.2, "--experiment", "e"])
    assert counted(database)["counted"] == 30


def test_an_absent_folder_is_not_taken_for_another_by_its_new_name(
    frames: Path, tmp_path: Path
) -> None:
    database, drive = tmp_path / "run.db", tmp_path / "drive" / "scan"
    shutil.copytree(frames, drive)
    options = [*DIAMETER, "--until-idle", 1.2, "--experiment", "e"]
    run_until_idle(drive, database, options)
    drive.parent.rename(tmp_path / "unplugged")
    share = tmp_path / "share" / "scan"
    words = ["run", share, "--database", database, "--no-dashboard", *options]
    refused = livecount(*words, check=False)
    assert refused.returncode == 1
    assert f"Neither {share} nor {drive}" in " ".join(refused.stderr.split())
    share.mkdir(parents=True)
    livecount(*words)
    assert counted(database)["seen"] == 30


def test_a_file_that_went_while_nobody_watched_is_not_pending_for_ever(
    frames: Path, tmp_path: Path
) -> None:
    watched, database = tmp_path / "watched", tmp_path / "run.db"
    shutil.copytree(frames, watched)
    (watched / "broken.tif").write_bytes(b"II*\0")
    run_until_idle(watched, database, [*DIAMETER, "--until-idle", 1.2])
    assert counted(database)["quarantined"] == 1
    (watched / "broken.tif").unlink()
    run_until_idle(watched, database, [*DIAMETER, "--until-idle", 1.2])
    tally = counted(database)
    assert (tally["counted"], tally["quarantined"], tally["pending"]) == (30, 1, 0)


@pytest.mark.skipif(os.name != "posix", reason="closes a pipe as a POSIX shell does")
def test_a_display_that_goes_away_does_not_end_the_run(frames: Path, tmp_path: Path) -> None:
    watched, database = tmp_path / "watched", tmp_path / "run.db"
    shutil.copytree(frames, watched)
    with start(watched, database) as monitor:
        assert monitor.stdout is not None
        monitor.stdout.readline()
        monitor.stdout.close()
        assert monitor.stderr is not None
        monitor.stderr.close()
        monitor.wait(timeout=120)
    assert counted(database)["counted"] == 30


def test_settings_that_are_changed_reach_frames_counted_before(
    frames: Path, tmp_path: Path
) -> None:
    watched, database = tmp_path / "watched", tmp_path / "run.db"
    shutil.copytree(frames, watched)
    options = [*DIAMETER, "--until-idle", 1.2]
    override = tmp_path / "config.toml"
    override.write_text("[counting]\npixel_size_override = true\npixel_size_um = 2.5\n")
    run_until_idle(watched, database, options)
    run_until_idle(watched, database, [*options, "--config", override])
    livecount("export", "counts", "-o", tmp_path / "c.csv", "--database", database)
    with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as file:
        assert {row["pixel_size_um"] for row in csv.DictReader(file)} == {"2.5"}
