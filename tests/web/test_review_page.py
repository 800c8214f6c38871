"""Reviewing by keys in a real browser; what is excluded there is found in the exported table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from livecount.flags import DOUBTS, MEANINGS, NOTES
from tests.endtoend.program import livecount, rows_of
from tests.web.conftest import Served, served
from tests.web.made_run import HOSTILE, WELLS, make_run


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("review") / "run.db"
    make_run(file)
    return file


@pytest.fixture(scope="module")
def server(database: Path) -> Iterator[Served]:
    with served("serve", "--database", database) as started:
        yield started


def review(page: Page, server: Served) -> Locator:
    """Open the page; give the current row."""
    page.goto(server.address)
    page.goto(f"{server.base}/experiments/1/review")
    current = page.locator("#frames tr[aria-current=true]")
    expect(current).to_be_visible()
    return current


def test_every_flag_with_a_meaning_is_a_doubt_or_a_note() -> None:
    assert sorted([*DOUBTS, *NOTES]) == sorted(MEANINGS)


def test_a_frame_is_excluded_and_put_back_by_keys(
    server: Served, database: Path, tmp_path: Path, page: Page
) -> None:
    current = review(page, server)
    expect(current).to_contain_text("black throughout")
    page.keyboard.press("j")
    expect(current).to_contain_text("B1")
    page.keyboard.press("k")
    expect(current).to_contain_text("B3")
    page.keyboard.press("e")
    page.get_by_label("Reason").fill(HOSTILE)
    page.keyboard.press("Enter")
    row = page.locator("#frames tr", has_text="black throughout")
    expect(row).to_contain_text(f"no: {HOSTILE}")
    assert exported(database, tmp_path) == [("B3", HOSTILE)]
    expect(page.locator("#exclusions")).to_contain_text(HOSTILE)
    page.keyboard.press("k")
    page.keyboard.press("r")
    expect(row).to_contain_text("yes")
    assert exported(database, tmp_path) == []


def exported(database: Path, folder: Path) -> list[tuple[str, str]]:
    livecount("export", "counts", "-o", folder / "counts.csv", "--database", database)
    rows = rows_of(folder / "counts.csv")
    return [(row["well"], row["excluded"]) for row in rows if row["excluded"]]


def test_groups_tell_doubts_from_what_is_only_to_be_known(server: Served, page: Page) -> None:
    current = review(page, server)
    rows = page.locator("#frames tbody tr")
    expect(rows).to_have_count(3)
    notes = page.locator("#groups h2 ~ button")
    expect(notes).to_have_text([re.compile("^colour1")])
    notes.click()
    expect(rows).to_have_count(1)
    expect(current).to_contain_text("A2")
    page.get_by_role("button", name=re.compile("^all in doubt")).click()
    page.get_by_label("Well").select_option("A3")
    expect(rows).to_have_count(1)
    expect(current).to_contain_text("doubtful cells")


def test_a_blinded_page_holds_no_well_and_no_treatment(server: Served, page: Page) -> None:
    current = review(page, server)
    page.get_by_label("Blinded").check()
    expect(page.locator("#frames thead")).not_to_contain_text("Well")
    expect(current).to_be_visible()
    document = page.locator("main").inner_html()
    assert not [well for well in WELLS if re.search(rf"\b{well}\b", document)]
    assert HOSTILE not in page.locator("main").inner_text()
    page.reload()
    expect(page.get_by_label("Blinded")).to_be_checked()
    expect(current).to_be_visible()
    assert "Well" not in page.locator("#frames").inner_text()


def test_the_row_leads_to_the_frame(server: Served, page: Page) -> None:
    link = review(page, server).get_by_role("link")
    expect(link).to_have_attribute("href", re.compile(r"^/experiments/1/frames/\d+$"))
