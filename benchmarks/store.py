"""How fast the store is on this disk: ``python benchmarks/store.py [--folder DIR] [--large N]``.

Prints frames recorded per second (one durable transaction each, ``synchronous=FULL``), and how long
it takes to read what a monitor reads at its start and what an export reads.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from livecount.frame import (
    AttributeSource,
    Candidates,
    FrameAttributes,
    FrameCount,
    FrameKey,
    FrameQuality,
    Provenance,
)
from livecount.storage import Analysis, AnalysisSettings, CountStore, FileStamp, Source

N_CELLS = 1_000
STAMP = FileStamp(26_000_000, 1_760_000_000_000_000_000)


def make_count(source: Source, analysis: Analysis, number: int, n_cells: int) -> FrameCount:
    """Make a count with random candidates of a frame with the names of a 384-well run."""
    rng = np.random.default_rng(number)
    columns = [rng.random(n_cells, np.float32) for _ in range(3)]
    well = f"{chr(65 + number % 16)}{number // 16 % 24 + 1}"
    path = f"scan/{well}/{well}_t{number // 384:05d}.tif".encode()
    return FrameCount(
        key=FrameKey(source.folder, path, 0, f"{number:032x}"),
        attributes=FrameAttributes.from_source(
            AttributeSource.FILE_NAME, well=well, field="1", time_point=number // 384
        ),
        analysis_id=analysis.id,
        count=n_cells,
        candidates=Candidates(*columns),
        quality=FrameQuality(1.0, 0.4, 0.0),
        height_px=3096,
        width_px=4140,
        area_mm2=1.2,
        flags=(),
        provenance=Provenance("onnxruntime CPU", "fp32", "0"),
    )


def timed(what: str, work: Callable[[], Any]) -> Any:
    """Do something and print how long it took."""
    start = time.perf_counter()
    result = work()
    print(f"{what:<58}{time.perf_counter() - start:8.3f} s")
    return result


def measure_recording(store: CountStore, source: Source, analysis: Analysis, n: int) -> None:
    """Record frames one by one, as the monitor does."""
    counts = [make_count(source, analysis, number, N_CELLS) for number in range(n)]
    took = []
    for count in counts:
        start = time.perf_counter()
        store.record(source, count, stamp=STAMP, n_pages=1)
        took.append(time.perf_counter() - start)
    print(
        f"record, {N_CELLS} cells a frame: {n / sum(took):.0f} frames/s, "
        f"median {np.median(took) * 1e3:.1f} ms, 99 % {np.quantile(took, 0.99) * 1e3:.1f} ms"
    )


COPY_FILES = """
WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT :n)
INSERT INTO files (source_id, relative_path, size_bytes, mtime_ns, state, changed_at)
SELECT :source, CAST(printf('copies/%09d.tif', value) AS BLOB), 1, value, 'done', 'x' FROM n
"""
COPY_FRAMES = """
INSERT INTO frames (
    file_id, source_id, page, content_hash, state, mtime_ns, height_px, width_px, well, field,
    time_point, acquired_at, attribute_sources_id, changed_at
)
SELECT files.id, source_id, 0, printf('%032x', files.id), 'counted', mtime_ns, 3096, 4140,
    char(65 + files.id % 16) || (1 + files.id / 16 % 24), '1', files.id / 384,
    strftime('%Y-%m-%dT%H:%M:%S.000000Z', 1760000000 + files.id, 'unixepoch'),
    (SELECT attribute_sources_id FROM frames WHERE id = 1), 'x'
FROM files WHERE files.changed_at = 'x'
"""
COPY_COUNTS = """
INSERT INTO counts (
    analysis_row_id, frame_id, count, focus, mean_intensity, saturated_fraction, area_mm2, flags,
    provenance_id, counted_at
)
SELECT analysis_row_id, frames.id, 900, 1.5, 0.4, 0.0, 1.2, flags, provenance_id, counted_at
FROM frames, (SELECT * FROM counts WHERE id = 1) WHERE frames.changed_at = 'x'
"""


def multiply(database: Path, source: Source, n: int) -> None:
    """Fill the database with ``n`` copies of its first frame, each in a file of its own."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for statement in (COPY_FILES, COPY_FRAMES, COPY_COUNTS):
            connection.execute(statement, {"source": source.id, "n": n})


def measure_reading(database: Path, source: Source, analysis: Analysis, n: int) -> None:
    """Read a database of ``n`` frames and 100,000 files that are not counted yet."""
    with CountStore.open(database) as store:
        seen = [(f"new/{number:09d}.tif".encode(), STAMP) for number in range(100_000)]
        timed("note_seen of 100,000 files", lambda: store.note_seen(source, seen))
        timed("note_seen of the same 100,000 again", lambda: store.note_seen(source, seen))
        known = timed(f"known_files, {n} and more", lambda: store.known_files(source))
        tally = timed("tally", store.tally)
        counts = timed(f"counts as columns, {n} and more", lambda: store.counts(analysis))
        assert len(counts) == tally.counted == len(known)
        print(f"  {tally}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the database is made and removed")
    parser.add_argument("--frames", type=int, default=500, help="frames recorded one by one")
    parser.add_argument("--large", type=int, default=100_000, help="frames of the large database")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        database = Path(folder) / "counts.db"
        with CountStore.open(database) as store:
            experiment = store.ensure_experiment("benchmark")
            source = store.ensure_source(experiment, "/scans")
            settings = AnalysisSettings("model", "00" * 32, 24.0, "px", h=0.1)
            analysis = store.ensure_analysis(experiment, settings)
            measure_recording(store, source, analysis, given.frames)
            start = time.perf_counter()
            n_read = sum(len(found.candidates) for found in store.iter_candidates(analysis))
            print(f"iter_candidates: {n_read / (time.perf_counter() - start) / 1e6:.1f} M cells/s")
        multiply(database, source, given.large)
        measure_reading(database, source, analysis, given.large)
        print(f"database: {database.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
