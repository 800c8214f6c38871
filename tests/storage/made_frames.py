"""Frames whose counts follow from their number alone, and processes that write and read them.

As a script: ``made_frames.py write|read DATABASE N``; ``write`` prints each frame's number once it
is recorded, ``read`` prints how many frames it saw, until it is killed.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from livecount.agreement import Agreement
from livecount.frame import (
    AttributeSource,
    Candidates,
    CellShapes,
    FrameAttributes,
    FrameCount,
    FrameKey,
    FrameQuality,
    MaskOutlines,
    Provenance,
)
from livecount.nuclei_calibration import NucleiCalibration
from livecount.storage import (
    AnalysisSettings,
    Audience,
    Correction,
    CountStore,
    Exclusion,
    ExperimentEvent,
    FileStamp,
    FrameCheck,
    Instant,
    KeptCalibration,
    PlateMapVersion,
    Said,
    ValidatedField,
    Validation,
)

FOLDER = "/scans"
SETTINGS = AnalysisSettings("deepdistance", "ab" * 32, 24.0, "px", h=0.1)
N_PAGES = 3


def say(word):
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


CALIBRATION = KeptCalibration(
    NucleiCalibration(
        slope=0.95,
        level=4.5,
        centre=4.6,
        level_variance=0.001,
        slope_variance=0.002,
        covariance=-0.0003,
        residual_sd=0.06,
        mean_log_ratio=0.08,
        mean_log_ratio_sem=0.02,
        log_ratio_sd=0.07,
        n_pairs=12,
        n_wells=6,
        density_unit="per mm2",
        density_low=80.0,
        density_high=900.0,
    ),
    nuclei_analysis_id="0123456789abcdef",
    made_by="M\u00fcller",
    made_at=datetime(2026, 1, 9, 12, 0, tzinfo=UTC),
)


def make_candidates(n):
    # Large enough to span database pages, so that a torn write would show.
    grid = np.arange(n * 40, dtype=np.float32)
    prominence = np.full(n * 40, 0.05, np.float32)
    prominence[::40] = SETTINGS.h
    return Candidates(grid, grid + np.float32(0.5), prominence)


def make_shapes(n):
    area = 100 + np.arange(n, dtype=np.float32)
    return CellShapes(area, area / 3, area / 90, area / 400, (area % 2).astype(np.float32))


def make_masks(n):
    """One row of one to three pixels a cell."""
    number = np.arange(n, dtype=np.int32)
    turns = [side for k in range(n) for side in ([0] * (k % 3) + [1, 1]) * 2]
    n_edges = 4 + 2 * (number % 3)
    return MaskOutlines(50, 100, number, number, 2 * number, n_edges, np.array(turns, np.uint8))


def make_look(n):
    return bytes([n % 100]) * 288


def make_count(
    analysis_id, path, page=0, content="a", n=3, folder=FOLDER, segmented=False, **attributes
):
    return FrameCount(
        key=FrameKey(folder, path, page, content),
        attributes=FrameAttributes.from_source(AttributeSource.FILE_NAME, **attributes),
        analysis_id=analysis_id,
        count=n,
        candidates=make_candidates(n),
        quality=FrameQuality(1.5, 0.4, 0.01, make_look(n)),
        height_px=100,
        width_px=200,
        area_mm2=None,
        flags=("zero_tail",) if n % 2 else (),
        provenance=Provenance("onnxruntime CPU", "fp32", "0.1"),
        confluence_percent=10.0 + n if segmented else None,
        shapes=make_shapes(n) if segmented else None,
        masks=make_masks(n) if segmented else None,
    )


def stamp_of(number):
    return FileStamp(1000 + number, 10**18 + number)


def take_file(store, source, analysis, number):
    """Do with one file what a monitor does: stacks, trouble and replaced files among them."""
    path, stamp = b"frame%04d.tif" % number, stamp_of(number)
    store.note_seen(source, [(path, stamp)])
    if number % 7 == 3:
        store.retry_later(source, path, stamp, "cut off")
        store.quarantine(source, path, stamp, "cut off")
        return
    if number % 7 == 5:
        store.note_pages(source, path, stamp, N_PAGES)
        for page in range(N_PAGES):
            count = make_count(analysis.id, path, page, f"{number}-{page}", number % 50)
            store.record(source, count, stamp=stamp)
        store.file_done(source, path, stamp, N_PAGES)
        return
    if number % 7 == 6:
        early = make_count(analysis.id, path, 0, f"{number}-early", 1)
        store.record(source, early, stamp=FileStamp(1, 1))
    place = {"well": f"A{number}", "stage_x_um": -1.5 * number, "stage_y_um": 9.0 * number}
    count = make_count(
        analysis.id, path, 0, f"{number}", number % 50, segmented=number % 2 == 0, **place
    )
    store.record(source, count, stamp=stamp, n_pages=1)


def make_validation(n=4):
    return Validation(
        model_sha256=SETTINGS.model_sha256,
        h=SETTINGS.h,
        density_unit="per field",
        density_low=1.0,
        density_high=6.0,
        pixel_size_um=None,
        n_fields=n,
        agreement=Agreement(n, 0.1, 0.05),
        made_by="anna",
        made_at=datetime(2026, 11, 20, 8, tzinfo=UTC),
    )


def validate(store, analysis):
    """Keep a person's clicks on the first frames: as many as cells were counted, and one more."""
    counts = store.counts(analysis)
    fields = []
    for frame_id, n in list(zip(counts.frame_id, counts.count, strict=True))[:4]:
        clicks = np.arange(2.0 * (n + 1)).reshape(-1, 2)
        fields.append(ValidatedField(int(frame_id), int(n), int(n) + 1, int(n), clicks))
    store.add_validation(analysis, make_validation(), fields)


ADA = Said("Ada", datetime(2026, 10, 5, 12, tzinfo=UTC))
EVENT = ExperimentEvent("drug added", Instant(24.5, ADA.made_at), ("A1",), ADA, ADA, id=1)
EXCLUSION = Exclusion("bubble", ADA, well="A1", start=Instant(1.5), id=1)
PLATE_MAP = PlateMapVersion(({"well": "A1", "treatment": "drug"},), "plate.csv", ADA)


def say_things(store, experiment):
    """Let people say one thing of each kind."""
    store.add_plate_map(experiment, PLATE_MAP)
    store.withdraw_event(experiment, store.add_event(experiment, EVENT), ADA)
    store.add_exclusion(experiment, EXCLUSION)
    correct_cells(store, store.analysis(experiment))


def correct_cells(store, analysis):
    """Correct a frame of two cells in each way, and take one correction back."""
    counts = store.counts(analysis)
    (frame_id,) = counts.frame_id[counts.count == 2].tolist()
    for kind, start, end in (
        ("add", None, (10.0, 20.0)),
        ("remove", (0.0, 0.5), None),
        ("move", (40.0, 40.5), (41.0, 42.0)),
        ("add", None, (11.0, 21.0)),
    ):
        last = store.add_correction(analysis, Correction(frame_id, kind, ADA, start, end))
    store.withdraw_correction(analysis, frame_id, last, ADA)
    check_frame(store, analysis, frame_id)


def check_frame(store, analysis, frame_id):
    """Say that every cell of a frame is right, take it back, and say it again."""
    held = [one.id for one in store.corrections(analysis, frame_id) if one.withdrawn is None]
    first = store.add_check(analysis, FrameCheck(frame_id, ADA), (len(held), max(held)))
    store.withdraw_check(analysis, frame_id, first, ADA)
    return store.add_check(analysis, FrameCheck(frame_id, ADA), (len(held), max(held)))


WATCH_SETTINGS = {"name": "run", "folders": [FOLDER], "h": 0.2}


def order(store, experiment):
    """Let an experiment be added, then be stopped."""
    store.order_watching(experiment, ADA, is_watched=True, settings=WATCH_SETTINGS)
    store.order_watching(experiment, ADA, is_watched=False)


def order_analyses(store, experiment):
    """Let another h be wanted beside the count there is, which stays the one that is shown."""
    analysis = store.analysis(experiment)
    other = store.ensure_analysis(experiment, replace(analysis.settings, h=0.2))
    store.order_count(other, ADA)
    store.make_primary(analysis, ADA)


def tell_of_incidents(store, experiment):
    """Let one incident be told in vain and another one end."""
    store.tell(Audience(("lab",), frozenset({"well_missing", "disk_low"})))
    store.begin_notice(
        "well_missing", "A1 is missing", subject="A1", experiment=experiment, plate="P1", well="A1"
    )
    waiting = store.deliveries(only_open=True)
    store.note_undelivered("lab", waiting, "the server answered 503", ADA.made_at)
    store.begin_notice("disk_low", "1 GB")
    store.note_delivered(store.deliveries(only_open=True)[1:])
    store.end_notice("disk_low")


def write(database, n_files):
    with CountStore.open(database) as store:
        experiment = store.ensure_experiment("run")
        source = store.ensure_source(experiment, FOLDER)
        analysis = store.ensure_analysis(experiment, SETTINGS)
        known = store.known_files(source)
        say("ready")
        for number in range(n_files):
            if b"frame%04d.tif" % number not in known:
                take_file(store, source, analysis, number)
                say(number)


def read(database):
    with CountStore.open(database, read_only=True) as store:
        analysis = store.analysis(store.experiment("run"))
        while True:
            counts = store.counts(analysis)
            wanted = dict(zip(counts.frame_id.tolist(), counts.count.tolist(), strict=True))
            for found in store.iter_candidates(analysis):
                if found.frame_id in wanted:
                    assert len(found.candidates) == wanted[found.frame_id] * 40
            assert store.tally().counted >= len(counts)
            say(len(counts))


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        read(Path(sys.argv[2]))
