"""How many frames a second a run counts, how long a new frame waits, and how much memory it takes.

    python benchmarks/throughput.py IMAGES [--frames 40] [-o docs/throughput.md]

Real frames of two sets below IMAGES are laid out to each size (copies differ in two pixels, so that
no two have the same content). First a backlog of them is there when ``livecount run`` starts:
counts a second, from the first to the last. Then new ones land one by one, each after the last was
counted: from its last byte to its count in the database, and the same less the time that livecount
waits for a file to stay as it is (``settle_s``). Memory is that of all its processes together, at
its highest.
"""

from __future__ import annotations

import argparse
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import tifffile

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from accuracy import describe_origin  # noqa: E402

from livecount.annotations import find_datasets  # noqa: E402
from livecount.readers import read_pixels  # noqa: E402
from livecount.resampling import resize  # noqa: E402
from tests.endtoend.program import HASTE, command, environment  # noqa: E402

SETTLE_S = 2.0
PATIENCE_S = 600.0
LANDED = (
    "SELECT counts.counted_at, files.relative_path FROM counts"
    " JOIN frames ON frames.id = counts.frame_id JOIN files ON files.id = frames.file_id"
)
ENGINE = "SELECT runtime || ', ' || precision FROM provenances"
Pixels = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Camera:
    """A size of frame, of which set it is made, and how large its cells are."""

    shape: tuple[int, int]
    dataset: str
    cell_px: float


CAMERAS = (
    Camera((1040, 1408), "livecell-mcf7", 20.0),
    Camera((2048, 2048), "usiigaci-large", 40.0),
    Camera((3096, 4140), "usiigaci-large", 60.0),
)


@dataclass(frozen=True)
class Outcome:
    """What was measured with one camera."""

    camera: Camera
    engine: str
    per_s: float
    waits_s: list[float]
    memory_mb: float
    cells: float


def main() -> None:
    """Measure every camera and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--frames", type=int, default=40, help="of the backlog, and landing")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "throughput.md")
    given = parser.parse_args()
    outcomes = []
    for camera in CAMERAS:
        with tempfile.TemporaryDirectory() as work:
            outcomes.append(measured(camera, given.images, Path(work), given.frames))
        print(row(outcomes[-1]), flush=True)
    given.output.write_text(report(outcomes, given.frames), encoding="utf-8")


def measured(camera: Camera, images: Path, work: Path, n_frames: int) -> Outcome:
    """Run on a backlog, then on frames that land."""
    picture = laid_out(images, camera)
    watched, database = work / "frames", work / "run.db"
    watched.mkdir()
    for number in range(n_frames):
        write(watched / f"old{number:04d}.tif", picture, number)
    with running(watched, database, camera) as monitor:
        highest = await_counts(database, n_frames, monitor)
        moments = sorted(when for when, _ in landed(database))
        per_s = (len(moments) - 1) / (moments[-1] - moments[0])
        last_byte_s: dict[str, float] = {}
        for number in range(n_frames):
            name = f"new{number:04d}.tif"
            write(watched / name, picture, n_frames + number)
            last_byte_s[name] = time.time()
            highest = max(highest, await_counts(database, n_frames + number + 1, monitor))
    waits = [when - last_byte_s[name] for when, name in landed(database) if name in last_byte_s]
    with closing(sqlite3.connect(database)) as connection:
        (cells,) = connection.execute("SELECT avg(count) FROM counts").fetchone()
        (engine,) = connection.execute(
            "SELECT runtime || ', ' || precision FROM provenances"
        ).fetchone()
    return Outcome(camera, engine, per_s, waits, highest, cells)


def laid_out(images: Path, camera: Camera) -> Pixels:
    """Lay a real frame out until it fills the shape: scaled, mirrored at its edges."""
    dataset = next(d for d in find_datasets([images])[0] if d.name == camera.dataset)
    pixels = np.asarray(read_pixels(dataset.images[0].path))
    scaled = resize(pixels, camera.cell_px / dataset.cell_diameter_px)
    missing = [
        (0, max(0, side - have)) for side, have in zip(camera.shape, scaled.shape, strict=True)
    ]
    filled = np.pad(scaled, missing, mode="symmetric")[: camera.shape[0], : camera.shape[1]]
    low, high = np.quantile(filled, (0.001, 0.999))
    return (np.clip((filled - low) / (high - low), 0, 1) * 4095).astype(np.uint16)


def write(path: Path, picture: Pixels, number: int) -> None:
    """Write a frame unlike every other."""
    picture[0, :2] = divmod(number, 4096)
    tifffile.imwrite(path, picture, metadata=None)


@contextmanager
def running(watched: Path, database: Path, camera: Camera) -> Iterator[int]:
    """Run the monitor with its waits as shipped; gives its process number."""
    kept = {name: value for name, value in environment().items() if name not in HASTE}
    words: list[Any] = ["run", watched, "--database", database, "--no-dashboard"]
    words += ["--cell-diameter-px", camera.cell_px]
    monitor = subprocess.Popen(
        command(*words),
        env=kept | {"LIVECOUNT_LOG__LEVEL": "warning"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield monitor.pid
    finally:
        monitor.terminate()
        monitor.wait(60)


def await_counts(database: Path, n_frames: int, monitor: int) -> float:
    """Wait until so many frames are counted; gives the highest memory meanwhile, in MB."""
    highest, ends = 0.0, time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        highest = max(highest, memory_mb(monitor))
        if database.is_file() and len(landed(database)) >= n_frames:
            return highest
        time.sleep(0.1)
    raise SystemExit(f"{n_frames} frames were not counted within {PATIENCE_S:.0f} s")


def landed(database: Path) -> list[tuple[float, str]]:
    """Read when each frame was counted."""
    with closing(sqlite3.connect(database)) as connection:
        try:
            rows = connection.execute(LANDED).fetchall()
        except sqlite3.OperationalError:  # the monitor is still making its tables
            return []
    return [(datetime.fromisoformat(when).timestamp(), path.decode()) for when, path in rows]


def memory_mb(pid: int) -> float:
    """Add up the resident memory of the monitor and its children."""
    try:
        monitor = psutil.Process(pid)
        everyone = [monitor, *monitor.children(recursive=True)]
        return sum(process.memory_info().rss for process in everyone) / 1e6
    except psutil.NoSuchProcess:
        return 0.0


def row(outcome: Outcome) -> str:
    """Write a row of the table."""
    height, width = outcome.camera.shape
    median, late = (float(np.quantile(outcome.waits_s, q)) for q in (0.5, 0.99))
    return (
        f"| {height} x {width} | {outcome.camera.cell_px:g} | {outcome.cells:.0f} "
        f"| {outcome.per_s:.2f} | {median:.2f} | {late:.2f} | {median - SETTLE_S:.2f} "
        f"| {outcome.memory_mb:.0f} |"
    )


def report(outcomes: list[Outcome], n_frames: int) -> str:
    """Write what was measured."""
    origin = describe_origin()
    return (
        "# Frames a second, latency and memory of a run\n\n"
        f"`livecount run` as shipped, {outcomes[0].engine}. Backlog: {n_frames} frames that were "
        f"there before. Latency: from a frame's last byte to its count in the database, {n_frames} "
        f"frames that land one after the other; livecount lets a file settle for {SETTLE_S:g} s, "
        "and looks at it twice. Memory: all processes together, at the highest.\n\n"
        "| frame, px | cell, px | cells | backlog, frames a second | latency, s: median "
        "| 99 % | median less settling | memory, MB |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|\n"
        + "\n".join(row(outcome) for outcome in outcomes)
        + "\n\nReal frames, scaled and mirrored: they show cost, not accuracy.\n\n"
        f"`python benchmarks/throughput.py IMAGES --frames {n_frames}`, {origin['date']}, commit "
        f"{origin['commit']}, {origin['machine']}.\n"
    )


if __name__ == "__main__":
    main()
