"""The API of corrections: what people say of a frame's cells stands beside its count."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Any

import pytest

from tests.web.frame_run import (
    SIZE_PX,
    Run,
    cache_folder,
    exported,
    floats,
    frames_of,
    run,
)

__all__ = ["cache_folder", "run"]


def test_corrections_stand_beside_the_count(run: Run, tmp_path: Path) -> None:
    (_, _, frame) = frames_of(run, "A1")
    path = f"frames/{frame['id']}/corrections"
    cells = run.get(f"frames/{frame['id']}/cells")
    y, x = (floats(cells[axis])[:2].tolist() for axis in "yx")

    def post(**body: Any) -> Any:
        answer, content = run.ask(path, "POST", body)
        assert answer.status == 201, content
        return json.loads(content)

    untouched = run.get(path)
    assert (untouched["count"], untouched["corrected_count"]) == (frame["count"], None)
    assert untouched["corrections"] == []
    assert untouched["analysis_id"] == run.get(f"frames/{frame['id']}")["analysis_id"]
    post(kind="move", from_y=y[0], from_x=x[0], to_y=y[0] + 1, to_x=x[0])
    post(kind="add", to_y=1.5, to_x=599.25)
    for taken in ((1.5, 599.25), (y[1], x[1])):  # as a double click does
        twice = {"kind": "add", "to_y": taken[0], "to_x": taken[1]}
        answer, content = run.ask(path, "POST", twice)
        assert answer.status == 422
        assert b"There is a cell" in content
    said = post(kind="add", to_y=0, to_x=0)
    assert (said["count"], said["corrected_count"]) == (frame["count"], frame["count"] + 2)
    said = post(kind="remove", from_y=y[1], from_x=x[1])
    assert said["corrected_count"] == frame["count"] + 1
    assert {one["made_by"] for one in said["corrections"]} == {getpass.getuser()}
    answer, content = run.ask(f"{path}/{said['corrections'][1]['id']}", "DELETE")
    assert answer.status == 200, content
    assert run.get(path)["corrected_count"] == frame["count"]
    assert run.get(path)["corrections"][1]["withdrawn_by"] == getpass.getuser()
    source = run.get(f"frames/{frame['id']}")["source"]
    column = exported(run, tmp_path)
    assert column.pop(source) == str(frame["count"])
    assert set(column.values()) == {""}
    assert frames_of(run, "A1")[2]["count"] == frame["count"]
    for one in run.get(path)["corrections"]:
        run.ask(f"{path}/{one['id']}", "DELETE")
    assert set(exported(run, tmp_path).values()) == {""}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "add", "to_y": -3, "to_x": 5}, 422),
        ({"kind": "add", "to_y": 5, "to_x": SIZE_PX + 1}, 422),
        ({"kind": "add", "to_y": 1e308, "to_x": 5}, 422),
        ({"kind": "add", "to_y": "NaN", "to_x": 5}, 422),
        ({"kind": "add", "to_y": 5}, 422),
        ({"kind": "add", "from_y": 5, "from_x": 5, "to_y": 5, "to_x": 5}, 422),
        ({"kind": "remove", "from_y": 0.123, "from_x": 0.456}, 422),
        ({"kind": "paint", "to_y": 5, "to_x": 5}, 422),
        ({"kind": "add", "to_y": 5, "to_x": 5, "made_by": "somebody else"}, 422),
        ([], 422),
        ({"kind": "add" * 10_000}, 413),
    ],
)
def test_a_correction_that_makes_no_sense_is_refused(run: Run, body: Any, status: int) -> None:
    (frame, *_) = frames_of(run, "A1")
    path = f"frames/{frame['id']}/corrections"
    answer, content = run.ask(path, "POST", body)
    assert answer.status == status, content
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert run.get(path)["corrections"] == []
    assert run.ask(f"{path}/77", "DELETE")[0].status == 404


def test_a_correction_takes_the_place_of_another_at_once_or_not_at_all(run: Run) -> None:
    (_, frame, _) = frames_of(run, "A1")
    path = f"frames/{frame['id']}/corrections"
    _, content = run.ask(path, "POST", {"kind": "add", "to_y": 3, "to_x": 4, "by": "Ada"})
    said = json.loads(content)
    (first,) = said["corrections"]
    assert (first["made_by"], said["default_name"]) == ("Ada", getpass.getuser())
    other = {"kind": "add", "to_y": 9, "to_x": 4, "by": "Bob", "replaces": first["id"]}
    assert run.ask(path, "POST", {**other, "analysis_id": "another"})[0].status == 409
    assert run.ask(path, "POST", {**other, "to_y": -1})[0].status == 422
    assert run.get(path)["corrections"] == [first]
    answer, content = run.ask(path, "POST", {**other, "analysis_id": said["analysis_id"]})
    assert answer.status == 201, content
    before, after = json.loads(content)["corrections"]
    assert (before["id"], before["withdrawn_by"]) == (first["id"], "Bob")
    assert (after["to_y"], after["withdrawn_at"]) == (9, None)
    assert run.ask(f"{path}/{after['id']}?by=Eve", "DELETE")[0].status == 200
    assert run.get(path)["corrections"][1]["withdrawn_by"] == "Eve"


def test_a_cell_is_removed_once(run: Run) -> None:
    (_, frame, _) = frames_of(run, "A1")
    path, cells = f"frames/{frame['id']}/corrections", run.get(f"frames/{frame['id']}/cells")
    body = {"kind": "remove", "from_y": float(floats(cells["y"])[0]),
            "from_x": float(floats(cells["x"])[0])}  # fmt: skip
    first, content = run.ask(path, "POST", body)
    assert first.status == 201, content
    assert run.ask(path, "POST", body)[0].status == 422
    made = json.loads(content)["corrections"][-1]
    assert run.ask(f"{path}/{made['id']}", "DELETE")[0].status == 200
