"""How much memory a run takes on one frame, from a small one to a whole well.

    python benchmarks/memory.py IMAGES [-o docs/memory.md] [--largest 30000]

A real frame below IMAGES is scaled and mirrored until it fills each size, and counted by
``livecount run`` as shipped. Memory is that of all its processes together, at its highest, asked
for ten times a second: resident (pages that two processes share count twice) and proportional
(they count once).
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
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

DATASET = "usiigaci-large"


@dataclass(frozen=True)
class Case:
    """A frame to count."""

    side_px: int
    cell_px: float
    runtime: str
    dtype: type


@dataclass
class Peak:
    """The highest memory seen, in MB."""

    resident: float = 0.0
    proportional: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event)


def main() -> None:
    """Measure every case and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "memory.md")
    parser.add_argument("--largest", type=int, default=30_000)
    parser.add_argument("--work", type=Path, help="a folder with room for the largest frame")
    given = parser.parse_args()
    rows = []
    for case in cases(given.largest):
        rows.append(measured(case, given.images, given.work))
        print(rows[-1], flush=True)
    given.output.write_text(report(rows), encoding="utf-8")


def cases(largest: int) -> list[Case]:
    """List them: frames of a camera with each runtime, then stitched ones."""
    usual = [
        Case(side, cell_px, runtime, np.uint16)
        for side, cell_px in ((512, 26.0), (2048, 26.0), (2048, 40.0))
        for runtime in ("openvino", "onnxruntime")
    ]
    return [
        *usual,
        Case(8192, 40.0, "openvino", np.uint16),
        Case(largest, 60.0, "openvino", np.uint8),
        Case(largest, 60.0, "openvino", np.uint16),
    ]


def measured(case: Case, images: Path, work: Path | None) -> str:
    """Count one frame and give its row."""
    folder = Path(tempfile.mkdtemp(dir=work))
    try:
        (folder / "frames").mkdir()
        tifffile.imwrite(folder / "frames" / "frame.tif", laid_out(images, case), metadata=None)
        peak, seconds = run(folder, case)
        with closing(sqlite3.connect(folder / "run.db")) as connection:
            ((cells, runtime),) = connection.execute(
                "SELECT count, runtime FROM counts JOIN provenances"
                " ON provenances.id = counts.provenance_id"
            )
    finally:
        shutil.rmtree(folder)
    bits = np.dtype(case.dtype).itemsize * 8
    return (
        f"| {case.side_px:,} x {case.side_px:,} | {bits} | {case.cell_px:g} | {runtime} "
        f"| {cells:,} | {seconds:.0f} | {peak.resident:,.0f} | {peak.proportional:,.0f} |"
    )


def laid_out(images: Path, case: Case) -> npt.NDArray[Any]:
    """Scale a real frame to the case's cells and mirror it until it fills the size."""
    dataset = next(one for one in find_datasets([images])[0] if one.name == DATASET)
    pixels = np.asarray(read_pixels(dataset.images[0].path))
    scaled = resize(pixels, case.cell_px / dataset.cell_diameter_px)
    low, high = np.quantile(scaled, (0.001, 0.999))
    top = 250 if case.dtype is np.uint8 else 4095
    small = (np.clip((scaled - low) / (high - low), 0, 1) * top).astype(case.dtype)
    y, x = (mirrored(length, case.side_px) for length in small.shape)
    return small[y][:, x]


def mirrored(length: int, total: int) -> npt.NDArray[np.int64]:
    """Name the pixel that each place shows when a frame is mirrored again and again."""
    place = np.arange(total) % (2 * length)
    return np.where(place < length, place, 2 * length - 1 - place)


def run(folder: Path, case: Case) -> tuple[Peak, float]:
    """Let livecount count the frame."""
    kept = {name: value for name, value in environment().items() if name not in HASTE}
    words: list[Any] = ["run", folder / "frames", "--database", folder / "run.db"]
    words += ["--no-dashboard", "--cell-diameter-px", case.cell_px, "--until-idle", 1]
    chosen = {"LIVECOUNT_COUNTING__RUNTIME": case.runtime, "LIVECOUNT_LOG__LEVEL": "warning"}
    began = time.monotonic()
    monitor = subprocess.Popen(
        command(*words),
        env=kept | chosen | {"TMPDIR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    peak = Peak()
    watcher = threading.Thread(target=watch, args=(monitor.pid, peak))
    watcher.start()
    status = monitor.wait()
    seconds = time.monotonic() - began
    peak.ended.set()
    watcher.join()
    if status:
        raise SystemExit(f"the run on {case} ended with {status}")
    return peak, seconds


def watch(pid: int, peak: Peak) -> None:
    """Keep the highest memory of a process and its children."""
    while not peak.ended.wait(0.1):
        try:
            monitor = psutil.Process(pid)
            everyone = [monitor, *monitor.children(recursive=True)]
            found = [one.memory_full_info() for one in everyone]
        except psutil.Error:
            continue
        peak.resident = max(peak.resident, sum(one.rss for one in found) / 1e6)
        peak.proportional = max(peak.proportional, sum(one.pss for one in found) / 1e6)


def report(rows: list[str]) -> str:
    """Write the table."""
    origin = describe_origin()
    return (
        "# Memory of a run\n\n"
        "One frame, counted by `livecount run` as shipped (`memory_limit_mb` 500), all processes "
        "together at their highest: resident (pages that two share count twice) and proportional "
        "(once). Seconds are those of the whole command. The first row is what a run takes on the "
        "smallest frame: the programs themselves.\n\n"
        "| frame, px | bits | cell, px | runtime | cells | s | resident, MB | proportional, MB |\n"
        "|---|---:|---:|---|---:|---:|---:|---:|\n"
        + "\n".join(rows)
        + "\n\nA real frame, scaled and mirrored: it shows cost, not accuracy.\n\n"
        f"`python benchmarks/memory.py IMAGES`, {origin['date']}, commit {origin['commit']}, "
        f"{origin['machine']}.\n"
    )


if __name__ == "__main__":
    main()
