from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import tifffile

from livecount.frame import AttributeSource
from livecount.readers import Patterns, describe_folder
from livecount.readers.understanding import AttributeRange

PIXELS = np.arange(1, 101, dtype=np.uint8).reshape(10, 10)


def write(folder: Path, *names: str, **options) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, PIXELS, **options)


def test_a_plate_is_understood(tmp_path: Path):
    wells = ("A1", "A2", "A10")
    names = [
        f"VID7_Phase_{w}_{f}_00d{h:02d}h00m.tif" for w in wells for f in (1, 2) for h in (0, 2)
    ]
    write(tmp_path, *names)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "a.tif.part").write_text("x")
    told = describe_folder(tmp_path)
    assert (told.n_files, told.n_frame_files) == (14, 12)
    (use,) = told.patterns
    assert (use.name, use.n_files) == ("incucyte", 12)
    well = use.attributes["well"]
    assert (well.n, well.first, well.last) == (3, "A1", "A10")
    assert use.attributes["elapsed_s"].last == 7200.0
    assert {group.what for group in told.ignored} == {
        "not an image that livecount reads",
        "temporary file",
    }
    assert told.channels == {"Phase": 12}
    assert told.conflicts == ()
    (sample,) = told.samples
    assert sample.shape == (10, 10)
    assert sample.attributes.sources["well"] == AttributeSource.FILE_NAME
    json.dumps(told.as_dict(), default=str)


def test_channels_are_named_by_what_the_files_say(tmp_path: Path):
    for t in range(3):
        for c, channel in enumerate(("Phase", "GFP")):
            record = json.dumps({"Channel": channel, "FrameIndex": t})
            name = f"img_channel{c:03d}_position000_time{t:09d}_z000.tif"
            write(tmp_path, name, extratags=[(51123, "s", 0, record, True)])
    told = describe_folder(tmp_path)
    assert told.channels == {"Phase": 3, "GFP": 3}
    assert told.z == AttributeRange(1, 0, 0)


def test_pages_of_one_file_may_be_of_several_channels(tmp_path: Path):
    tifffile.imwrite(
        tmp_path / "run.ome.tif",
        np.stack([PIXELS] * 4).reshape(2, 2, 10, 10),
        metadata={"axes": "TCYX", "Channel": {"Name": ["DAPI", "FITC"]}},
    )
    told = describe_folder(tmp_path)
    assert told.channels == {"DAPI": 1, "FITC": 1}
    assert told.patterns[0].name == "no pattern"
    assert told.samples[0].n_pages == 4


def test_conflicts_and_unreadable_samples_are_told(tmp_path: Path):
    write(tmp_path, "first/A1_t001.tif", "again/A1_t001.tif", "first/A1_t002.tif")
    (tmp_path / "again" / "A1_t001.tif").write_bytes(b"")
    told = describe_folder(tmp_path)
    (conflict,) = told.conflicts
    assert conflict.where == "well A1, time_point 1"
    assert set(conflict.paths) == {"first/A1_t001.tif", "again/A1_t001.tif"}
    assert "empty" in told.samples[0].error


def test_what_is_told_stays_short_however_many_files_there_are(tmp_path: Path):
    for number in range(60):
        for copy in range(5):
            name = f"copy{copy}/A1_01_1_1_dye{number}_001.tif"
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
    told = describe_folder(tmp_path)
    assert (told.n_frame_files, told.n_channels, told.n_conflicts) == (300, 60, 60)
    assert len(told.channels) == len(told.conflicts) == 20
    assert {conflict.n_files for conflict in told.conflicts} == {5}
    assert all(len(conflict.paths) == 3 for conflict in told.conflicts)
    assert len(told.samples) <= 12


def test_dates_in_names_are_of_the_given_time_zone(tmp_path: Path):
    write(tmp_path, "VID1_C04_2_2026y10m05d_14h30m.tif")
    told = describe_folder(tmp_path, time_zone=ZoneInfo("Asia/Tokyo"))
    expected = datetime(2026, 10, 5, 5, 30, tzinfo=UTC)
    assert told.patterns[0].attributes["acquired_at"].first == expected
    assert told.samples[0].attributes.acquired_at == expected


def test_a_user_s_pattern_resolves_the_conflict(tmp_path: Path):
    write(tmp_path, "first/A1_t001.tif", "again/A1_t001.tif")
    patterns = Patterns.shipped().with_user_pattern(
        r"(?P<plate>[^/]+)/(?P<well>A\d)_t(?P<time_point>\d+)"
    )
    told = describe_folder(tmp_path, patterns)
    assert told.conflicts == ()
    assert told.patterns[0].vendor == "given by you"


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links_are_not_followed(tmp_path: Path):
    write(tmp_path, "a/t1.tif")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "a" / "t2.tif").symlink_to(tmp_path / "a" / "t1.tif")
    assert describe_folder(tmp_path).n_files == 1


def test_an_absent_folder_is_told(tmp_path: Path):
    told = describe_folder(tmp_path / "absent")
    assert told.n_files == 0
    assert told.unreadable_folders[0].what == "No such file or directory"


def test_real_folders(real_images: Path):
    told = describe_folder(real_images / "t98g-series")
    assert told.patterns[0].name == "nis-elements"
    assert told.patterns[0].attributes["time_point"].n == 14
    assert told.channels == {"Phase contrast": 14}
    told = describe_folder(real_images / "psc" / "timelapse")
    assert [(use.name, use.n_files) for use in told.patterns] == [("time-point", 50)]
    assert {group.what: group.n_files for group in told.ignored}["cell masks"] == 50
