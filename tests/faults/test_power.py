"""The power goes: what was not on the disk is gone, and is done again."""

from __future__ import annotations

import fcntl
import json
import os
import random
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.endtoend.program import stored
from tests.faults.laboratory import NOTHING_YET, Laboratory, insist, kill, run, start

EXT4_IOC_SHUTDOWN = 0x8004587D
WITHOUT_FLUSHING_THE_LOG = 2


@contextmanager
def mounted(image: Path, at: Path) -> Iterator[Path]:
    at.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", image, at], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", at], check=True)


def cut_power(disk: Path) -> None:
    """Shut the file system down as a power cut would: nothing is written any more."""
    descriptor = os.open(disk, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", WITHOUT_FLUSHING_THE_LOG))
    finally:
        os.close(descriptor)


def acknowledged(log: Path) -> set[str]:
    """Name the frames that the monitor's log, on another disk, says are kept."""
    if not log.exists():
        return set()
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return {line["frame"] for line in lines if line.get("event") == "counted"}


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("cuts", [2, pytest.param(60, marks=pytest.mark.long)])
def test_power_cut(cuts: int, laboratory: Laboratory, tmp_path: Path) -> None:
    instants = random.Random(5)
    image = tmp_path / "disk.ext4"
    total, cut = NOTHING_YET, 0
    while cut < cuts:
        with image.open("wb") as file:
            file.truncate(96 * 1024**2)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        work = tmp_path / f"series {cut}"
        watched, log = laboratory.copy(work), work / "run.log"
        logged = {"LIVECOUNT_LOG__FILE": str(log), "LIVECOUNT_LOG__LEVEL": "info"}
        for _ in range(min(4, cuts - cut)):
            with mounted(image, tmp_path / "disk") as disk:
                monitor = start(watched, disk / "run.db", extra=logged)
                time.sleep(instants.uniform(1.5, 3.5))
                cut_power(disk)
                promised = acknowledged(log)
                kill(monitor)
            cut += 1
            with mounted(image, tmp_path / "disk") as disk:
                if (disk / "run.db").exists():
                    kept = {
                        bytes(row["path_"]).decode()
                        for row in stored(disk / "run.db")
                        if row["count"] is not None
                    }
                    assert promised <= kept
                else:
                    assert not promised
        with mounted(image, tmp_path / "disk") as disk:
            run(watched, disk / "run.db")
            total += laboratory.judge(disk / "run.db", work)
    insist("power cut (ext4 shut down without flushing its log)", cut, total)
