"""The growth page in a real browser: what it draws is what the functions compute."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from livecount.frame import (
    AttributeSource,
    Candidates,
    FrameAttributes,
    FrameCount,
    FrameKey,
    FrameQuality,
    Provenance,
)
from livecount.growth import growth_table, spread_of, well_curve, wells_of
from livecount.plate import PlateMap, Role, WellContents, sheet_rows
from livecount.storage import (
    AnalysisSettings,
    CountStore,
    Exclusion,
    ExperimentEvent,
    FileStamp,
    Instant,
    PlateMapVersion,
    Said,
)
from livecount.tables import count_table
from tests.web.conftest import Served, served

START = datetime(2026, 11, 1, 9, tzinfo=UTC)
VISITS = 24
BEND_H = 12
HOSTILE = "=<b>cmd</b>&\u0022x\u0022"
GROUPS = {"A1": "control", "A2": "control", "A3": "control", "B1": HOSTILE, "B2": HOSTILE}
SAID = Said("tester", START)
RANGES = """() => {
  const { xaxis, yaxis } = document.getElementById("curves")._fullLayout;
  return { x: xaxis.range, y: yaxis.range };
}"""


def cells(well: str, hour: int) -> int:
    """Doublings of 8 h, then of 40 h; B2 begins empty, C1 is a blank."""
    if well == "C1" or (well == "B2" and hour == 0):
        return 0
    doublings = min(hour, BEND_H) / 8 + max(0, hour - BEND_H) / 40
    return round((40 + 7 * int(well[1])) * 2**doublings)


@pytest.fixture(autouse=True, scope="module")
def patience() -> Iterator[None]:
    """Allow for the first snapshot and fits on a busy computer."""
    expect.set_options(timeout=60_000)
    yield
    expect.set_options(timeout=5_000)


def count_of(store: CountStore, hours: Iterable[int]) -> None:
    """Record what the wells hold at some hours."""
    experiment = store.ensure_experiment("made")
    source = store.ensure_source(experiment, "/scans")
    analysis = store.ensure_analysis(
        experiment, AnalysisSettings("made", "ab" * 32, 40.0, "px", h=0.08)
    )
    for hour in hours:
        for number, well in enumerate((*GROUPS, "C1")):
            n = cells(well, hour)
            rng = np.random.default_rng(n)
            places = rng.random((2, n), np.float32) * 1000
            path = f"{well}_{hour:02d}.tif".encode()
            count = FrameCount(
                key=FrameKey("/scans", path, 0, f"{well}{hour}".ljust(32, "0")),
                attributes=FrameAttributes.from_source(
                    AttributeSource.FILE_TAG, well=well, field="1", time_point=hour,
                    acquired_at=START + timedelta(hours=hour), pixel_size_um=1.0,
                ),
                analysis_id=analysis.id, count=n,
                candidates=Candidates(*places, np.full(n, 0.9, np.float32)),
                quality=FrameQuality(1.5, 0.4, 0.0), height_px=1000, width_px=1000,
                area_mm2=1.0, flags=(), provenance=Provenance("made", "fp32", "0"),
                confluence_percent=None,
            )  # fmt: skip
            store.record(source, count, stamp=FileStamp(9, hour * 100 + number), n_pages=1)


def make_run(path: Path, n_visits: int) -> Path:
    """Make the database of a run with groups, a blank, two events and an excluded frame."""
    held = [WellContents(well=well, stated_group=group) for well, group in GROUPS.items()]
    held.append(WellContents(well="C1", role=Role.BLANK))
    with CountStore.open(path) as store:
        experiment = store.ensure_experiment("made")
        lines = tuple(sheet_rows(PlateMap(tuple(held))))
        store.add_plate_map(experiment, PlateMapVersion(lines, "made up", SAID))
        count_of(store, range(n_visits))
        for name, hour in (("drug <i>added</i>", 6.0), ("washed", 6.2)):
            at = Instant(hour, START + timedelta(hours=hour))
            store.add_event(experiment, ExperimentEvent(name, at, (), SAID))
        at = Instant(5.0, START + timedelta(hours=5))
        store.add_exclusion(experiment, Exclusion("bubble", SAID, well="A1", start=at, end=at))
    return path


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("growth") / "run.db", VISITS)


@pytest.fixture(scope="module")
def server(database: Path) -> Iterator[Served]:
    with served("serve", "--database", database) as started:
        yield started


@pytest.fixture
def growth(server: Served, page: Page) -> Page:
    page.goto(server.address)
    return opened(page, server)


def opened(page: Page, server: Served, query: str = "") -> Page:
    page.goto(f"{server.base}/experiments/1/growth{query}")
    expect(page.locator("#curves")).to_have_attribute("data-drawn-ms", re.compile(r"\d"))
    expect(page.locator("#well-rows tbody tr")).to_have_count(6)
    expect(page.locator("#fitting")).to_have_text("")
    return page


def downloaded(page: Page, button: str) -> bytes:
    with page.expect_download() as taking:
        page.get_by_role("button", name=button, exact=True).click()
    return taking.value.path().read_bytes()


def drawn(page: Page) -> list[dict[str, str]]:
    text = downloaded(page, "CSV").decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def group_row(page: Page, group: str) -> list[str]:
    row = page.locator("#group-rows tbody tr").filter(has_text=group)
    return [cell.strip() for cell in row.locator("td").all_inner_texts()]


def test_bands_are_those_of_the_functions(database: Path, growth: Page) -> None:
    """Each mean and band of the file is what well_curve and spread_of give for the wells."""
    with CountStore.open(database, read_only=True) as store:
        experiment = store.experiment("made")
        counts = count_table(store, experiment, store.analysis(experiment, None))
    curves = [well_curve(well.used) for well in wells_of(counts) if well.group == "control"]
    at = {h: [c.values[np.isclose(c.times_h, h)] for c in curves] for h in range(VISITS)}
    rows = [row for row in drawn(growth) if (row["group"], row["kind"]) == ("control", "mean")]
    assert len(rows) == VISITS
    for row in rows:
        present = [float(values[0]) for values in at[round(float(row["time_h"]))] if len(values)]
        found = spread_of(present)
        assert int(row["n_wells"]) == len(present)
        if len(present) == 3:  # where one is excluded, the mean makes no step instead
            assert float(row["value"]) == pytest.approx(found.mean, rel=1e-6)
        half = (found.high or 0) - (found.mean or 0)
        value, low, high = (float(row[name]) for name in ("value", "low", "high"))
        assert high - value == pytest.approx(half, rel=1e-4)
        assert value - low == pytest.approx(half, rel=1e-4)
    assert {row["n_wells"] for row in rows} == {"2", "3"}
    assert {row["unit"] for row in rows} == {"density_per_mm2"}


def test_a_dragged_window_is_fitted_anew(database: Path, growth: Page) -> None:
    """The doubling time is that of growth_table over the hours where the handle was let go."""
    before = group_row(growth, "control")[2]
    handle = growth.get_by_role("slider", name="End of the fit")
    box, frame = handle.bounding_box(), growth.locator("#curves").bounding_box()
    assert box is not None
    assert frame is not None
    growth.mouse.move(box["x"] + 12, box["y"] + 60)
    growth.mouse.down()
    growth.mouse.move(frame["x"] + frame["width"] / 2, box["y"] + 60, steps=4)
    growth.mouse.up()
    expect(growth.locator("#group-rows")).not_to_contain_text(before)
    end_h = float(growth.evaluate("new URLSearchParams(location.search).get('end_h')"))
    assert 8 < end_h < 16
    with CountStore.open(database, read_only=True) as store:
        experiment = store.experiment("made")
        counts = count_table(store, experiment, store.analysis(experiment, None))
    fitted = next(
        row for row in growth_table(counts, window=(None, end_h))
        if row.level == "group" and row.group == "control"
    )  # fmt: skip
    assert float(group_row(growth, "control")[2]) == pytest.approx(fitted.doubling_time_h, rel=0.01)


def test_handles_obey_keys_and_wells_have_no_interval(growth: Page, server: Served) -> None:
    start = growth.get_by_role("slider", name="Start of the fit")
    expect(start).to_have_attribute("aria-valuetext", "0.0 h")
    start.focus()
    growth.keyboard.press("ArrowRight")
    growth.keyboard.press("ArrowRight")
    expect(start).to_have_attribute("aria-valuetext", "2.0 h")
    growth.keyboard.press("PageUp")
    expect(start).to_have_attribute("aria-valuetext", "12.0 h")
    expect(growth).to_have_url(re.compile("start_h=12"))
    expect(growth.locator("#fitting")).to_have_text("")
    assert float(group_row(growth, "control")[2]) > 30
    well = growth.locator("#well-rows tbody tr").filter(has_text="A1")
    expect(well).to_contain_text("one well: no interval")
    growth.get_by_role("searchbox").fill("b2")
    expect(growth.locator("#well-rows tbody tr")).to_have_count(1)
    growth.get_by_role("searchbox").fill("")
    sort = growth.locator("#well-rows").get_by_role("button", name="well", exact=True)
    sort.click()
    sort.click()
    expect(growth.locator("#well-rows tbody tr").first).to_contain_text("C1")
    opened(growth, server, "?start_h=12")
    expect(start).to_have_attribute("aria-valuetext", "12.0 h")


def test_relative_curves_begin_at_one(growth: Page) -> None:
    """Wells without a base are named with the reason; the address holds the choice."""
    growth.get_by_label("Values").select_option("t0")
    expect(growth.locator("#missing summary")).to_have_text(re.compile("^[23] wells? .*not drawn"))
    rows = [row for row in drawn(growth) if row["kind"] == "mean"]
    assert {row["relative_to"] for row in rows} == {"t0"}
    assert {float(row["value"]) for row in rows if row["time_h"] == "0"} == {1.0}
    growth.locator("#missing summary").click()
    expect(growth.locator("#missing")).to_contain_text("B2: not relative to t0: no cells")
    growth.get_by_label("Values").select_option(label="relative to washed")
    expect(growth).to_have_url(re.compile("relative_to=washed"))
    expect(growth.locator("#missing")).not_to_contain_text("B2")
    rows = [row for row in drawn(growth) if row["kind"] == "mean"]
    assert [float(row["value"]) for row in rows if row["time_h"] == "7"] == [1.0, 1.0]


def test_hostile_names_are_text_and_guarded(growth: Page) -> None:
    expect(growth.locator("#key")).to_contain_text(HOSTILE)
    assert growth.locator("#key b, #group-rows b, #events i, #curves i").count() == 0
    expect(growth.locator("#curves .annotation").first).to_contain_text("drug <i>added</i>")
    text = downloaded(growth, "CSV").decode("utf-8-sig")
    assert HOSTILE in {row["group"].lstrip("'") for row in csv.DictReader(io.StringIO(text))}
    assert not re.search(r'(^|,)"?=', text, re.MULTILINE)


def test_files_show_what_is_shown(growth: Page, server: Served) -> None:
    """Light whatever the theme, without the group that was switched off, with units."""
    growth.emulate_media(color_scheme="dark")
    growth.locator("#key").get_by_role("button", name="control").click()
    figure = downloaded(growth, "SVG").decode()
    for shown in ("time, h", "cells / mm²", "cmd"):
        assert shown in figure
    assert ">control" not in figure
    assert re.search(r"<rect[^>]*style=\"fill: rgb\(255, 255, 255\)", figure)
    assert {row["group"] for row in drawn(growth)} == {f"'{HOSTILE}"}
    picture = downloaded(growth, "PNG")
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(picture[16:20], "big") >= 2400
    expect(growth).to_have_url(re.compile("hide=control|show="))


def test_wells_show_what_is_excluded(growth: Page) -> None:
    growth.get_by_label("Curves of").select_option("wells")
    expect(growth.locator("#meaning")).to_contain_text("Hollow: excluded")
    rows = drawn(growth)
    assert [(row["well"], row["time_h"]) for row in rows if row["kind"] == "excluded"] == [
        ("A1", "5")
    ]
    assert {row["well"] for row in rows if row["kind"] == "well"} == {*GROUPS, "C1"}


def test_what_is_unknown_is_said(growth: Page, server: Served) -> None:
    growth.goto(f"{server.base}/experiments/1/growth?relative_to=nothing")
    expect(growth.get_by_role("alert")).to_contain_text("no event 'nothing'")
    growth.faults[:] = [one for one in growth.faults if "422" not in one]  # type: ignore[attr-defined]


def test_new_counts_move_the_curves_and_nothing_else(tmp_path: Path, page: Page) -> None:
    """Zoom, what is hidden and the window stay as they were."""
    database = make_run(tmp_path / "run.db", 8)
    with served("serve", "--database", database) as server:
        page.goto(server.address)
        opened(page, server, "?start_h=2")
        page.locator("#key").get_by_role("button", name="cmd").click()
        box = page.locator("#curves .nsewdrag").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 400, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + 402, box["y"] + 250, steps=4)
        page.mouse.up()
        expect(page.get_by_role("slider", name="End of the fit")).to_have_attribute(
            "aria-valuetext", "7.0 h"
        )
        zoomed = page.evaluate(RANGES)
        with CountStore.open(database) as store:
            count_of(store, [8])
        expect(page.get_by_role("slider", name="End of the fit")).to_have_attribute(
            "aria-valuetext", "8.0 h"
        )
        after = page.evaluate(RANGES)
        assert after["y"] == pytest.approx(zoomed["y"])
        assert after["x"][1] > zoomed["x"][1]
        expect(page.locator("#key").get_by_role("button", name="cmd")).to_have_attribute(
            "aria-pressed", "false"
        )
        expect(page.get_by_role("slider", name="Start of the fit")).to_have_attribute(
            "aria-valuetext", "2.0 h"
        )


def test_before_the_first_count(tmp_path: Path, page: Page) -> None:
    with CountStore.open(tmp_path / "run.db") as store:
        experiment = store.ensure_experiment("made")
        settings = AnalysisSettings("made", "ab" * 32, 40.0, "px", h=0.08)
        store.ensure_analysis(experiment, settings)
    with served("serve", "--database", tmp_path / "run.db") as server:
        page.goto(server.address)
        page.goto(f"{server.base}/experiments/1/growth")
        expect(page.locator("#none")).to_be_visible()
