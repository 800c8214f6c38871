"""A run as a whole: its table of truth, its pace, how it ends, what is refused."""

import csv
import json
import math
import re
import subprocess
import sys
import time
import tomllib

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from livecount.annotations import read_masks
from livecount.errors import SimulationError
from livecount.simulation import SimulationSettings, simulate
from livecount.simulation.naming import naming_for
from livecount.simulation.plan import Shot
from tests.simulation.small_runs import PAIRS, pixels_of, small


def test_truth_table_matches_what_was_returned_and_told(tmp_path):
    told = []
    truth = simulate(small(), tmp_path / "run", on_frame=told.append)
    assert tuple(told) == truth.frames
    with truth.truth_csv.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    for row, frame in zip(rows, truth.frames, strict=True):
        assert (row["source"], int(row["page"]), row["well"]) == (frame.source, 0, frame.well)
        assert int(row["count"]) == frame.count
        assert int(row["dividing"]) == frame.dividing <= frame.count
        assert float(row["elapsed_h"]) == pytest.approx(frame.elapsed_h, abs=1e-6)


def test_the_table_is_on_the_disk_while_the_run_goes_on(tmp_path):
    n_rows = []
    table = tmp_path / "run" / "truth" / "truth.csv"
    simulate(
        small(),
        tmp_path / "run",
        on_frame=lambda _: n_rows.append(len(table.read_text().splitlines())),
    )
    assert n_rows == list(range(2, 14))


def test_wells_have_their_own_doubling_times(tmp_path):
    settings = small(
        doubling_time_h={"A1": 12.0, "B12": math.inf},
        founders=40,
        height_px=200,
        width_px=200,
        cell_diameter_px=8.0,
        n_time_points=9,
        frame_interval_min=180.0,
        death_rate_per_h=0.0,
    )
    truth = simulate(settings, tmp_path / "run")
    fast, still = truth.wells
    assert fast.doubling_time_h == 12.0
    assert fast.realised_doubling_time_h == pytest.approx(12.0, rel=0.25)
    assert still.realised_doubling_time_h is None or still.realised_doubling_time_h > 60
    content = json.loads((truth.folder / "truth" / "truth.json").read_text())
    assert content["wells"]["B12"]["doubling_time_h"] is None
    assert content["complete"] is True
    assert content["settings"]["seed"] == 0


def test_centres_and_masks_lie_beside_the_frames(tmp_path):
    truth = simulate(small(scheme="imagexpress", write_annotations=True), tmp_path / "run")
    diameters = []
    for frame in truth.frames:
        path = (truth.folder / frame.source).with_suffix(".centres.csv")
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == frame.count
        assert all(-0.5 <= float(row["y_px"]) < 63.5 for row in rows)
        assert all(-0.5 <= float(row["x_px"]) < 79.5 for row in rows)
        masks = read_masks(path.with_name(path.name.replace(".centres.csv", ".cells.png")))
        assert masks.shape == (64, 80)
        at = [masks[round(float(row["y_px"])), round(float(row["x_px"]))] for row in rows]
        seen = {label for label in at if label}
        assert len(seen) >= 0.8 * len(rows)
        diameters += [math.sqrt(4 / math.pi * (masks == label).sum()) for label in seen]
    dataset = tomllib.loads((truth.folder / "dataset.toml").read_text())
    assert dataset["cell_diameter_px"] == pytest.approx(np.median(diameters), rel=0.03)
    assert dataset["match_radius_px"] == pytest.approx(dataset["cell_diameter_px"] / 2, rel=0.01)


# ---- stopping, pace, errors


@pytest.mark.parametrize("scheme", ["micro-manager", "micro-manager-stack"])
def test_a_stopped_run_leaves_complete_files(scheme, tmp_path):
    manner = "pre-sized" if "stack" in scheme else "slow"
    told = []
    truth = simulate(
        small(scheme=scheme, manner=manner, write_seconds=0.8, n_time_points=50),
        tmp_path / "run",
        on_frame=told.append,
        stop=lambda: len(list((tmp_path / "run").rglob("*.tif"))) >= 3,
    )
    assert not truth.complete
    assert 1 <= len(truth.frames) <= 3
    for frame in truth.frames:
        assert pixels_of(truth.folder, frame).shape == (64, 80)
    content = json.loads((truth.folder / "truth" / "truth.json").read_text())
    assert content["complete"] is False


def test_real_time_pace(tmp_path):
    settings = small(wells=("A1",), fields_per_well=1, real_seconds_per_time_point=0.3)
    started = time.monotonic()
    simulate(settings, tmp_path / "run")
    assert time.monotonic() - started >= 0.6


def test_an_error_of_the_listener_is_its_own_and_files_are_closed(tmp_path):
    def fail(frame):
        raise OSError("listener")

    with pytest.raises(OSError, match="listener"):
        simulate(small(scheme="micro-manager"), tmp_path / "run", on_frame=fail)
    json.loads((tmp_path / "run" / "A1-Site_0" / "metadata.txt").read_text())


def test_a_folder_holds_one_simulation(tmp_path):
    simulate(small(n_time_points=1), tmp_path / "run")
    with pytest.raises(SimulationError, match="holds a simulation already"):
        simulate(small(n_time_points=1), tmp_path / "run")


def test_a_file_in_the_way_is_said(tmp_path):
    (tmp_path / "run").write_text("not a folder")
    with pytest.raises(SimulationError, match="not a folder"):
        simulate(small(), tmp_path / "run")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "TimePoint_1").write_text("in the way")
    with pytest.raises(SimulationError, match="cannot be written"):
        simulate(small(scheme="imagexpress"), tmp_path / "other")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"wells": ()}, "no well"),
        ({"wells": ("A01",)}, "'A01' is not a well"),
        ({"wells": ("A49",)}, "is not a well"),
        ({"wells": ("AG1",)}, "is not a well"),
        ({"wells": ("A1", "A1")}, "named twice"),
        ({"fields_per_well": 0}, "fields_per_well is 0"),
        ({"n_time_points": 2.5}, "n_time_points is 2.5"),
        ({"founders": -1}, "founders is -1"),
        ({"frame_interval_min": 0}, "frame_interval_min"),
        ({"frame_interval_min": math.nan}, "frame_interval_min"),
        ({"doubling_time_h": 0.0}, "doubling_time_h is 0"),
        ({"doubling_time_h": math.nan}, "doubling_time_h is nan"),
        ({"doubling_time_h": {"A1": 20.0}}, "none for B12"),
        ({"doubling_time_h": {"A1": 20.0, "B12": 20.0, "C3": 9.0}}, "C3 not in the run"),
        ({"death_rate_per_h": -0.1}, "death_rate_per_h"),
        ({"cell_diameter_px": 400.0}, "cell_diameter_px"),
        ({"pixel_size_um": 0}, "pixel_size_um"),
        ({"bit_depth": 12}, "choose 8 or 16"),
        ({"seed": -1}, "seed"),
        ({"scheme": "zeiss"}, "unknown scheme 'zeiss'"),
        ({"manner": "fast"}, "unknown manner 'fast'"),
        ({"manner": "growing"}, "does not grow by pages"),
        ({"scheme": "ome-tiff", "manner": "slow"}, "cannot be written slow"),
        ({"scheme": "ome-tiff", "manner": "growing", "write_annotations": True}, "annotations"),
        ({"scheme": "incucyte", "frame_interval_min": 7.5}, "whole minutes"),
        ({"founders": 30, "doubling_time_h": 1.0, "n_time_points": 40}, "cover"),
        ({"real_seconds_per_time_point": -1}, "real_seconds_per_time_point"),
    ],
)
def test_impossible_settings_are_refused_in_plain_words(changes, says):
    with pytest.raises(SimulationError, match=re.escape(says)) as caught:
        small(**changes)
    assert caught.value.hint


wells = st.lists(
    st.builds(
        lambda row, column: f"{row}{column}",
        st.sampled_from(["A", "H", "P", "Z", "AA", "AF"]),
        st.integers(1, 48),
    ),
    min_size=1,
    max_size=6,
    unique=True,
)


@given(
    wells,
    st.integers(1, 5),
    st.integers(1, 12),
    st.integers(1, 3000),
    st.floats(5, 200),
    st.sampled_from(PAIRS),
)
@hypothesis_settings(deadline=None)
def test_any_accepted_plan_gives_every_frame_its_own_place(
    names, fields, n_time_points, interval_min, doubling_time_h, pair
):
    scheme, manner = pair
    try:
        settings = SimulationSettings(
            wells=tuple(names),
            fields_per_well=fields,
            n_time_points=n_time_points,
            frame_interval_min=interval_min,
            doubling_time_h=doubling_time_h,
            founders=5,
            scheme=scheme,
            manner=manner,
        )
    except SimulationError:
        # the only ground: too many cells
        assume(False)
    plan, naming = settings.plan, naming_for(scheme)
    places, times = [], []
    for t in range(n_time_points):
        for p in range(len(plan.positions)):
            shot = Shot(plan, len(places), p, t, settings.elapsed_s(p, t))
            places.append((naming.path(shot), t if scheme.is_stack else 0))
            times.append(shot.elapsed_s)
    assert len(set(places)) == len(names) * fields * n_time_points
    assert times == sorted(set(times))
    assert times[-1] <= settings.horizon_h * 3600
    json.dumps(settings.as_json())


def test_importing_the_microscope_is_light():
    code = (
        "import sys, time; t = time.perf_counter(); import livecount.simulation; "
        "heavy = {'scipy', 'tifffile', 'skimage', 'pandas', 'numba'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
