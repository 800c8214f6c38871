"""What watching a large folder costs: the start with files known, and the idle hours after it.

Run as ``python benchmarks/scan.py --files 100000 -o scan.md``.
"""

from __future__ import annotations

import argparse
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from livecount.watching import FileStamp, SettleRule, Watcher

FILES_PER_FOLDER = 1000
Rows = list[tuple[str, str]]


def is_tiff(path: bytes) -> bool:
    """Stand in for the readers' rule."""
    return path.endswith(b".tif")


def make_files(root: Path, n_files: int, *, per_folder: int) -> dict[bytes, FileStamp]:
    """Write tiny files and return them as a database would know them."""
    known = {}
    for first in range(0, n_files, per_folder):
        folder = root / f"run{first // per_folder:05d}"
        folder.mkdir()
        for number in range(first, min(first + per_folder, n_files)):
            path = folder / f"img_{number:09d}.tif"
            path.write_bytes(b"x")
            status = path.stat()
            name = f"{folder.name}/{path.name}".encode()
            known[name] = FileStamp(status.st_size, status.st_mtime_ns)
    return known


def wait_until(condition: Callable[[], bool], limit_s: float = 600.0) -> None:
    """Wait, or give up loudly."""
    until_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > until_s:
            raise TimeoutError("the watcher did not get there")
        time.sleep(0.01)


def watch_known(root: Path, known: dict[bytes, FileStamp], idle_s: float) -> Rows:
    """Start with all files known, idle, then let one file appear."""
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    with Watcher(root, known=known, accepts=is_tiff, settle=SettleRule(2.0)) as watcher:
        wait_until(watcher.is_idle)
        started = time.monotonic() - began_s, time.process_time() - began_cpu_s
        first = watcher.status()
        wait_until(lambda: watcher.status().scans >= 2)
        idle_cpu_s, idle_began_s = time.process_time(), time.monotonic()
        time.sleep(idle_s)
        idle_share = (time.process_time() - idle_cpu_s) / (time.monotonic() - idle_began_s)
        last = watcher.status()
        appeared_s = time.monotonic()
        (root / "run00000" / "new.tif").write_bytes(b"new")
        sighting = watcher.next_complete(120.0)
        taken_s = time.monotonic() - appeared_s
    if sighting is None or last.due or last.settling or first.files_seen != len(known):
        raise RuntimeError(f"the watcher got it wrong: {last}")
    (root / "run00000" / "new.tif").unlink()
    return [
        ("files known at start", f"{len(known):,}"),
        ("start until all are recognised", f"{started[0]:.2f} s ({started[1]:.2f} s CPU)"),
        ("idle", f"{100 * idle_share:.2f} % of a core over {idle_s:.0f} s, {last.mode}"),
        ("pause between scans then", f"{last.scan_interval_s:.0f} s"),
        ("a new file is complete and taken after (2.0 s are settling)", f"{taken_s:.2f} s"),
    ]


def watch_unknown(root: Path, n_files: int) -> Rows:
    """Start with no file known: the backlog must come newest first."""
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    with Watcher(root, known={}, accepts=is_tiff, settle=SettleRule(2.0)) as watcher:
        first_s, taken = 0.0, 0
        while taken < n_files:
            sighting = watcher.next_complete(60.0)
            if sighting is None:
                raise RuntimeError(f"the backlog stopped: {watcher.status()}")
            first_s = first_s or time.monotonic() - began_s
            watcher.mark_done(sighting.relative_path, sighting.stamp)
            taken += 1
        all_s, cpu_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
    return [
        ("files unknown at start", f"{n_files:,}"),
        ("first complete file after (2.0 s are settling)", f"{first_s:.2f} s"),
        ("all complete files taken after", f"{all_s:.2f} s ({cpu_s:.2f} s CPU)"),
    ]


def burst(root: Path, n_files: int) -> Rows:
    """Write many files at once while watching."""
    folder = root / "burst"
    with Watcher(root, known={}, accepts=is_tiff, settle=SettleRule(2.0)) as watcher:
        wait_until(watcher.is_idle)
        folder.mkdir()
        began_s = time.monotonic()
        writer = threading.Thread(
            target=make_files, args=(folder, n_files), kwargs={"per_folder": 500}
        )
        writer.start()
        taken = 0
        while taken < n_files:
            sighting = watcher.next_complete(60.0)
            if sighting is None:
                raise RuntimeError(f"files of the burst were missed: {watcher.status()}")
            if sighting.settled:
                watcher.mark_done(sighting.relative_path, sighting.stamp)
                taken += 1
        all_s = time.monotonic() - began_s
        writer.join()
    return [(f"burst of {n_files:,} files in new folders, all taken after", f"{all_s:.2f} s")]


def commit() -> str:
    """Name the commit that was measured."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown commit"


def markdown(rows: Rows) -> str:
    """Write the table with where it comes from."""
    lines = [
        "| watching | measured |",
        "|---|---|",
        *(f"| {what} | {value} |" for what, value in rows),
    ]
    source = (
        f"`python benchmarks/scan.py {' '.join(sys.argv[1:])}`, {datetime.now(UTC):%Y-%m-%d}, "
        f"{commit()}, Python {platform.python_version()}, {platform.platform()}"
    )
    return "\n".join([*lines, "", source, ""])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--idle", type=float, default=60.0, help="seconds to measure idling")
    parser.add_argument("--folder", type=Path, help="where to write the files (default: temporary)")
    parser.add_argument("-o", "--output", type=Path, help="markdown table; default: the terminal")
    asked = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        root = Path(folder, "watched")
        root.mkdir()
        known = make_files(root, asked.files, per_folder=FILES_PER_FOLDER)
        rows = watch_known(root, known, asked.idle)
        rows += watch_unknown(root, asked.files)
        other = Path(folder, "other")
        other.mkdir()
        rows += burst(other, 50_000)
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rows.append(("peak memory of this process", f"{peak_mib:.0f} MiB"))
    if asked.output is None:
        print(markdown(rows))
    else:
        asked.output.write_text(markdown(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
