"""Every way of writing gives the same frames, each with its names and its metadata."""

import json
import re
from datetime import datetime

import numpy as np
import pytest
import tifffile

from livecount.simulation import Manner, Scheme, simulate
from tests.simulation.small_runs import PAIRS, pixels_of, small

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
