"""Which frames a model has learnt from: by hashes of pixels, whatever their files are called."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from livecount.learnt import (
    MOST_LISTED,
    hashes_of_image,
    hashes_of_parents,
    listed_hashes,
    read_learnt_hashes,
)
from livecount.picking import write_copy
from livecount.readers import read_pixels
from livecount.readers.grey import content_hash


def test_the_copy_of_a_floating_frame_is_known_by_its_frame(tmp_path: Path) -> None:
    frame = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    path = tmp_path / "field-001.tif"
    write_copy(frame, path)
    own = content_hash(read_pixels(path))
    assert hashes_of_image(path, own) == (own,)
    with (tmp_path / "fields.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [("file", "content_hash"), ("field-001.tif", content_hash(frame)), ("cut off",)]
        )
    assert hashes_of_image(path, own) == (own, content_hash(frame))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a,b\n1,2\n"])
def test_another_sheet_of_that_name_says_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "fields.csv").write_bytes(content)
    assert hashes_of_image(tmp_path / "a.tif", "ab") == ("ab",)


def test_a_card_lists_a_few_frames_but_not_thousands() -> None:
    assert listed_hashes([["b", "a", "b"], []], [3, 0]) == [["a", "b"], []]
    many = [f"{number}" for number in range(MOST_LISTED + 1)]
    assert listed_hashes([many, ["a"]], [len(many), 1]) == [None, None]
    assert listed_hashes(None, [3, 2]) == [None, None]


def test_a_card_without_hashes_says_nothing(tmp_path: Path) -> None:
    assert read_learnt_hashes({}) == frozenset()
    assert read_learnt_hashes({"training_data": [{"name": "x"}], "training": {}}) == frozenset()
    assert hashes_of_parents("") is None
    assert hashes_of_parents(str(tmp_path / "weights.safetensors")) is None
    (tmp_path / "model.toml").write_text(
        '[training]\ncontent_hashes_of_parents = ["b"]\n'
        '[[training_data]]\ncontent_hashes = ["c", "a"]\n',
        encoding="utf-8",
    )
    assert hashes_of_parents(str(tmp_path / "weights.safetensors")) == ["a", "b", "c"]
