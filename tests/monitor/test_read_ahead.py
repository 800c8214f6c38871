"""A page is read while another is counted, and given out only as it is when its turn comes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from livecount.config import Config
from livecount.errors import UnreadableFrameError
from livecount.frame import Frame
from livecount.monitor.bench import Bench
from livecount.monitor.choices import frame_choices
from livecount.monitor.messages import PageAhead
from livecount.monitor.read_ahead import ReadAhead
from livecount.platform.files import stat_shared

CHOICES = frame_choices(Config())


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    for name in ("a.tif", "b.tif", "c.tif"):
        tifffile.imwrite(tmp_path / name, rng.integers(0, 4000, (2, 40, 50), np.uint16))
    return tmp_path


@pytest.fixture(scope="module")
def read() -> Callable[..., Frame]:
    return Bench(Config())._read_page


def ahead_of(frames: Path, name: str, page: int = 0) -> PageAhead:
    return PageAhead(frames, os.fsencode(name), page, stat_shared(frames / name), CHOICES)


def test_a_page_read_ahead_is_the_page(frames: Path, read: Callable[..., Frame]) -> None:
    ahead = ReadAhead(read)
    ahead.start(ahead_of(frames, "a.tif", 1))
    taken = ahead.take(frames, b"a.tif", 1, CHOICES)
    assert taken is not None
    frame, stamp = taken
    now = read(frames, b"a.tif", 1, CHOICES)
    assert frame.key == now.key
    assert stamp == stat_shared(frames / "a.tif")
    assert ahead.take(frames, b"a.tif", 1, CHOICES) is None


def test_only_a_few_are_kept(frames: Path, read: Callable[..., Frame]) -> None:
    ahead = ReadAhead(read)
    for name in ("a.tif", "b.tif", "c.tif"):
        ahead.start(ahead_of(frames, name))
    assert ahead.take(frames, b"a.tif", 0, CHOICES) is None
    assert ahead.take(frames, b"b.tif", 0, CHOICES) is not None
    assert ahead.take(frames, b"c.tif", 0, CHOICES) is not None


def test_a_file_that_changed_before_or_during_the_read_is_not_given_out(
    frames: Path, read: Callable[..., Frame]
) -> None:
    asked = ahead_of(frames, "a.tif")
    tifffile.imwrite(frames / "a.tif", np.ones((60, 70), np.uint16))
    ahead = ReadAhead(read)
    ahead.start(asked)
    assert ahead.take(frames, b"a.tif", 0, CHOICES) is None

    def read_and_be_overtaken(root: Path, *page: object) -> Frame:
        frame = read(root, *page)
        tifffile.imwrite(frames / "b.tif", np.ones((61, 70), np.uint16))
        return frame

    ahead = ReadAhead(read_and_be_overtaken)
    ahead.start(ahead_of(frames, "b.tif"))
    assert ahead.take(frames, b"b.tif", 0, CHOICES) is None


def test_trouble_is_met_when_the_pages_turn_comes(frames: Path) -> None:
    (frames / "bad.tif").write_bytes(b"II*\0 no more")
    bench = Bench(Config())
    bench._ahead.start(ahead_of(frames, "bad.tif"))
    with pytest.raises(UnreadableFrameError):
        bench.read(frames, b"bad.tif", 0)
    bench._ahead.start(ahead_of(frames, "a.tif"))
    page = bench.read(frames, b"a.tif", 0)
    assert page.stamp == stat_shared(frames / "a.tif")
    assert page.key == bench.read(frames, b"a.tif", 0).key


def test_what_was_read_ahead_and_then_changed_has_the_stamp_of_its_time(frames: Path) -> None:
    bench = Bench(Config())
    asked = ahead_of(frames, "a.tif")
    bench._ahead.start(asked)
    bench._ahead.wait()
    tifffile.imwrite(frames / "a.tif", np.ones((60, 70), np.uint16))
    assert bench.read(frames, b"a.tif", 0).stamp == asked.stamp != stat_shared(frames / "a.tif")
    assert bench.read(frames, b"a.tif", 0).stamp == stat_shared(frames / "a.tif")


def test_what_was_read_ahead_in_another_way_is_not_given_out(frames: Path) -> None:
    bench = Bench(Config())
    bench._ahead.start(ahead_of(frames, "a.tif"))
    other = replace(CHOICES, pixel_size_um=0.5)
    assert bench.read(frames, b"a.tif", 0, other).attributes.pixel_size_um == 0.5
    assert bench.read(frames, b"a.tif", 0).attributes.pixel_size_um is None
