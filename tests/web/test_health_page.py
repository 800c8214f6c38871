"""The health and experiments pages of a made run, in a real browser: text stays text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from livecount.storage import CountStore, FileStamp, Heartbeat
from tests.web.conftest import Served, served
from tests.web.made_run import HOSTILE, make_run


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("health") / "run.db"
    make_run(file)
    with CountStore.open(file) as store, store.together():
        source = store.sources()[0]
        for number in range(60):
            name = f"torn{number:02}.tif".encode()
            store.quarantine(source, name, FileStamp(1, 1), "torn")
    return file


@pytest.fixture(scope="module")
def server(database: Path) -> Iterator[Served]:
    with served("serve", "--database", database) as started:
        yield started


def test_health_tells_incidents_files_settings_and_machine(server: Served, page: Page) -> None:
    page.goto(server.address)
    page.goto(f"{server.base}/health")
    incidents = page.locator("#incidents tbody tr")
    expect(incidents).to_have_count(2)
    expect(incidents.first).to_contain_text(f"A1 is missing {HOSTILE}")
    expect(incidents.first).to_contain_text("lasts")
    expect(incidents.first).to_contain_text("lab: not yet, tried once: it answered 503")
    files = page.locator("#set-aside tbody tr")
    expect(files).to_have_count(50)
    page.locator("#set-aside-pager").get_by_role("button", name="Next").click()
    expect(files).to_have_count(12)
    expect(files.last).to_contain_text(f"cut off {HOSTILE}")
    expect(page.locator("#analyses")).to_contain_text(f"deepdistance {HOSTILE}")
    expect(page.locator("#machine")).to_contain_text("SQLite")
    expect(page.locator("#machine")).to_contain_text("Free on its disk")
    assert page.locator("main img").count() == 0


def test_the_next_frame_is_due_by_the_rhythm_of_those_before(
    server: Served, database: Path, page: Page
) -> None:
    page.goto(server.address)
    card = page.locator("#experiments li")
    expect(card).to_contain_text("Not watched at present")
    now = datetime.now(UTC)
    with CountStore.open(database) as store:
        folder = store.sources()[0].folder
        beat = Heartbeat(1, "microscope", "0.1", now, now, now, "counting", "onnxruntime CPU",
                         {folder: "watching"})  # fmt: skip
        store.heartbeat(beat)
    expect(card).to_contain_text("Next frame due", timeout=25_000)
    asked = page.request.get(f"{server.base}/api/v1/experiments")
    found = asked.json()[0]
    assert found["interval_h"] == pytest.approx(2.0)
    last, due = (datetime.fromisoformat(found[name]) for name in ("last_count_at", "next_due_at"))
    assert (due - last).total_seconds() == pytest.approx(7200, abs=1)
