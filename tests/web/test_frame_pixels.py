"""The API of frames: the pixels that were counted, as tiles, and the cells on them."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from livecount.errors import RequestError
from livecount.frame import FrameKey
from livecount.readers import read_pixels
from livecount.storage import CountStore
from livecount.web.picture_cache import PictureCache
from livecount.web.pictures import Pictures
from livecount.web.pyramid import read_picture, read_tile, write_picture
from tests.web.conftest import served
from tests.web.frame_run import (
    SIZE_PX,
    Run,
    cache_folder,
    floats,
    frames_of,
    run,
)

__all__ = ["cache_folder", "run"]


def test_a_place_has_its_frames_in_order_of_time(run: Run) -> None:
    listed = frames_of(run, "A1")
    assert [one["elapsed_h"] for one in listed] == sorted(one["elapsed_h"] for one in listed)
    assert len(listed) == 3
    assert frames_of(run, "H12") == []
    frame = run.get(f"frames/{listed[1]['id']}")
    place = "&".join(f"{name}={text}" for name, text in frame["place"].items())
    assert run.get(f"experiments/1/frames?{place}")["frames"] == listed
    assert frame["count"] == listed[1]["count"]
    assert frame["elapsed_h"] == listed[1]["elapsed_h"]
    assert (frame["height_px"], frame["width_px"]) == (SIZE_PX, SIZE_PX)


def test_the_cells_of_a_frame_are_those_of_its_count(run: Run) -> None:
    (first, *_) = frames_of(run, "A1")
    cells = run.get(f"frames/{first['id']}/cells")
    with CountStore.open(run.database, read_only=True) as store:
        kept = store.candidates(store.analysis(store.experiments()[0]), first["id"])
    assert np.array_equal(floats(cells["prominence"]), kept.prominence)
    assert np.array_equal(floats(cells["y"]), kept.y_px)
    assert int((floats(cells["prominence"]) >= np.float32(cells["h"])).sum()) == first["count"]


@pytest.mark.parametrize("frame", ["0", "999999", "-1", "x", "..%2f..%2fetc%2fpasswd", "1.5"])
@pytest.mark.parametrize("what", ["", "/cells"])
def test_a_frame_goes_by_its_number_alone(run: Run, frame: str, what: str) -> None:
    answer, content = run.ask(f"frames/{frame}{what}")
    assert answer.status in (404, 422)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert b"root:" not in content


def level_of(run: Run, frame_id: int, image: dict[str, Any], level: int) -> np.ndarray:
    """Put a level together from its tiles."""
    height, width = image["levels"][level]
    size = image["tile_px"]
    whole = np.zeros((height, width), np.uint16)
    for row in range(-(-height // size)):
        for column in range(-(-width // size)):
            answer, octets = run.ask(f"frames/{frame_id}/tiles/{level}/{row}/{column}")
            assert answer.status == 200, octets
            part = whole[row * size : (row + 1) * size, column * size : (column + 1) * size]
            part[:] = np.frombuffer(octets, "<u2").reshape(part.shape)
    return whole


def test_the_tiles_are_the_pixels_that_were_counted(run: Run) -> None:
    (_, frame, _) = frames_of(run, "A1")
    about, image = run.get(f"frames/{frame['id']}"), run.get(f"frames/{frame['id']}/image")
    pixels = read_pixels(run.folder / about["source"])
    assert pixels.shape == (SIZE_PX, SIZE_PX)
    assert np.array_equal(level_of(run, frame["id"], image, 0), pixels)
    coarse = level_of(run, frame["id"], image, 1)
    means = pixels.reshape(SIZE_PX // 2, 2, SIZE_PX // 2, 2).mean((1, 3))
    assert np.abs(coarse - means).max() <= 0.5
    assert image["darkest"] <= image["low"] < image["high"] <= image["brightest"]


def test_a_tile_is_kept_by_the_browser_for_its_pixels_alone(run: Run) -> None:
    (frame, *_) = frames_of(run, "A1")
    path = f"frames/{frame['id']}/tiles/0/0/0"
    content = run.get(f"frames/{frame['id']}/image")["content_hash"]
    assert run.ask(path)[0].headers["Cache-Control"] == "no-store"
    assert "immutable" in run.ask(f"{path}?content={content}")[0].headers["Cache-Control"]
    assert run.ask(f"{path}?content={'0' * 32}")[0].status == 404
    assert run.ask(f"frames/{frame['id']}/tiles/0/9/0")[0].status == 404
    assert run.ask(f"frames/{frame['id']}/tiles/9/0/0")[0].status == 404
    assert run.ask(f"frames/{frame['id']}/tiles/0/..%2f0/0")[0].status in (404, 422)


def test_what_is_not_there_or_has_changed_is_said(run: Run, cache_folder: Path) -> None:
    (frame, *_) = frames_of(run, "A1")
    file = run.folder / run.get(f"frames/{frame['id']}")["source"]
    path = f"frames/{frame['id']}/image"

    def forget() -> None:
        for kept in cache_folder.rglob("*.tiles"):
            kept.unlink()

    content = file.read_bytes()
    forget()
    away = run.folder.rename(run.folder.with_name("away"))
    answer, said = run.ask(path)
    assert (answer.status, b"is not there" in said) == (424, True), said
    assert run.ask(f"frames/{frame['id']}/cells")[0].status == 200
    away.rename(run.folder)
    other = next(one for one in sorted(file.parent.iterdir()) if one.name > file.name)
    file.write_bytes(other.read_bytes())
    answer, said = run.ask(path)
    assert (answer.status, b"has changed since it was counted" in said) == (409, True), said
    file.unlink()
    answer, said = run.ask(path)
    assert (answer.status, b"not in its folder" in said) == (410, True), said
    file.write_bytes(content)
    assert run.ask(path)[0].status == 200
    file.unlink()
    assert run.ask(path)[0].status == 200, "what was seen once is kept"
    file.write_bytes(content)


def test_pictures_never_take_more_than_their_cap(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path, most_bytes=1000)
    for number in range(5):
        cache.add(cache.path(str(number)), 300, lambda file: file.write(bytes(300)))
        os.utime(cache.path(str(number)), (number, number))
        if number == 2:
            cache.touch(cache.path("0"))
        assert sum(one.stat().st_size for one in tmp_path.iterdir()) <= 1000
    assert [cache.path(str(number)).exists() for number in range(5)] == [
        True, False, False, True, True,
    ]  # fmt: skip
    with pytest.raises(RequestError, match="too large to be shown"):
        cache.add(cache.path("x"), 1001, lambda file: file.write(bytes(1001)))
    with pytest.raises(OSError, match="no space"):
        cache.add(cache.path("x"), 300, fail)
    assert len(list(tmp_path.iterdir())) == 2, "nothing half written is left"


def test_the_cap_of_the_pictures_is_a_setting(run: Run, cache_folder: Path, tmp_path: Path) -> None:
    for kept in cache_folder.rglob("*.tiles"):
        kept.unlink()
    settings = tmp_path / "config.toml"
    settings.write_text("[dashboard]\npicture_cache_gb = 0.0005\n", encoding="utf-8")
    with served("serve", "-c", settings, "--database", run.database) as server:
        answer, said = Run(run.folder, run.database, server).ask("frames/1/image")
    assert (answer.status, b"set `picture_cache_gb` higher" in said) == (413, True), said
    assert list(cache_folder.rglob("*.tiles")) == []
    assert run.ask("frames/1/image")[0].status == 200, "the usual cap lets it in"


def fail(file: BinaryIO) -> None:
    file.write(b"half")
    raise OSError("no space")


@pytest.mark.parametrize(
    "pixels",
    [
        np.array([[-5, 7], [0, 300]], np.int16),
        np.array([[0.25, -1.5], [3.0, np.nan]], np.float32),
        np.array([[0, 4_000_000_000], [7, 1]], np.uint32),
        np.full((1, 3), 7.5, np.float64),
        np.array([[0, 255], [7, 1]], np.uint8),
    ],
    ids=lambda pixels: str(pixels.dtype),
)
def test_pixels_of_every_kind_lead_back_to_their_values(pixels: np.ndarray, tmp_path: Path) -> None:
    file = tmp_path / "one.tiles"
    with file.open("wb") as opened:
        write_picture(pixels, opened)
    picture = read_picture(file)
    stored = np.frombuffer(read_tile(file, 0, 0, 0), "<u2").reshape(pixels.shape)
    values = picture.offset + picture.factor * stored
    known = np.isfinite(pixels)
    assert np.abs(values - pixels)[known].max() <= picture.factor / 2
    if pixels.dtype.kind in "iu" and pixels.dtype.itemsize < 4:
        assert np.array_equal(values, pixels)


def test_a_silent_folder_is_given_up_and_another_one_still_shown(tmp_path: Path, run: Run) -> None:
    """A stopped process stands for one that waits for a share whose server hangs."""
    (frame, *_) = frames_of(run, "A1")
    with CountStore.open(run.database, read_only=True) as store:
        key = store.frame(frame["id"]).key
    other = tmp_path / "other"
    shutil.copytree(run.folder, other)
    # On a busy computer a first picture takes seconds, and a folder given up stays so for a while.
    pictures = Pictures(PictureCache(tmp_path / "cache", most_bytes=10**9), wait_s=10.0)

    async def ask() -> None:
        await shown(replace(key, source=str(other)))
        for file in (tmp_path / "cache").iterdir():
            file.unlink()
        (child,) = multiprocessing.active_children()
        os.kill(child.pid, signal.SIGSTOP)
        with pytest.raises(RequestError, match=f"The folder {run.folder} does not answer"):
            await pictures.path(key, 100)
        assert not child.is_alive()
        await shown(replace(key, source=str(other)))

    async def shown(asked: FrameKey) -> None:
        for _ in range(30):
            with suppress(RequestError):  # a new child takes a while to start
                assert (await pictures.path(asked, 100)).exists()
                return
        raise AssertionError(f"{asked.source} is not shown")

    try:
        with ThreadPoolExecutor(1) as apart:  # the browser's tests have a loop in this thread
            apart.submit(lambda: asyncio.run(ask())).result()
    finally:
        pictures.close()
