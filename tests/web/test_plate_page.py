"""The plate and the curves of a run, in a real browser, while the run goes on."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from livecount.storage import CountStore
from tests.endtoend.program import command, environment, livecount
from tests.storage.made_frames import SETTINGS, make_count, stamp_of
from tests.web.conftest import served

RUN = ("--cell-diameter-px", 30, "--port")


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dashboard") / "frames"
    livecount(
        "simulate", "-o", folder, "--time-points", 4, "--wells", "A1,A2,B1", "--size-px", 200,
        "--founders", 8, "--cell-diameter-px", 30,
    )  # fmt: skip
    return folder


def test_a_live_run_is_seen_rising(frames: Path, tmp_path: Path, page: Page) -> None:
    """The first frames, then each later one, without a reload."""
    watched, database = tmp_path / "watched", tmp_path / "run.db"
    watched.mkdir()
    everything = [path for path in frames.rglob("*") if path.is_file()]
    early = [path for path in everything if "t0003" not in path.name]
    late = [path for path in everything if "t0003" in path.name]

    def land(files: list[Path]) -> None:
        for file in files:
            target = watched / file.relative_to(frames)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)

    land(early)
    with served("run", watched, "--database", database, "--cell-diameter-px", 30) as server:
        page.goto(server.address)
        page.get_by_role("heading", name="watched").get_by_role("link").click()
        well = page.get_by_role("gridcell").get_by_role("button", name=re.compile("^A1: .*cells"))
        expect(well).to_be_visible(timeout=60_000)
        before = well.get_attribute("aria-label")
        land(late)
        expect(well).not_to_have_attribute("aria-label", before or "", timeout=60_000)
        well.focus()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("button", name=re.compile("^A2"))).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Well A2")).to_be_visible()
        page.get_by_role("link", name="Latest frame").focus()
        page.keyboard.press("Escape")
        expect(page.locator("#well")).to_be_hidden()
        expect(page.get_by_role("button", name=re.compile("^A2"))).to_be_focused()


def test_dark_and_light_are_kept(frames: Path, tmp_path: Path, page: Page) -> None:
    livecount("run", frames, "--database", tmp_path / "run.db", "--cell-diameter-px", 30,
              "--no-dashboard", "--until-idle", 1)  # fmt: skip
    with served("serve", "--database", tmp_path / "run.db") as server:
        page.goto(server.address)
        page.get_by_role("button", name="Dark or light").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        page.goto(f"{server.base}/experiments/1/growth")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        expect(page.locator("#curves .main-svg").first).to_be_visible()


def test_wells_by_group_follow_a_new_plate_map(frames: Path, tmp_path: Path, page: Page) -> None:
    database = ("--database", tmp_path / "run.db")
    livecount("run", frames, *database, "--cell-diameter-px", 30, "--no-dashboard",
              "--until-idle", 1)  # fmt: skip
    sheet = tmp_path / "plate.csv"

    def give(group: str) -> None:
        sheet.write_text(f"well,group\nA1,ours\nA2,ours\nB1,{group}\n")
        livecount("plate", "set", sheet, *database)

    give("mistaken")
    with served("serve", *database) as server:
        page.goto(server.address)
        page.goto(f"{server.base}/experiments/1")
        page.locator("#arrange").select_option("group")
        expect(page.get_by_role("rowheader", name="mistaken")).to_be_visible()
        give("mended")
        expect(page.get_by_role("rowheader", name="mended")).to_be_visible(timeout=60_000)
        expect(page.get_by_role("rowheader", name="mistaken")).to_have_count(0)


def test_wells_in_two_channels_are_shown_one_channel_at_a_time(tmp_path: Path, page: Page) -> None:
    began = datetime(2026, 11, 1, tzinfo=UTC)
    with CountStore.open(tmp_path / "run.db") as store:
        experiment = store.ensure_experiment("two channels")
        source = store.ensure_source(experiment, "/scans")
        analysis = store.ensure_analysis(experiment, SETTINGS)
        for order, (well, channel) in enumerate((w, c) for w in ("A1", "A2") for c in ("P", "F")):
            for hour in range(3):
                count = make_count(
                    analysis.id, f"{well}_{channel}_{hour}.tif".encode(), n=7 + 10 * order,
                    content=f"{order}/{hour}", well=well, field="1", channel=channel,
                    acquired_at=began + timedelta(hours=hour),
                )  # fmt: skip
                store.record(source, count, stamp=stamp_of(10 * order + hour), n_pages=1)
    with served("serve", "--database", tmp_path / "run.db") as server:
        page.goto(server.address)
        page.goto(f"{server.base}/experiments/1")
        wells = page.get_by_role("button", name=re.compile(r"^A\d: "))
        expect(wells).to_have_count(2)
        page.get_by_role("button", name=re.compile("^A1")).click()
        for channel, n in (("P", 7), ("F", 17)):
            page.get_by_label("Channel and plane").select_option(label=channel)
            expect(page.get_by_role("button", name=re.compile(f"^A1: {n} "))).to_be_visible()
            expect(page.locator("#well")).to_contain_text(f"{n} cells")


def test_a_server_that_comes_back_is_found_again(frames: Path, tmp_path: Path, page: Page) -> None:
    livecount("run", frames, "--database", tmp_path / "run.db", "--cell-diameter-px", 30,
              "--no-dashboard", "--until-idle", 1)  # fmt: skip
    with served("serve", "--database", tmp_path / "run.db") as server:
        port = server.base.rpartition(":")[2]
        page.goto(server.address)
        page.goto(f"{server.base}/experiments/1")
        expect(page.locator("#health-chip")).to_have_text("the monitor was stopped")
    expect(page.locator("#health-chip")).to_contain_text("does not answer")
    with served("serve", "--database", tmp_path / "run.db", "--port", port):
        expect(page.locator("#health-chip")).to_have_text("the monitor was stopped")
        page.goto("about:blank")
    # What was asked of a server that ends is answered by a 503, later questions by nobody.
    gone = ("ERR_CONNECTION", "503 (Service Unavailable)")
    page.faults[:] = [fault for fault in page.faults if not any(each in fault for each in gone)]


def test_before_there_is_a_database(tmp_path: Path, page: Page) -> None:
    with served("serve", "--database", tmp_path / "none.db") as server:
        page.goto(server.address)
        expect(page.get_by_role("alert")).to_contain_text("none.db")
    page.faults.clear()


def test_the_server_and_its_child_end_with_a_killed_monitor(frames: Path, tmp_path: Path) -> None:
    import psutil

    monitor = subprocess.Popen(
        command("run", frames, "--database", tmp_path / "run.db", *RUN[:2]),
        env=environment(), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert monitor.stderr is not None
    while "dashboard: " not in monitor.stderr.readline():
        pass
    children = psutil.Process(monitor.pid).children(recursive=True)
    monitor.kill()
    monitor.communicate()
    _, alive = psutil.wait_procs(children, timeout=15)
    assert alive == []
