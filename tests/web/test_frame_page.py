"""The frame page: its picture, the cells on it, corrections by clicks."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import APIResponse, Page, Route, expect

from livecount.readers import read_pixels
from tests.web.frame_run import (
    SIZE_PX,
    Run,
    cache_folder,
    exported,
    floats,
    frames_of,
    open_frame,
    run,
    screen_of,
)

__all__ = ["cache_folder", "run"]


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
