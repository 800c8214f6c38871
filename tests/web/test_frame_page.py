"""The frame page and its API: the pixels that were counted, the cells on them, corrections."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from livecount.storage import CountStore
from tests.endtoend.program import livecount
from tests.web.conftest import Served, served

SIZE_PX = 600


class Run:
    """A counted folder, its database, and the server that shows it."""

    def __init__(self, folder: Path, database: Path, server: Served) -> None:
        self.folder, self.database, self.server = folder, database, server

    def ask(self, path: str, method: str = "GET", body: Any = None) -> tuple[Any, bytes]:
        parts = urlsplit(self.server.base)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.server.token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        text = None if body is None else json.dumps(body)
        connection.request(method, f"/api/v1/{path}", text, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content

    def get(self, path: str) -> Any:
        answer, content = self.ask(path)
        assert answer.status == 200, content
        return json.loads(content)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    work = tmp_path_factory.mktemp("frame-page")
    folder, database = work / "frames", work / "run.db"
    livecount(
        "simulate", "-o", folder, "--time-points", 3, "--wells", "A1", "--size-px", SIZE_PX,
        "--founders", 12, "--cell-diameter-px", 30,
    )  # fmt: skip
    livecount("run", folder, "--database", database, "--cell-diameter-px", 30,
              "--no-dashboard", "--until-idle", 1)  # fmt: skip
    with served("serve", "--database", database) as server:
        yield Run(folder, database, server)


def frames_of(run: Run, well: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run.get(f"experiments/1/frames?well={well}")["frames"]
    return found


def floats(packed: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed), "<f4")


def test_a_place_has_its_frames_in_order_of_time(run: Run) -> None:
    listed = frames_of(run, "A1")
    assert [one["elapsed_h"] for one in listed] == sorted(one["elapsed_h"] for one in listed)
    assert len(listed) == 3
    assert frames_of(run, "H12") == []
    frame = run.get(f"frames/{listed[1]['id']}")
    place = "&".join(f"{name}={text}" for name, text in frame["place"].items())
    assert run.get(f"experiments/1/frames?{place}")["frames"] == listed
    assert frame["count"] == listed[1]["count"]
    assert frame["elapsed_h"] == listed[1]["elapsed_h"]
    assert (frame["height_px"], frame["width_px"]) == (SIZE_PX, SIZE_PX)


def test_the_cells_of_a_frame_are_those_of_its_count(run: Run) -> None:
    (first, *_) = frames_of(run, "A1")
    cells = run.get(f"frames/{first['id']}/cells")
    with CountStore.open(run.database, read_only=True) as store:
        kept = store.candidates(store.analysis(store.experiments()[0]), first["id"])
    assert np.array_equal(floats(cells["prominence"]), kept.prominence)
    assert np.array_equal(floats(cells["y"]), kept.y_px)
    assert int((floats(cells["prominence"]) >= np.float32(cells["h"])).sum()) == first["count"]


@pytest.mark.parametrize("frame", ["0", "999999", "-1", "x", "..%2f..%2fetc%2fpasswd", "1.5"])
@pytest.mark.parametrize("what", ["", "/cells"])
def test_a_frame_goes_by_its_number_alone(run: Run, frame: str, what: str) -> None:
    answer, content = run.ask(f"frames/{frame}{what}")
    assert answer.status in (404, 422)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert b"root:" not in content
