"""Exclusions and events over the API of a real server, found by the other ways to the database."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.endtoend.program import livecount, rows_of
from tests.web.conftest import Served, served
from tests.web.made_run import make_run

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("edits") / "run.db"
    make_run(file)
    return file


@pytest.fixture(scope="module")
def server(database: Path) -> Iterator[Served]:
    with served("serve", "--database", database) as started:
        yield started


def ask(server: Served, path: str, method: str = "GET", body: Any = None) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{server.base}/api/v1/experiments/{path}",
        method=method,
        data=None
        if body is None
        else body
        if isinstance(body, bytes)
        else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as refused:
        kind = refused.headers["Content-Type"]
        return refused.code, json.loads(refused.read()) if kind == PROBLEM else kind


def test_an_exclusion_holds_in_the_export_until_it_is_withdrawn(
    server: Served, database: Path, tmp_path: Path
) -> None:
    given = {"reason": "bubble", "well": "b02", "start_h": 10, "by": "Ada"}
    status, made = ask(server, "1/exclusions", "POST", given)
    assert (status, made["well"], made["n_frames"], made["made_by"]) == (201, "B2", 7, "Ada")
    assert excluded(database, tmp_path) == [("B2", "bubble", "Ada")] * 7
    assert ask(server, f"1/exclusions/{made['number']}?by=Bob", "DELETE") == (204, None)
    assert excluded(database, tmp_path) == []
    kept = ask(server, "1/exclusions")[1][-1]
    assert (kept["number"], kept["withdrawn_by"]) == (made["number"], "Bob")


def excluded(database: Path, folder: Path) -> list[tuple[str, str, str]]:
    livecount("export", "counts", "-o", folder / "counts.csv", "--database", database)
    rows = rows_of(folder / "counts.csv")
    return [
        (row["well"], row["excluded"], row["excluded_by"])
        for row in rows
        if row["excluded_by"] not in ("", "rule")
    ]


def test_an_event_is_listed_by_the_program_too(server: Served, database: Path) -> None:
    event = {"name": "drug <b>", "at_h": 6, "wells": ["a01", "A1", "B1"]}
    status, made = ask(server, "1/events", "POST", event)
    assert (status, made["wells"], made["at"]) == (201, ["A1", "B1"], "2026-11-02T14:00:00Z")
    listed = json.loads(livecount("event", "list", "--json", "--database", database).stdout)
    assert [(one["name"], one["at_h"]) for one in listed["events"]] == [("drug <b>", 6.0)]
    assert ask(server, f"1/events/{made['number']}", "DELETE") == (204, None)
    assert ask(server, "1/events")[1][0]["withdrawn_by"]


@pytest.mark.parametrize(
    "body",
    [
        {"reason": "x"},
        {"reason": " ", "well": "A1"},
        {"reason": "x", "well": "A1", "wel": "A1"},
        {"reason": "x" * 1001, "well": "A1"},
        {"reason": "x\ny", "well": "A1"},
        {"reason": "x", "frame_id": 1, "well": "A1"},
        {"reason": "x", "start_h": 3, "end_h": 2},
        {"reason": "x", "start_h": 1e7},
        {"reason": "x", "well": 5},
        {"reason": "x", "well": "A1", "\ud800": 1},
        b'{"reason": "x", "start_h": NaN}',
        b'{"reason": "\\ud800", "well": "A1"}',
        b"{",
        b"[]",
    ],
)
def test_what_is_not_understood_is_a_problem_document(server: Served, body: Any) -> None:
    before = ask(server, "1/exclusions")
    status, problem = ask(server, "1/exclusions", "POST", body)
    assert status == 422
    assert problem["status"] == 422
    assert problem["detail"]
    assert ask(server, "1/exclusions") == before


@pytest.mark.parametrize(
    ("path", "method", "body"),
    [
        ("9/exclusions", "GET", None),
        ("9/events", "POST", {"name": "x", "at_h": 1}),
        ("1/exclusions", "POST", {"reason": "x", "frame_id": 10_000}),
        ("1/exclusions/999", "DELETE", None),
        ("1/events/999", "DELETE", None),
    ],
)
def test_what_is_not_there_is_said(server: Served, path: str, method: str, body: Any) -> None:
    assert ask(server, path, method, body)[0] == 404
