"""Does the monitor disturb the acquisition? The same one with and without it, in turn.

    python benchmarks/beside.py [--rounds 3] [-o docs/beside.md]

Micro-Manager's core with its demo camera acquires into each layout, alone and beside
``livecount run``, which counts every frame meanwhile. Compared are the planes that were given
(every pixel), the time between them, and whether a write failed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from accuracy import describe_origin  # noqa: E402

from tests.acquisition import microscope  # noqa: E402
from tests.endtoend.program import HASTE, command, environment  # noqa: E402


@dataclass(frozen=True)
class Acquisition:
    """One acquisition: its planes in order, and what went wrong."""

    planes: list[dict[str, Any]]
    failure: str

    @property
    def content(self) -> list[tuple[Any, ...]]:
        """Place and pixels of every plane."""
        names = ("position", "time_point", "channel", "z", "hash")
        return [tuple(plane[name] for name in names) for plane in self.planes]

    @property
    def intervals_ms(self) -> list[float]:
        """Times between two exposures of the first position."""
        starts = [p["elapsed_s"] for p in self.planes if p["position"] == microscope.POSITIONS[0]]
        gaps = [after - before for before, after in itertools.pairwise(starts)]
        return [1000 * gap for gap in gaps]


def main() -> None:
    """Acquire in turn and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--time-points", type=int, default=20)
    parser.add_argument("--interval-s", type=float, default=0.5)
    parser.add_argument("--size-px", type=int, default=1024)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "beside.md")
    options = parser.parse_args()
    rows = [compare(layout, options) for layout in microscope.LAYOUTS]
    origin = describe_origin()
    options.output.write_text(
        "# Beside an acquisition\n\n"
        f"Micro-Manager's core with its demo camera, {options.size_px} x {options.size_px} pixels, "
        f"{len(microscope.POSITIONS)} positions every {options.interval_s:g} s, "
        f"{options.time_points} time points, {options.rounds} rounds alone and {options.rounds} "
        "beside the monitor, in turn. The interval is that between two exposures of the first "
        "position.\n\n"
        "| layout | planes | pixels equal | failed writes | counted | interval alone, ms: median, "
        "95 %, longest | beside the monitor |\n|---|---:|---|---:|---:|---|---|\n"
        + "".join(rows)
        + f"\n`python benchmarks/beside.py`, {origin['date']}, commit {origin['commit']}, "
        f"{origin['machine']}.\n",
        encoding="utf-8",
    )
    print(options.output.read_text(encoding="utf-8"))


def compare(layout: str, options: argparse.Namespace) -> str:
    """Acquire into one layout alone and beside the monitor; give a row of the report."""
    alone: list[Acquisition] = []
    beside: list[Acquisition] = []
    counted = 0
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as work:
            alone.append(acquire(Path(work) / "frames", layout, options))
        with tempfile.TemporaryDirectory() as work:
            acquisition, n_counted = acquire_beside_monitor(Path(work), layout, options)
            beside.append(acquisition)
            counted += n_counted
    expected = options.time_points * len(microscope.POSITIONS)
    equal = all(run.content == alone[0].content for run in (*alone, *beside))
    failed = sum(bool(run.failure) for run in (*alone, *beside))
    return (
        f"| {layout} | {expected} | {'yes' if equal else '**no**'} | {failed} | "
        f"{counted} of {expected * options.rounds} | {spread(alone)} | {spread(beside)} |\n"
    )


def spread(runs: list[Acquisition]) -> str:
    """Give median, 95 % quantile and maximum of the intervals."""
    found = [value for run in runs for value in run.intervals_ms]
    return ", ".join(f"{v:.0f}" for v in (*np.quantile(found, (0.5, 0.95)), max(found)))


def acquire(folder: Path, layout: str, options: argparse.Namespace) -> Acquisition:
    """Run the microscope to its end."""
    program = [sys.executable, microscope.__file__, str(folder), layout]
    words = ["--time-points", options.time_points, "--interval-s", options.interval_s]
    words += ["--size-px", options.size_px]
    done = subprocess.run(
        [*program, *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        env=environment(),
    )
    return Acquisition(json.loads(done.stdout or "[]"), done.stderr if done.returncode else "")


def acquire_beside_monitor(
    work: Path, layout: str, options: argparse.Namespace
) -> tuple[Acquisition, int]:
    """Run the microscope while the monitor counts what it writes, with its waits as shipped."""
    folder, database = work / "frames", work / "run.db"
    folder.mkdir()
    kept = {name: value for name, value in environment().items() if name not in HASTE}
    words = ["run", folder, "--database", database, "--no-dashboard", "--until-idle", 12]
    monitor = subprocess.Popen(
        command(*words, "--cell-diameter-px", 60),
        env=kept,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    acquisition = acquire(folder, layout, options)
    assert monitor.wait() == 0
    status = subprocess.run(
        command("status", "--database", database, "--json"),
        check=True,
        capture_output=True,
        text=True,
    )
    return acquisition, json.loads(status.stdout)["frames"]["counted"]


if __name__ == "__main__":
    main()
