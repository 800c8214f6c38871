"""What happens to watched folders: shares that go, folders that appear, links that loop."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.laboratory import Laboratory, Verdict, insist, kill, run, start, status

QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")
WATCHES = Path("/proc/sys/fs/inotify/max_user_watches")


@contextmanager
def kernel_setting(path: Path, value: int) -> Iterator[None]:
    before = path.read_text()
    path.write_text(str(value))
    try:
        yield
    finally:
        path.write_text(before)


def judge_set(database: Path, wanted: int) -> Verdict:
    """Judge runs whose files lie elsewhere than the undisturbed run's: by their number."""
    tally = status(database)
    left = tally["pending"] + tally["quarantined"]
    return Verdict(
        wanted, max(0, wanted - tally["counted"]), max(0, tally["counted"] - wanted), left == 0
    )


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize(
    "setting",
    [
        pytest.param(QUEUE, id="queue"),
        pytest.param(WATCHES, id="watches", marks=pytest.mark.long),
    ],
)
def test_events_that_are_lost(setting: Path, laboratory: Laboratory, tmp_path: Path) -> None:
    """A burst of files in new folders, with room for hardly any event: the scan finds them all."""
    if not os.access(setting, os.W_OK):
        pytest.skip(f"{setting} cannot be set here")
    watched, database = tmp_path / "watched", tmp_path / "run.db"
    watched.mkdir()
    with kernel_setting(setting, 4):
        monitor = start(watched, database, "--until-idle", 2)
        time.sleep(1.5)
        for number, name in enumerate(laboratory.names):
            folder = watched / f"scan {number}" / "deep" / "er"
            folder.mkdir(parents=True)
            shutil.copyfile(laboratory.frames / name, folder / name)
        said, _ = monitor.communicate(timeout=60)
    assert monitor.returncode == 0, said
    verdict = judge_set(database, len(laboratory.names))
    insist("events lost, files in new folders", len(laboratory.names), verdict)


@pytest.mark.long
def test_a_folder_full_of_frames_is_moved_in(laboratory: Laboratory, tmp_path: Path) -> None:
    watched, database = tmp_path / "watched", tmp_path / "run.db"
    watched.mkdir()
    shutil.copytree(laboratory.frames, tmp_path / "aside" / "scan")
    monitor = start(watched, database, "--until-idle", 2)
    time.sleep(1.5)
    (tmp_path / "aside" / "scan").rename(watched / "scan")
    said, _ = monitor.communicate(timeout=60)
    assert monitor.returncode == 0, said
    insist("folder moved in", 1, judge_set(database, len(laboratory.names)))


@pytest.mark.usefixtures("as_root")
def test_a_share_is_unmounted_and_mounted_again(laboratory: Laboratory, tmp_path: Path) -> None:
    """Twice: nothing is forgotten while it is away, nothing counted again when it is back."""
    share, database = laboratory.copy(tmp_path / "share"), tmp_path / "run.db"
    watched = tmp_path / "mounted" / "watched"
    watched.mkdir(parents=True)
    subprocess.run(["mount", "--bind", share, watched], check=True)
    monitor = start(watched, database, "--until-idle", 4)
    try:
        for _ in range(2):
            time.sleep(1.2)
            subprocess.run(["umount", "-l", watched], check=True)
            time.sleep(1.5)
            assert monitor.poll() is None
            subprocess.run(["mount", "--bind", share, watched], check=True)
        said, _ = monitor.communicate(timeout=90)
    finally:
        kill(monitor) if monitor.poll() is None else None
        subprocess.run(["umount", "-l", watched], check=False)
    assert monitor.returncode == 0, said
    insist("share unmounted and mounted again", 2, laboratory.judge(database, tmp_path))


@pytest.mark.long
def test_links_that_loop_end(laboratory: Laboratory, tmp_path: Path) -> None:
    watched, database = laboratory.copy(tmp_path), tmp_path / "run.db"
    (watched / "again").symlink_to(watched, target_is_directory=True)
    (watched / "up").symlink_to(watched.parent, target_is_directory=True)
    (watched / "frame.tif").symlink_to(watched / laboratory.names[0])
    run(watched, database)
    insist("links that loop", 3, laboratory.judge(database, tmp_path))


@pytest.mark.long
@pytest.mark.usefixtures("as_root")
def test_a_forbidden_frame_is_told_and_counted_once_it_may_be_read(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv is not here")
    # Root without the power to pass over permissions: another user may not be able to start this
    # Python, which may lie in root's own folder.
    powerless = [setpriv, "--bounding-set=-dac_override,-dac_read_search"]
    watched, database = laboratory.copy(tmp_path), tmp_path / "run.db"
    forbidden = watched / laboratory.names[3]
    forbidden.chmod(0)
    assert subprocess.run([*powerless, "cat", forbidden], capture_output=True).returncode
    quick = {
        "LIVECOUNT_WATCH__RETRY__ATTEMPTS": "2",
        "LIVECOUNT_WATCH__RETRY__FIRST_WAIT_S": "0.5",
    }
    run(watched, database, before=powerless, extra=quick)
    assert status(database)["quarantined"] == 1
    forbidden.chmod(0o644)
    run(watched, database, before=powerless, extra=quick)
    insist("frame that may not be read, later may", 1, laboratory.judge(database, tmp_path))
