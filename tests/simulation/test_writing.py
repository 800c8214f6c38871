"""Files come to be as real software writes them, and read back equal to what was drawn."""

import csv
import json
import math
import re
import subprocess
import sys
import threading
import time
import tomllib
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from livecount.annotations import read_masks
from livecount.errors import SimulationError
from livecount.simulation import Manner, Scheme, SimulationSettings, simulate
from livecount.simulation.naming import naming_for
from livecount.simulation.plan import Shot
from livecount.simulation.writers import open_writer

NAMES = {
    Scheme.GENERIC: r"(A1|B12)_f[12]_t000[012]\.tif",
    Scheme.MICRO_MANAGER: (
        r"(A1|B12)-Site_[01]/img_channel000_position00[0-3]_time00000000[012]_z000\.tif"
    ),
    Scheme.MICRO_MANAGER_STACK: r"SIM_MMStack_(A1|B12)-Site_[01]\.ome\.tif",
    Scheme.PYMMCORE_PLUS: r"000\d\d_t000[012]_p00[0-3]\.tif",
    Scheme.INCUCYTE: r"SIM_(A1|B12)_[12]_\d\dd\d\dh\d\dm\.tif",
    Scheme.IMAGEXPRESS: r"TimePoint_[123]/SIM_(A01|B12)_s[12]_w1\.TIF",
    Scheme.NIS_ELEMENTS: r"20260105ef001xy0[1-4]t0[123]\.tif",
    Scheme.OME_TIFF: r"run/run_p00[0-3]\.ome\.tiff",
}
PAIRS = [
    (scheme, manner)
    for scheme in Scheme
    for manner in Manner
    if (
        manner in (Manner.GROWING, Manner.PRE_SIZED)
        if scheme.is_stack
        else manner is not Manner.GROWING
    )
]


def small(**changes) -> SimulationSettings:
    chosen = {
        "wells": ("A1", "B12"),
        "fields_per_well": 2,
        "n_time_points": 3,
        "founders": 5,
        "height_px": 64,
        "width_px": 80,
        "cell_diameter_px": 10.0,
        "write_seconds": 0.0,
        "death_rate_per_h": 0.01,
    } | changes
    return SimulationSettings(**chosen)


def pixels_of(folder: Path, truth) -> np.ndarray:
    with tifffile.TiffFile(folder / truth.source) as tiff:
        return tiff.pages[truth.page].asarray()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The frames of ``small()`` in order, by the plainest way of writing."""
    folder = tmp_path_factory.mktemp("drawn") / "run"
    truth = simulate(small(), folder)
    return [(frame, pixels_of(folder, frame)) for frame in truth.frames]


def test_the_plain_frames_are_pictures_of_cells(drawn):
    assert len(drawn) == 12
    for frame, pixels in drawn:
        assert pixels.shape == (64, 80)
        assert pixels.dtype == np.uint16
        assert frame.count >= 3
        assert pixels.std() > 0.04 * pixels.mean()
    assert len({pixels.tobytes() for _, pixels in drawn}) == 12


@pytest.mark.parametrize(("scheme", "manner"), PAIRS)
def test_every_way_of_writing_reads_back_the_same_frames(scheme, manner, drawn, tmp_path):
    truth = simulate(small(scheme=scheme, manner=manner), tmp_path / "run")
    assert truth.complete
    assert len(truth.frames) == len(drawn)
    for frame, (expected, pixels) in zip(truth.frames, drawn, strict=True):
        assert re.fullmatch(NAMES[scheme], frame.source)
        assert (frame.well, frame.field, frame.time_point) == (
            expected.well,
            expected.field,
            expected.time_point,
        )
        assert (frame.count, frame.elapsed_h) == (expected.count, expected.elapsed_h)
        np.testing.assert_array_equal(pixels_of(truth.folder, frame), pixels)
    assert len({(frame.source, frame.page) for frame in truth.frames}) == len(drawn)
    written = {p.relative_to(truth.folder).as_posix() for p in truth.folder.rglob("*.[tT][iI]*")}
    assert written == {frame.source for frame in truth.frames}


@pytest.mark.parametrize("scheme", [Scheme.GENERIC, Scheme.MICRO_MANAGER_STACK])
def test_equal_seeds_give_equal_bytes(scheme, tmp_path):
    manner = Manner.PRE_SIZED
    runs = [
        simulate(small(scheme=scheme, manner=manner, seed=seed), tmp_path / name).folder
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    files = [
        {p.relative_to(run): p.read_bytes() for p in run.rglob("*") if p.is_file()} for run in runs
    ]
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_eight_bit_frames(tmp_path):
    truth = simulate(small(bit_depth=8, n_time_points=1), tmp_path / "run")
    assert pixels_of(truth.folder, truth.frames[0]).dtype == np.uint8


# ---- what the files say of themselves


def test_generic_tags_hold_time_and_pixel_size(tmp_path):
    truth = simulate(small(pixel_size_um=0.5), tmp_path / "run")
    with tifffile.TiffFile(truth.folder / "B12_f1_t0001.tif") as tiff:
        tags = tiff.pages.first.tags
        numerator, denominator = tags["XResolution"].value
        assert numerator / denominator == pytest.approx(20_000)
        assert tags["ResolutionUnit"].value == 3
        assert tags["DateTime"].value == "2026:01:05 08:30:04"


def test_micro_manager_metadata(tmp_path):
    truth = simulate(small(scheme="micro-manager"), tmp_path / "run")
    position = truth.folder / "B12-Site_1"
    records = json.loads((position / "metadata.txt").read_text())
    name = "B12-Site_1/img_channel000_position003_time000000002_z000.tif"
    assert records["Summary"]["Interval_ms"] == 1_800_000
    assert records[f"Coords-{name}"]["time"] == 2
    record = records[f"Metadata-{name}"]
    assert record["ElapsedTime-ms"] == pytest.approx(2 * 1_800_000 + 6000)
    assert record["ReceivedTime"] == "2026-01-05 09:00:06.000 +0000"
    with tifffile.TiffFile(truth.folder / name) as tiff:
        info = json.loads(tiff.imagej_metadata["Info"])
    assert info["PixelSizeUm"] == 0.65
    assert info["PositionName"] == "B12-Site_1"
    assert info["ElapsedTime-ms"] == record["ElapsedTime-ms"]


def test_micro_manager_metadata_lacks_its_last_brace_while_running(tmp_path):
    states = []

    def look(frame):
        text = (tmp_path / "run" / "A1-Site_0" / "metadata.txt").read_text()
        states.append(text.rstrip().endswith("}") and json.loads(text + "}") is not None)
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)
        known = json.loads(text + "}")
        if frame.source.startswith("A1-Site_0"):
            assert f"Metadata-{frame.source}" in known

    simulate(small(scheme="micro-manager"), tmp_path / "run", on_frame=look)
    assert states == [True] * 12


def test_micro_manager_stack_pages_hold_records(tmp_path):
    truth = simulate(small(scheme="micro-manager-stack", manner="pre-sized"), tmp_path / "run")
    with tifffile.TiffFile(truth.folder / "SIM_MMStack_B12-Site_0.ome.tif") as tiff:
        assert tiff.is_ome
        tiff.pages.useframes = False
        records = [page.tags[51123].value for page in tiff.pages]
    times = [record["ElapsedTime-ms"] for record in records]
    assert times == [pytest.approx(t * 1_800_000 + 4000) for t in range(3)]
    assert {record["PositionName"] for record in records} == {"B12-Site_0"}


def test_pymmcore_plus_records(tmp_path):
    truth = simulate(small(scheme="pymmcore-plus"), tmp_path / "run")
    records = json.loads((truth.folder / "_frame_metadata.json").read_text())
    assert set(records) == {frame.source for frame in truth.frames}
    record = records["00007_t0001_p003.tif"]
    assert record["runner_time_ms"] == pytest.approx(1_800_000 + 6000)
    assert record["pixel_size_um"] == 0.65
    assert record["mda_event"]["index"] == {"t": 1, "p": 3}
    assert record["mda_event"]["pos_name"] == "B12-Site_1"
    assert (truth.folder / "_useq_MDASequence.json").exists()


def test_pymmcore_plus_rewrites_its_records_every_ten_frames(tmp_path):
    known = []

    def look(frame):
        path = tmp_path / "run" / "_frame_metadata.json"
        known.append(len(json.loads(path.read_text())))

    simulate(small(scheme="pymmcore-plus"), tmp_path / "run", on_frame=look)
    assert known == [1] * 10 + [11] * 2


def test_incucyte_names_hold_the_elapsed_time(tmp_path):
    settings = small(scheme="incucyte", frame_interval_min=740.0, wells=("A1",), fields_per_well=1)
    truth = simulate(settings, tmp_path / "run")
    stamps = [frame.source.split("_")[-1] for frame in truth.frames]
    assert stamps == ["00d00h00m.tif", "00d12h20m.tif", "01d00h40m.tif"]


def test_imagexpress_tags(tmp_path):
    truth = simulate(small(scheme="imagexpress"), tmp_path / "run")
    with tifffile.TiffFile(truth.folder / "TimePoint_2" / "SIM_A01_s1_w1.TIF") as tiff:
        assert tiff.is_metaseries
        info = tiff.metaseries_metadata["PlaneInfo"]
    assert info["spatial-calibration-x"] == 0.65
    assert info["spatial-calibration-units"] == "um"
    assert info["acquisition-time-local"] == datetime(2026, 1, 5, 8, 30)  # noqa: DTZ001


def test_nis_elements_tags(tmp_path):
    truth = simulate(small(scheme="nis-elements"), tmp_path / "run")
    with tifffile.TiffFile(truth.folder / "20260105ef001xy02t03.tif") as tiff:
        tags = tiff.pages.first.tags
        assert tags[65325].value == pytest.approx(2 * 1_800_000 + 2000)
        assert tags[65326].value == 0.65


@pytest.mark.parametrize("bigtiff", [False, True])
def test_ome_tiff_metadata(bigtiff, tmp_path):
    settings = small(scheme="ome-tiff", manner="growing", bigtiff=bigtiff, pixel_size_um=1.25)
    truth = simulate(settings, tmp_path / "run")
    with tifffile.TiffFile(truth.folder / "run" / "run_p001.ome.tiff") as tiff:
        assert tiff.is_bigtiff is bigtiff
        assert tiff.series[0].shape == (3, 64, 80)
        assert tiff.series[0].axes == "TYX"
        image = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]
    assert image["Name"] == "A1-Site_1"
    assert image["Pixels"]["PhysicalSizeX"] == 1.25
    assert [plane["DeltaT"] for plane in image["Pixels"]["Plane"]] == [2.0, 1802.0, 3602.0]


# ---- how files look while they are written


def first_shot(settings):
    return Shot(settings.plan, 0, 0, 0, 0.0)


def looks_while_writing(settings, folder, look):
    """Write one frame through the writer and take a look at every pause."""
    looks = []
    plan = settings.plan
    path = folder / naming_for(settings.scheme).path(first_shot(settings))
    writer = open_writer(
        settings.scheme,
        folder,
        plan,
        naming_for(settings.scheme),
        settings.manner,
        1.0,
        lambda _: looks.append(look(path)),
    )
    pixels = np.full((plan.height_px, plan.width_px), 777, np.uint16)
    writer.write(first_shot(settings), pixels)
    return looks, path, writer


def test_slow_files_grow(tmp_path):
    settings = small(manner="slow")
    sizes, path, _ = looks_while_writing(settings, tmp_path, lambda p: p.stat().st_size)
    assert len(sizes) == 8
    assert sizes == sorted(set(sizes))
    assert sizes[0] < 0.2 * path.stat().st_size
    assert sizes[-1] == path.stat().st_size


def test_pre_sized_files_have_their_full_size_and_a_zero_tail(tmp_path):
    settings = small(manner="pre-sized")

    def look(path):
        content = path.read_bytes()
        return len(content), len(content) - len(content.rstrip(b"\0"))

    looks, path, _ = looks_while_writing(settings, tmp_path, look)
    sizes, tails = zip(*looks, strict=True)
    assert set(sizes) == {path.stat().st_size}
    assert list(tails) == sorted(tails, reverse=True)
    assert tails[0] > 0.8 * sizes[0]
    assert tails[-1] < 0.1 * sizes[0]


def test_a_pre_sized_file_reads_silently_as_half_an_image(tmp_path):
    def look(path):
        try:
            return np.mean(tifffile.imread(path) == 777)
        except (tifffile.TiffFileError, ValueError):
            return None

    shares, _, _ = looks_while_writing(small(manner="pre-sized"), tmp_path, look)
    assert any(share is not None and 0.2 < share < 0.9 for share in shares)


def test_renamed_files_are_never_partial_under_their_name(tmp_path):
    def look(path):
        return path.exists(), [p.suffix for p in path.parent.iterdir()]

    looks, path, _ = looks_while_writing(small(manner="temp-rename"), tmp_path, look)
    assert looks == [(False, [".tmp"])] * 8
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_growing_stacks_show_more_pages_and_no_ome_until_closed(tmp_path):
    seen = []

    def look(frame):
        with tifffile.TiffFile(tmp_path / "run" / frame.source) as tiff:
            seen.append((len(tiff.pages), tiff.is_ome, int(tiff.pages[frame.page].asarray().max())))

    settings = small(scheme="ome-tiff", manner="growing")
    truth = simulate(settings, tmp_path / "run", on_frame=look)
    assert [pages for pages, _, _ in seen] == [1] * 4 + [2] * 4 + [3] * 4
    assert not any(is_ome for _, is_ome, _ in seen)
    assert all(brightest > 0 for _, _, brightest in seen)
    with tifffile.TiffFile(truth.folder / truth.frames[0].source) as tiff:
        assert tiff.is_ome


def test_ome_xml_at_the_start_announces_all_time_points(tmp_path):
    announced = []

    def look(frame):
        with tifffile.TiffFile(tmp_path / "run" / frame.source) as tiff:
            xml = tiff.pages.first.tags["ImageDescription"].value
        announced.append(int(re.search(r'SizeT="(\d+)"', xml).group(1)))

    settings = small(scheme="ome-tiff", manner="growing", ome_at_start=True)
    simulate(settings, tmp_path / "run", on_frame=look)
    assert announced == [3] * 12


def test_the_pixels_of_a_growing_page_arrive_slowly(tmp_path):
    settings = small(scheme="ome-tiff", manner="growing")
    sizes, path, writer = looks_while_writing(settings, tmp_path, lambda p: p.stat().st_size)
    assert len(sizes) == 8
    assert sizes == sorted(set(sizes))
    writer.close()
    assert tifffile.imread(path).min() == 777


def test_pre_sized_stacks_are_cut_when_closed(tmp_path):
    sizes = []
    path = tmp_path / "run" / "SIM_MMStack_A1-Site_0.ome.tif"
    settings = small(scheme="micro-manager-stack", manner="pre-sized")
    simulate(settings, tmp_path / "run", on_frame=lambda _: sizes.append(path.stat().st_size))
    assert len(set(sizes)) == 1
    assert path.stat().st_size < 0.5 * sizes[0]


def test_a_watcher_in_another_thread_sees_partial_files(tmp_path):
    settings = small(
        wells=("A1",), fields_per_well=1, n_time_points=2, manner="slow", write_seconds=0.4
    )
    worker = threading.Thread(target=simulate, args=(settings, tmp_path / "run"))
    path = tmp_path / "run" / "A1_f1_t0001.tif"
    sizes = set()
    worker.start()
    while worker.is_alive():
        if path.exists():
            sizes.add(path.stat().st_size)
        time.sleep(0.01)
    worker.join()
    assert len(sizes) >= 3


# ---- truth


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
