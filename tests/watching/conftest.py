"""A watcher with short times on a real folder, and a drain that plays the monitor."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog
import structlog.testing

from livecount.watching import SettleRule, Sighting, Watcher

QUICK = SettleRule(unchanged_for_s=0.1, looks=2, on_network_s=0.1, growth_every_s=0.1)

Drain = Callable[..., list[Sighting]]


def accepts(path: bytes) -> bool:
    name = path.rpartition(b"/")[2]
    return name.endswith(b".tif") and not name.startswith(b".")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep the log out of the test's output."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
def watch() -> Iterator[Callable[..., Watcher]]:
    """Start watchers that are stopped after the test."""
    with ExitStack() as running:

        def start(root: Path, **settings: Any) -> Watcher:
            chosen: dict[str, Any] = {
                "known": {},
                "accepts": accepts,
                "settle": QUICK,
                "interval_s": 0.2,
            }
            return running.enter_context(Watcher(root, **(chosen | settings)))

        yield start


@pytest.fixture
def drain() -> Drain:
    """Take and answer settled sightings until ``wanted`` came, or time is up."""

    def take(watcher: Watcher, wanted: int, timeout_s: float = 20.0) -> list[Sighting]:
        seen: list[Sighting] = []
        until_s = time.monotonic() + timeout_s
        while len(seen) < wanted and time.monotonic() < until_s:
            sighting = watcher.next_complete(0.2)
            if sighting is not None and sighting.settled:
                seen.append(sighting)
                watcher.mark_done(sighting.relative_path, sighting.stamp)
        return seen

    return take


@pytest.fixture
def until() -> Callable[..., None]:
    """Wait for a condition, for as long as a loaded machine may need."""

    def wait(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        until_s = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < until_s, "the condition did not come true"
            time.sleep(0.02)

    return wait
