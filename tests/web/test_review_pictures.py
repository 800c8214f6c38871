"""The review shows each flagged frame with its cells while one goes through them by keys."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.web.frame_run import Run, cache_folder, frames_of, run

__all__ = ["cache_folder", "run"]

_SEEN = """() => {
  const canvas = document.getElementById("preview");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const colours = { grey: 0, amber: 0 };
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] < 255) continue;
    const isGrey = data[i] === data[i + 1] && data[i] === data[i + 2];
    if (isGrey && data[i] > 20) colours.grey += 1;
    else if (data[i] > 180 && data[i + 2] < 90) colours.amber += 1;
  }
  return colours;
}"""


@pytest.fixture
def flagged(run: Run) -> Iterator[Run]:
    """The run with all its frames in doubt."""
    with closing(sqlite3.connect(run.database)) as connection, connection:
        (flags,) = connection.execute("SELECT flags FROM counts LIMIT 1").fetchone()
        connection.execute("UPDATE counts SET flags = ?", [json.dumps(["out_of_focus"])])
    yield run
    with closing(sqlite3.connect(run.database)) as connection, connection:
        connection.execute("UPDATE counts SET flags = ?", [flags])


def test_each_frame_is_shown_with_its_cells_also_blinded(
    flagged: Run, page: Page, cache_folder: Path
) -> None:
    run = flagged
    counts = {one["id"]: one["count"] for one in frames_of(run, "A1")}
    page.goto(run.server.address)
    page.goto(f"{run.server.base}/experiments/1/review")
    preview = page.locator("#preview")
    first, second, third = counts

    def is_shown(frame_id: int) -> None:
        words = f"Frame {frame_id} with {counts[frame_id]} cells"
        expect(preview).to_have_attribute("aria-label", words)
        expect(page.locator("#preview:not([aria-busy])")).to_be_visible()

    is_shown(first)
    page.wait_for_timeout(300)
    seen = page.evaluate(_SEEN)
    assert seen["grey"] > 10_000
    assert seen["amber"] > 10
    page.keyboard.press("c")
    page.wait_for_timeout(200)
    assert page.evaluate(_SEEN)["amber"] == 0
    page.keyboard.press("c")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("#frames tr[aria-current=true] a")).to_have_attribute(
        "href", f"/experiments/1/frames/{third}", timeout=500
    )
    is_shown(third)
    page.keyboard.press("k")
    is_shown(second)
    page.get_by_label("Blinded").check()
    link = page.locator("#frames tr[aria-current=true] a")
    expect(link).to_have_attribute("href", re.compile(r"\?blinded=1$"))
    is_shown(int(link.inner_text()))
    assert "A1" not in page.locator("main").inner_text()


def test_a_blinded_reviewer_is_not_told_the_name_of_a_file_that_is_away(
    flagged: Run, page: Page, cache_folder: Path
) -> None:
    run = flagged
    for kept in cache_folder.rglob("*.tiles"):
        kept.unlink()
    away = run.folder.rename(run.folder.with_name("away"))
    try:
        page.goto(run.server.address)
        page.goto(f"{run.server.base}/experiments/1/review")
        trouble = page.locator("#preview-trouble")
        expect(trouble).to_contain_text(str(run.folder))
        page.get_by_label("Blinded").check()
        expect(trouble).to_contain_text("cannot be shown")
        assert str(run.folder) not in page.locator("main").inner_text()
    finally:
        away.rename(run.folder)
    expect(page.locator("#preview:not([aria-busy])")).to_be_visible()
