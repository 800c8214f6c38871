"""Fields to validate: named from sparse to dense, checked on their pages, compared and kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from livecount.storage import CountStore, Exclusion, Said
from tests.endtoend.program import livecount
from tests.web.conftest import served
from tests.web.frame_run import Run
from tests.web.made_run import BEGAN, HOSTILE, WELLS, make_run
from tests.web.test_checked_frames import as_seen, send

FIELDS = "experiments/1/fields?parts=4"


@pytest.fixture
def run(tmp_path: Any) -> Iterator[Run]:
    make_run(tmp_path / "run.db")
    with served("serve", "--database", tmp_path / "run.db") as server:
        yield Run(tmp_path, tmp_path / "run.db", server)


def check(run: Run, frame_id: int) -> None:
    assert send(run, f"frames/{frame_id}/checks", "POST", as_seen(run, frame_id))[0] == 201


def compare(run: Run) -> tuple[int, Any]:
    asked = {"analysis_id": run.get(FIELDS)["analysis_id"], "by": "Ada"}
    return send(run, "experiments/1/validations", "POST", asked)


def test_fields_span_the_densities_and_are_compared_and_kept(run: Run) -> None:
    found = run.get(FIELDS)
    assert (found["parts"], found["parts_checked"], len(found["fields"])) == (4, 0, 4)
    assert [field["checked_by"] for field in found["fields"]] == [None] * 4
    assert compare(run)[0] == 404, "nothing is checked"
    frames = [field["frame_id"] for field in found["fields"]]
    add = {"kind": "add", "to_y": 5, "to_x": 6}
    assert send(run, f"frames/{frames[0]}/corrections", "POST", add)[0] == 201
    for frame_id in frames:
        check(run, frame_id)
    again = run.get(FIELDS)
    assert again["parts_checked"] == 4
    assert [field["frame_id"] for field in again["fields"]] == frames
    assert all(field["checked_by"] and field["checked_at"] for field in again["fields"])
    status, made = compare(run)
    assert status == 201, made
    assert (made["n_fields"], made["n_not_blind"], made["made_by"]) == (4, 4, "Ada")
    assert made["counts_as_validation"]
    assert made["left_out"] == []
    assert made["bias_percent"] < 0, "a cell was missed"
    (listed,) = run.get("experiments/1/validations")
    assert listed == {name: made[name] for name in listed}
    with CountStore.open(run.database, read_only=True) as store:
        (kept,) = store.validations(store.analysis(store.experiments()[0]))
    counts = [field["count"] for field in found["fields"]]
    assert (kept.density_low, kept.density_high) == (min(counts) / 0.5, max(counts) / 0.5)
    livecount("verify", run.database)
    assert "4 of them not blind" in livecount("status", "--database", run.database).stdout


def test_what_was_excluded_since_is_named_and_not_used(run: Run) -> None:
    frames = [field["frame_id"] for field in run.get(FIELDS)["fields"]]
    for frame_id in frames:
        check(run, frame_id)
    with CountStore.open(run.database) as store:
        excluded = Exclusion("a bubble", Said("Ada", BEGAN), frame_id=frames[1])
        store.add_exclusion(store.experiments()[0], excluded)
        name = store.frame(frames[1]).key.display_path
    status, made = compare(run)
    assert (status, made["n_fields"], made["left_out"]) == (201, 3, [name])


def test_what_the_model_learnt_from_is_named_and_not_used(run: Run) -> None:
    frames = [field["frame_id"] for field in run.get(FIELDS)["fields"]]
    for frame_id in frames:
        check(run, frame_id)
    with CountStore.open(run.database) as store:
        learnt = [store.frame(frame_id).key for frame_id in frames]
        model = store.analysis(store.experiments()[0]).settings.model_sha256
        store.keep_learnt(model, {learnt[1].content_hash})
        store.keep_learnt("another", {key.content_hash for key in learnt})
    status, made = compare(run)
    assert (status, made["n_fields"], made["left_out"]) == (201, 3, [learnt[1].display_path])
    with CountStore.open(run.database) as store:
        store.keep_learnt(model, {key.content_hash for key in learnt})
    status, made = compare(run)
    assert status == 404
    assert "the model has learnt from it" in json.dumps(made)


@pytest.mark.parametrize(
    ("path", "method", "body", "status"),
    [
        ("experiments/1/fields?parts=2", "GET", None, 422),
        ("experiments/99/fields", "GET", None, 404),
        ("experiments/99/validations", "GET", None, 404),
        ("experiments/1/validations", "POST", {}, 422),
        ("experiments/1/validations", "POST", {"analysis_id": "another"}, 409),
        ("experiments/99/validations", "POST", {"analysis_id": "another"}, 404),
    ],
)
def test_what_cannot_be_compared_is_a_problem(
    run: Run, path: str, method: str, body: Any, status: int
) -> None:
    answer, content = run.ask(path, method, body)
    assert answer.status == status, content
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert json.loads(content)["status"] == status


def test_a_person_goes_through_the_fields_blinded_and_compares(run: Run, page: Page) -> None:
    page.goto(run.server.address)
    page.goto(f"{run.server.base}/experiments/1/review")
    page.get_by_label("Blinded").check()
    page.get_by_label("List").select_option("fields to validate")
    page.get_by_label("Fields, from sparse to dense").fill("3")
    page.keyboard.press("Tab")
    rows = page.locator("#frames tbody tr")
    expect(rows).to_have_count(3)
    expect(page.locator("#progress")).to_contain_text("0 of 3 parts")
    text = page.locator("main").inner_text()
    assert HOSTILE not in text
    assert not [well for well in WELLS if re.search(rf"\b{well}\b", text)]
    assert page.get_by_role("button", name="Compare").is_disabled()
    page.locator("body").press("Enter")
    page.wait_for_url(re.compile(r"/frames/\d+\?blinded=1&fields=1$"))
    checked = page.get_by_role("button", name="Every cell of this frame is right now")
    following = page.get_by_role("button", name="Next field to check")
    for number in range(3):
        expect(checked).to_have_attribute("aria-pressed", "false")
        expect(checked).to_be_enabled()
        page.locator("#picture").press("e")
        expect(checked).to_have_attribute("aria-pressed", "true")
        before = page.url
        following.click()
        if number < 2:
            expect(page).not_to_have_url(before)
    expect(page.locator("#next-said")).to_contain_text("There is no other one")
    page.get_by_role("link", name="Back to the review").click()
    expect(page.locator("#progress")).to_contain_text("3 of 3 parts")
    expect(rows.first).to_contain_text("by ")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#validations")).to_contain_text("3 of them not blind")
    page.reload()
    expect(page.locator("#validations li")).to_have_count(1)
    page.get_by_label("List").select_option("flagged frames")
    expect(page.locator("#groups")).to_be_visible()
    expect(page.locator("#validation")).to_be_hidden()
