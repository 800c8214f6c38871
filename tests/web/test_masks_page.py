"""Masks on the frame page and in the API, of frames that were really counted and segmented."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.path import Path as Around
from playwright.sync_api import Page, expect

from livecount.storage import CountStore, MasksKept
from livecount.web.missing_masks import missing_masks
from tests.endtoend.program import livecount
from tests.web.conftest import served
from tests.web.frame_run import SIZE_PX, Run, cache_folder, floats, frames_of, open_frame
from tests.web.test_accessibility import grave_findings

__all__ = ["cache_folder"]

Corners = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path) -> Iterator[Run]:
    """Serve a well whose two frames were segmented, and one whose frames were not."""
    work = tmp_path_factory.mktemp("masks")
    folder, database = work / "frames", work / "run.db"
    livecount(
        "simulate", "-o", folder, "--time-points", 2, "--wells", "A1,A2", "--size-px", SIZE_PX,
        "--founders", 14, "--cell-diameter-px", 40,
    )  # fmt: skip
    away = work / "away"
    away.mkdir()
    for file in sorted(folder.rglob("*A2*.tif")):
        file.rename(away / file.name)
    counting = ("run", folder, "--database", database, "--cell-diameter-px", 40,
                "--no-dashboard", "--until-idle", 1)  # fmt: skip
    livecount(*counting, "--segment")
    for file in away.iterdir():
        file.rename(folder / file.name)
    livecount(*counting)
    with served("serve", "--database", database) as server:
        yield Run(folder, database, server)


def polygons_of(masks: dict[str, Any]) -> list[tuple[int, Corners]]:
    """Give each polygon's cell and corners (y, x)."""
    corners = np.stack([floats(masks["y"]), floats(masks["x"])], axis=1)
    assert len(corners) == sum(masks["n_points"])
    parts = np.split(corners, np.cumsum(masks["n_points"])[:-1])
    return list(zip(masks["cell"], parts, strict=True))


def test_masks_lie_on_the_cells_and_have_their_areas(run: Run) -> None:
    for frame in frames_of(run, "A1"):
        masks = run.get(f"frames/{frame['id']}/masks")
        cells = run.get(f"frames/{frame['id']}/cells")
        is_cell = floats(cells["prominence"]) >= np.float32(cells["h"])
        places = np.stack([floats(cells["y"]), floats(cells["x"])], axis=1)[is_cell]
        assert masks["h"] == cells["h"]
        assert len(places) == frame["count"] > 5
        with CountStore.open(run.database, read_only=True) as store:
            shapes = store.shapes(store.analysis(store.experiments()[0]), frame["id"])
        assert shapes is not None
        owners: dict[int, list[int]] = {number: [] for number in range(len(places))}
        areas = np.zeros(len(places))
        for cell, corners in polygons_of(masks):
            y, x = corners.astype(float).T
            areas[cell] += (x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
            for number in np.flatnonzero(Around(corners).contains_points(places)):
                owners[int(number)].append(cell)
        has_mask = np.isfinite(shapes.area_px)
        assert has_mask.mean() > 0.9
        assert [owners[number] for number in np.flatnonzero(has_mask)] == [
            [number] for number in np.flatnonzero(has_mask)
        ]
        np.testing.assert_allclose(areas[has_mask], shapes.area_px[has_mask], rtol=0.02, atol=5)
        assert masks["bright_rounded"] == np.flatnonzero(shapes.is_bright_rounded).tolist()


def test_where_there_are_no_masks_the_reason_is_said(run: Run) -> None:
    (frame, *_) = frames_of(run, "A2")
    assert "counted without masks" in run.get(f"frames/{frame['id']}")["no_masks"]
    answer, content = run.ask(f"frames/{frame['id']}/masks")
    said = json.loads(content)
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert said["detail"] == "This frame was counted without masks"
    assert "--segment" in said["hint"]
    assert run.ask("frames/999999/masks")[0].status == 404
    assert run.ask("frames/x/masks")[0].status == 422
    (segmented, *_) = frames_of(run, "A1")
    assert run.get(f"frames/{segmented['id']}")["no_masks"] == ""


YELLOW_SHARE = """([places, size]) => {
  const canvas = document.getElementById("picture");
  const side = Math.min(canvas.width, canvas.height);
  const paint = canvas.getContext("2d");
  const { data } = paint.getImageData(0, 0, canvas.width, canvas.height);
  const isYellow = (y, x) => {
    const at = 4 * (y * canvas.width + x);
    return data[at] > 120 && data[at + 1] > 90 && data[at] - data[at + 2] > 60;
  };
  const seen = places.filter(([y, x]) => {
    const row = Math.round((canvas.height - side) / 2 + ((y + 0.5) * side) / size);
    const column = Math.round((canvas.width - side) / 2 + ((x + 0.5) * side) / size);
    return [-1, 0].some((j) => [-1, 0].some((i) => isYellow(row + j, column + i)));
  });
  return seen.length / places.length;
}"""


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (MasksKept(False, True, (), ()), "kept the cells' shapes but not their masks"),
        (MasksKept(False, False, ("too_large_to_segment",), (0.1,)), "too large for masks"),
        (MasksKept(False, False, ("colour",), (0.25,)), "those of its count at h 0.25"),
        (MasksKept(False, False, (), ()), "counted without masks"),
    ],
)
def test_each_reason_has_its_words_and_a_way_out(kept: MasksKept, words: str) -> None:
    missing = missing_masks(kept, 0.1)
    assert missing is not None
    assert words in missing.reason
    assert missing.hint
    assert missing_masks(replace(kept, has_masks=True), 0.1) is None


def yellow_share(page: Page, places: Corners) -> float:
    """Give the share of places of the fitted frame that are drawn in the outlines' yellow."""
    return float(page.evaluate(YELLOW_SHARE, [places.tolist(), SIZE_PX]))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_outlines_are_seen_where_the_masks_are(run: Run, page: Page, theme: str) -> None:
    page.emulate_media(color_scheme=theme)
    (frame, *_) = frames_of(run, "A1")
    masks = run.get(f"frames/{frame['id']}/masks")
    bright = set(masks["bright_rounded"])
    plain = np.concatenate([c for cell, c in polygons_of(masks) if cell not in bright])
    plain = plain[((plain > 2) & (plain < SIZE_PX - 3)).all(axis=1)]
    open_frame(run, page, frame["id"])
    page.locator("#overlay").uncheck()
    switch = page.get_by_role("checkbox", name="Outline their masks")
    expect(switch).to_be_enabled()
    assert yellow_share(page, plain) < 0.02
    page.locator("#overlay").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(switch).to_be_checked()
    expect(page.locator("#masks-why")).to_contain_text("Solid yellow")
    page.wait_for_timeout(800)
    assert yellow_share(page, plain) > 0.97
    for _ in range(6):
        page.locator("#closer").click()
    page.locator("#fit").click()
    page.wait_for_timeout(300)
    assert yellow_share(page, plain) > 0.97
    assert grave_findings(page) == []
    page.keyboard.press("m")
    expect(switch).not_to_be_checked()
    page.wait_for_timeout(300)
    assert yellow_share(page, plain) < 0.02


def test_the_switch_is_remembered_in_the_address_and_over_frames(run: Run, page: Page) -> None:
    first, second = frames_of(run, "A1")
    open_frame(run, page, first["id"])
    switch = page.get_by_role("checkbox", name="Outline their masks")
    switch.check()
    page.wait_for_url(f"**/frames/{first['id']}?masks=1")
    page.locator("#later").click()
    page.wait_for_url(f"**/frames/{second['id']}?masks=1")
    page.reload()
    expect(switch).to_be_checked()
    page.locator("#h").fill("0.5")
    expect(switch).to_be_disabled()
    expect(page.locator("#masks-why")).to_contain_text("Masks are those of the cells at h")
    page.get_by_role("button", name="Back to the h").click()
    expect(switch).to_be_checked()
    switch.uncheck()
    page.wait_for_url(re.compile(f"/frames/{second['id']}$"))


def test_the_switch_says_why_there_is_nothing_to_show(run: Run, page: Page) -> None:
    """Nothing is even asked for, or the page would log a refusal."""
    (frame, *_) = frames_of(run, "A2")
    page.goto(run.server.address)
    page.goto(f"{run.server.base}/experiments/1/frames/{frame['id']}?masks=1")
    switch = page.get_by_role("checkbox", name="Outline their masks")
    expect(page.locator("#masks-why")).to_contain_text("counted without masks")
    expect(switch).to_be_disabled()
    expect(switch).not_to_be_checked()


def test_another_h_leaves_its_masks_behind(run: Run) -> None:
    (frame, *_) = frames_of(run, "A1")
    h = run.get(f"frames/{frame['id']}")["h"]
    livecount("recount", "--h", 0.3, "--make-primary", "--database", run.database)
    answer, content = run.ask(f"frames/{frame['id']}/masks")
    assert answer.status == 404
    assert f"are those of its count at h {h:g}" in json.loads(content)["detail"]
    livecount("recount", "--h", h, "--make-primary", "--database", run.database)
    assert run.get(f"frames/{frame['id']}/masks")["h"] == h
