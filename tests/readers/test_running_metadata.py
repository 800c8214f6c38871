"""Micro-Manager's metadata.txt while it grows: cut anywhere, replaced, of several positions."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecount.frame import AttributeSource
from livecount.platform.files import open_shared
from livecount.readers import running_metadata
from livecount.readers.micromanager import attributes_from_record, slim_record
from livecount.readers.running_metadata import RunningMetadata, complete_entries

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("µ"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=6), st.dictionaries(st.text(max_size=5), values))


@given(objects, st.booleans(), st.sampled_from([None, 1]), st.data())
def test_what_is_read_in_pieces_is_what_the_whole_holds(
    entries: dict[str, Any], ascii_only: bool, indent: int | None, data: st.DataObject
) -> None:
    text = json.dumps(entries, ensure_ascii=ascii_only, indent=indent)
    cut = data.draw(st.integers(0, len(text)))
    first, reached = complete_entries(text[:cut])
    assert first == list(entries.items())[: len(first)]
    rest, _ = complete_entries(text[reached:], is_begun=reached > 0)
    assert [*first, *rest] == list(entries.items())


@pytest.mark.parametrize("text", ["", "[1, 2]", '"a": {}', "null", "{", '{"a"', '{"a": 1', "{]"])
def test_what_holds_no_complete_entry_gives_none(text: str) -> None:
    assert complete_entries(text) == ([], 0)


def lines(names: list[str], begin: int = 0) -> str:
    return "".join(
        f',\n"Coords-{name}": {{"time": {t}}},\n"Metadata-{name}": '
        + json.dumps({"ElapsedTime-ms": 1000.0 * t, "Note": "µ" * 500}, ensure_ascii=False)
        for t, name in enumerate(names, begin)
    )


def elapsed(metadata: RunningMetadata, folder: str, name: str) -> float | None:
    record, _ = metadata.find(folder, name)
    return None if record is None else record["ElapsedTime-ms"]


def test_only_what_was_added_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "metadata.txt"
    read_bytes: list[int] = []

    def opened(path: Path) -> Any:
        handle = open_shared(path)
        read = handle.read
        handle.read = lambda n=-1: (found := read(n), read_bytes.append(len(found)))[0]
        return handle

    monkeypatch.setattr(running_metadata, "open_shared", opened)
    names = [f"Pos0/{t}.tif" for t in range(400)]
    file.write_text('{"Summary": {"PixelSize_um": 0.5}' + lines(names), encoding="utf-8")
    metadata = RunningMetadata(file)
    assert elapsed(metadata, "Pos0", "399.tif") == 399_000
    assert sum(read_bytes) == file.stat().st_size
    read_bytes.clear()
    added = lines(["Pos0/400.tif"], 400).encode()
    for piece in (added[:700], added[700:]):  # cut within a character of two bytes
        with file.open("ab") as handle:
            handle.write(piece)
        assert elapsed(metadata, "Pos0", "3.tif") == 3000
    assert elapsed(metadata, "Pos0", "400.tif") == 400_000
    assert sum(read_bytes) < 3 * len(added)
    assert metadata.find("Pos0", "400.tif")[1] == {"PixelSize_um": 0.5}


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "metadata.txt"
    metadata = RunningMetadata(file)
    assert metadata.find("Pos0", "0.tif") == (None, None)
    file.write_text('{"Summary": {}' + lines(["Pos0/0.tif"]))
    assert elapsed(metadata, "Pos0", "0.tif") == 0
    file.write_text('{"Summary": {}' + lines(["Pos0/new.tif", "Pos0/0.tif", "Pos0/2.tif"]))
    assert elapsed(metadata, "Pos0", "0.tif") == 1000
    file.unlink()
    assert metadata.find("Pos0", "0.tif") == (None, None)


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    file = tmp_path / "metadata.txt"
    metadata = RunningMetadata(file)
    file.write_text('{"Summary": {}' + lines(["Pos0/a.tif", "Pos1/a.tif", "Pos1/b.tif"]))
    assert elapsed(metadata, "Pos0", "a.tif") == 0
    assert elapsed(metadata, "Pos1", "a.tif") == 1000
    assert elapsed(metadata, "renamed", "a.tif") is None
    assert elapsed(metadata, "renamed", "b.tif") == 2000


def test_bytes_that_are_no_utf_8_cost_no_record(tmp_path: Path) -> None:
    file = tmp_path / "metadata.txt"
    file.write_bytes(b'{"Summary": {"By": "M\xfcller"}, "FrameKey-0-0-0": {"FileName": "a.tif"}')
    metadata = RunningMetadata(file)
    record, summary = metadata.find("x", "a.tif")
    assert record is not None
    assert summary == {"By": "M\ufffdller"}


def test_a_long_file_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_metadata, "_CHUNK_BYTES", 100)
    file = tmp_path / "metadata.txt"
    file.write_text('{"Summary": {}' + lines([f"{t}.tif" for t in range(50)]) + "\n}\n")
    metadata = RunningMetadata(file)
    assert [elapsed(metadata, "x", f"{t}.tif") for t in range(50)] == [1e3 * t for t in range(50)]


def test_a_slim_record_says_what_the_whole_one_does() -> None:
    record = {
        "Axes": {"time": 3, "z": 1, "channel": "Phase"}, "FrameIndex": 3, "ElapsedTime-ms": 12.5,
        "PositionName": "B2-Site_1", "ReceivedTime": "2026-11-01 10:00:00.5 +0100",
        "PixelSizeUm": 0.65, "XPositionUm": 1.5, "YPositionUm": -2.5, "Slice": 1,
        "Camera-Exposure": "10", "UserData": {"much": ["more"] * 100},
    }  # fmt: skip
    source = AttributeSource.COMPANION_FILE
    slim = slim_record(record)
    assert len(slim) < len(record)
    assert attributes_from_record(slim, source, UTC) == attributes_from_record(record, source, UTC)
