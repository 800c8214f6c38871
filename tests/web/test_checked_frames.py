"""Checked frames: said by button, key or request, with who and when; ended by a correction."""

from __future__ import annotations

import getpass
import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from livecount.storage import CountStore
from tests.web.conftest import served
from tests.web.frame_run import Run
from tests.web.made_run import make_run

ALL = "Every cell of this frame is right now"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    work = tmp_path_factory.mktemp("checked")
    make_run(work / "run.db")
    with served("serve", "--database", work / "run.db") as server:
        yield Run(work, work / "run.db", server)


def send(run: Run, path: str, method: str, body: Any = None) -> Any:
    answer, content = run.ask(path, method, body)
    return answer.status, json.loads(content)


def as_seen(run: Run, frame_id: int) -> dict[str, Any]:
    kept = run.get(f"frames/{frame_id}/corrections")["corrections"]
    held = [one["id"] for one in kept if not one["withdrawn_at"]]
    return {
        "analysis_id": run.get(f"frames/{frame_id}")["analysis_id"],
        "corrections": len(held),
        "last_correction": max(held, default=0),
    }


def test_a_frame_is_checked_as_it_was_seen_until_it_is_corrected(run: Run) -> None:
    path = "frames/3/checks"
    assert run.get(path) == {"is_checked": False, "checks": []}
    seen = as_seen(run, 3)
    status, said = send(run, path, "POST", seen)
    assert (status, said["is_checked"]) == (201, True)
    (check,) = said["checks"]
    assert (check["made_by"], check["withdrawn_by"]) == (getpass.getuser(), None)
    assert send(run, path, "POST", seen) == (201, said), "said twice is said once"
    add = {"kind": "add", "to_y": 5, "to_x": 6}
    assert send(run, "frames/3/corrections", "POST", add)[0] == 201
    ended = run.get(path)
    assert not ended["is_checked"]
    assert ended["checks"][0]["withdrawn_by"] == getpass.getuser()
    status, problem = send(run, path, "POST", seen)
    assert (status, problem["hint"]) == (409, "Look at the frame again")
    status, problem = send(run, path, "POST", {**as_seen(run, 3), "analysis_id": "another"})
    assert (status, problem["hint"]) == (409, "Reload the page")
    status, said = send(run, path, "POST", as_seen(run, 3))
    assert (status, said["is_checked"]) == (201, True)
    with CountStore.open(run.database, read_only=True) as store:
        analysis = store.analysis(store.experiments()[0])
        assert [one.frame_id for one in store.checked_frames(analysis)] == [3]
    status, said = send(run, f"{path}/{said['checks'][-1]['id']}", "DELETE")
    assert (status, said["is_checked"]) == (200, False)


@pytest.mark.parametrize(
    ("path", "method", "body", "status"),
    [
        ("frames/99999/checks", "GET", None, 404),
        (
            "frames/99999/checks",
            "POST",
            {"analysis_id": "x", "corrections": 0, "last_correction": 0},
            404,
        ),
        ("frames/4/checks", "POST", {"analysis_id": "x"}, 422),
        (
            "frames/4/checks",
            "POST",
            {"analysis_id": "x", "corrections": 0, "last_correction": 0, "who": "B"},
            422,
        ),
        ("frames/4/checks/77", "DELETE", None, 404),
    ],
)
def test_what_cannot_be_checked_is_a_problem(
    run: Run, path: str, method: str, body: Any, status: int
) -> None:
    answer, content = run.ask(path, method, body)
    assert answer.status == status, content
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert run.get("frames/4/checks")["checks"] == []


def test_button_and_key_say_it_and_a_correction_ends_it(run: Run, page: Page) -> None:
    page.goto(run.server.address)
    page.goto(f"{run.server.base}/experiments/1/frames/2")
    button = page.get_by_role("button", name=ALL)
    said = page.locator("#checked-said")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(said).to_contain_text(f"Said by {getpass.getuser()}")
    page.reload()
    expect(button).to_have_attribute("aria-pressed", "true")
    status, _ = send(run, "frames/2/corrections", "POST", {"kind": "add", "to_y": 5, "to_x": 6})
    assert status == 201
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(said).to_contain_text("Not as it is now")
    page.locator("#picture").focus()
    page.keyboard.press("e")
    expect(button).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("z")
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#count")).not_to_contain_text("corrected")
    page.keyboard.press("e")
    expect(button).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("e")
    expect(button).to_have_attribute("aria-pressed", "false")
    assert [one["withdrawn_by"] for one in run.get("frames/2/checks")["checks"]] == [
        getpass.getuser()
    ] * 3


def test_a_statement_needs_the_token_and_this_origin(run: Run) -> None:
    parts = urlsplit(run.server.base)
    for sent, status in (
        ({}, 401),
        ({"Authorization": f"Bearer {run.server.token}", "Origin": "https://evil.example"}, 403),
    ):
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        headers = {"Content-Type": "application/json", **sent}
        connection.request("POST", "/api/v1/frames/4/checks", json.dumps(as_seen(run, 4)), headers)
        assert connection.getresponse().status == status
        connection.close()
    assert run.get("frames/4/checks")["checks"] == []
