"""The process that reads and counts dies or hangs; the monitor outlives it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.endtoend.program import command, environment, livecount
from tests.faults.laboratory import NOTHING_YET, Laboratory, Verdict, insist, kill, start, status
from tests.web.test_health import free_port, wait_for

# A reader of somebody's for `*.poison` and `*.hang`, as a package of theirs would add it: such a
# file ends the process that opens it, or never lets it go.
PLUGIN = """
import os, time
import numpy
from livecount.frame import FrameAttributes

def open_poison(path):
    os.abort()

def open_hang(path):
    time.sleep(1e6)

class Halfway:
    n_pages = 3
    def claim(self, page):
        return (64, 64), 64 * 64
    def pixels(self, page):
        time.sleep(1e6 if page == 1 else 0)
        return numpy.random.default_rng(page).integers(0, 255, (64, 64), numpy.uint8)
    def attributes(self, page, time_zone):
        return FrameAttributes()
    def close(self):
        pass

def open_halfway(path):
    return Halfway()
"""
ENTRY_POINTS = (
    "[livecount.readers]\npoison = bad_reader:open_poison\n"
    "hang = bad_reader:open_hang\nhalfway = bad_reader:open_halfway\n"
)


def install_plugin(folder: Path) -> dict[str, str]:
    about = folder / "bad_reader-1.0.dist-info"
    about.mkdir(parents=True)
    (folder / "bad_reader.py").write_text(PLUGIN)
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: bad_reader\nVersion: 1.0\n")
    inherited = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), inherited]))}


def worker_of(monitor: subprocess.Popen[str]) -> int | None:
    """Find the monitor's worker among its children."""
    with suppress(OSError):
        for task in Path(f"/proc/{monitor.pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
    return None


@pytest.mark.parametrize(
    "suffix",
    ["poison", *(pytest.param(name, marks=pytest.mark.long) for name in ("hang", "halfway"))],
)
def test_a_frame_that_ends_the_worker_is_set_aside(
    suffix: str, laboratory: Laboratory, tmp_path: Path
) -> None:
    watched, database = laboratory.copy(tmp_path), tmp_path / "run.db"
    for number in range(2):
        (watched / f"bad{number}.{suffix}").write_bytes(b"anything")
    quick = {
        "LIVECOUNT_WATCH__RETRY__ATTEMPTS": "2",
        "LIVECOUNT_WATCH__RETRY__FIRST_WAIT_S": "0.3",
        "LIVECOUNT_WATCH__PATIENCE_S": "4",
    }
    monitor = start(
        watched, database, "--until-idle", 2, extra=quick | install_plugin(tmp_path / "plugin")
    )
    said, _ = monitor.communicate(timeout=120)
    assert monitor.returncode == 0, said
    found = json.loads(livecount("status", "--database", database, "--json").stdout)
    reasons = [item["reason"] for item in found["quarantined"]]
    assert len(reasons) == 2
    words = "SIGABRT" if suffix == "poison" else "within 4 s"
    assert all(words in reason for reason in reasons), reasons
    tally, good = found["frames"], len(laboratory.names)
    insist(
        f"frame that {'ends' if suffix == 'poison' else 'never lets go of'} the worker",
        2,
        Verdict(good, max(0, good - tally["counted"]), 0, tally["pending"] == 0),
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the worker is found in /proc")
@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.long)])
def test_the_worker_is_killed_again_and_again(
    kills: int, laboratory: Laboratory, tmp_path: Path
) -> None:
    met, total, pause_s = 0, NOTHING_YET, 0.0
    while met < kills:
        work = tmp_path / str(met)
        watched, database = laboratory.copy(work), work / "run.db"
        attempts = {
            "LIVECOUNT_WATCH__RETRY__ATTEMPTS": "50",
            "LIVECOUNT_WATCH__RETRY__FIRST_WAIT_S": "0.1",
        }
        monitor = start(watched, database, "--until-idle", 2, extra=attempts)
        while monitor.poll() is None and met < kills:
            worker = worker_of(monitor)
            pause_s = (pause_s + 0.137) % 1.5
            time.sleep(pause_s)
            if worker is not None:
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                    met += 1
        said, _ = monitor.communicate(timeout=120)
        assert monitor.returncode == 0, said
        total += laboratory.judge(database, work)
    insist("SIGKILL of the worker at a random instant", met, total)


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="a share is served by FUSE")
def test_a_share_hangs_and_comes_back(
    laboratory: Laboratory, tmp_path: Path, as_root: None
) -> None:
    """Its server stands still: the monitor's heart beats on, and then all is counted."""
    bindfs = shutil.which("bindfs")
    if bindfs is None or not Path("/dev/fuse").exists():
        pytest.skip("bindfs is not here: install it to serve a share that hangs")
    share, database = laboratory.copy(tmp_path / "share"), tmp_path / "run.db"
    late = share / laboratory.names[-1]
    late.rename(tmp_path / "late.tif")
    watched = tmp_path / "mounted" / "watched"
    watched.mkdir(parents=True)
    server = subprocess.Popen([bindfs, "-f", str(share), str(watched)])
    monitor = web = None
    try:
        while not any(watched.iterdir()):
            time.sleep(0.05)
        quick = {"LIVECOUNT_WATCH__PATIENCE_S": "3", "LIVECOUNT_WATCH__SETTLE_ON_SHARE_S": "0.6"}
        monitor = start(watched, database, "--until-idle", 4, extra=quick)
        while status_or_nothing(database).get("counted", 0) < 3:
            time.sleep(0.2)
        port = free_port()
        web = subprocess.Popen(
            command("serve", "--database", database, "--port", port), env=environment()
        )
        wait_for(f"http://127.0.0.1:{port}", "/healthz", 200)
        server.send_signal(signal.SIGSTOP)
        shutil.copy(tmp_path / "late.tif", late)
        said, oldest_beat_s = set(), 0.0
        for _ in range(26):
            time.sleep(1)
            found = json.loads(livecount("status", "--database", database, "--json").stdout)
            beat = datetime.fromisoformat(found["heard_of"])
            oldest_beat_s = max(oldest_beat_s, (datetime.now(UTC) - beat).total_seconds())
            said |= set(found["folders"].values())
            assert found["frames"]["quarantined"] == 0
        assert oldest_beat_s < 12
        assert any("does not answer" in words for words in said), said
        gone = json.loads(wait_for(f"http://127.0.0.1:{port}", "/healthz", 503))
        assert "cannot be reached" in gone["reason"]
        server.send_signal(signal.SIGCONT)
        output, _ = monitor.communicate(timeout=120)
    finally:
        server.send_signal(signal.SIGCONT)
        if monitor is not None and monitor.poll() is None:
            kill(monitor)
        if web is not None:
            web.terminate()
            web.wait(10)
        subprocess.run(["umount", "-l", watched], check=False)
        server.wait(10)
    assert monitor.returncode == 0, output
    assert "cannot be reached" in output
    assert "can be reached again" in output
    insist("share hangs for 26 s", 1, laboratory.judge(database, tmp_path))


def status_or_nothing(database: Path) -> dict[str, int]:
    return status(database) if database.exists() else {}
