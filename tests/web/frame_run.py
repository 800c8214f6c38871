"""A counted folder that a server shows, and what tests of its frames ask."""

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
from playwright.sync_api import Page, expect

from tests.endtoend.program import livecount, rows_of
from tests.web.conftest import Served, served

SIZE_PX = 600


class Run:
    """A counted folder, its database, and the server that shows it."""

    def __init__(self, folder: Path, database: Path, server: Served) -> None:
        self.folder, self.database, self.server = folder, database, server

    def ask(
        self, path: str, method: str = "GET", body: Any = None, start: str = "/api/v1/"
    ) -> tuple[Any, bytes]:
        parts = urlsplit(self.server.base)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.server.token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        text = None if body is None else json.dumps(body)
        connection.request(method, f"{start}{path}", text, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content

    def get(self, path: str) -> Any:
        answer, content = self.ask(path)
        assert answer.status == 200, content
        return json.loads(content)


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path) -> Iterator[Run]:
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


def exported(run: Run, folder: Path) -> dict[str, str]:
    """Give the column corrected_count of the exported counts by source."""
    file = folder / "counts.csv"
    livecount("export", "counts", "-o", file, "--database", run.database)
    rows = rows_of(file)
    assert list(rows[0])[-2:] == ["corrected_count", "checked_by"]
    return {row["source"]: row["corrected_count"] for row in rows}


def open_frame(run: Run, page: Page, frame_id: int) -> None:
    page.goto(run.server.address)
    page.goto(f"{run.server.base}/experiments/1/frames/{frame_id}")
    expect(page.locator("#picture:not([aria-busy])")).to_be_visible()


def screen_of(page: Page, y: float, x: float) -> tuple[float, float]:
    """Give where a pixel of the fitted, square frame lies in the window."""
    box = page.locator("#picture").bounding_box()
    assert box is not None
    scale = min(box["width"], box["height"]) / SIZE_PX
    left = box["x"] + (box["width"] - SIZE_PX * scale) / 2
    top = box["y"] + (box["height"] - SIZE_PX * scale) / 2
    return left + (x + 0.5) * scale, top + (y + 0.5) * scale
