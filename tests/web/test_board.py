"""What the pages are told while the database cannot be read, and once it can be again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from livecount.storage import CountStore
from livecount.web.board import Board
from tests.web.made_run import make_run


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    make_run(tmp_path / "run.db")
    made = Board(tmp_path / "run.db")
    yield made
    made.close()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_viewers_are_told_that_curves_are_old_and_when_they_are_not(
    board: Board, tmp_path: Path
) -> None:
    with CountStore.open(tmp_path / "run.db", read_only=True) as store:
        (experiment,) = store.experiments()
    board.look(experiment)
    told: list[dict[str, Any]] = []
    board.listen(experiment.name, told.append)

    def stale() -> list[str]:
        return [one["reason"] for one in told if one["kind"] == "stale"]

    files = list(tmp_path.glob("run.db*"))
    for file in files:
        file.rename(file.with_name(f"away-{file.name}"))
    wait_until(lambda: bool(stale()))
    assert "run.db" in stale()[0]
    late: list[dict[str, Any]] = []
    board.listen(experiment.name, late.append)
    assert [one["reason"] for one in late] == stale()[:1]
    for file in files:
        file.with_name(f"away-{file.name}").rename(file)
    wait_until(lambda: stale()[-1] == "")
    assert len(stale()) == 2
    assert board.look(experiment).snapshot.tracks


def test_an_experiment_that_nobody_looks_at_is_not_kept(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CountStore.open(tmp_path / "run.db", read_only=True) as store:
        (experiment,) = store.experiments()
    first = board.look(experiment)
    monkeypatch.setattr("livecount.web.board._KEPT_S", 0.0)
    wait_until(lambda: board.glance(experiment) is None)
    monkeypatch.setattr("livecount.web.board._KEPT_S", 1800.0)
    again = board.look(experiment)
    assert len(again.snapshot.tracks) == len(first.snapshot.tracks)
    assert again.number > first.number, "fits of the first must not be taken for fits of this one"
