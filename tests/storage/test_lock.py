"""One monitor per database."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from livecount.errors import MonitorRunningError, StoreError
from livecount.storage import MonitorLock

HOLD = """
import sys
from pathlib import Path
from livecount.storage import MonitorLock
with MonitorLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_second_monitor_is_refused_and_the_lock_dies_with_its_holder(database):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(MonitorRunningError, match=rf"process {holder.pid} on .*--database"):
            MonitorLock(database).acquire()
        assert MonitorLock(database).is_held_elsewhere()
        holder.kill()
    assert not MonitorLock(database).is_held_elsewhere()
    with (
        MonitorLock(database),
        pytest.raises(MonitorRunningError, match=f"process {os.getpid()}"),
    ):
        MonitorLock(database).acquire()
    MonitorLock(database).acquire()


def test_asking_leaves_nothing_behind(database):
    assert not MonitorLock(database).is_held_elsewhere()
    assert list(database.parent.iterdir()) == []
    with MonitorLock(database) as lock:
        assert not lock.is_held_elsewhere()


def test_releasing_what_is_not_held_is_harmless(database):
    MonitorLock(database).release()


def test_lock_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be made"):
        MonitorLock(tmp_path / "file" / "counts.db").acquire()
