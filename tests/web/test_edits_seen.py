"""What one person says is on the open pages of others within two seconds, without a reload."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.web.conftest import Served, served
from tests.web.made_run import make_run

SOON_MS = 2000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    database = tmp_path_factory.mktemp("edits-seen") / "run.db"
    make_run(database)
    with served("serve", "--database", database) as started:
        yield started


def say(server: Served, path: str, body: dict[str, Any] | None, method: str = "POST") -> Any:
    request = urllib.request.Request(
        f"{server.base}/api/v1/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"null")


def open_frame(page: Page, server: Served, frame_id: int) -> None:
    page.goto(f"{server.base}/experiments/1/frames/{frame_id}")
    expect(page.locator("#picture:not([aria-busy])")).to_be_visible()
    expect(page.locator("#health-chip")).not_to_have_text("…")  # the live connection speaks


def test_a_correction_is_seen_by_another_window_on_the_frame(
    server: Served, context: BrowserContext, page: Page
) -> None:
    page.goto(server.address)
    here, there = context.new_page(), context.new_page()
    for each in (here, there):
        open_frame(each, server, 30)
    said = say(server, "frames/30", None, "GET")
    n_cells = said["count"]
    listed = there.get_by_role("list", name="Corrections").get_by_role("listitem")
    here.bring_to_front()
    here.get_by_role("button", name="Correct cells").click()
    box = here.locator("#picture").bounding_box()
    assert box is not None
    scale = min(box["width"] / 200, box["height"] / 100)
    here.mouse.click(
        box["x"] + box["width"] / 2 + 60 * scale, box["y"] + box["height"] / 2 - 40 * scale
    )
    expect(here.locator("#count")).to_have_text(f"model {n_cells}, corrected {n_cells + 1}")
    expect(there.locator("#count")).to_have_text(
        f"model {n_cells}, corrected {n_cells + 1}", timeout=SOON_MS
    )
    expect(listed).to_have_count(1)
    here.keyboard.press("z")
    expect(here.locator("#count")).to_have_text(f"model {n_cells}")
    expect(there.locator("#count")).to_have_text(f"model {n_cells}", timeout=SOON_MS)
    expect(listed.get_by_text("taken back")).to_be_visible()


def test_an_exclusion_is_seen_on_the_frame_in_the_review_and_on_the_plate(
    server: Served, context: BrowserContext, page: Page
) -> None:
    page.goto(server.address)
    page.goto(f"{server.base}/experiments/1")
    review, frame = context.new_page(), context.new_page()
    review.goto(f"{server.base}/experiments/1/review")
    row = review.locator("#frames tr", has_text="black throughout")
    expect(row).to_contain_text("yes")
    link = row.get_by_role("link").get_attribute("href")
    assert link is not None
    number = int(link.rpartition("/")[2])
    open_frame(frame, server, number)
    made = say(server, "experiments/1/exclusions", {"reason": "bubble", "frame_id": number})
    expect(row).to_contain_text("no: bubble", timeout=SOON_MS)
    expect(frame.locator("#about")).to_contain_text("bubble", timeout=SOON_MS)
    excluded = page.get_by_role("gridcell").get_by_role("button", name="1 not used")
    expect(excluded).to_have_count(1)
    say(server, f"experiments/1/exclusions/{made['number']}", None, "DELETE")
    expect(row).to_contain_text("yes", timeout=SOON_MS)
    expect(frame.locator("#about")).not_to_contain_text("bubble", timeout=SOON_MS)
    expect(excluded).to_have_count(0)


def test_an_event_is_seen_on_the_growth_page(server: Served, page: Page) -> None:
    page.goto(server.address)
    page.goto(f"{server.base}/experiments/1/growth")
    expect(page.locator("#rows tbody td").first).to_be_visible()
    event = page.locator("#curves .annotation-text", has_text="drug added")
    expect(event).to_have_count(0)
    made = say(server, "experiments/1/events", {"name": "drug added", "at_h": 6})
    expect(event).to_have_count(1, timeout=SOON_MS)
    page.get_by_label("Relative to").select_option("6")
    say(server, f"experiments/1/events/{made['number']}", None, "DELETE")
    expect(event).to_have_count(0, timeout=SOON_MS)
    expect(page.get_by_label("Relative to")).to_have_value("")
