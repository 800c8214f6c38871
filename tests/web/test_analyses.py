"""Another h for a whole run over the API of a real server: beside the first, shown, over kills."""

from __future__ import annotations

import base64
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livecount.frame import Candidates
from livecount.storage import Analysis, CountStore, FileStamp, Heartbeat, MonitorLock
from tests.storage.made_frames import SETTINGS, make_count
from tests.web.conftest import Served, served

pytestmark = pytest.mark.whole

FOLDER = "/scans"
START = datetime(2026, 11, 1, tzinfo=UTC)
PROBLEM = "application/problem+json"
MANY = 4000
PROMINENCE = np.array([0.9, 0.5, 0.3, 0.2, 0.1, 0.05], np.float32)


def make_run(database: Path, n_frames: int) -> None:
    """Frames of one well, an hour apart; each has some of the same six peaks."""
    with CountStore.open(database) as store:
        experiment = store.ensure_experiment("e")
        source = store.ensure_source(experiment, FOLDER)
        analysis = store.ensure_analysis(experiment, SETTINGS)
        with store.together():
            for number in range(n_frames):
                prominence = PROMINENCE[: 3 + number % 4]
                places = np.arange(len(prominence), dtype=np.float32)
                made = make_count(
                    analysis.id, b"%05d.tif" % number, content=str(number), well="A1", field="1",
                    acquired_at=START + timedelta(hours=number),
                )  # fmt: skip
                candidates = Candidates(places, places, prominence)
                made = replace(made, candidates=candidates, count=candidates.count_at(SETTINGS.h))
                store.record(source, made, stamp=FileStamp(1, 10**18 + number), n_pages=1)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    make_run(tmp_path / "run.db", 450)
    return tmp_path / "run.db"


@pytest.fixture
def server(database: Path) -> Iterator[Served]:
    with served("serve", "--database", database) as started:
        yield started


def ask(server: Served, path: str, body: Any = None, experiment: int = 1) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{server.base}/api/v1/experiments/{experiment}/{path}",
        method="GET" if body is None else "POST",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        kind = refused.headers["Content-Type"]
        return refused.code, json.loads(refused.read()) if kind == PROBLEM else kind


def count_again(server: Served, h: float, **more: Any) -> dict[str, Any]:
    status, asked = ask(server, "recounts", {"h": h, **more})
    assert status == 202, asked
    return asked


def await_end(server: Served, analysis_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        (found,) = [one for one in ask(server, "recounts")[1] if one["analysis_id"] == analysis_id]
        if found["state"] in ("done", "failed"):
            return found
        time.sleep(0.1)
    raise AssertionError("the count again does not end")


def listed(server: Served) -> dict[float, dict[str, Any]]:
    status, found = ask(server, "analyses")
    assert status == 200, found
    return {one["h"]: one for one in found["analyses"]}


def test_another_h_stands_beside_the_first_with_who_wanted_it(
    server: Served, database: Path
) -> None:
    asked = count_again(server, 0.3, by="Ada")
    assert (asked["n_frames"], asked["h"]) == (450, 0.3)
    ended = await_end(server, asked["analysis_id"])
    assert (ended["state"], ended["n_done"], ended["problem"]) == ("done", 450, None)
    first, second = listed(server)[0.1], listed(server)[0.3]
    assert (first["is_primary"], first["orders"], first["n_lacking"]) == (True, [], 0)
    assert (second["is_primary"], second["n_frames"], second["n_lacking"]) == (False, 450, 0)
    assert [(one["kind"], one["made_by"]) for one in second["orders"]] == [("count", "Ada")]
    with CountStore.open(database, read_only=True) as store:
        analysis = store.analysis(store.experiment("e"), asked["analysis_id"])
        assert set(store.counts(analysis).count) == {3}
        assert store.verify() == []


def test_it_is_shown_when_a_person_says_so_and_the_first_one_again(
    server: Served, database: Path
) -> None:
    asked = count_again(server, 0.6)
    await_end(server, asked["analysis_id"])
    assert ask(server, "plate")[1]["h"] == 0.1
    status, found = ask(server, "primary-analysis", {"analysis_id": asked["analysis_id"]})
    assert (status, found["analyses"][0]["h"]) == (200, 0.6)
    assert found["analyses"][0]["orders"][-1]["kind"] == "show"
    await_curve(server, 0.6, {1.0})
    first = found["analyses"][1]["analysis_id"]
    assert ask(server, "primary-analysis", {"analysis_id": first})[0] == 200
    await_curve(server, 0.1, {3.0, 4.0, 5.0})


def await_curve(server: Served, h: float, values: set[float]) -> None:
    """Wait until the plate shows another h; the snapshot of so few frames takes two seconds."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        plate = ask(server, "plate")[1]
        curve = np.frombuffer(base64.b64decode(plate["wells"][0]["growth"]["values"]), "<f4")
        if plate["h"] == h:
            assert set(curve.tolist()) == values
            return
        time.sleep(0.2)
    raise AssertionError(f"the plate does not show h = {h}")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
def test_killed_in_the_middle_it_goes_on_when_asked_again(tmp_path: Path) -> None:
    database = tmp_path / "run.db"
    make_run(database, MANY)
    with served("serve", "--database", database) as server:
        asked = count_again(server, 0.3)
        while not 0 < n_of(database, asked["analysis_id"]) < MANY:
            assert n_of(database, asked["analysis_id"]) < MANY, "it was over before the kill"
        server.program.kill()
        server.program.wait()
    time.sleep(1.0)  # the child notices that it is alone
    reached = n_of(database, asked["analysis_id"])
    assert 0 < reached < MANY
    time.sleep(1.0)
    assert n_of(database, asked["analysis_id"]) == reached, "something still counts"
    with served("serve", "--database", database) as server:
        half = listed(server)[0.3]
        assert (half["n_frames"], half["n_lacking"]) == (reached, MANY - reached)
        assert ask(server, "recounts")[1] == []
        status, said = ask(server, "primary-analysis", {"analysis_id": asked["analysis_id"]})
        assert status == 409
        assert f"lacks {MANY - reached} frames" in said["detail"]
        again = count_again(server, 0.3)
        assert (again["analysis_id"], again["n_frames"]) == (half["analysis_id"], MANY - reached)
        assert await_end(server, again["analysis_id"])["state"] == "done"
        assert listed(server)[0.3]["n_lacking"] == 0
        status, _ = ask(server, "primary-analysis", {"analysis_id": asked["analysis_id"]})
        assert status == 200
    with CountStore.open(database, read_only=True) as store:
        assert store.verify() == []


def n_of(database: Path, analysis_id: str) -> int:
    with CountStore.open(database, read_only=True) as store:
        return store.n_counted(analysis_of(store, analysis_id))


def analysis_of(store: Any, analysis_id: str) -> Analysis:
    return store.analysis(store.experiment("e"), analysis_id)


def test_the_server_answers_and_people_edit_while_it_counts(tmp_path: Path) -> None:
    database = tmp_path / "run.db"
    make_run(database, MANY)
    with served("serve", "--database", database) as server:
        ask(server, "plate")
        asked = count_again(server, 0.3)
        slowest_s, n_asked = 0.0, 0
        while ask(server, "recounts")[1][-1]["state"] in ("waiting", "running"):
            for path, body in (("plate", None), ("events", {"name": "drug", "at_h": 1})):
                began = time.monotonic()
                assert ask(server, path, body)[0] in (200, 201)
                slowest_s = max(slowest_s, time.monotonic() - began)
                n_asked += 1
        assert await_end(server, asked["analysis_id"])["state"] == "done"
        assert n_asked >= 6
        assert slowest_s < 2.0


def test_beside_a_monitor_it_counts_but_does_not_take_the_first_place(
    server: Served, database: Path
) -> None:
    now = datetime.now(UTC)
    with MonitorLock(database):
        with CountStore.open(database) as store:
            store.heartbeat(
                Heartbeat(1, "microscope", "0.1", now, now, now, "counting", "CPU",
                          {FOLDER: "watching"})
            )  # fmt: skip
        asked = count_again(server, 0.3)
        assert await_end(server, asked["analysis_id"])["state"] == "done"
        assert ask(server, "analyses")[1]["is_being_counted"] is True
        body = {"analysis_id": asked["analysis_id"]}
        status, said = ask(server, "primary-analysis", body)
        assert (status, "is being counted" in said["detail"]) == (409, True)
        assert "Stop the monitor first" in said["hint"]
        assert listed(server)[0.1]["is_primary"] is True
    assert ask(server, "analyses")[1]["is_being_counted"] is False
    assert ask(server, "primary-analysis", body)[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("recounts", {"h": 0.01}, 422),
        ("recounts", {"h": 1.5}, 422),
        ("recounts", {"h": "NaN"}, 422),
        ("recounts", {}, 422),
        ("recounts", {"h": 0.3, "make_primary": True}, 422),
        ("recounts", {"h": 0.3, "by": "a\nb"}, 422),
        ("primary-analysis", {"analysis_id": ""}, 422),
        ("primary-analysis", {"analysis_id": "nothing"}, 404),
    ],
)
def test_what_makes_no_sense_is_refused(
    server: Served, path: str, body: dict[str, Any], status: int
) -> None:
    assert ask(server, path, body)[0] == status
    assert list(listed(server)) == [0.1]
    assert ask(server, path, body, experiment=9)[0] in (404, 422)


def test_an_analysis_of_nuclei_is_never_what_is_shown(server: Served, database: Path) -> None:
    with CountStore.open(database) as store:
        experiment = store.experiment("e")
        settings = replace(SETTINGS, further={"role": "nuclei"})
        nuclei = store.ensure_analysis(experiment, settings, may_be_primary=False)
    status, said = ask(server, "primary-analysis", {"analysis_id": nuclei.id})
    assert (status, "nuclei" in said["detail"]) == (409, True)
    found = ask(server, "analyses")[1]["analyses"]
    assert [one["is_recountable"] for one in found] == [True, False]
