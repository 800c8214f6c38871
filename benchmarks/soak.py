"""Ten thousand frames of a 96-well run through the real monitor: what grows, and by how much.

    python benchmarks/soak.py [--frames 10000] [--seconds 1500] [-o docs/soak.md]

The virtual microscope renders one time point of 96 wells; copies of it are then written into new
names, each with its own pixels, at an even pace, as a plate reader scans. Sampled meanwhile: memory
and handles of the monitor and of its worker, the database and its log, and the time from a frame's
last byte to its count. Slopes are those over the second half of the run.
"""

from __future__ import annotations

import argparse
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, suppress
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

WELLS = [f"{row}{column}" for row in "ABCDEFGH" for column in range(1, 13)]


@dataclass(frozen=True)
class Sample:
    """What was measured at one moment."""

    at_s: float
    counted: int
    monitor_mb: float
    worker_mb: float
    handles: int
    database_mb: float
    log_mb: float


def main() -> None:
    """Run it and write the report and its figure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=1500.0)
    parser.add_argument("--size-px", type=int, default=192)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "soak.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        samples, latencies_s, tally = soak(Path(work), options)
    figure = options.output.parent / "pictures" / "soak.svg"
    draw(samples, latencies_s, figure)
    text = report(samples, latencies_s, tally, options)
    options.output.write_text(text, encoding="utf-8")
    print(text)


def soak(
    work: Path, options: argparse.Namespace
) -> tuple[list[Sample], list[tuple[float, float]], dict[str, int]]:
    """Write and count; give samples, (seconds since the start, latency) and frames by state."""
    watched, database = work / "frames", work / "run.db"
    watched.mkdir()
    plate = render(work / "plate", options.size_px)
    kept = {name: value for name, value in environment().items() if name not in HASTE}
    words = ["run", watched, "--database", database, "--until-idle", 15, "--cell-diameter-px", 30]
    monitor = subprocess.Popen(
        command(*words, "--frame-interval-min", 30),
        env=kept,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    began = time.time()
    writer = threading.Thread(target=write, args=(watched, plate, options), daemon=True)
    writer.start()
    samples = []
    while monitor.poll() is None:
        with suppress(psutil.Error, OSError, sqlite3.Error):
            samples.append(sample(monitor.pid, database, began))
        time.sleep(5)
    assert monitor.returncode == 0
    assert not writer.is_alive()
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            "SELECT counts.counted_at, frames.mtime_ns FROM counts"
            " JOIN frames ON frames.id = counts.frame_id ORDER BY counts.id"
        ).fetchall()
        tally = dict(connection.execute("SELECT state, count(*) FROM frames GROUP BY state"))
    counted = [(datetime.fromisoformat(at).timestamp(), mtime / 1e9) for at, mtime in rows]
    return samples, [(at - began, at - written) for at, written in counted], tally


def render(folder: Path, size_px: int) -> list[np.ndarray]:
    """Let the virtual microscope take one image of every well."""
    subprocess.run(
        command(
            "simulate", "-o", folder, "--wells", ",".join(WELLS), "--time-points", 1,
            "--size-px", size_px, "--founders", 6, "--cell-diameter-px", 30,
        ),
        check=True, capture_output=True, env=environment(),
    )  # fmt: skip
    return [tifffile.imread(path) for path in sorted(folder.glob("*.tif"))]


def write(watched: Path, plate: list[np.ndarray], options: argparse.Namespace) -> None:
    """Write frame after frame at an even pace; each differs from every other."""
    noise = np.random.default_rng(0)
    began_s = time.monotonic()
    for number in range(options.frames):
        time_point, well = divmod(number, len(plate))
        pixels = plate[well].copy()
        pixels[0] = noise.integers(0, 255, pixels.shape[1], dtype=pixels.dtype)
        name = f"VID1_{WELLS[well]}_1_{time_point // 48:02d}d{time_point // 2 % 24:02d}h"
        tifffile.imwrite(watched / f"{name}{30 * (time_point % 2):02d}m.tif", pixels)
        ahead_s = began_s + (number + 1) * options.seconds / options.frames - time.monotonic()
        time.sleep(max(0.0, ahead_s))


def sample(pid: int, database: Path, began: float) -> Sample:
    """Measure now."""
    monitor = psutil.Process(pid)
    children = monitor.children(recursive=True)
    workers = [c for c in children if "spawn_main" in " ".join(c.cmdline())]
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        counted = connection.execute("SELECT count(*) FROM counts").fetchone()[0]
    log = database.with_name(database.name + "-wal")
    return Sample(
        at_s=time.time() - began,
        counted=counted,
        monitor_mb=monitor.memory_info().rss / 1e6,
        worker_mb=max((worker.memory_info().rss / 1e6 for worker in workers), default=0.0),
        handles=monitor.num_fds() + sum(child.num_fds() for child in children),
        database_mb=database.stat().st_size / 1e6,
        log_mb=log.stat().st_size / 1e6 if log.exists() else 0.0,
    )


def slope(samples: list[Sample], name: str) -> float:
    """Give the growth per 1,000 frames over the second half of the run."""
    half = [one for one in samples if one.counted >= samples[-1].counted / 2]
    counted = [one.counted / 1000 for one in half]
    return float(np.polyfit(counted, [getattr(one, name) for one in half], 1)[0])


def report(
    samples: list[Sample],
    latencies_s: list[tuple[float, float]],
    tally: dict[str, int],
    options: argparse.Namespace,
) -> str:
    """Write the table."""
    origin = describe_origin()
    waits = np.array([wait for _, wait in latencies_s])
    tenth = len(waits) // 10
    lines = [
        f"| {words} | {getattr(samples[len(samples) // 2], name):.1f} | "
        f"{getattr(samples[-2], name):.1f} | {slope(samples[:-1], name):+.3f} |"
        for name, words in (
            ("monitor_mb", "memory of the monitor, MB"),
            ("worker_mb", "memory of the largest child (the worker), MB"),
            ("handles", "open handles, all processes"),
            ("log_mb", "write-ahead log, MB"),
            ("database_mb", "database, MB"),
        )
    ]
    return (
        "# Soak\n\n"
        f"{options.frames:,} frames of {options.size_px} x {options.size_px} pixels in 96 wells, "
        f"written at an even pace over {options.seconds:.0f} s beside the monitor with its waits "
        f"as shipped. Frames by state: {', '.join(f'{n:,} {s}' for s, n in tally.items())}.\n\n"
        "| | half way | at the end | growth per 1,000 frames, second half |\n"
        "|---|---:|---:|---:|\n" + "\n".join(lines) + "\n\n"
        "From a frame's last byte to its count: median "
        f"{np.median(waits):.1f} s, 99 % within {np.quantile(waits, 0.99):.1f} s, longest "
        f"{waits.max():.1f} s; median of the first tenth {np.median(waits[:tenth]):.1f} s, of the "
        f"last {np.median(waits[-tenth:]):.1f} s.\n\n"
        "![what grows during the run](pictures/soak.svg)\n\n"
        f"`python benchmarks/soak.py`, {origin['date']}, commit {origin['commit']}, "
        f"{origin['machine']}.\n"
    )


def draw(samples: list[Sample], latencies_s: list[tuple[float, float]], figure: Path) -> None:
    """Draw everything that was sampled against time."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    drawn, axes = plt.subplots(2, 2, figsize=(9, 5.5), layout="constrained")
    minutes = [one.at_s / 60 for one in samples]
    axes[0, 0].plot(minutes, [one.monitor_mb for one in samples], label="monitor")
    axes[0, 0].plot(minutes, [one.worker_mb for one in samples], label="worker")
    axes[0, 0].set_ylabel("resident memory (MB)")
    axes[0, 0].legend()
    axes[0, 1].plot(minutes, [one.handles for one in samples])
    axes[0, 1].set_ylabel("open handles")
    axes[1, 0].plot(minutes, [one.database_mb for one in samples], label="database")
    axes[1, 0].plot(minutes, [one.log_mb for one in samples], label="write-ahead log")
    axes[1, 0].set_ylabel("on the disk (MB)")
    axes[1, 0].legend()
    at_s, waits = zip(*latencies_s, strict=True)
    axes[1, 1].plot(np.array(at_s) / 60, waits, ".", markersize=1, rasterized=True)
    axes[1, 1].set_ylabel("last byte to count (s)")
    for panel in axes.flat:
        panel.set_ylim(bottom=0)
        panel.set_xlabel("time (min)")
    figure.parent.mkdir(parents=True, exist_ok=True)
    drawn.savefig(figure)


if __name__ == "__main__":
    main()
