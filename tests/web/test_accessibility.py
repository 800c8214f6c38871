"""Every page in both themes, held against axe's rules in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Page, expect

from tests.web.conftest import Served, served
from tests.web.made_run import make_run

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
GRAVE = ("serious", "critical")
PAGES = {
    "/": "#experiments li",
    "/health": "#machine dd",
    "/experiments/1": "#plates button",
    "/experiments/1/growth": "#rows tbody td",
    "/experiments/1/frames/1": "#checked:enabled",
    "/experiments/1/review": "#frames tr[aria-current]",
    "/experiments/99": "h1",
    "/sign-in": "form",
}
"""Path -> what is there once the page is filled."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    database = tmp_path_factory.mktemp("accessible") / "run.db"
    make_run(database)
    with served("serve", "--database", database) as started:
        yield started


def grave_findings(page: Page) -> list[str]:
    """Ask axe; its script comes in beside the page's own, which the policy stays in force for."""
    page.evaluate(AXE)
    found = page.evaluate("() => axe.run()")
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_a_grave_fault(server: Served, page: Page, theme: str) -> None:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.goto(server.address)
    found = {}
    for path, filled in PAGES.items():
        page.goto(server.base + path)
        expect(page.locator(filled).first).to_be_visible()
        if path != "/sign-in":
            expect(page.locator("#health-chip")).not_to_have_text("…")
        found[path] = grave_findings(page)
    page.goto(f"{server.base}/experiments/1/review")
    expect(page.locator(PAGES["/experiments/1/review"])).to_be_visible()
    page.keyboard.press("e")
    expect(page.get_by_role("dialog")).to_be_visible()
    found["asking for a reason"] = grave_findings(page)
    page.faults[:] = [fault for fault in page.faults if "404" not in fault]
    assert {path: faults for path, faults in found.items() if faults} == {}
