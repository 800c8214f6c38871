"""Another h tried on a frame, counted for the whole run, shown, and the first one shown again."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.web.frame_run import SIZE_PX, Run, cache_folder, floats, frames_of, open_frame, run

pytestmark = pytest.mark.whole

__all__ = ["cache_folder", "run"]


def test_an_h_that_was_tried_is_counted_for_the_run_and_shown_everywhere(
    run: Run, page: Page, context: BrowserContext
) -> None:
    *_, frame = frames_of(run, "A1")
    cells = run.get(f"frames/{frame['id']}/cells")
    prominence, first_h = floats(cells["prominence"]), cells["h"]
    h = round(0.005 * round(float(np.median(prominence[prominence >= first_h])) / 0.005), 3)
    wanted = int((prominence >= np.float32(h)).sum())
    assert wanted != frame["count"]
    pixel_size_um = run.get(f"frames/{frame['id']}")["pixel_size_um"]
    area_mm2 = (SIZE_PX * pixel_size_um / 1000) ** 2
    before, after = (re.compile(f"{n / area_mm2:.3g} cells") for n in (frame["count"], wanted))
    open_frame(run, page, frame["id"])
    plate = context.new_page()
    plate.goto(f"{run.server.base}/experiments/1")
    well = plate.get_by_role("gridcell").get_by_role("button", name=re.compile("^A1"))
    expect(well).to_have_attribute("aria-label", before)
    apply = page.get_by_role("button", name="Count the whole run with this h")
    expect(apply).to_be_hidden()
    page.locator("#h").fill(f"{h:.3f}")
    apply.click()
    expect(page.locator("#apply-said")).to_contain_text(f"The run is counted with h {h}")
    expect(page.locator("#count")).to_have_text(f"model {frame['count']}")
    page.get_by_text("Counts of this run", exact=True).click()
    rows = page.get_by_role("list", name="Counts of this run").get_by_role("listitem")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text(f"h {first_h}, 3 frames, shown")
    page.get_by_role("button", name=f"Show the count with h {h}").click()
    expect(page.locator("#count")).to_have_text(f"model {wanted}")
    expect(apply).to_be_hidden()
    expect(well).to_have_attribute("aria-label", after)
    expect(page.locator("#moment")).to_contain_text(f"{wanted} cells")
    page.get_by_role("button", name=f"Show the count with h {first_h}").click()
    expect(page.locator("#count")).to_have_text(f"model {frame['count']}")
    expect(well).to_have_attribute("aria-label", before)
