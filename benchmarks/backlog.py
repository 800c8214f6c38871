"""A hundred thousand frames are there before the monitor starts; new ones keep coming.

    python benchmarks/backlog.py [--frames 100000] [--minutes 3] [-o docs/backlog.md]

Whatever the order in which the backlog is worked off, a frame that lands now must not wait for it.
Measured: the time to the first count, the time from a new frame's last byte to its count, memory,
how long an orderly stop takes, and that nothing was counted twice.
"""

from __future__ import annotations

import argparse
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import psutil
import tifffile

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from accuracy import describe_origin  # noqa: E402

from tests.endtoend.program import HASTE, command, environment  # noqa: E402

NEW_EVERY_S = 10.0


@dataclass(frozen=True)
class Outcome:
    """What was measured with one order of counting."""

    order: str
    first_count_s: float
    waits_s: list[float]
    rate_per_s: float
    memory_mb: float
    stop_s: float
    counted: int
    doubled: int
    seen: int


def main() -> None:
    """Measure both orders and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "backlog.md")
    options = parser.parse_args()
    rows = []
    for order in ("newest", "oldest"):
        with tempfile.TemporaryDirectory() as work:
            rows.append(row(measure(Path(work), order, options)))
    origin = describe_origin()
    options.output.write_text(
        "# Backlog\n\n"
        f"{options.frames:,} frames of 64 x 64 pixels in 100 folders lie there when the "
        f"monitor starts, with its waits as shipped (settling 2 s); a new one lands every "
        f"{NEW_EVERY_S:g} s for {options.minutes:g} minutes. Then it is stopped in an orderly "
        "way.\n\n"
        "| order | frames seen | s to the first count | counted per s | from a new frame's last "
        "byte to its count, s: median, longest | memory, all processes, MB | s to stop | counted "
        "twice |\n"
        "|---|---:|---:|---:|---|---:|---:|---:|\n"
        + "".join(rows)
        + f"\n`python benchmarks/backlog.py`, {origin['date']}, commit {origin['commit']}, "
        f"{origin['machine']}.\n",
        encoding="utf-8",
    )
    print(options.output.read_text(encoding="utf-8"))


def row(outcome: Outcome) -> str:
    """Write a row of the report."""
    waits = "none was counted in the time"
    if outcome.waits_s:
        waits = f"{np.median(outcome.waits_s):.1f}, {max(outcome.waits_s):.1f}"
    return (
        f"| {outcome.order} first | {outcome.seen:,} | {outcome.first_count_s:.1f} | "
        f"{outcome.rate_per_s:.1f} | {waits} | {outcome.memory_mb:.0f} | {outcome.stop_s:.1f} | "
        f"{outcome.doubled} |\n"
    )


def measure(work: Path, order: str, options: argparse.Namespace) -> Outcome:
    """Run with one order."""
    watched, database = work / "frames", work / "run.db"
    fill(watched, options.frames)
    began_s = time.time()
    monitor = start(watched, database, order)
    names = []
    memory_mb = 0.0
    while time.time() - began_s < 60 * options.minutes:
        name = f"new{len(names):04d}.tif"
        write(watched / name, 1_000_000 + len(names))
        names.append(name)
        time.sleep(NEW_EVERY_S)
        memory_mb = max(memory_mb, memory(monitor.pid))
    asked_s = time.monotonic()
    monitor.terminate()
    monitor.wait(60)
    stop_s = time.monotonic() - asked_s
    with closing(sqlite3.connect(database)) as connection:
        counted = connection.execute(
            "SELECT counts.counted_at, frames.mtime_ns, files.relative_path FROM counts"
            " JOIN frames ON frames.id = counts.frame_id"
            " JOIN files ON files.id = frames.file_id ORDER BY counts.id"
        ).fetchall()
        seen = connection.execute("SELECT count(*) FROM files").fetchone()[0]
    moments = [datetime.fromisoformat(at).timestamp() for at, _, _ in counted]
    new = {name.encode() for name in names}
    waits_s = [
        moment - mtime / 1e9
        for moment, (_, mtime, path) in zip(moments, counted, strict=True)
        if path in new
    ]
    paths = [path for _, _, path in counted]
    return Outcome(
        order=order,
        first_count_s=moments[0] - began_s,
        waits_s=waits_s,
        rate_per_s=len(moments) / (moments[-1] - moments[0]),
        memory_mb=memory_mb,
        stop_s=stop_s,
        counted=len(counted),
        doubled=len(paths) - len(set(paths)),
        seen=seen,
    )


def fill(watched: Path, n_frames: int) -> None:
    """Write the backlog, a second apart by its times of change."""
    for number in range(n_frames):
        folder = watched / f"scan{number % 100:02d}"
        if number < 100:
            folder.mkdir(parents=True)
        write(folder / f"t{number:06d}.tif", number)


def write(path: Path, number: int) -> None:
    """Write a small frame unlike every other."""
    pixels = np.full((64, 64), 128, np.uint8)
    pixels[0, :4] = np.frombuffer(np.uint32(number).tobytes(), np.uint8)
    tifffile.imwrite(path, pixels, metadata=None)


def start(watched: Path, database: Path, order: str) -> subprocess.Popen[bytes]:
    """Start the monitor with its waits as shipped."""
    kept = {name: value for name, value in environment().items() if name not in HASTE}
    return subprocess.Popen(
        command("run", watched, "--database", database, "--no-dashboard", "--cell-diameter-px", 20),
        env=kept | {"LIVECOUNT_WATCH__ORDER": order, "LIVECOUNT_LOG__LEVEL": "warning"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def memory(pid: int) -> float:
    """Add up the resident memory of the monitor and its children, in MB."""
    monitor = psutil.Process(pid)
    everyone = [monitor, *monitor.children(recursive=True)]
    return sum(process.memory_info().rss for process in everyone) / 1e6


if __name__ == "__main__":
    main()
