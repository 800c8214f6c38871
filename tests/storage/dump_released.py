"""Writes the dump of a database of the present schema; run once for each schema, then kept."""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from livecount.storage import CountStore
from livecount.storage.records import CellDiameter, FrameState
from tests.storage import made_frames

RELEASED = Path(__file__).with_name("released")


def main() -> None:
    """Fill a small database with everything that a store can hold, and dump it."""
    with tempfile.TemporaryDirectory() as work:
        database = Path(work) / "run.db"
        made_frames.write(database, 8)
        with CountStore.open(database) as store:
            experiment = store.experiment("run")
            store.lock_cell_diameter(experiment, CellDiameter(18.0, "um", "config"))
            (source,) = store.sources(experiment)
            store.ignore(source, b"caf\xe9.tif", made_frames.stamp_of(90), "another channel")
            store.begin_notice("gpu_missing", "No GPU", subject="engine")
            assert store.reopen(source, FrameState.QUARANTINED) == 1
            store.keep_calibration("ab" * 32, {"slope": 2.0})
            store.keep_learnt("ab" * 32, {"cd" * 16})
            made_frames.validate(store, store.analysis(experiment))
            analysis = store.analysis(experiment)
            store.add_nuclei_calibration(analysis, made_frames.CALIBRATION)
            made_frames.say_things(store, experiment)
            made_frames.tell_of_incidents(store, experiment)
            made_frames.order(store, experiment)
            made_frames.order_analyses(store, experiment)
        with closing(sqlite3.connect(database)) as connection:
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            lines = "\n".join(connection.iterdump())
    target = RELEASED / f"{revision}.sql"
    if target.exists():
        sys.exit(f"{target} is kept as it is")
    target.write_text(lines + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
