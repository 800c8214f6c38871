"""Where faults are put in: the real monitor on real files, and what an undisturbed run gives.

Every test ends in the same judgement: each frame has exactly one count, and every column of every
table is that of a run that nothing disturbed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from livecount.cli import app
from tests.endtoend.program import command, environment, livecount, rows_of, stored

OPTIONS = ("--cell-diameter-px", 30, "--frame-interval-min", 10, "--experiment", "faults")
N_FRAMES = 16
REPORT_VARIABLE = "FAULT_REPORT"
"""Names a file that gets one line of JSON for each fault that was put in."""


@dataclass(frozen=True)
class Verdict:
    """What a disturbed run lost or doubled, in frames."""

    frames: int
    lost: int
    doubled: int
    equal: bool

    @property
    def is_good(self) -> bool:
        return self.lost == 0 and self.doubled == 0 and self.equal

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(
            self.frames + other.frames,
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.equal and other.equal,
        )


NOTHING_YET = Verdict(0, 0, 0, equal=True)


class Laboratory:
    """Frames to count, and the tables that they give when nothing goes wrong."""

    def __init__(self, folder: Path) -> None:
        self.frames = folder / "frames"
        livecount(
            "simulate", "-o", self.frames, "--time-points", N_FRAMES, "--size-px", 192,
            "--founders", 5, "--cell-diameter-px", 30, "--frame-interval-min", 10,
        )  # fmt: skip
        shutil.rmtree(self.frames / "truth")
        self.names = sorted(path.name for path in self.frames.iterdir())
        watched = self.copy(folder / "calm")
        run(watched, folder / "calm.db")
        self._calm = tables(folder / "calm.db", folder / "calm-tables")

    def copy(self, target: Path) -> Path:
        """Copy all frames into a new folder of the same name as the undisturbed run's."""
        watched = target / "watched"
        shutil.copytree(self.frames, watched)
        return watched

    def judge(self, database: Path, work: Path) -> Verdict:
        """Compare a disturbed run's tables with the undisturbed ones."""
        found = tables(database, work / "tables")
        sources = [row["source"] for row in found[0]["counts"]]
        return Verdict(
            frames=len(self.names),
            lost=len(set(self.names) - set(sources)),
            doubled=len(sources) - len(set(sources)),
            equal=found == self._calm,
        )


Tables = tuple[dict[str, list[dict[str, str]]], list[dict[str, object]]]


def tables(database: Path, folder: Path) -> Tables:
    """Give every exported table and every stored column, but for what the disturbance is itself.

    That is where the folder lies, and how often a file was tried.
    """
    folder.mkdir(exist_ok=True)
    exports = {
        name: [
            {column: value for column, value in row.items() if column != "watched_folder"}
            for row in rows_of(exported_here(name, database, folder / f"{name}.csv"))
        ]
        for name in ("counts", "cells", "growth")
    }
    columns = [
        {name: value for name, value in row.items() if name != "attempts"}
        for row in stored(database)
    ]
    return exports, columns


def exported_here(name: str, database: Path, file: Path) -> Path:
    """Export a table as the command does, in this process: it is done some thousand times."""
    done = CliRunner().invoke(app, ["export", name, "-o", str(file), "--database", str(database)])
    assert done.exit_code == 0, done.output
    return file


def words(folder: Path, database: Path, *more: object) -> list[str]:
    """Give the command line of a monitor."""
    return command("run", folder, "--database", database, "--no-dashboard", *OPTIONS, *more)


def run(
    folder: Path,
    database: Path,
    *more: object,
    before: Sequence[object] = (),
    extra: Mapping[str, str] | None = None,
    check: bool = True,
    timeout_s: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run the monitor until it is idle, perhaps under another program (``before``)."""
    done = subprocess.run(
        [*map(str, before), *words(folder, database, "--until-idle", 1.2, *more)],
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env=environment() | dict(extra or {}),
    )
    if check and done.returncode:
        raise AssertionError(f"{done.args} ended with {done.returncode}:\n{done.stderr}")
    return done


def start(
    folder: Path,
    database: Path,
    *more: object,
    before: Sequence[object] = (),
    extra: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Start a monitor in a session of its own, so that all of it can be killed."""
    return subprocess.Popen(
        [*map(str, before), *words(folder, database, *more)],
        env=environment() | dict(extra or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill(monitor: subprocess.Popen[str]) -> bool:
    """Kill a monitor and whatever it started; tell whether it still lived."""
    lived = monitor.poll() is None
    if lived:
        os.killpg(monitor.pid, signal.SIGKILL)
    monitor.communicate()
    return lived


def status(database: Path) -> dict[str, int]:
    """Give how many frames are in each state."""
    frames: dict[str, int] = json.loads(
        livecount("status", "--database", database, "--json").stdout
    )["frames"]
    return frames


def insist(fault: str, injected: int, verdict: Verdict) -> None:
    """Note a fault for the report, where one is asked for, and insist that nothing was lost."""
    file = os.environ.get(REPORT_VARIABLE)
    if file:
        line = {"fault": fault, "injected": injected, **verdict.__dict__}
        with Path(file).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")
    assert verdict.is_good, f"{fault}: {verdict}"
