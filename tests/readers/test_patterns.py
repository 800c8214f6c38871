from __future__ import annotations

import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecount.errors import PatternError
from livecount.frame import AttributeSource
from livecount.readers import Patterns
from livecount.readers.patterns import NamePattern

SHIPPED = Patterns.shipped()
EXAMPLES = [
    pytest.param(pattern, path, dict(expected), id=f"{pattern.name}:{path}")
    for pattern in SHIPPED.patterns
    for path, expected in (pattern.examples or {}).items()
]
VENDORS = (
    "Micro-Manager 2,Micro-Manager 1.4,pymmcore-plus,Incucyte export,Incucyte archive,ImageXpress,"
    "Cytation,Operetta,NIS-Elements,Yokogawa,ScanR"
)


@pytest.mark.parametrize(("pattern", "path", "expected"), EXAMPLES)
def test_every_example_is_understood_by_its_pattern(pattern: NamePattern, path: str, expected):
    match = SHIPPED.match(path)
    assert match is not None
    assert match.pattern_name == pattern.name
    found = {name: getattr(match.attributes, name) for name in match.attributes.sources}
    assert found == expected
    # A watched folder may lie anywhere above; file names alone say the same.
    deeper = SHIPPED.match(f"scan of monday/{path}")
    assert deeper is not None
    assert deeper.pattern_name == pattern.name


@pytest.mark.parametrize("vendor", VENDORS.split(","))
def test_every_vendor_is_there(vendor: str):
    assert any(vendor in pattern.vendor for pattern in SHIPPED.patterns)


def test_names_are_unique_and_have_examples():
    names = [pattern.name for pattern in SHIPPED.patterns]
    assert len(set(names)) == len(names)
    assert all(pattern.examples for pattern in SHIPPED.patterns)


@pytest.mark.parametrize("path", ["overview.tif", "experiment plan.png", "a/b/.tif", ""])
def test_other_names_are_not_understood(path: str):
    assert SHIPPED.match(path) is None


def test_folder_and_name_are_told_apart():
    match = SHIPPED.match("TimePoint_2/ZStep_1/p_A01_s1_w1.tif")
    assert match is not None
    sources = match.attributes.sources
    assert sources["time_point"] == sources["z"] == AttributeSource.FOLDER_NAME
    assert sources["well"] == sources["plate"] == AttributeSource.FILE_NAME


def test_dates_in_names_are_local():
    patterns = Patterns.shipped(ZoneInfo("Asia/Tokyo"))
    match = patterns.match("VID123_C04_2_2026y10m05d_14h30m.tif")
    assert match is not None
    assert match.attributes.acquired_at == datetime(2026, 10, 5, 5, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "word",
    [
        *("Green", "Red", "NIR", "Orange", "GFP", "EGFP", "mCherry", "RFP", "YFP", "CFP", "DAPI"),
        *("Cy5", "tdTomato", "green", "FarRed", "Texas Red", "GreenOriginal", "RedImage", "FITC"),
        *("Phase", "PhaseOriginal", "Phase Contrast", "Brightfield", "HD", "Calcein"),
    ],
)
@pytest.mark.parametrize("time", ["00d06h00m", "006h00m", "2026y10m05d_14h30m"])
@pytest.mark.parametrize("start", ["VID1_", "my_plate-", ""])
def test_channel_words_of_incucyte_names_are_no_part_of_the_plate(start: str, word: str, time: str):
    match = SHIPPED.match(f"{start}{word}_A1_1_{time}.tif")
    assert match is not None
    assert match.attributes.channel == word
    assert match.attributes.plate == (start[:-1] or None)
    assert (match.attributes.well, match.attributes.field) == ("A1", "1")


@pytest.mark.parametrize(
    "plate", ["VID1", "Redo", "VID1_redo", "Greenwich_2", "HDF-cells", "Nirvana"]
)
def test_plates_whose_names_begin_like_a_channel_stay_plates(plate: str):
    match = SHIPPED.match(f"{plate}_B3_2_00d06h00m.tif")
    assert match is not None
    assert (match.attributes.plate, match.attributes.channel) == (plate, None)


def test_an_impossible_date_is_left_out():
    match = SHIPPED.match("VID123_C04_2_2026y13m35d_14h30m.tif")
    assert match is not None
    assert match.attributes.acquired_at is None
    assert match.attributes.well == "C4"


def test_a_user_s_pattern_comes_first_and_speaks_alone():
    patterns = SHIPPED.with_user_pattern(r"^(?P<plate>[^/]+)/.*dish(?P<position>\d+)")
    match = patterns.match("mon/x/dish07_t003.tif")
    assert match is not None
    assert match.pattern_name == "your pattern"
    assert (match.attributes.plate, match.attributes.position) == ("mon", "7")
    assert match.attributes.time_point is None
    assert match.attributes.sources == {
        "plate": AttributeSource.FOLDER_NAME,
        "position": AttributeSource.FILE_NAME,
    }
    other = patterns.match("flask2_t003.tif")
    assert other is not None
    assert other.pattern_name == "named-time-point"


def test_elapsed_times_of_a_user_s_pattern():
    for regex, name in (
        (r"_(?P<elapsed_h>[\d.]+)h", "a_1.5h.tif"),
        (r"_(?P<elapsed_min>\d+)min", "a_90min.tif"),
        (r"_(?P<elapsed_s>\d+)s", "a_5400s.tif"),
        (r"_(?P<hour>\d+)-(?P<minute>\d+)", "a_1-30.tif"),
    ):
        match = SHIPPED.with_user_pattern(regex).match(name)
        assert match is not None
        assert match.attributes.elapsed_s == 5400.0


def test_numbered_rows_become_letters():
    patterns = SHIPPED.with_user_pattern(r"R(?P<well_row>\d+)C(?P<well_column>\d+)")
    match = patterns.match("R27C48.tif")
    assert match is not None
    assert match.attributes.well == "AA48"


@pytest.mark.parametrize(
    ("regex", "told"),
    [
        ("(?P<wel>A1)", "'wel'.*Did you mean 'well'"),
        (r"(?P<timepoint>\d+)", "'timepoint'.*Did you mean 'time_point'"),
        (r"(?P<time>\d+)", "'time'.*Did you mean 'time_point'"),
        (r"(?P<site>\d+)", "'site'.*Did you mean 'field'"),
        (r"(?P<qqqq>\d+)", "'qqqq'.*The groups are plate, well"),
        (r"(?P<well>[A-H", "not valid.*Write a Python regular expression"),
        (r"[A-H]\d+", "names no group"),
        (r"(?P<well_row>[A-H])", "lacks the group 'well_column'"),
        (r"(?P<year>\d{4})(?P<month>\d\d)", "lacks the group 'day'"),
    ],
)
def test_a_wrong_pattern_is_told_with_the_nearest_right_one(regex: str, told: str):
    with pytest.raises(PatternError, match=told):
        SHIPPED.with_user_pattern(regex)


@given(st.text(max_size=300))
def test_any_name_is_understood_or_not_but_never_fails(name: str):
    SHIPPED.match(name + ".tif")
    SHIPPED.match(f"{name}/{name}_t1.tif")


@pytest.mark.parametrize(
    "part", ["_", "A1_", "1", "t1", "_s1", "xy1", "-A01", "00h", "Phase_", " "]
)
def test_no_shipped_pattern_is_slow(part: str):
    name = (part * 255)[:250] + "?.tif"
    start = time.process_time()
    SHIPPED.match(name)
    assert time.process_time() - start < 0.5
