"""Killed at any instant, the monitor goes on where it was."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.faults.laboratory import NOTHING_YET, Laboratory, insist, kill, run, start

WRITES = "pwrite64,fsync,fdatasync,ftruncate,rename,unlink"


@pytest.mark.parametrize("kills", [6, pytest.param(500, marks=pytest.mark.long)])
def test_kill_at_random_instants(kills: int, laboratory: Laboratory, tmp_path: Path) -> None:
    instants = random.Random(11)
    met, series = 0, 0
    total = NOTHING_YET
    # A series of frames is done after a few lives; then the next one begins.
    while met < kills:
        series += 1
        work = tmp_path / str(series)
        watched, database = laboratory.copy(work), work / "run.db"
        for _ in range(min(6, kills - met)):
            monitor = start(watched, database)
            time.sleep(instants.uniform(0.3, 4.0))
            met += kill(monitor)
        run(watched, database)
        total += laboratory.judge(database, work)
    insist("SIGKILL at a random instant", met, total)


@pytest.mark.parametrize(
    "places",
    [
        pytest.param((11, 29, 60), id="some", marks=pytest.mark.long),
        pytest.param(tuple(range(1, 201)), id="first-200", marks=pytest.mark.long),
    ],
)
def test_kill_at_a_write(
    places: tuple[int, ...], laboratory: Laboratory, strace: str, tmp_path: Path
) -> None:
    """The process dies as it enters its n-th writing system call, whatever file that is for."""
    met, total = 0, NOTHING_YET
    for place in places:
        work = tmp_path / str(place)
        watched, database = laboratory.copy(work), work / "run.db"
        inject = f"inject={WRITES}:signal=KILL:when={place}"
        run(
            watched,
            database,
            before=[strace, "-f", "-o", work / "trace", "-e", f"trace={WRITES}", "-e", inject],
            check=False,
        )
        # A place beyond the last writing call of a short run kills nothing.
        met += "killed by SIGKILL" in (work / "trace").read_text(errors="replace")
        run(watched, database)
        total += laboratory.judge(database, work)
    assert met
    insist("SIGKILL at the n-th writing system call", met, total)
