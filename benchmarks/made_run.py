"""Make the database of a large run, to try the dashboard and measure it: no image is counted.

    python benchmarks/made_run.py RUN.db [--wells 384] [--time-points 200] [--fields 1]
        [--interval-min 60] [--plateau 3000] [--copies 13]

Counts grow as branching cells do; wells of a column have one dose, so that groups come out. The
cells are made up: this shows speed and looks, never accuracy. A million frames would take an hour:
`--copies` adds the same frames as further fields of each well, by SQL.
"""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

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
from livecount.plate import PlateMap, Treatment, WellContents, sheet_rows, wells_of_plate
from livecount.plate.concentration import Concentration
from livecount.storage import (
    Analysis,
    AnalysisSettings,
    CountStore,
    FileStamp,
    PlateMapVersion,
    Said,
    Source,
)

SEED = 1
SIDE_PX = 1024
PIXEL_SIZE_UM = 1.2
FOUNDERS = 60
DOUBLING_TIME_H = 24.0
START = datetime(2026, 11, 1, 9, tzinfo=UTC)
SETTINGS = AnalysisSettings("deepdistance", "ab" * 32, 40.0, "px", h=0.08)


def doses(n_columns: int) -> list[float]:
    """Give each column of a plate its dose in uM; the first two are controls."""
    return [0.0, 0.0, *np.geomspace(0.01, 30, max(1, n_columns - 2)).round(3).tolist()]


def column_of(well: str) -> int:
    """Give a well's column from 0."""
    return int("".join(letter for letter in well if letter.isdigit())) - 1


def contents_of(well: str, n_columns: int) -> WellContents:
    """Say what a well holds."""
    dose = doses(n_columns)[column_of(well)]
    drug = (Treatment("paclitaxel", Concentration(dose, "uM")),) if dose else ()
    return WellContents(well=well, cell_line="A549", treatments=drug)


def curve(
    rng: np.random.Generator, dose: float, n: int, interval_min: float, plateau: int
) -> np.ndarray:
    """Let founders divide: each cell with its own chance in each interval; a plateau ends it."""
    rate = np.log(2) / DOUBLING_TIME_H / (1 + dose / 1.0) * interval_min / 60
    cells = [FOUNDERS + int(rng.integers(-12, 13))]
    for _ in range(n - 1):
        room = max(0.0, 1 - cells[-1] / plateau)
        cells.append(cells[-1] + int(rng.binomial(cells[-1], rate * room)))
    return rng.poisson(np.array(cells) * 0.95)


def counts_of(
    source: Source,
    analysis: Analysis,
    wells: list[str],
    n_times: int,
    n_fields: int,
    interval_min: float = 60,
    plateau: int = 3000,
) -> Iterator[FrameCount]:
    """Give the frames' counts in the order in which they would land."""
    rng = np.random.default_rng(SEED)
    n_columns = max(column_of(well) for well in wells) + 1
    curves = {
        (well, field): curve(rng, doses(n_columns)[column_of(well)], n_times, interval_min, plateau)
        for well in wells
        for field in range(n_fields)
    }
    area_mm2 = (SIDE_PX * PIXEL_SIZE_UM / 1000) ** 2
    for time_point in range(n_times):
        for order, ((well, field), cells) in enumerate(curves.items()):
            n = int(cells[time_point])
            places = rng.random((2, n), np.float32) * SIDE_PX
            prominence = rng.beta(6, 2, n).astype(np.float32).clip(0.08)
            at = START + timedelta(minutes=interval_min * time_point, seconds=order)
            path = f"{well}/{well}_f{field + 1}_t{time_point:04d}.tif".encode()
            yield FrameCount(
                key=FrameKey(source.folder, path, 0, f"{well}{field}{time_point}".ljust(32, "0")),
                attributes=FrameAttributes.from_source(
                    AttributeSource.FILE_TAG, well=well, field=str(field + 1),
                    time_point=time_point, acquired_at=at, pixel_size_um=PIXEL_SIZE_UM,
                ),
                analysis_id=analysis.id,
                count=n,
                candidates=Candidates(*places, prominence),
                quality=FrameQuality(float(rng.normal(1.5, 0.05)), 0.4, 0.0),
                height_px=SIDE_PX,
                width_px=SIDE_PX,
                area_mm2=area_mm2,
                flags=("out_of_focus",) if rng.random() < 0.002 else (),
                provenance=Provenance("onnxruntime CPU", "fp32", "0"),
                confluence_percent=None,
            )  # fmt: skip


def copy_fields(database: Path, copies: int) -> None:
    """Give each well of a run with one field `copies` fields that all look alike."""
    with sqlite3.connect(database) as sql:
        (most,) = sql.execute("SELECT max(id) FROM frames").fetchone()
        for field in range(2, copies + 1):
            shift = most * (field - 1)
            renamed = f"CAST(replace(CAST(relative_path AS TEXT), '_f1_', '_f{field}_') AS BLOB)"
            _copy(sql, "files", shift, most, {"relative_path": renamed})
            named = {"file_id": f"file_id + {shift}", "field": f"'{field}'"}
            _copy(sql, "frames", shift, most, named)
            _copy(sql, "counts", shift, most, {"frame_id": f"frame_id + {shift}"})
            _copy(sql, "candidates", shift, most, {}, key="count_id")


def _copy(
    sql: sqlite3.Connection,
    table: str,
    shift: int,
    most: int,
    changed: dict[str, str],
    key: str = "id",
) -> None:
    """Copy the rows up to an id; what changes is given as SQL."""
    names = [row[1] for row in sql.execute(f"PRAGMA table_info({table})")]
    values = {key: f"{key} + {shift}", **changed}
    columns = ", ".join(values.get(name, f'"{name}"') for name in names)
    sql.execute(f"INSERT INTO {table} SELECT {columns} FROM {table} WHERE {key} <= {most}")


def main() -> None:
    """Make it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", type=Path)
    parser.add_argument("--wells", type=int, default=384)
    parser.add_argument("--time-points", type=int, default=200)
    parser.add_argument("--fields", type=int, default=1)
    parser.add_argument("--interval-min", type=float, default=60)
    parser.add_argument("--plateau", type=int, default=3000, help="cells of a full field")
    parser.add_argument("--folder", default="/scans", help="the watched folder that it names")
    parser.add_argument("--copies", type=int, default=1, help="fields a well in the end")
    given = parser.parse_args()
    wells = wells_of_plate(given.wells)
    n_columns = max(column_of(well) for well in wells) + 1
    with CountStore.open(given.database) as store:
        experiment = store.ensure_experiment("made run")
        source = store.ensure_source(experiment, given.folder)
        analysis = store.ensure_analysis(experiment, SETTINGS)
        lines = tuple(sheet_rows(PlateMap(tuple(contents_of(well, n_columns) for well in wells))))
        said = Said("benchmark", datetime.now(UTC))
        store.add_plate_map(experiment, PlateMapVersion(lines, "made up", said))
        made = counts_of(
            source, analysis, wells, given.time_points, given.fields,
            given.interval_min, given.plateau,
        )  # fmt: skip
        for number, count in enumerate(made):
            store.record(source, count, stamp=FileStamp(10**6, 10**18 + number), n_pages=1)
    copy_fields(given.database, given.copies)


if __name__ == "__main__":
    main()
