"""One well on two plates, one file name in two folders: nobody excludes both without knowing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from livecount.cli import app
from livecount.storage import CountStore
from tests.endtoend.test_alerts import asked
from tests.storage.made_frames import SETTINGS, make_count, stamp_of
from tests.web.conftest import served
from tests.web.test_edits import ask

PLATES = {"/first": "P1", "/second": "P2"}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Two plates, each in a folder of its own, with the same wells and names of files."""
    file = tmp_path / "run.db"
    with CountStore.open(file) as store:
        experiment = store.ensure_experiment("e")
        analysis = store.ensure_analysis(experiment, SETTINGS)
        for folder, plate in PLATES.items():
            source = store.ensure_source(experiment, folder)
            for number in range(3):
                count = make_count(
                    analysis.id, b"%d.tif" % number, content=f"{folder}{number}", folder=folder,
                    plate=plate, well="B3", acquired_at=datetime(2026, 11, 1, number, tzinfo=UTC),
                )  # fmt: skip
                store.record(source, count, stamp=stamp_of(number), n_pages=1)
    return file


def refused(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 1
    return " ".join(str(done.exception or done.output).split())


def test_the_plate_of_a_well_and_the_folder_of_a_file_are_asked_for(database: Path) -> None:
    add = ("exclude", "add", "--database", database, "--reason", "bubble", "--json")
    assert "several plates: P1, P2" in refused(*add, "--well", "B3")
    assert "several folders: /first, /second" in refused(*add, "--frame", "0.tif")
    one_plate = ("--well", "B3", "--plate", "P1", "--from-h", 1)
    assert json.loads(asked(*add, *one_plate))["frames"] == 2
    one_file = ("--frame", "0.tif", "--folder", "/second")
    assert json.loads(asked(*add, *one_file))["frames"] == 1


def test_an_event_says_which_plates_it_reaches(database: Path) -> None:
    words = ["event", "add", "drug", "--at-h", "1", "--wells", "B3", "--database", str(database)]
    assert "all plates: P1, P2" in CliRunner().invoke(app, words).output
    assert json.loads(asked(*words, "--json"))["plates"] == ["P1", "P2"]


def test_hours_are_those_of_the_present_t0(database: Path) -> None:
    where = ("--database", database)
    asked("exclude", "add", *where, "--plate", "P1", "--from-h", 1, "--reason", "x")
    asked("event", "add", "drug", "--at-h", 1, *where)
    with CountStore.open(database) as store:
        store.ensure_experiment("e", t0=datetime(2026, 10, 31, 14, tzinfo=UTC))
    (exclusion,) = json.loads(asked("exclude", "list", *where, "--json"))["exclusions"]
    assert exclusion["what"] == "plate P1, from 11 h on"
    (event,) = json.loads(asked("event", "list", *where, "--json"))["events"]
    assert event["at_h"] == 11
    with served("serve", *where) as server:
        (shown,) = ask(server, "1/exclusions")[1]
        assert (shown["start_h"], shown["what"]) == (11, exclusion["what"])
        assert ask(server, "1/events")[1][0]["at_h"] == 11
        given = {"reason": "bubble", "well": "B3"}
        status, problem = ask(server, "1/exclusions", "POST", given)
        assert (status, "several plates" in problem["detail"]) == (422, True)
        assert ask(server, "1/exclusions", "POST", {**given, "plate": "P1"})[0] == 201
