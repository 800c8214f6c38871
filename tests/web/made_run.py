"""A small run made through the store: growing wells, flagged frames, hostile names, incidents."""

from __future__ import annotations

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
from livecount.storage import (
    AnalysisSettings,
    Audience,
    CountStore,
    FileStamp,
    Heartbeat,
    PlateMapVersion,
    Said,
)

HOSTILE = "<img src=x onerror=alert(1)>"
WELLS = ("A1", "A2", "A3", "B1", "B2", "B3")
N_TIMES = 12
BEGAN = datetime(2026, 11, 2, 8, tzinfo=UTC)
FLAGS = {(2, 5): ("doubtful_cells",), (1, 0): ("colour",), (3, 7): ("zero_tail", "foreign_flag")}
"""(number of the well, time) -> flags; one frame of well B3 is all black besides."""


def make_run(database: Path) -> None:
    """Make it: 72 counted frames, two files set aside, a plate map, an incident told in vain."""
    folder = str(database.parent / HOSTILE)
    with CountStore.open(database) as store:
        experiment = store.ensure_experiment(f"run {HOSTILE}", frame_interval_min=120)
        source = store.ensure_source(experiment, folder)
        settings = AnalysisSettings(f"deepdistance {HOSTILE}", "ab" * 32, 24.0, "px", h=0.1)
        analysis = store.ensure_analysis(experiment, settings)
        lines = tuple({"well": well, "cell_line": "HeLa", "treatment": HOSTILE} for well in WELLS)
        said = Said("Ada", BEGAN)
        store.add_plate_map(experiment, PlateMapVersion(lines, "map.csv", said))
        with store.together():
            for time in range(N_TIMES):
                for number in range(len(WELLS)):
                    count = _count(folder, analysis.id, number, time)
                    store.record(source, count, stamp=FileStamp(1000, 10**18 + time), n_pages=1)
        for name in (b"broken.tif", b"<b>bold</b>.tif"):
            store.quarantine(source, name, FileStamp(1, 1), f"cut off {HOSTILE}")
        store.tell(Audience(("lab",), frozenset({"well_missing"})))
        store.begin_notice("well_missing", f"A1 is missing {HOSTILE}", subject="A1",
                           experiment=experiment, well="A1")  # fmt: skip
        store.note_undelivered("lab", store.deliveries(only_open=True), "it answered 503", BEGAN)
        store.begin_notice("disk_low", "1 GB")
        store.end_notice("disk_low")
        store.heartbeat(
            Heartbeat(1, "microscope", "0.1", BEGAN, BEGAN, BEGAN, "counting", "onnxruntime CPU",
                      {folder: "watching"})
        )  # fmt: skip


def _count(folder: str, analysis_id: str, number: int, time: int) -> FrameCount:
    n = round((20 + number) * 2 ** (time / 6))
    flags = ("all_zero",) if WELLS[number] == "B3" and time == 3 else FLAGS.get((number, time), ())
    centres = np.arange(n, dtype=np.float32)
    return FrameCount(
        key=FrameKey(folder, f"{WELLS[number]}_t{time:02}.tif".encode(), 0, f"{number}-{time}"),
        attributes=FrameAttributes.from_source(
            AttributeSource.FILE_NAME, well=WELLS[number], field="f1", time_point=time,
            acquired_at=BEGAN + timedelta(hours=2 * time, minutes=number),
        ),
        analysis_id=analysis_id,
        count=n,
        candidates=Candidates(centres, centres, np.full(n, 0.5, np.float32)),
        quality=FrameQuality(1.5, 0.4, 0.01),
        height_px=100, width_px=200, area_mm2=0.5, flags=flags,
        provenance=Provenance("onnxruntime CPU", "fp32", "0.1"),
        confluence_percent=None, shapes=None,
    )  # fmt: skip
