"""The frame page and its API: the pixels that were counted, the cells on them, corrections."""

from __future__ import annotations

import asyncio
import base64
import getpass
import http.client
import json
import multiprocessing
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from livecount.errors import RequestError
from livecount.frame import FrameKey
from livecount.readers import read_pixels
from livecount.storage import CountStore
from livecount.web.picture_cache import PictureCache
from livecount.web.pictures import Pictures
from livecount.web.pyramid import read_picture, read_tile, write_picture
from tests.endtoend.program import livecount, rows_of
from tests.web.conftest import Served, served

SIZE_PX = 600


class Run:
    """A counted folder, its database, and the server that shows it."""

    def __init__(self, folder: Path, database: Path, server: Served) -> None:
        self.folder, self.database, self.server = folder, database, server

    def ask(
        self, path: str, method: str = "GET", body: Any = None, start: str = "/api/v1/"
    ) -> tuple[Any, bytes]:
        parts = urlsplit(self.server.base)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.server.token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        text = None if body is None else json.dumps(body)
        connection.request(method, f"{start}{path}", text, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content

    def get(self, path: str) -> Any:
        answer, content = self.ask(path)
        assert answer.status == 200, content
        return json.loads(content)


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path) -> Iterator[Run]:
    work = tmp_path_factory.mktemp("frame-page")
    folder, database = work / "frames", work / "run.db"
    livecount(
        "simulate", "-o", folder, "--time-points", 3, "--wells", "A1", "--size-px", SIZE_PX,
        "--founders", 12, "--cell-diameter-px", 30,
    )  # fmt: skip
    livecount("run", folder, "--database", database, "--cell-diameter-px", 30,
              "--no-dashboard", "--until-idle", 1)  # fmt: skip
    with served("serve", "--database", database) as server:
        yield Run(folder, database, server)


def frames_of(run: Run, well: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run.get(f"experiments/1/frames?well={well}")["frames"]
    return found


def floats(packed: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed), "<f4")


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


def exported(run: Run, folder: Path) -> dict[str, str]:
    """Give the column corrected_count of the exported counts by source."""
    file = folder / "counts.csv"
    livecount("export", "counts", "-o", file, "--database", run.database)
    rows = rows_of(file)
    assert list(rows[0])[-2:] == ["corrected_count", "checked_by"]
    return {row["source"]: row["corrected_count"] for row in rows}


def test_corrections_stand_beside_the_count(run: Run, tmp_path: Path) -> None:
    (_, _, frame) = frames_of(run, "A1")
    path = f"frames/{frame['id']}/corrections"
    cells = run.get(f"frames/{frame['id']}/cells")
    y, x = (floats(cells[axis])[:2].tolist() for axis in "yx")

    def post(**body: Any) -> Any:
        answer, content = run.ask(path, "POST", body)
        assert answer.status == 201, content
        return json.loads(content)

    untouched = run.get(path)
    assert (untouched["count"], untouched["corrected_count"]) == (frame["count"], None)
    assert untouched["corrections"] == []
    assert untouched["analysis_id"] == run.get(f"frames/{frame['id']}")["analysis_id"]
    post(kind="move", from_y=y[0], from_x=x[0], to_y=y[0] + 1, to_x=x[0])
    post(kind="add", to_y=1.5, to_x=599.25)
    for taken in ((1.5, 599.25), (y[1], x[1])):  # as a double click does
        twice = {"kind": "add", "to_y": taken[0], "to_x": taken[1]}
        answer, content = run.ask(path, "POST", twice)
        assert answer.status == 422
        assert b"There is a cell" in content
    said = post(kind="add", to_y=0, to_x=0)
    assert (said["count"], said["corrected_count"]) == (frame["count"], frame["count"] + 2)
    said = post(kind="remove", from_y=y[1], from_x=x[1])
    assert said["corrected_count"] == frame["count"] + 1
    assert {one["made_by"] for one in said["corrections"]} == {getpass.getuser()}
    answer, content = run.ask(f"{path}/{said['corrections'][1]['id']}", "DELETE")
    assert answer.status == 200, content
    assert run.get(path)["corrected_count"] == frame["count"]
    assert run.get(path)["corrections"][1]["withdrawn_by"] == getpass.getuser()
    source = run.get(f"frames/{frame['id']}")["source"]
    column = exported(run, tmp_path)
    assert column.pop(source) == str(frame["count"])
    assert set(column.values()) == {""}
    assert frames_of(run, "A1")[2]["count"] == frame["count"]
    for one in run.get(path)["corrections"]:
        run.ask(f"{path}/{one['id']}", "DELETE")
    assert set(exported(run, tmp_path).values()) == {""}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "add", "to_y": -3, "to_x": 5}, 422),
        ({"kind": "add", "to_y": 5, "to_x": SIZE_PX + 1}, 422),
        ({"kind": "add", "to_y": 1e308, "to_x": 5}, 422),
        ({"kind": "add", "to_y": "NaN", "to_x": 5}, 422),
        ({"kind": "add", "to_y": 5}, 422),
        ({"kind": "add", "from_y": 5, "from_x": 5, "to_y": 5, "to_x": 5}, 422),
        ({"kind": "remove", "from_y": 0.123, "from_x": 0.456}, 422),
        ({"kind": "paint", "to_y": 5, "to_x": 5}, 422),
        ({"kind": "add", "to_y": 5, "to_x": 5, "made_by": "somebody else"}, 422),
        ([], 422),
        ({"kind": "add" * 10_000}, 413),
    ],
)
def test_a_correction_that_makes_no_sense_is_refused(run: Run, body: Any, status: int) -> None:
    (frame, *_) = frames_of(run, "A1")
    path = f"frames/{frame['id']}/corrections"
    answer, content = run.ask(path, "POST", body)
    assert answer.status == status, content
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert run.get(path)["corrections"] == []
    assert run.ask(f"{path}/77", "DELETE")[0].status == 404


def test_a_correction_takes_the_place_of_another_at_once_or_not_at_all(run: Run) -> None:
    (_, frame, _) = frames_of(run, "A1")
    path = f"frames/{frame['id']}/corrections"
    _, content = run.ask(path, "POST", {"kind": "add", "to_y": 3, "to_x": 4, "by": "Ada"})
    said = json.loads(content)
    (first,) = said["corrections"]
    assert (first["made_by"], said["default_name"]) == ("Ada", getpass.getuser())
    other = {"kind": "add", "to_y": 9, "to_x": 4, "by": "Bob", "replaces": first["id"]}
    assert run.ask(path, "POST", {**other, "analysis_id": "another"})[0].status == 409
    assert run.ask(path, "POST", {**other, "to_y": -1})[0].status == 422
    assert run.get(path)["corrections"] == [first]
    answer, content = run.ask(path, "POST", {**other, "analysis_id": said["analysis_id"]})
    assert answer.status == 201, content
    before, after = json.loads(content)["corrections"]
    assert (before["id"], before["withdrawn_by"]) == (first["id"], "Bob")
    assert (after["to_y"], after["withdrawn_at"]) == (9, None)
    assert run.ask(f"{path}/{after['id']}?by=Eve", "DELETE")[0].status == 200
    assert run.get(path)["corrections"][1]["withdrawn_by"] == "Eve"


def test_a_cell_is_removed_once(run: Run) -> None:
    (_, frame, _) = frames_of(run, "A1")
    path, cells = f"frames/{frame['id']}/corrections", run.get(f"frames/{frame['id']}/cells")
    body = {"kind": "remove", "from_y": float(floats(cells["y"])[0]),
            "from_x": float(floats(cells["x"])[0])}  # fmt: skip
    first, content = run.ask(path, "POST", body)
    assert first.status == 201, content
    assert run.ask(path, "POST", body)[0].status == 422
    made = json.loads(content)["corrections"][-1]
    assert run.ask(f"{path}/{made['id']}", "DELETE")[0].status == 200


def open_frame(run: Run, page: Page, frame_id: int) -> None:
    page.goto(run.server.address)
    page.goto(f"{run.server.base}/experiments/1/frames/{frame_id}")
    expect(page.locator("#picture:not([aria-busy])")).to_be_visible()


def screen_of(page: Page, y: float, x: float) -> tuple[float, float]:
    """Give where a pixel of the fitted, square frame lies in the window."""
    box = page.locator("#picture").bounding_box()
    assert box is not None
    scale = min(box["width"], box["height"]) / SIZE_PX
    left = box["x"] + (box["width"] - SIZE_PX * scale) / 2
    top = box["y"] + (box["height"] - SIZE_PX * scale) / 2
    return left + (x + 0.5) * scale, top + (y + 0.5) * scale


def test_a_well_leads_to_its_latest_frame_and_keys_go_through_time(run: Run, page: Page) -> None:
    first, second, third = frames_of(run, "A1")
    page.goto(run.server.address)
    page.goto(f"{run.server.base}/experiments/1")
    page.get_by_role("gridcell").get_by_role("button", name=re.compile("^A1")).click()
    page.get_by_role("link", name="Latest frame").click()
    expect(page.get_by_role("heading", name=re.compile("Well A1"))).to_be_visible()
    page.wait_for_url(f"**/frames/{third['id']}")
    expect(page.locator("#count")).to_have_text(f"model {third['count']}")
    expect(page.locator("#when")).to_have_text(f"{third['elapsed_h']:.1f} h")
    page.locator("#picture").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(f"**/frames/{second['id']}")
    expect(page.locator("#moment")).to_have_text(re.compile(f", {second['count']} cells"))
    page.locator("#time").fill("0")
    page.wait_for_url(f"**/frames/{first['id']}")
    expect(page.locator("#earlier")).to_be_disabled()
    page.get_by_role("link", name="Back to the plate").click()
    page.wait_for_url("**/experiments/1")


def test_the_canvas_shows_the_frame_between_black_and_white(run: Run, page: Page) -> None:
    """Pixels on the screen, at full resolution, are those of the file through the contrast."""
    (frame, *_) = frames_of(run, "A1")
    pixels = read_pixels(run.folder / run.get(f"frames/{frame['id']}")["source"])
    open_frame(run, page, frame["id"])
    page.locator("#overlay").uncheck()
    low, high = int(page.locator("#low").input_value()), int(page.locator("#high").input_value())
    wanted = np.clip(255.0 * (pixels.astype(float) - low) / (high - low), 0, 255)
    for _ in range(7):
        page.keyboard.press("+")
    expect(page.locator("#picture")).to_be_visible()
    page.wait_for_timeout(500)
    seen = page.evaluate(
        """() => {
          const canvas = document.getElementById("picture");
          const at = [canvas.width / 2, canvas.height / 2].map(Math.floor);
          return canvas.getContext("2d").getImageData(at[0], at[1], 1, 1).data[0];
        }"""
    )
    middle = SIZE_PX // 2
    near = wanted[middle - 1 : middle + 2, middle - 1 : middle + 2]
    assert near.min() - 1 <= seen <= near.max() + 1
    page.locator("#high").fill(str(low + 1))
    page.locator("#low").fill(str(low))
    expect(page.locator("#auto")).not_to_be_checked()


def test_another_h_is_seen_at_once(run: Run, page: Page) -> None:
    (frame, *_) = frames_of(run, "A1")
    cells = run.get(f"frames/{frame['id']}/cells")
    prominence = floats(cells["prominence"])
    open_frame(run, page, frame["id"])
    h = 0.005 * round(float(np.median(prominence[prominence >= cells["h"]])) / 0.005) + 0.005
    page.locator("#h").fill(f"{h:.3f}")
    wanted = int((prominence >= np.float32(round(h, 3))).sum())
    assert wanted != frame["count"]
    expect(page.locator("#preview")).to_contain_text(f"{wanted} cells at this h")
    expect(page.locator("#count")).to_have_text(f"model {frame['count']}")
    page.get_by_role("button", name="Back to the h").click()
    expect(page.locator("#preview")).not_to_contain_text("at this h")


def test_cells_are_corrected_by_clicks(run: Run, page: Page, tmp_path: Path) -> None:
    (frame, *_) = frames_of(run, "A1")
    count, cells = frame["count"], run.get(f"frames/{frame['id']}/cells")
    y, x = (floats(cells[axis]).astype(float) for axis in "yx")
    counted = floats(cells["prominence"]) >= np.float32(cells["h"])
    y, x = y[counted], x[counted]
    open_frame(run, page, frame["id"])
    page.mouse.click(*screen_of(page, 3, 3))
    expect(page.locator("#count")).to_have_text(f"model {count}")
    page.get_by_role("button", name="Correct cells").click()
    free = farthest_from(y, x)
    page.mouse.click(*screen_of(page, *free))
    expect(page.locator("#count")).to_have_text(f"model {count}, corrected {count + 1}")
    page.mouse.click(*screen_of(page, y[0], x[0]))
    expect(page.locator("#count")).to_have_text(f"model {count}, corrected {count}")
    page.mouse.move(*screen_of(page, y[1], x[1]))
    page.mouse.down()
    page.mouse.move(*screen_of(page, y[1] + 20, x[1] + 20), steps=4)
    page.mouse.up()
    expect(page.get_by_role("list", name="Corrections").get_by_role("listitem")).to_have_count(3)
    kept = run.get(f"frames/{frame['id']}/corrections")["corrections"]
    assert [one["kind"] for one in kept] == ["add", "remove", "move"]
    assert np.hypot(kept[0]["to_y"] - free[0], kept[0]["to_x"] - free[1]) < 1.5
    assert (kept[1]["from_y"], kept[1]["from_x"]) == (y[0], x[0])
    assert np.hypot(kept[2]["to_y"] - y[1] - 20, kept[2]["to_x"] - x[1] - 20) < 1.5
    page.mouse.click(*screen_of(page, y[0], x[0]))
    expect(page.locator("#count")).to_have_text(f"model {count}, corrected {count + 1}")
    source = run.get(f"frames/{frame['id']}")["source"]
    assert exported(run, tmp_path)[source] == str(count + 1)
    page.keyboard.press("z")
    expect(page.get_by_role("button", name="Take back")).to_have_count(1)
    page.get_by_role("button", name="Take back").click()
    expect(page.locator("#count")).to_have_text(f"model {count}")


def test_no_click_is_dropped_and_undo_takes_back_only_what_is_mine(run: Run, page: Page) -> None:
    (_, frame, _) = frames_of(run, "A1")
    path, count = f"frames/{frame['id']}/corrections", frame["count"]
    cells, free = run.get(f"frames/{frame['id']}/cells"), []
    y, x = (floats(cells[axis]).astype(float) for axis in "yx")
    for _ in range(3):
        free.append(farthest_from(y, x))
        y, x = np.append(y, free[-1][0]), np.append(x, free[-1][1])
    open_frame(run, page, frame["id"])
    page.get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="Correct cells").click()
    page.route("**/corrections", lambda route: (time.sleep(0.4), route.continue_()))
    for place in free:
        page.mouse.click(*screen_of(page, *place))
        page.mouse.click(*screen_of(page, *place))  # a double click is one cell
    shown = page.locator("#count")
    expect(shown).to_have_text(f"model {count}, corrected {count + 3}")
    kept = run.get(path)["corrections"][-3:]
    assert np.allclose([(one["to_y"], one["to_x"]) for one in kept], free, atol=1.5)
    assert {one["made_by"] for one in kept} == {"Ada"}
    other = {"kind": "add", "to_y": 0, "to_x": 0, "by": "Bob"}
    assert run.ask(path, "POST", other)[0].status == 201
    expect(shown).to_have_text(f"model {count}, corrected {count + 4}")
    page.locator("#picture").focus()
    for _ in range(3):
        page.keyboard.press("z")
    expect(shown).to_have_text(f"model {count}, corrected {count + 1}")
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    holding = [one for one in run.get(path)["corrections"] if one["withdrawn_at"] is None]
    assert [one["made_by"] for one in holding] == ["Bob"]
    assert run.ask(f"{path}/{holding[0]['id']}", "DELETE")[0].status == 200


def test_an_answer_that_was_overtaken_does_not_undo_what_came_after_it(
    run: Run, page: Page
) -> None:
    (_, frame, _) = frames_of(run, "A1")
    path, count = f"frames/{frame['id']}/corrections", frame["count"]
    cells = run.get(f"frames/{frame['id']}/cells")
    open_frame(run, page, frame["id"])
    page.get_by_role("button", name="Correct cells").click()
    held: list[tuple[Route, APIResponse]] = []

    def hold_the_first(route: Route) -> None:
        if route.request.method == "GET" and not held:
            held.append((route, route.fetch()))
        else:
            route.continue_()

    page.route("**/corrections", hold_the_first)
    other = {"kind": "add", "to_y": 0, "to_x": 0, "by": "Bob"}
    assert run.ask(path, "POST", other)[0].status == 201
    expect(page.locator("#count")).to_have_text(f"model {count}")
    give_up_s = time.monotonic() + 30
    while not held and time.monotonic() < give_up_s:
        page.wait_for_timeout(100)
    y, x = (floats(cells[axis]).astype(float) for axis in "yx")
    page.mouse.click(*screen_of(page, *farthest_from(y, x)))
    expect(page.locator("#count")).to_have_text(f"model {count}, corrected {count + 2}")
    page.wait_for_timeout(3000)  # until the page has heard of its own change as well
    ((route, answer),) = held
    route.fulfill(response=answer)
    page.wait_for_timeout(1000)
    assert page.locator("#count").text_content() == f"model {count}, corrected {count + 2}"
    for one in run.get(path)["corrections"]:
        if one["withdrawn_at"] is None:
            assert run.ask(f"{path}/{one['id']}", "DELETE")[0].status == 200
    expect(page.locator("#count")).to_have_text(f"model {count}")


def farthest_from(y: np.ndarray, x: np.ndarray) -> tuple[float, float]:
    """Find a place of the frame that is far from all centres."""
    grid = np.stack(np.meshgrid(*[np.arange(50, SIZE_PX - 50, 10.0)] * 2, indexing="ij"), -1)
    away = np.hypot(grid[..., :1] - y, grid[..., 1:] - x).min(-1)
    found = grid[np.unravel_index(away.argmax(), away.shape)]
    return float(found[0]), float(found[1])


def test_where_the_folder_is_away_the_page_says_so_and_comes_back(
    run: Run, page: Page, cache_folder: Path
) -> None:
    (frame, *_) = frames_of(run, "A1")
    for kept in cache_folder.rglob("*.tiles"):
        kept.unlink()
    away = run.folder.rename(run.folder.with_name("away"))
    try:
        open_frame(run, page, frame["id"])
        expect(page.get_by_role("alert")).to_contain_text("is not there")
        expect(page.locator("#count")).to_have_text(f"model {frame['count']}")
    finally:
        away.rename(run.folder)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_page_of_no_frame_says_so(run: Run) -> None:
    for path in ("experiments/1/frames/999", "experiments/2/frames/1", "experiments/1/frames/0"):
        answer, content = run.ask(path, start="/")
        assert answer.status in (404, 422)
        assert b"<h1>" in content
