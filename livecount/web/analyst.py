"""The process that makes snapshots and fits, so that no page waits for them."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

from livecount.growth import GrowthRow, Window, growth_table
from livecount.platform.process import end_with_parent, lower_priority
from livecount.storage import CountStore
from livecount.tables import count_table
from livecount.web.snapshots import Snapshot, take_snapshot

__all__ = ["Analyst"]


class Analyst:
    """One child process at low priority; what it is asked is done in turn."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._pool = ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), initializer=_begin
        )

    def snapshot(self, experiment: str, analysis_id: str | None) -> Future[Snapshot]:
        """Take a snapshot of an experiment under an analysis, None for the primary one."""
        return self._pool.submit(_take, self._database, experiment, analysis_id)

    def growth(
        self, experiment: str, analysis_id: str | None, window: Window | None
    ) -> Future[list[GrowthRow]]:
        """Fit growth over a window, None for the whole run."""
        return self._pool.submit(_fit, self._database, experiment, analysis_id, window)

    def close(self) -> None:
        """End the process without waiting for what it does."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _begin() -> None:
    end_with_parent()
    lower_priority()


def _take(database: Path, name: str, analysis_id: str | None) -> Snapshot:
    with CountStore.open(database, read_only=True) as store:
        experiment = store.experiment(name)
        return take_snapshot(store, experiment, store.analysis(experiment, analysis_id))


def _fit(
    database: Path, name: str, analysis_id: str | None, window: Window | None
) -> list[GrowthRow]:
    with CountStore.open(database, read_only=True) as store:
        experiment = store.experiment(name)
        counts = count_table(store, experiment, store.analysis(experiment, analysis_id))
    return growth_table(counts, window=window)
