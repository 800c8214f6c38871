from __future__ import annotations

import os
import random
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from livecount.errors import ReadError
from livecount.readers import (
    Patterns,
    ignore_reason,
    is_frame_file,
    normalise_well,
    read_frames,
    read_page,
    readable_path,
    well_sort_key,
)
from livecount.readers.wells import well_from_numbers

raw_names = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux takes any bytes as a name"
)


@pytest.mark.parametrize(
    "path",
    [b"a.tif", b"a.TIFF", b"x/y/a.ome.tif", b"a.png", b"a.JPG", b"caf\xe9.tif", b"thumbelina.tif"],
)
def test_frames(path: bytes):
    assert is_frame_file(path)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (b".a.tif", "hidden"),
        (b".git/a.tif", "hidden"),
        (b"._a.tif", "hidden"),
        (b"a.tif.part", "temporary"),
        (b"a.tmp", "temporary"),
        (b"a.cells.png", "cell masks"),
        (b"A.CELLS.PNG", "cell masks"),
        (b"g_A01_s1_w1_thumb1D2F6A1B-1234.tif", "thumbnail"),
        (b"thumbnails/a.png", "thumbnail"),
        (b"thumb_a.png", "thumbnail"),
        (b"@eaDir/a.tif", "system"),
        (b"a.oib", "not an image"),
        (b"metadata.txt", "not an image"),
        (b"tif", "not an image"),
        (b"", "not an image"),
    ],
)
def test_ignored(path: bytes, reason: str):
    assert reason in (ignore_reason(path) or "")


def test_wells_sort_by_row_then_column():
    ordered = [
        f"{row}{column}" for row in ("A", "B", "H", "P", "AA", "AF") for column in (1, 2, 10, 48)
    ]
    shuffled = random.Random(1).sample(ordered, len(ordered))
    assert sorted(shuffled, key=well_sort_key) == ordered
    assert sorted([None, "flask 10", "B1", "flask 2"], key=well_sort_key) == [
        "B1",
        "flask 2",
        "flask 10",
        None,
    ]


@given(st.integers(1, 32), st.integers(1, 48))
def test_wells_have_one_spelling(row: int, column: int):
    well = well_from_numbers(row, column)
    assert well is not None
    letters = well.rstrip("0123456789")
    for spelling in (well, well.lower(), f"{letters}{column:02d}", f" {letters} {column} "):
        assert normalise_well(spelling) == well


@pytest.mark.parametrize("name", ["", "A", "A0", "A49", "AG1", "1A", "A100", "well", "A1B"])
def test_what_is_no_well(name: str):
    assert normalise_well(name) is None


@given(st.lists(st.one_of(st.none(), st.text(max_size=6)), max_size=8))
def test_any_names_can_be_ordered(names: list[str | None]):
    sorted(names, key=well_sort_key)


ODD = [
    "with space.tif",
    "caf\u00e9.tif",
    unicodedata.normalize("NFD", "caf\u00e9_t001.tif"),
    "細胞_t001.tif",
    "quote'\"`.tif",
    "<img src=x onerror=alert(1)>.tif".replace("/", ""),
    "=HYPERLINK(1).tif",
    "tab\there.tif",
    "new\nline.tif",
    "right\u202eto left.tif",
    "-rf.tif",
    "%s%n.tif",
    "a" * 240 + ".tif",
]
PIXELS = np.arange(1, 101, dtype=np.uint8).reshape(10, 10)


@pytest.mark.skipif(os.name == "nt", reason="Windows does not take these names")
@pytest.mark.parametrize(
    "name", [os.fsencode(name) for name in ODD] + [b"caf\xe9.tif", b"\xff\xfe.tif"]
)
def test_odd_names_survive_the_round_trip(name: bytes, tmp_path: Path):
    if not sys.platform.startswith("linux") and name.decode("utf-8", "replace") != os.fsdecode(
        name
    ):
        pytest.skip("only Linux takes any bytes as a name")
    folder = tmp_path / "odd \u00fc"
    folder.mkdir()
    target = folder / os.fsdecode(name)
    tifffile.imwrite(folder / "plain.tif", PIXELS)
    (folder / "plain.tif").rename(target)
    frame = read_page(folder, name, 0, patterns=Patterns.shipped())
    np.testing.assert_array_equal(frame.pixels, PIXELS)
    assert frame.key.relative_path == name
    assert (Path(frame.key.source) / frame.key.file_system_path).is_file()
    assert next(read_frames(target)).key == frame.key
    assert readable_path(name).isprintable()
    readable_path(name).encode("utf-8")
    for value in (frame.attributes.position, frame.attributes.plate):
        assert value is None or value.isprintable()
    target.write_bytes(b"no image")
    with pytest.raises(ReadError) as caught:
        read_page(folder, name, 0, patterns=Patterns.shipped())
    str(caught.value).encode("utf-8")
    assert str(caught.value).isprintable()


@given(st.binary(max_size=60))
def test_any_path_can_be_shown(raw: bytes):
    shown = readable_path(raw)
    assert shown.isprintable()
    shown.encode("utf-8")
    ignore_reason(raw)
