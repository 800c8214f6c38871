"""Databases of every schema that was ever released open, upgrade and keep every row."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livecount.frame import MaskOutlines
from livecount.storage import CountStore, WatchOrder
from livecount.storage.schema import MIGRATIONS
from tests.storage.dump_released import RELEASED
from tests.storage.made_frames import (
    ADA,
    CALIBRATION,
    EVENT,
    EXCLUSION,
    PLATE_MAP,
    WATCH_SETTINGS,
    make_candidates,
    make_look,
    make_masks,
    make_shapes,
    make_validation,
)

DUMPS = sorted(RELEASED.glob("*.sql"))


def test_each_schema_has_its_dump() -> None:
    revisions = {
        script.read_text(encoding="utf-8").split('revision = "')[1].split('"')[0]
        for script in (MIGRATIONS / "versions").glob("rev_*.py")
    }
    assert {dump.stem for dump in DUMPS} == revisions


def assert_same_masks(found: MaskOutlines, wanted: MaskOutlines) -> None:
    assert (found.height, found.width) == (wanted.height, wanted.width)
    for name in ("cell", "top", "left", "n_edges", "turns"):
        assert getattr(found, name).tolist() == getattr(wanted, name).tolist(), name


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_a_released_database_opens_with_all_that_it_held(dump: Path, database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(dump.read_text(encoding="utf-8"))
    with CountStore.open(database) as store:
        assert store.verify() == []
        experiment = store.experiment("run")
        assert experiment.cell_diameter is not None
        assert experiment.cell_diameter.unit == "um"
        counts = store.counts(store.analysis(experiment))
        assert sorted(counts.count.tolist()) == [0, 1, 2, 4, 5, 5, 5, 6, 7]
        for frame, n in zip(
            store.iter_candidates(store.analysis(experiment)), counts.count, strict=True
        ):
            assert frame.candidates.y_px.tolist() == make_candidates(int(n)).y_px.tolist()
        confluence = {0: 10, 2: 12, 4: 14, 6: 16} if dump.stem >= "0002" else {}
        for frame_id, n, found in zip(
            counts.frame_id, counts.count, counts.confluence_percent, strict=True
        ):
            shapes = store.shapes(store.analysis(experiment), int(frame_id))
            assert (shapes is None) == np.isnan(found)
            if shapes is not None:
                assert found == confluence.pop(int(n))
                assert shapes.area_px.tolist() == make_shapes(int(n)).area_px.tolist()
            masks = store.masks(store.analysis(experiment), int(frame_id))
            assert (masks is None) == (shapes is None or dump.stem < "0012")
            if masks is not None:
                assert_same_masks(masks, make_masks(int(n)))
        assert not confluence
        tally = store.tally()
        assert (tally.counted, tally.ignored, tally.superseded, tally.pending) == (9, 1, 1, 1)
        codes = [notice.code for notice in store.notices()]
        assert codes == ["gpu_missing", *(["well_missing"] if dump.stem >= "0005" else [])]
        assert store.notices()[0].said_at >= store.notices()[0].since
        stood = {"A0": 0.0, "A1": 9.0, "A2": 18.0, "A4": 36.0, "A6": 54.0, "A7": 63.0}
        known = zip(counts.well, counts.stage_y_um.tolist(), strict=True)
        assert {well: y_um for well, y_um in known if np.isfinite(y_um)} == (
            stood if dump.stem >= "0006" else {}
        )
        looks = store.looks(store.analysis(experiment))
        by_frame = zip(counts.frame_id.tolist(), counts.count.tolist(), strict=True)
        assert looks == ({f: make_look(n) for f, n in by_frame} if dump.stem >= "0006" else {})
        assert b"caf\xe9.tif" in store.known_files(store.sources(experiment)[0])


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_a_released_database_opens_with_all_that_people_said(dump: Path, database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(dump.read_text(encoding="utf-8"))
    with CountStore.open(database) as store:
        experiment = store.experiment("run")
        if dump.stem >= "0003":
            (validation,) = store.validations(store.analysis(experiment))
            agreement = replace(make_validation().agreement, one_sided=((0, 1),))
            assert validation == replace(make_validation(), agreement=agreement)
            clicked = store.clicks(store.analysis(experiment))
            assert [len(places) for places in clicked.values()] == [1, 2, 3, 5]
            assert store.calibration("ab" * 32) == {"slope": 2.0}
        if dump.stem >= "0004":
            assert store.plate_maps(experiment) == [PLATE_MAP]
            assert store.events(experiment) == [EVENT]
            assert store.exclusions(experiment) == [EXCLUSION]
        if dump.stem >= "0005":
            told = [(one.notice.well, one.part, one.attempts) for one in store.deliveries()]
            assert told == [("A1", "begin", 1), (None, "begin", 0), (None, "end", 0)]
            assert [one.delivered_at is None for one in store.deliveries()] == [True, False, True]
        if dump.stem >= "0008":
            assert store.nuclei_calibrations(store.analysis(experiment)) == [CALIBRATION]
        if dump.stem >= "0010":
            analysis = store.analysis(experiment)
            ((corrected, change),) = store.corrected_by(analysis).items()
            kinds = [(one.kind, one.withdrawn) for one in store.corrections(analysis, corrected)]
            assert kinds == [("add", None), ("remove", None), ("move", None), ("add", ADA)]
            assert change == 0
        if dump.stem >= "0015":
            said = store.checks(analysis, corrected)
            assert [(one.said, one.withdrawn) for one in said] == [(ADA, ADA), (ADA, None)]
            assert store.checked_frames(analysis) == said[1:]
        if dump.stem >= "0016":
            assert store.learnt("ab" * 32) == {"cd" * 16}
        if dump.stem >= "0011":
            assert store.watch_orders() == {"run": WatchOrder("run", False, WATCH_SETTINGS, ADA)}
        if dump.stem >= "0013":
            kept = [(one.kind, one.said) for one in store.analysis_orders(experiment)]
            assert kept == [("count", ADA), ("show", ADA)]
