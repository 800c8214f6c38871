"""Curves of groups, windows that refit and downloads, in a real browser."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from livecount.growth import growth_table, spread_of
from livecount.plate import PlateMap, Treatment, WellContents, sheet_rows
from livecount.storage import CountStore, ExperimentEvent, Instant, PlateMapVersion, Said
from livecount.tables import count_table
from tests.storage.made_frames import SETTINGS, make_count, stamp_of
from tests.web.conftest import Served, served

WELLS = ("A1", "A2", "A3", "B1", "B2", "B3")
HOSTILE = '=<img src="x" onerror="alert(1)">'


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six wells in two groups over 20 hours; the second group's growth stops after 10 hours."""
    file = tmp_path_factory.mktemp("growth") / "run.db"
    rng = np.random.default_rng(3)
    said = Said("ada", datetime(2026, 11, 1, tzinfo=UTC))
    with CountStore.open(file) as store:
        experiment = store.ensure_experiment("growth")
        source = store.ensure_source(experiment, "/scans")
        analysis = store.ensure_analysis(experiment, SETTINGS)
        drug = (Treatment(HOSTILE),)
        contents = [
            WellContents(well=well, cell_line="A549", treatments=drug if well[0] == "B" else ())
            for well in WELLS
        ]
        lines = tuple(sheet_rows(PlateMap(tuple(contents))))
        store.add_plate_map(experiment, PlateMapVersion(lines, "test", said))
        store.add_event(experiment, ExperimentEvent("drug added", Instant(10.0), (), said))
        for number in range(21):
            for order, well in enumerate(WELLS):
                grown = min(number, 10) if well[0] == "B" else number
                count = make_count(
                    analysis.id, f"{well}_{number}.tif".encode(), content=f"{well}{number}",
                    n=int(rng.poisson(60 * 2 ** (grown / 10))), well=well, field="1",
                    acquired_at=datetime(2026, 11, 1 + number // 24, number % 24, tzinfo=UTC),
                )  # fmt: skip
                store.record(source, count, stamp=stamp_of(6 * number + order), n_pages=1)
    return file


@pytest.fixture(scope="module")
def server(database: Path) -> Iterator[Served]:
    with served("serve", "--database", database) as found:
        yield found


@pytest.fixture
def growth(server: Served, page: Page) -> Page:
    page.goto(server.address)
    page.goto(f"{server.base}/experiments/1/growth")
    # Fits compete with whatever else the computer does.
    expect(page.locator("#fitted")).to_contain_text("Fitted over the whole run", timeout=120_000)
    return page


def downloaded(page: Page, name: str) -> str:
    with page.expect_download() as download:
        page.get_by_role("button", name=name, exact=True).click()
    return Path(download.value.path()).read_text(encoding="utf-8", errors="replace")


def test_groups_have_the_mean_and_interval_of_their_wells(growth: Page, database: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(downloaded(growth, "CSV"))))
    with CountStore.open(database, read_only=True) as store:
        experiment = store.experiment("growth")
        table = count_table(store, experiment, store.analysis(experiment))
    last = table[(table["elapsed_h"] > 19.5) & table["well"].isin(WELLS[:3])]
    expected = spread_of(last["count"].astype(float).tolist())
    (found,) = (row for row in rows if row["group"] == "A549" and float(row["elapsed_h"]) > 19.5)
    assert float(found["value"]) == pytest.approx(expected.mean, rel=1e-5)
    assert float(found["low"]) == pytest.approx(expected.low, rel=1e-5)
    assert float(found["high"]) == pytest.approx(expected.high, rel=1e-5)
    assert found["wells"] == "3"
    assert {row["unit"] for row in rows} == {"cells per field"}
    assert any(row["group"].startswith("A549, =<img") for row in rows)


def test_a_window_refits_by_keyboard_and_is_kept_in_the_address(
    growth: Page, database: Path
) -> None:
    row = growth.get_by_role("row").filter(has_text="onerror")
    whole = row.get_by_role("cell").nth(2).inner_text()
    end = growth.get_by_role("slider", name="End of the fit")
    end.focus()
    for _ in range(5):
        growth.keyboard.press("PageDown")
    expect(growth.locator("#fitted")).to_contain_text("to 10.0 h")
    assert "end=10" in growth.url
    expect(row.get_by_role("cell").nth(2)).not_to_have_text(whole)
    with CountStore.open(database, read_only=True) as store:
        experiment = store.experiment("growth")
        table = count_table(store, experiment, store.analysis(experiment))
    fits = growth_table(table, window=(None, 10.0))
    (fit,) = (one for one in fits if one.level == "group" and "onerror" in str(one.group))
    assert float(row.get_by_role("cell").nth(2).inner_text()) == pytest.approx(
        fit.doubling_time_h, rel=0.01
    )
    growth.reload()
    expect(growth.locator("#fitted")).to_contain_text("to 10.0 h")


def test_wells_relative_to_an_event(growth: Page) -> None:
    growth.get_by_label("Show").select_option("wells")
    growth.get_by_label("Relative to").select_option(label="drug added, 10.0 h")
    expect(growth.locator("#curves .ytitle")).to_have_text("relative to 10 h")
    rows = list(csv.DictReader(io.StringIO(downloaded(growth, "CSV"))))
    at_event = [row for row in rows if 9.9 < float(row["elapsed_h"]) < 10.1]
    assert [row["well"] for row in at_event] == list(WELLS)
    assert {float(row["value"]) for row in at_event} == {1.0}
    expect(growth.get_by_role("columnheader", name=re.compile("95 %"))).to_have_count(0)


def test_pictures_are_light_and_hold_no_script(growth: Page) -> None:
    growth.get_by_role("button", name="Dark or light").click()
    drawing = downloaded(growth, "SVG")
    assert drawing.startswith("<svg")
    assert "rgb(255, 255, 255)" in drawing
    assert "drug added" in drawing
    assert "<img" not in drawing
    assert downloaded(growth, "PNG").encode("utf-8", "replace")[4:7] != b""


def test_hostile_names_are_text(growth: Page) -> None:
    expect(growth.locator("img[src='x']")).to_have_count(0)
    expect(growth.get_by_role("row").filter(has_text="onerror").first).to_be_visible()


def test_new_counts_are_on_the_curves_before_the_next_snapshot(
    database: Path, tmp_path: Path, page: Page
) -> None:
    growing = tmp_path / "run.db"
    shutil.copy(database, growing)
    with served("serve", "--database", growing) as found, CountStore.open(growing) as store:
        page.goto(found.address)
        page.goto(f"{found.base}/experiments/1/growth")
        expect(page.locator("#fitted")).to_contain_text("Fitted over the whole run")
        source = store.ensure_source(store.experiment("growth"), "/scans")
        analysis = store.analysis(store.experiment("growth"))
        is_followed = "changed=true"
        with (
            page.expect_response(lambda answer: is_followed in answer.url) as answered,
            store.together(),
        ):
            for order, well in enumerate(WELLS[:3]):
                count = make_count(
                    analysis.id, f"{well}_new.tif".encode(), content=f"{well}new", n=400,
                    well=well, field="1", acquired_at=datetime(2026, 11, 1, 21, tzinfo=UTC),
                )  # fmt: skip
                store.record(source, count, stamp=stamp_of(1000 + order), n_pages=1)
        lines = answered.value.json()["lines"]
        assert [line["group"] for line in lines] == ["A549"], "only what has changed"
        page.wait_for_function("document.getElementById('curves').data[1].x.at(-1) === 21")
        rows = list(csv.DictReader(io.StringIO(downloaded(page, "CSV"))))
        newest = [row for row in rows if row["elapsed_h"] == "21"]
        assert [(row["group"], row["value"], row["wells"]) for row in newest] == [
            ("A549", "400", "3")
        ]


def test_find_in_the_address_brings_out_one_well(server: Served, growth: Page) -> None:
    growth.goto(f"{server.base}/experiments/1/growth?by=wells&find=A1")
    expect(growth.locator("#fitted")).to_contain_text("Fitted over the whole run")
    expect(growth.locator("#rows tbody tr")).to_have_count(1)
    lines = "[...document.getElementById('curves').data].filter((one) => one.hovertemplate"
    expect(growth.locator("#curves .main-svg").first).to_be_visible()
    bright, dimmed = (
        growth.evaluate(f"{lines} && one.mode === 'lines' && one.opacity {which}).length")
        for which in ("=== 1", "< 1")
    )
    assert bright == 1
    assert dimmed > 0


def test_names_of_events_do_not_lie_on_each_other(server: Served, growth: Page) -> None:
    events = (("drug added to all wells", 10.2), ("medium changed once more", 10.4))
    for name, at_h in events:
        growth.evaluate(
            """([path, body]) => fetch(path, {method: "POST", body: JSON.stringify(body),
               headers: {"Content-Type": "application/json"}})""",
            [f"{server.base}/api/v1/experiments/1/events", {"name": name, "at_h": at_h}],
        )
    growth.reload()
    expect(growth.locator("#fitted")).to_contain_text("Fitted over the whole run")
    notes = growth.locator("#curves .annotation-text")
    for name, _ in events:
        expect(notes.filter(has_text=name)).to_be_visible()
    boxes = growth.evaluate(
        """[...document.querySelectorAll("#curves .annotation-text")].map((note) => {
           const {left, right, top} = note.getBoundingClientRect(); return [left, right, top]; })"""
    )
    assert len(boxes) == len(events) + 1
    for (left, right, top), (other_left, other_right, other_top) in combinations(boxes, 2):
        is_beside = right <= other_left or other_right <= left
        assert is_beside or abs(top - other_top) >= 8, boxes
