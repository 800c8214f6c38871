"""What holds up the counting is said once, kept as a notice, and over when it is over."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog.testing

from livecount.errors import DatabaseFullError, WorkerStartError
from livecount.monitor import trouble
from livecount.monitor.trouble import Trouble
from livecount.storage import COUNTING_PAUSED, CountStore


@pytest.fixture(autouse=True)
def quiet():
    with structlog.testing.capture_logs():
        yield


def test_turns_with_nothing_due_do_not_end_it(tmp_path: Path) -> None:
    told: list[str] = []
    with CountStore.open(tmp_path / "run.db") as store:
        met = Trouble(store, told.append)
        for _ in range(3):
            met.meet(DatabaseFullError("disk full", hint="Make room"))
            met.went_well(counted=False)
        assert len(told) == 1
        (notice,) = store.notices()
        assert (notice.code, notice.until) == (COUNTING_PAUSED, None)
        met.went_well(counted=True)
        assert len(told) == 2
        assert store.notices() == []
        met.went_well(counted=True)
        assert len(told) == 2


def test_it_is_over_when_it_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    with CountStore.open(tmp_path / "run.db") as store:
        met = Trouble(store, told.append)
        met.meet(WorkerStartError("no worker"))
        monkeypatch.setattr(trouble, "_OVER_AFTER_S", -1.0)
        met.went_well(counted=False)
        assert len(told) == 2


def test_a_notice_that_the_full_disk_did_not_take_is_kept_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bool:
        raise DatabaseFullError("disk full")

    with CountStore.open(tmp_path / "run.db") as store:
        met = Trouble(store, lambda _: None)
        with monkeypatch.context() as patch:
            patch.setattr(store, "begin_notice", full)
            met.meet(DatabaseFullError("disk full"))
        assert store.notices() == []
        met.keep()
        assert len(store.notices()) == 1
