"""A frame that is judged blinded: nothing of where it was taken is on the page."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from livecount.storage import CountStore, Exclusion, Said
from tests.web.conftest import Served, served
from tests.web.made_run import BEGAN, HOSTILE, WELLS, make_run


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    database = tmp_path_factory.mktemp("blinded") / "run.db"
    make_run(database)
    with CountStore.open(database) as store:
        leaky = Exclusion("well B3 is leaky", Said("Ada", BEGAN), well="B3")
        store.add_exclusion(store.experiments()[0], leaky)
    with served("serve", "--database", database) as started:
        yield started


def shown(page: Page) -> str:
    """Give all that the page says, to the eye and to a screen reader."""
    expect(page.locator("#picture:not([aria-busy])")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_visible()  # the folder is not there
    titles = page.locator("main [title], main [aria-label]").evaluate_all(
        "found => found.map(one => `${one.title} ${one.ariaLabel} ${one.href ?? ''}`).join(' ')"
    )
    return f"{page.title().partition(' - ')[0]} {page.locator('main').inner_text()} {titles}"


def names_in(text: str) -> list[str]:
    """Find names of places, treatments and files; the model may be named."""
    told = text.replace(f"deepdistance {HOSTILE}", "")
    return [name for name in (*WELLS, "f1", "HeLa", HOSTILE, ".tif") if name in told]


def test_a_blinded_frame_says_nothing_of_where_it_was_taken(server: Served, page: Page) -> None:
    page.goto(server.address)
    page.goto(f"{server.base}/experiments/1/review")
    page.get_by_label("Blinded").check()
    row = page.locator("#frames tr", has_text="black throughout")
    row.get_by_role("link").click()
    page.wait_for_url(re.compile(r"/frames/\d+\?blinded=1$"))
    text = shown(page)
    number = page.url.partition("?")[0].rpartition("/")[2]
    assert names_in(text) == []
    assert page.title() == f"Frame {number} - livecount"
    assert "why is hidden" in text
    page.locator("#picture").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url(lambda url: url.endswith("?blinded=1") and f"/{number}?" not in url)
    expect(page.get_by_role("heading", level=1)).not_to_have_text(f"Frame {number}")
    assert names_in(shown(page)) == []
    page.reload()
    assert names_in(shown(page)) == []
    page.get_by_role("link", name="Back to the review").click()
    expect(page.get_by_label("Blinded")).to_be_checked()


def test_the_same_frame_is_named_where_it_is_not_blinded(server: Served, page: Page) -> None:
    """So that the test above would see it."""
    page.goto(server.address)
    page.goto(f"{server.base}/experiments/1/frames/6")
    assert set(names_in(shown(page))) >= {"B3", "f1", HOSTILE, ".tif"}
