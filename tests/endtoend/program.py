"""The installed program as its users meet it: a process, its exit status, its files."""

from __future__ import annotations

import csv
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

# Shorter waits than a real run's, so that tests are quick; the rules are the same.
HASTE = {
    "LIVECOUNT_LOG__LEVEL": "warning",
    "LIVECOUNT_WATCH__SCAN_INTERVAL_S": "0.4",
    "LIVECOUNT_WATCH__SETTLE_S": "0.6",
    "LIVECOUNT_WATCH__ZERO_TAIL_WAIT_S": "3",
}


def livecount(
    *words: object, check: bool = True, **options: object
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    done = subprocess.run(
        command(*words),
        capture_output=True,
        text=True,
        timeout=300,
        **{"env": environment(), **options},
    )
    if check and done.returncode:
        raise AssertionError(f"{done.args} ended with {done.returncode}:\n{done.stderr}")
    return done


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "livecount", *map(str, words)]


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LIVECOUNT_")}
    return {**kept, **HASTE}


# Copies files as slow acquisition software writes: every second one in pieces, in place.
COPIER = """
import pathlib, shutil, sys, time
source, target, pause_s = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), float(sys.argv[3])
for number, name in enumerate(sys.argv[4:]):
    if number % 2:
        shutil.copyfile(source / name, target / name)
        continue
    content = (source / name).read_bytes()
    with (target / name).open("wb", buffering=0) as file:
        for start in range(0, len(content), max(1, len(content) // 5)):
            file.write(content[start : start + max(1, len(content) // 5)])
            time.sleep(pause_s)
"""


def start_copying(
    source: Path, target: Path, names: Sequence[str], pause_s: float
) -> subprocess.Popen[bytes]:
    target.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", COPIER, str(source), str(target), str(pause_s), *names]
    )


def run_until_idle(folder: Path | None, database: Path, options: Sequence[object]) -> None:
    """Run the monitor on a folder (None: on those that the settings name) until nothing is new."""
    livecount("run", *_named(folder), "--database", database, "--no-dashboard", *options)


def _named(folder: Path | None) -> list[Path]:
    return [] if folder is None else [folder]


def run_with_kills(
    folder: Path | None,
    database: Path,
    options: Sequence[object],
    *,
    kills: int,
    longest_life_s: float,
    seed: int,
) -> int:
    """Kill the monitor at random instants, start it again each time, then let it finish.

    An instant at which it had ended by itself, all being counted, does not pass for a kill. Returns
    the number of kills.
    """
    instants = random.Random(seed)
    met = 0
    while met < kills:
        monitor = subprocess.Popen(
            command("run", *_named(folder), "--database", database, "--no-dashboard", *options),
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(instants.uniform(0.2, longest_life_s))
        if monitor.poll() is None:
            monitor.send_signal(signal.SIGKILL)
            met += 1
        monitor.wait()
    run_until_idle(folder, database, options)
    return met


def await_worker(database: Path, patience_s: float = 60.0) -> None:
    """Wait until a monitor that was just started can count: its heart beats, and it names how."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if database.is_file():
            with (
                suppress(sqlite3.OperationalError),  # its tables are still being made
                closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection,
            ):
                if connection.execute("SELECT 1 FROM monitor WHERE engine != ''").fetchall():
                    return
        time.sleep(0.1)
    raise AssertionError(f"no monitor can count on {database} after {patience_s:.0f} s")


def rows_of(file: Path) -> list[dict[str, str]]:
    """Read a CSV file as one dict a row."""
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def exported(database: Path, folder: Path) -> dict[str, str]:
    """Give every exported table as text."""
    folder.mkdir(exist_ok=True)
    tables = {}
    for name in ("counts", "cells", "growth"):
        file = folder / f"{name}.csv"
        livecount("export", name, "-o", file, "--database", database)
        tables[name] = file.read_text(encoding="utf-8")
    return tables


# What differs between two runs over the same frames: row numbers, and when this program did it.
_OF_THE_RUN = {"id", "changed_at", "counted_at", "created_at", "mtime_ns"}
_JOINED = """
SELECT sources.folder AS folder_, files.relative_path AS path_, files.state AS file_state,
       files.n_pages, files.attempts, files.reason AS file_reason, files.size_bytes AS file_size,
       frames.*, attribute_sources.sources AS origins, counts.*, candidates.centres,
       provenances.runtime, provenances.precision, analyses.analysis_id AS analysis
FROM files JOIN sources ON sources.id = files.source_id
LEFT JOIN frames ON frames.file_id = files.id
LEFT JOIN attribute_sources ON attribute_sources.id = frames.attribute_sources_id
LEFT JOIN counts ON counts.frame_id = frames.id
LEFT JOIN candidates ON candidates.count_id = counts.id
LEFT JOIN provenances ON provenances.id = counts.provenance_id
LEFT JOIN analyses ON analyses.id = counts.analysis_row_id
ORDER BY path_, frames.page, frames.content_hash, analysis
"""


def stored(database: Path) -> list[dict[str, object]]:
    """Give every column of every file, frame and count that does not name the run itself."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        cursor = connection.execute(_JOINED)
        names = [column[0] for column in cursor.description]
        return [
            {
                name: value
                for name, value in zip(names, row, strict=True)
                if name not in _OF_THE_RUN and not name.endswith("_id") and name != "folder_"
            }
            for row in cursor
        ]
    finally:
        connection.close()
