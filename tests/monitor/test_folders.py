"""What is said of watched folders, by real watchers on real folders."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import structlog.testing

from livecount.monitor.folders import say_how_it_is, state_of
from livecount.platform.files import FileStamp
from livecount.storage import CountStore
from livecount.watching import Watcher


@pytest.fixture(autouse=True)
def quiet():
    with structlog.testing.capture_logs():
        yield


def wait_until_scanned(watcher: Watcher, scans: int) -> None:
    give_up_s = time.monotonic() + 20
    while watcher.status().scans < scans and time.monotonic() < give_up_s:
        time.sleep(0.02)


def test_what_is_passed_over_is_told_until_it_is_not(tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    told: list[str] = []
    with CountStore.open(tmp_path / "run.db") as store:
        known = {b"a.tif": FileStamp(3, 3)}
        with Watcher(watched, known=known, accepts=lambda _: True, interval_s=0.1) as watcher:
            wait_until_scanned(watcher, 1)
            for _ in range(3):
                say_how_it_is(str(watched), watcher, store, told.append)
            assert len(told) == 1
            assert "mounted?" in told[0]
            assert [notice.code for notice in store.notices()] == ["not_looked_at"]
            (watched / "b.tif").write_bytes(b"1")
            watcher.scan_soon()
            wait_until_scanned(watcher, watcher.status().scans + 2)
            say_how_it_is(str(watched), watcher, store, told.append)
            assert store.notices() == []
            assert state_of(watcher).startswith("watched by")


def test_a_folder_that_is_away_is_told_once_and_when_it_is_back(tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    told: list[str] = []
    with (
        CountStore.open(tmp_path / "run.db") as store,
        Watcher(watched, known={}, accepts=lambda _: True, interval_s=0.1) as watcher,
    ):
        time.sleep(0.5)
        for _ in range(2):
            say_how_it_is(str(watched), watcher, store, told.append)
        assert len(told) == 1
        assert "cannot be reached" in told[0]
        assert state_of(watcher).startswith("offline")
        watched.mkdir()
        wait_until_scanned(watcher, 1)
        say_how_it_is(str(watched), watcher, store, told.append)
        assert told[1].endswith("can be reached again")
