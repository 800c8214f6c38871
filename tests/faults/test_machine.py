"""The machine: its clock jumps, its memory is short."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.faults.laboratory import Laboratory, Verdict, insist, run, start, status


@pytest.mark.long
def test_the_clock_jumps(laboratory: Laboratory, tmp_path: Path) -> None:
    """The clock runs 3,000 times too fast, then stands a year back: no frame is skipped."""
    library = _faketime()
    watched, database = laboratory.copy(tmp_path), tmp_path / "run.db"
    late = watched / laboratory.names[-1]
    late.rename(tmp_path / "late.tif")
    jumping = {"LD_PRELOAD": str(library), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    run(watched, database, extra=jumping | {"FAKETIME": "+2y x3000"})
    shutil.copy2(tmp_path / "late.tif", late)
    run(watched, database, extra=jumping | {"FAKETIME": "-1y"})
    insist("clock three years forth and back", 2, laboratory.judge(database, tmp_path))


def _faketime() -> Path:
    pytest.importorskip("libfaketime", reason="the clock is faked with the package libfaketime")
    import libfaketime

    found = sorted(Path(libfaketime.__file__).parent.rglob("libfaketime.so.1"))
    if not found:
        pytest.skip("libfaketime has no library for this machine")
    return found[0]


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited with prlimit")
def test_a_frame_too_large_for_the_memory_is_set_aside(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    prlimit = shutil.which("prlimit")
    if prlimit is None:
        pytest.skip("prlimit is not here")
    watched, database = laboratory.copy(tmp_path), tmp_path / "run.db"
    huge = watched / "huge.tif"
    tifffile.memmap(huge, shape=(20_000, 20_000), dtype=np.uint16).flush()
    quick = {
        "LIVECOUNT_WATCH__RETRY__ATTEMPTS": "2",
        "LIVECOUNT_WATCH__RETRY__FIRST_WAIT_S": "0.3",
        "LIVECOUNT_WATCH__ZERO_TAIL_WAIT_S": "0.5",
    }
    run(watched, database, before=[prlimit, f"--as={5 * 1024**3}"], extra=quick, timeout_s=240)
    tally = status(database)
    good = len(laboratory.names)
    verdict = Verdict(good, max(0, good - tally["counted"]), 0, tally["pending"] == 0)
    insist("frame larger than the memory", 1, verdict)


@pytest.mark.long
def test_interrupted_and_terminated(laboratory: Laboratory, tmp_path: Path) -> None:
    watched, database = laboratory.copy(tmp_path), tmp_path / "run.db"
    asked_by = [signal.SIGTERM, signal.SIGINT, signal.SIGTERM]
    # Whoever runs the tests under nohup has it ignored, by the monitor too.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        asked_by.append(signal.SIGHUP)
    for number in asked_by:
        monitor = start(watched, database)
        time.sleep(1.6)
        asked = time.monotonic()
        monitor.send_signal(number)
        said, _ = monitor.communicate(timeout=30)
        assert time.monotonic() - asked < 5
        if number is not signal.SIGHUP:
            assert monitor.returncode == 0, said
    run(watched, database)
    insist("asked to stop", len(asked_by), laboratory.judge(database, tmp_path))
