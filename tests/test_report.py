"""The report: hostile names stay text, empty runs have a report too, figures say what they mean."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from livecount.plots import dose_curves, plot_doses
from livecount.report import gather, write_report
from livecount.run_tables import RunTables
from livecount.storage import (
    AnalysisSettings,
    CountStore,
    Exclusion,
    ExperimentEvent,
    Instant,
    PlateMapVersion,
    Said,
)
from livecount.tables import count_table
from tests.storage.made_frames import make_count, stamp_of
from tests.test_plots import texts_of
from tests.test_treatments import plate

EVIL = '<script>alert("1")</script>'
ADA = Said(EVIL, datetime(2026, 11, 28, 9, 30, tzinfo=UTC))


def written(tmp_path: Path, name: str, n_frames: int) -> str:
    with CountStore.open(tmp_path / "run.db") as store:
        experiment = store.ensure_experiment(name, frame_interval_min=60)
        source = store.ensure_source(experiment, "/scans")
        settings = AnalysisSettings(EVIL, "ab" * 32, 24.0, "px", h=0.1)
        analysis = store.ensure_analysis(experiment, settings)
        for number in range(n_frames):
            about = {"well": "A1", "time_point": number, "n": 3 + number, "content": str(number)}
            path = f"{EVIL.replace('/', '')}{number}.tif".encode()
            store.record(source, make_count(analysis.id, path, **about), stamp=stamp_of(number))
        store.add_event(experiment, ExperimentEvent(EVIL, Instant(1.0), (), ADA))
        store.add_exclusion(experiment, Exclusion(EVIL, ADA, well="A1", start=Instant(5.0)))
        wells = ({"well": "A1", "cell_line": EVIL},)
        store.add_plate_map(experiment, PlateMapVersion(wells, EVIL, ADA))
        store.quarantine(source, b"bad.tif", stamp_of(99), EVIL)
        counts = count_table(store, experiment, analysis)
        contents = gather(store, experiment, analysis, RunTables(counts))
    write_report(contents, {EVIL: b"<svg/>"}, tmp_path / "report.html")
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    page = written(tmp_path, EVIL, 8)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 8
    assert "8 counted" in page
    assert "well A1, from 5 h on" in page


def test_frames_that_were_exported_again_are_one_line_and_a_cut_list_says_so(
    tmp_path: Path,
) -> None:
    with CountStore.open(tmp_path / "run.db") as store:
        experiment = store.ensure_experiment("e", frame_interval_min=60)
        source = store.ensure_source(experiment, "/scans")
        analysis = store.ensure_analysis(
            experiment, AnalysisSettings("m", "ab" * 32, 24.0, "px", h=0.1)
        )
        for number in range(120):
            for copy in range(2):
                about = {"well": "A1", "time_point": number, "content": f"{number}/{copy}"}
                count = make_count(analysis.id, f"{copy}/{number}.tif".encode(), **about)
                store.record(source, count, stamp=stamp_of(number), n_pages=1)
        counts = count_table(store, experiment, analysis)
        used = counts.index[counts["excluded"] == ""]
        for number, frame_id in enumerate(used[:105]):
            store.add_exclusion(experiment, Exclusion(f"no {number}", ADA, frame_id=int(frame_id)))
            counts.loc[frame_id, ["excluded", "excluded_by"]] = [f"no {number}", "Ada"]
        contents = gather(store, experiment, analysis, RunTables(counts))
    (unused,) = (one for one in contents.quality if one.title == "Counts that are not used")
    assert unused.rows[0] == ["same place and time as another frame", "rule", 120]
    assert (len(unused.rows), unused.note) == (100, "The first 100 of 106.")


def test_an_empty_run_has_a_report(tmp_path: Path) -> None:
    page = written(tmp_path, "empty", 0)
    assert "0 counted" in page
    assert "no frame has a time" in page
    assert "None." in page


@pytest.mark.parametrize("half_dose", [0.5, 1e5])
def test_a_dose_figure_says_the_gr50_or_that_there_is_none(
    tmp_path: Path, half_dose: float
) -> None:
    tables = RunTables(plate(half_dose))
    doses, points = tables.doses, tables.gr_points
    assert [len(each) for each in points] == [28]
    controls = [gr for dose, gr in points[0] if dose == 0]
    assert np.mean(controls) == pytest.approx(1, abs=0.05)
    plot_doses(dose_curves(doses, points), tmp_path / "doses.svg")
    texts = " ".join(texts_of(tmp_path / "doses.svg"))
    assert ("T98G drug: GR50 0." in texts) == (half_dose == 0.5)
    assert ("no GR50" in texts) == (half_dose > 1)
    assert "Dose (uM)" in texts
